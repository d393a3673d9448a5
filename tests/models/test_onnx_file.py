"""ONNX files: YOLOX's form is recognised, everything else is refused by name."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from lookout.core.framing import InputFormat
from lookout.core.heads import YoloxHead
from lookout.errors import ModelError
from lookout.models.onnx_file import describe_onnx

CELLS = {(416, 416): 3549, (640, 640): 8400, (64, 96): 126}  # by height and width


def network(inputs, outputs, initializers=()):
    """An ONNX file of this input and these outputs, which nobody could run."""
    values = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in part.items()]
        for part in (inputs, outputs)
    ]
    tensors = [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in initializers]
    return helper.make_model(helper.make_graph([], "graph", *values, tensors)).SerializeToString()


def yolox(height=64, width=96, cells=126, entries=85):
    return network({"images": [1, 3, height, width]}, {"output": [1, cells, entries]})


@pytest.mark.parametrize("height_width", CELLS, ids=str)
@pytest.mark.parametrize("classes", [1, 80])
def test_the_form_of_yolox_is_recognised(height_width, classes):
    height, width = height_width
    data = yolox(height, width, CELLS[height_width], 5 + classes)
    assert describe_onnx(data, "a.onnx") == (
        InputFormat(width, height, "letterbox", "bgr", 1.0, padding=114),
        YoloxHead(classes, strides=(8, 16, 32)),
    )


def test_weights_that_are_listed_as_inputs_are_none():
    data = network(
        {"images": [1, 3, 64, 96], "weights": [4, 3, 1, 1]}, {"output": [1, 126, 85]}, [("weights", (4, 3, 1, 1))]
    )
    assert describe_onnx(data, "a.onnx")[1] == YoloxHead(80)


IMAGES = {"images": [1, 3, 64, 96]}
OUTPUT = {"output": [1, 126, 85]}
OTHERS = {
    "one cell too many": (IMAGES, {"output": [1, 127, 85]}),
    "rows and columns swapped": (IMAGES, {"output": [1, 85, 126]}),
    "no classes": (IMAGES, {"output": [1, 126, 5]}),
    "a batch": ({"images": [2, 3, 64, 96]}, {"output": [2, 126, 85]}),
    "grey": ({"images": [1, 1, 64, 96]}, OUTPUT),
    "channels last": ({"images": [1, 64, 96, 3]}, OUTPUT),
    "two inputs": ({**IMAGES, "sizes": [1, 2]}, OUTPUT),
    "two outputs": (IMAGES, {**OUTPUT, "scores": [1, 126]}),
    "no input": ({}, OUTPUT),
    "no output": (IMAGES, {}),
    "a classifier": ({"images": [1, 3, 224, 224]}, {"output": [1, 1000]}),
    "an input without a shape": ({"images": None}, OUTPUT),
}


@pytest.mark.parametrize(("inputs", "outputs"), OTHERS.values(), ids=OTHERS)
def test_other_networks_are_refused_with_their_shapes(inputs, outputs):
    shapes = [[list(shape or []) for shape in part.values()] for part in (inputs, outputs)]
    with pytest.raises(ModelError) as caught:
        describe_onnx(network(inputs, outputs), "other.onnx")
    assert str(caught.value).startswith(f"other.onnx takes {shapes[0]} and gives {shapes[1]}: ")
    assert "only YOLOX's release form is known" in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        (["batch", 3, 64, 96], "[['batch', 3, 64, 96]]"),
        ([1, 3, "height", "width"], "[[1, 3, 'height', 'width']]"),
        ([1, 3, None, None], "[[1, 3, '?', '?']]"),
    ],
)
def test_a_size_that_is_not_fixed_is_refused_by_its_name(shape, shown):
    with pytest.raises(ModelError) as caught:
        describe_onnx(network({"images": shape}, OUTPUT), "dynamic.onnx")
    assert f"dynamic.onnx takes {shown}" in str(caught.value)
    assert "with a fixed size" in str(caught.value)


@pytest.mark.parametrize("data", [b"garbage, and no protocol buffer", b"\xff" * 64, b"<html>\n404", yolox()[:-1]])
def test_what_is_no_onnx_file_is_refused_as_such(data):
    with pytest.raises(ModelError, match=r"^page\.onnx is no ONNX file, or a truncated one$"):
        describe_onnx(data, "page.onnx")


def test_an_empty_file_is_refused():
    with pytest.raises(ModelError, match=r"^empty\.onnx "):
        describe_onnx(b"", "empty.onnx")


def outcome(data):
    """What YOLOX's form says, or the one error that is allowed."""
    try:
        return describe_onnx(data, "x.onnx")
    except ModelError as error:
        assert str(error).startswith("x.onnx ")
        return None


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(data):
    assert outcome(data) is None


@given(st.integers(0, len(yolox()) - 1), st.integers(0, 255))
def test_a_changed_byte_raises_nothing_else(position, value):
    data = bytearray(yolox())
    data[position] = value
    outcome(bytes(data))


def test_the_test_network_is_one_for_onnx_too():
    assert onnx.load_model_from_string(yolox()).graph.output[0].name == "output"
