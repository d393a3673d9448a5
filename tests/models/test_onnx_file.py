"""ONNX files: each family's form is recognised, put into one form, and runs; everything else is refused by name."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from helpers.onnx_graphs import make_network
from helpers.tiny import make_model as make_tiny
from lookout.core.framing import InputFormat
from lookout.core.heads import DetrHead, EndToEndHead, YoloV5Head, YoloV8Head, YoloxHead
from lookout.core.selection import Selection
from lookout.detector import open_detector
from lookout.engines import NAMES
from lookout.errors import ModelError, UsageError
from lookout.images import blank
from lookout.models.onnx_file import read_onnx
from lookout.models.onnx_heads import ONNX_FAMILIES
from lookout.models.store import load_model

INSTALLED = [name for name in NAMES if name == "opencv" or find_spec(name)]
CELLS = {(416, 416): 3549, (640, 640): 8400, (64, 96): 126}  # by height and width; strides 8, 16, 32


def network(inputs, outputs, initializers=(), metadata=None, kind=TensorProto.FLOAT):
    """An ONNX file of this input and these outputs, which nobody could run."""
    values = [
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in part.items()] for part in (inputs, outputs)
    ]
    tensors = [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in initializers]
    nodes = [helper.make_node("Identity", [next(iter(inputs))], [name]) for name in outputs if inputs]
    model = helper.make_model(helper.make_graph(nodes, "graph", *values, tensors))
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


IMAGES = {"images": [1, 3, 64, 96]}
OUTPUT = {"output": [1, 126, 85]}


def yolox():
    return network(IMAGES, OUTPUT)


LETTERBOX = InputFormat(96, 64, "letterbox", "bgr", 1.0, padding=114)
CENTRED = InputFormat(96, 64, "letterbox-centred", "rgb", 1 / 255, padding=114)
STRETCH = InputFormat(96, 64, "stretch", "rgb", 1 / 255)
FORMS = {
    "YOLOX": ([[1, 126, 85]], YoloxHead(80, strides=(8, 16, 32)), LETTERBOX),
    "YOLOX of one class": ([[1, 126, 6]], YoloxHead(1), LETTERBOX),
    "YOLOv5": ([[1, 3 * 126, 85]], YoloV5Head(80), CENTRED),
    "YOLOv5 of one class": ([[1, 3 * 126, 6]], YoloV5Head(1), CENTRED),
    "YOLOv5 P6": ([[1, 3 * (126 + 1), 85]], YoloV5Head(80), CENTRED),
    "YOLOv5 with its raw maps": (
        [[1, 378, 85], [1, 3, 8, 12, 85], [1, 3, 4, 6, 85], [1, 3, 2, 3, 85]],
        YoloV5Head(80),
        CENTRED,
    ),
    "YOLOv8": ([[1, 84, 126]], YoloV8Head(80), CENTRED),
    "YOLOv8 of two classes": ([[1, 6, 126]], YoloV8Head(2), CENTRED),
    "YOLOv8 P2": ([[1, 84, 126 + 16 * 24]], YoloV8Head(80), CENTRED),
    "YOLOv10": ([[1, 300, 6]], EndToEndHead(80), CENTRED),
    "built-in suppression of any number": ([[1, "found", 6]], EndToEndHead(80), CENTRED),
    "D-FINE": ([[1, 300, 80], [1, 300, 4]], DetrHead(80), STRETCH),
    "D-FINE of any number of queries": ([[1, "logits_dim_1", 80], [1, "boxes_dim_1", 4]], DetrHead(80), STRETCH),
    "RT-DETR of one class": ([[1, 300, 1], [1, 300, 4]], DetrHead(1), STRETCH),
}


@pytest.mark.parametrize(("outputs", "head", "input_format"), FORMS.values(), ids=FORMS)
def test_each_form_is_recognised_and_left_as_it_is(outputs, head, input_format):
    data = network(IMAGES, {f"output_{number}": shape for number, shape in enumerate(outputs)})
    found = read_onnx(data, "a.onnx")
    assert (found.head, found.input_format, found.labels) == (head, input_format, None)
    if len(outputs) < 4:
        assert found.onnx == data
    else:
        assert len(onnx.load_model_from_string(found.onnx).graph.output) == 1


@pytest.mark.parametrize("height_width", CELLS, ids=str)
@pytest.mark.parametrize("classes", [1, 80])
def test_cells_are_counted_at_each_input_size(height_width, classes):
    height, width = height_width
    data = network({"images": [1, 3, height, width]}, {"output": [1, CELLS[height_width], 5 + classes]})
    found = read_onnx(data, "a.onnx")
    assert (found.head, found.input_format.size_wh) == (YoloxHead(classes), (width, height))


def test_a_head_can_be_named_by_hand():
    data = network(IMAGES, {"output": [1, 126, 85]})  # YOLOv6 writes YOLOv5's rows, a row a cell, as YOLOX does
    assert read_onnx(data, "a.onnx", family="detr").head == DetrHead(81)
    with pytest.raises(ModelError, match="does not fit a head of the family yolov8: leave --head out"):
        read_onnx(data, "a.onnx", family="yolov8")


def test_finished_boxes_have_as_many_classes_as_there_are_labels():
    data = network(IMAGES, {"output": [1, 300, 6]})
    assert read_onnx(data, "a.onnx", classes=3).head == EndToEndHead(3)
    named = network(IMAGES, {"output": [1, 300, 6]}, metadata={"names": "{0: 'cat', 1: 'dog'}"})
    assert read_onnx(named, "a.onnx").head == EndToEndHead(2)


def test_the_names_in_the_metadata_are_the_labels():
    data = network(
        IMAGES, {"output": [1, 6, 126]}, metadata={"names": "{1: \"dog's bed\", 0: 'cat'}", "task": "detect"}
    )
    assert read_onnx(data, "a.onnx").labels == ("cat", "dog's bed")


@pytest.mark.parametrize("names", ["{0: cat}", "{1: 'cat'}", "7", "__import__('os')", "(" * 500])
def test_names_that_can_not_be_read_are_said_to_be_so(names):
    with pytest.raises(ModelError, match=r"^a\.onnx names its classes in its metadata, but not readably"):
        read_onnx(network(IMAGES, OUTPUT, metadata={"names": names}), "a.onnx")


def test_a_network_for_another_task_is_refused():
    data = network(IMAGES, {"output": [1, 116, 126]}, metadata={"task": "segment"})
    with pytest.raises(ModelError, match="is a network to segment: export one for the task detect"):
        read_onnx(data, "a.onnx")


def test_half_precision_is_refused():
    with pytest.raises(ModelError, match="does not take float32: export it without half precision"):
        read_onnx(network(IMAGES, OUTPUT, kind=TensorProto.FLOAT16), "a.onnx")


def test_weights_that_are_listed_as_inputs_are_none():
    data = network({**IMAGES, "weights": [4, 3, 1, 1]}, OUTPUT, [("weights", (4, 3, 1, 1))])
    assert read_onnx(data, "a.onnx").head == YoloxHead(80)


OTHERS = {
    "one cell too many": (IMAGES, {"output": [1, 127, 85]}),
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
        read_onnx(network(inputs, outputs), "other.onnx")
    assert str(caught.value).startswith(f"other.onnx takes {shapes[0]} and gives {shapes[1]}: ")
    assert "no detection network of a family that Lookout reads" in str(caught.value)


@pytest.mark.parametrize("data", [b"garbage, and no protocol buffer", b"\xff" * 64, b"<html>\n404", yolox()[:-1]])
def test_what_is_no_onnx_file_is_refused_as_such(data):
    with pytest.raises(ModelError, match=r"^page\.onnx is no ONNX file, or a truncated one$"):
        read_onnx(data, "page.onnx")


def test_an_empty_file_is_refused():
    with pytest.raises(ModelError, match=r"^empty\.onnx "):
        read_onnx(b"", "empty.onnx")


def outcome(data):
    """What the file is read as, or the one error that is allowed."""
    try:
        return read_onnx(data, "x.onnx")
    except ModelError as error:
        assert str(error).startswith("x.onnx ")
        return None


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(data):
    assert outcome(data) is None


RUNNING = make_network({"output": np.zeros((1, 3, 6), np.float32)}, ("batch", 3, "height", "width"))


@settings(max_examples=500)
@pytest.mark.parametrize("data", [yolox(), RUNNING], ids=["without nodes", "with nodes"])
@given(position=st.integers(0, 2**16), value=st.integers(0, 255))
def test_a_changed_byte_raises_nothing_else(data, position, value):
    changed = bytearray(data)
    changed[position % len(data)] = value
    outcome(bytes(changed))


# Networks that say a cat at (30, 20)-(50, 40) of their 96 x 64 input, through every engine.

BOX_XYWH = (40, 30, 20, 20)  # centre and size
BOX_XYXY = (30, 20, 50, 40)
IN_PARTS = (40 / 96, 30 / 64, 20 / 96, 20 / 64)
LABELS = "cat\ndog\nbird\n"


def row(length, at, values, rows):
    array = np.zeros((1, rows, length), np.float32)
    array[0, at] = values
    return array


V8 = row(7, 50, [*BOX_XYWH, 0.9, 0.1, 0.0], 126).transpose(0, 2, 1)
LOGITS = row(3, 2, [2.1972246, -9, -9], 5) + row(3, slice(None), -9, 5) * (np.arange(5) != 2)[:, None]
OPEN = ("batch", 3, "height", "width")
WHOLE = (1, 3, 64, 96)
METADATA = {"imgsz": "[64, 96]"}
RUNNABLE = {
    "yolox": make_network({"o": row(8, 17, [0.0, 2.75, np.log(2.5), np.log(2.5), 0.9, 1, 0, 0], 126)}),
    "yolov5": make_network({"o": row(8, 100, [*BOX_XYWH, 0.9, 1, 0, 0], 378)}),
    "yolov8": make_network({"o": V8}),
    "yolov8, dynamic": make_network({"o": V8}, OPEN, shapes={"o": ["batch", 7, "cells"]}, metadata=METADATA),
    "end-to-end": make_network({"o": row(6, 0, [*BOX_XYXY, 0.9, 0], 10)}),
    "D-FINE": make_network({"logits": LOGITS, "pred_boxes": row(4, 2, IN_PARTS, 5)}),
    "D-FINE, open batch": make_network(
        {"logits": LOGITS, "pred_boxes": row(4, 2, IN_PARTS, 5)},
        ("batch", 3, 64, 96),
        shapes={"logits": ["batch", 5, 3], "pred_boxes": ["batch", 5, 4]},
    ),
    "RT-DETR's own export": make_network(
        {
            "labels": np.array([[2, 0, 1]], np.int64),
            "boxes": row(4, 1, [30 / 96, 20 / 64, 50 / 96, 40 / 64], 3),
            "scores": np.array([[0.1, 0.9, 0.0]], np.float32),
        },
        scaled_by_sizes="boxes",
    ),
    "RT-DETR by Ultralytics": make_network(
        {"o": row(7, 1, [*IN_PARTS, 0.9, 0, 0], 20)}, metadata={"description": "Ultralytics RT-DETR-L model"}
    ),
}


@pytest.mark.parametrize("engine", INSTALLED)
@pytest.mark.parametrize("form", RUNNABLE)
def test_each_form_finds_the_same_in_every_engine(form, engine, tmp_path):
    path = tmp_path / "made.onnx"
    path.write_bytes(RUNNABLE[form])
    path.with_suffix(".names").write_text(LABELS)
    detector = open_detector(load_model(path), engine, threads=1, selection=Selection(0.25))
    stretched = detector.model.input_format.framing == "stretch"
    width, height = (192, 64) if stretched else (192, 128)
    (found,) = detector.detect(blank(width, height)).objects
    detector.close()
    assert (found.label, found.confidence) == ("cat", pytest.approx(0.9, abs=1e-5))
    box = [found.box.x, found.box.y, found.box.width, found.box.height]
    assert box == pytest.approx([60, 20, 40, 20] if stretched else [60, 40, 40, 40], abs=0.01)


def test_every_family_is_run():
    heads = {type(read_onnx(data, "a.onnx", classes=3).head) for data in RUNNABLE.values()}
    assert len(heads) == len(ONNX_FAMILIES)


def test_an_open_size_is_what_the_export_was_made_for_else_640():
    output = {"o": np.zeros((1, 84, 126), np.float32)}
    known = read_onnx(make_network(output, OPEN, metadata=METADATA), "a.onnx")
    assert known.input_format.size_wh == (96, 64)
    model = onnx.load_model_from_string(known.onnx)
    assert [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim] == [1, 3, 64, 96]
    queries = {"logits": np.zeros((1, 5, 3), np.float32), "boxes": np.zeros((1, 5, 4), np.float32)}
    assert read_onnx(make_network(queries, OPEN), "a.onnx").input_format.size_wh == (640, 640)


# Through the store: labels and heads that were chosen.


def onnx_file(folder, data):
    folder.mkdir(exist_ok=True)
    path = folder / "made.onnx"
    path.write_bytes(data)
    return path


def test_a_head_that_was_named_makes_another_model(tmp_path):
    rows = make_network({"o": np.zeros((1, 126, 85), np.float32)})
    path = onnx_file(tmp_path, rows)
    found = load_model(path)
    path.with_suffix(".names").write_text("\n".join(f"class {number}" for number in range(81)))
    named = load_model(path, head="detr")
    assert (found.head, named.head) == (YoloxHead(80), DetrHead(81))
    assert found.digest != named.digest


def test_a_head_is_not_named_for_what_has_one(tmp_path):
    model = load_model(onnx_file(tmp_path, make_network({"o": np.zeros((1, 126, 85), np.float32)})))
    with pytest.raises(UsageError, match="leave --labels and --head out"):
        load_model(model.folder, head="yolox")
    with pytest.raises(UsageError, match=r"tiny\.cfg says itself what head it has: leave --head out"):
        load_model(make_tiny(tmp_path / "tiny"), head="yolox")


def test_labels_are_the_chosen_ones_else_those_beside_it_else_its_own(tmp_path):
    names = {"names": "{0: 'own cat', 1: 'own dog', 2: 'own bird'}"}
    path = onnx_file(tmp_path, make_network({"o": V8}, metadata=names))
    (tmp_path / "another.names").write_text("one\ntwo\n")
    assert load_model(path).labels == ("own cat", "own dog", "own bird")
    path.with_suffix(".names").write_text(LABELS)
    assert load_model(path).labels == ("cat", "dog", "bird")
    (tmp_path / "chosen.txt").write_text("a\nb\nc\n")
    assert load_model(path, labels=tmp_path / "chosen.txt").labels == ("a", "b", "c")


@pytest.mark.parametrize("size", ["[1e999, 3]", "[0, 0]", "[-64, -64]", "[99999, 64]", "[" * 400])
def test_an_input_size_that_is_none_is_refused_or_not_believed(size):
    queries = {"logits": np.zeros((1, 5, 3), np.float32), "boxes": np.zeros((1, 5, 4), np.float32)}
    data = make_network(queries, OPEN, metadata={"imgsz": size})
    if size in ("[0, 0]", "[-64, -64]", "[99999, 64]"):
        with pytest.raises(ModelError, match="which no detection network does"):
            read_onnx(data, "a.onnx")
    else:
        assert read_onnx(data, "a.onnx").input_format.size_wh == (640, 640)


def test_half_a_surrogate_pair_is_no_name():
    data = network(IMAGES, OUTPUT, metadata={"names": "{0: '\\ud800'}"})
    with pytest.raises(ModelError, match="names its classes in its metadata, but not readably"):
        read_onnx(data, "a.onnx")


def test_weights_in_another_file_are_asked_for():
    model = onnx.load_model_from_string(make_network({"o": V8}))
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="a.onnx.data")
    with pytest.raises(ModelError, match="has its weights in another file: export it as one file"):
        read_onnx(model.SerializeToString(), "a.onnx")
