"""The folder that holds a model, ready to run."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lookout.core.framing import InputFormat
from lookout.core.heads import (
    DarknetHead,
    DetrHead,
    EndToEndHead,
    RegionLayer,
    YoloLayer,
    YoloV5Head,
    YoloV8Head,
    YoloxHead,
)
from lookout.errors import ModelError
from lookout.models.model import Model

DARKNET = DarknetHead(
    (
        YoloLayer(((10, 14), (23.5, 27.25)), classes=2, scale_x_y=1.05),
        YoloLayer(((81, 82),), classes=2, new_coords=True),
    )
)
STRETCHED = InputFormat(320, 192, "stretch", "rgb", 1 / 255)
CENTRED = InputFormat(640, 640, "letterbox-centred", "rgb", 1 / 255)
LETTERBOXED = InputFormat(416, 640, "letterbox", "bgr", 1.0, padding=7)


def model_in(folder, head=DARKNET, input_format=STRETCHED):
    return Model("net-1.1", folder, "0123abcd", input_format, head, ("naïve ☃", 'a "b"\\'))


def write(model):
    (model.folder / "model.json").write_text(model.description(), "utf-8")
    return model


@pytest.mark.parametrize(
    ("head", "input_format"),
    [
        pytest.param(DARKNET, STRETCHED, id="darknet"),
        pytest.param(YoloxHead(2), LETTERBOXED, id="yolox"),
        pytest.param(YoloxHead(2, strides=(8, 16, 32, 64)), LETTERBOXED, id="yolox with other strides"),
        pytest.param(DarknetHead((RegionLayer(((1.5, 2.25),), 2),)), CENTRED, id="region"),
        pytest.param(YoloV5Head(2), CENTRED, id="yolov5"),
        pytest.param(YoloV8Head(2), CENTRED, id="yolov8"),
        pytest.param(EndToEndHead(2), CENTRED, id="end-to-end"),
        pytest.param(DetrHead(2), STRETCHED, id="detr"),
    ],
)
def test_a_model_is_opened_as_it_was_described(tmp_path, head, input_format):
    model = write(model_in(tmp_path, head, input_format))
    opened = Model.open(tmp_path)
    assert opened == model
    assert hash(opened) == hash(model)  # tuples, and not the lists that JSON knows


def test_the_network_is_in_the_folder(tmp_path):
    assert model_in(tmp_path).network == tmp_path / "network.onnx"


def test_a_moved_folder_is_the_same_model(tmp_path):
    (tmp_path / "here").mkdir()
    model = write(model_in(tmp_path / "here"))
    there = (tmp_path / "here").rename(tmp_path / "there")
    assert Model.open(there) == dataclasses.replace(model, folder=there)


def test_the_description_is_text_that_people_read(tmp_path):
    assert "naïve ☃" in model_in(tmp_path).description()
    assert model_in(tmp_path).description().count("\n") > 20


def without(*path):
    """Remove an entry of the description."""

    def change(document):
        for name in path[:-1]:
            document = document[name]
        del document[path[-1]]

    return change


def with_value(value, *path):
    """Give an entry of the description another value."""

    def change(document):
        for name in path[:-1]:
            document = document[name]
        document[path[-1]] = value

    return change


CHANGES = {
    "no format": without("format"),
    "no labels": without("labels"),
    "no name": without("name"),
    "no digest": without("digest"),
    "no input": without("input"),
    "no width": without("input", "width"),
    "no head": without("head"),
    "no family": without("head", "family"),
    "no layers": without("head", "layers"),
    "no anchors": without("head", "layers", 0, "anchors"),
    "anchors that are no pairs": with_value([[1, 2, 3]], "head", "layers", 0, "anchors"),
    "anchors that are no numbers": with_value([["a", "b"]], "head", "layers", 0, "anchors"),
    "an unknown layer option": with_value(1, "head", "layers", 0, "mask"),
    "an unknown input option": with_value(1, "input", "colour"),
    "an unknown family": with_value("detr", "head", "family"),
    "a head that is none": with_value(None, "head"),
    "layers that are none": with_value([None], "head", "layers"),
    "labels that are none": with_value(None, "labels"),
    "no layers at all": with_value([], "head", "layers"),
    "a layer of no classes": with_value(0, "head", "layers", 0, "classes"),
    "a scale that is no number": with_value("a", "head", "layers", 0, "scale_x_y"),
    "a width that is text": with_value("64", "input", "width"),
    "a width of nothing": with_value(0, "input", "width"),
    "a width without end": with_value(10**12, "input", "width"),
    "a width that is no whole number": with_value(64.0, "input", "width"),
    "an unknown framing": with_value("nonsense", "input", "framing"),
    "unknown channels": with_value("xyz", "input", "channels"),
    "a scale of no number": with_value(float("nan"), "input", "scale"),
    "labels in one text": with_value("ab", "labels"),
    "labels that are no texts": with_value([None, {}], "labels"),
    "yolox with a stride of nothing": with_value({"family": "yolox", "classes": 2, "strides": [0]}, "head"),
    "yolox without strides": with_value({"family": "yolox", "classes": 2}, "head"),
    "yolox with one stride": with_value({"family": "yolox", "classes": 2, "strides": 8}, "head"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_broken_description_is_no_model(tmp_path, change):
    document = json.loads(model_in(tmp_path).description())
    change(document)
    (tmp_path / "model.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(ModelError, match="holds no readable model: import it again") as caught:
        Model.open(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b'"text"', b"3", b"\xff\xfe", b'{"format": 1}'])
def test_another_file_in_the_place_of_the_description_is_no_model(tmp_path, content):
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match="holds no readable model"):
        Model.open(tmp_path)


def test_every_truncated_description_is_no_model(tmp_path):
    whole = model_in(tmp_path).description().rstrip().encode()
    for length in range(0, len(whole), 7):
        (tmp_path / "model.json").write_bytes(whole[:length])
        with pytest.raises(ModelError, match="holds no readable model"):
            Model.open(tmp_path)


@pytest.mark.parametrize("place", [".", "missing"])
def test_a_folder_without_a_description_is_no_model(tmp_path, place):
    with pytest.raises(ModelError, match="holds no readable model"):
        Model.open(tmp_path / place)


def test_the_first_format_had_no_weights_of_its_own(tmp_path):
    model = model_in(tmp_path)
    document = {**json.loads(model.description()), "format": 1}
    del document["weights_bytes"]
    (tmp_path / "model.json").write_text(json.dumps(document), "utf-8")
    assert Model.open(tmp_path) == model
    assert [path.name for path in model.files] == ["network.onnx", "model.json"]


@pytest.mark.parametrize("number", [0, 3, "2"])
def test_another_format_is_named(tmp_path, number):
    document = {**json.loads(model_in(tmp_path).description()), "format": number}
    (tmp_path / "model.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(ModelError, match=f"is in format {number}; this Lookout reads 2"):
        Model.open(tmp_path)


def test_a_label_must_be_there_for_every_class(tmp_path):
    write(model_in(tmp_path, YoloxHead(3)))
    with pytest.raises(ModelError, match="2 labels for 3 classes"):
        Model.open(tmp_path)


def test_a_description_without_end_is_no_model(tmp_path):
    (tmp_path / "model.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="holds no readable model"):
        Model.open(tmp_path)
