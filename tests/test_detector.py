"""The detector, from image bytes to objects: on made networks, and on real ones against OpenCV 4's own answers."""

from __future__ import annotations

import dataclasses
import json
import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

import lookout
from helpers.darknet_weights import make_weights
from helpers.shared import shared
from lookout import images
from lookout.core.detections import Box, Detection
from lookout.core.framing import InputFormat
from lookout.core.heads import DarknetHead, YoloLayer, YoloxHead
from lookout.core.selection import Selection
from lookout.core.suppression import iou
from lookout.detector import Detector, Result, open_detector
from lookout.engines import NAMES, choose
from lookout.errors import EngineError, ImageError, ModelError, UsageError
from lookout.models.model import Model
from lookout.models.store import load_model

INSTALLED = [name for name in NAMES if name == "opencv" or find_spec(name)]
STAGES = ["decode", "preprocess", "inference", "postprocess"]
LABELS = ("cat", "dog")


def as_png(picture):
    return cv2.imencode(".png", picture)[1].tobytes()


def noise(width, height, seed=0):
    """A picture of something: soft spots of every colour."""
    spots = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)


# A detector around a network that says what the test wants.


class FakeEngine:
    """Says the same whatever it sees, and remembers what that was."""

    name = "fake"

    def __init__(self, *outputs):
        self.outputs = outputs
        self.blobs = []
        self.closed = False

    def infer(self, blob):
        self.blobs.append(blob)
        return list(self.outputs)

    def close(self):
        self.closed = True


DARKNET = Model(
    "fake-darknet",
    Path("nowhere"),
    "digest",
    InputFormat(64, 32, "stretch", "rgb", 1 / 255),
    DarknetHead((YoloLayer(((16.0, 16.0),), 2),)),
    LABELS,
)
YOLOX = Model(
    "fake-yolox", Path("nowhere"), "digest", InputFormat(64, 64, "letterbox", "bgr", 1.0), YoloxHead(2), LABELS
)


def logit(probability):
    return math.log(probability / (1 - probability))


def darknet_output(*cells):
    """A map of 4 x 2 cells of 16 pixels: in each of these (x, y, objectness) a dog of the anchor's size."""
    output = np.full((1, 7, 2, 4), -20, np.float32)
    for x, y, objectness in cells:
        output[0, :, y, x] = [0, 0, 0, 0, logit(objectness), -20, 20]
    return output


def yolox_output(x, y, objectness):
    """84 cells: one of stride 8 holds a cat, twice as wide as high."""
    output = np.zeros((1, 64 + 16 + 4, 7), np.float32)
    output[0, 8 * y + x] = [0.5, 0.5, math.log(2), 0, objectness, 1, 0]
    return output


def assert_object(found, label, confidence, box):
    assert found.label == label
    assert found.confidence == pytest.approx(confidence, abs=1e-5)
    assert [found.box.x, found.box.y, found.box.width, found.box.height] == pytest.approx(box, abs=0.01)


def test_a_stretched_box_comes_back_in_pixels_of_the_picture():
    result = Detector(DARKNET, FakeEngine(darknet_output((1, 1, 0.8)))).detect(as_png(noise(640, 480)))
    assert len(result.objects) == 1
    assert_object(result.objects[0], "dog", 0.8, [160, 240, 160, 240])


def test_a_letterboxed_box_comes_back_in_pixels_of_the_picture():
    result = Detector(YOLOX, FakeEngine(yolox_output(2, 3, 0.75))).detect(as_png(noise(640, 480)))
    assert len(result.objects) == 1
    assert_object(result.objects[0], "cat", 0.75, [120, 240, 160, 80])


def test_a_box_over_the_edge_is_cut():
    result = Detector(YOLOX, FakeEngine(yolox_output(0, 5, 0.75))).detect(as_png(noise(640, 480)))
    assert_object(result.objects[0], "cat", 0.75, [0, 400, 120, 80])


def test_objects_are_plain_numbers_and_text():
    (found,) = Detector(DARKNET, FakeEngine(darknet_output((1, 1, 0.8)))).detect(noise(64, 32)).objects
    assert {type(side) for side in (found.box.x, found.box.y, found.box.width, found.box.height)} == {float}
    assert (type(found.confidence), type(found.label)) == (float, str)


def test_the_most_confident_comes_first():
    output = darknet_output((0, 0, 0.5), (2, 0, 0.9), (1, 1, 0.7))
    result = Detector(DARKNET, FakeEngine(output)).detect(noise(64, 32))
    assert [round(found.confidence, 3) for found in result.objects] == [0.9, 0.7, 0.5]


@pytest.mark.parametrize(("confidence", "count"), [(0.0, 3), (0.25, 3), (0.6, 2), (0.8, 1), (0.95, 0), (1.0, 0)])
def test_objects_score_over_the_confidence(confidence, count):
    output = darknet_output((0, 0, 0.5), (2, 0, 0.9), (1, 1, 0.7))
    detector = Detector(DARKNET, FakeEngine(output), Selection(confidence, iou=1.0))
    assert len(detector.detect(noise(64, 32)).objects) == count


def test_boxes_of_one_label_that_overlap_are_one_object():
    output = darknet_output((1, 0, 0.9), (2, 0, 0.7))
    output[0, 2, 0, 1:3] = math.log(4)  # four cells wide, a cell apart: three fifths in common
    assert len(Detector(DARKNET, FakeEngine(output), Selection(iou=0.59)).detect(noise(64, 32)).objects) == 1
    assert len(Detector(DARKNET, FakeEngine(output), Selection(iou=0.61)).detect(noise(64, 32)).objects) == 2


def test_the_network_is_fed_as_its_model_says():
    engine = FakeEngine(darknet_output())
    picture = noise(130, 70)
    Detector(DARKNET, engine).detect(as_png(picture))
    small = cv2.resize(picture, (64, 32), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(engine.blobs[0][0], small[:, :, ::-1].transpose(2, 0, 1) / 255, atol=1e-6)


@pytest.mark.parametrize("data", [b"", b"no image", as_png(noise(64, 32))[:-20]])
def test_what_is_no_image_does_not_reach_the_network(data):
    engine = FakeEngine(darknet_output())
    with pytest.raises(ImageError):
        Detector(DARKNET, engine).detect(data)
    assert engine.blobs == []


@pytest.mark.parametrize("outputs", [[], [darknet_output()] * 2, [np.zeros((1, 8, 2, 4), np.float32)]])
def test_a_network_that_is_not_as_described_is_named(outputs):
    with pytest.raises(ModelError, match="fake-darknet is not what its description says"):
        Detector(DARKNET, FakeEngine(*outputs)).detect(noise(64, 32))


def test_an_engines_error_comes_through():
    class Refusing(FakeEngine):
        def infer(self, blob):
            raise EngineError("no memory")

    with pytest.raises(EngineError, match="no memory"):
        Detector(DARKNET, Refusing()).detect(noise(64, 32))


def test_a_network_of_no_numbers_fails():
    output = np.full((1, 7, 2, 4), np.nan, np.float32)
    output[..., 1:3] = np.inf
    with pytest.raises(ModelError, match="fake-darknet computes what is no number"):
        Detector(DARKNET, FakeEngine(output)).detect(noise(64, 32))


def test_an_object_in_the_padding_alone_is_none():
    result = Detector(YOLOX, FakeEngine(yolox_output(2, 7, 0.75))).detect(as_png(noise(640, 320)))
    assert result.objects == ()


def test_warming_up_runs_the_network_once():
    engine = FakeEngine(yolox_output(0, 0, 0.9))
    Detector(YOLOX, engine).warm_up()
    assert [blob.shape for blob in engine.blobs] == [(1, 3, 64, 64)]


def test_closing_closes_the_engine():
    engine = FakeEngine()
    Detector(YOLOX, engine).close()
    assert engine.closed


def test_every_stage_is_timed():
    detector = Detector(DARKNET, FakeEngine(darknet_output()))
    data = as_png(noise(64, 32))
    first, second = detector.detect(data), detector.detect(data)
    assert list(first.timings) == STAGES
    assert all(ms > 0 for ms in first.timings.values())
    assert first.timings is not second.timings
    third, fourth = (detector.detect(images.decode(data).pixels_bgr) for _ in range(2))
    assert list(third.timings) == STAGES[1:]
    assert third.timings is not fourth.timings


def test_a_result_as_json():
    objects = (Detection("hot dog", 0.98765432, Box(1.234, 2, 3.456, 4)), Detection("cat", 0.5, Box(0, 0, 1, 1)))
    timings_ms = {"decode": 1.23456, "preprocess": 0.5, "inference": 20.00049, "postprocess": 0.1}
    document = Result(objects, timings_ms).to_json()
    assert document == {
        "objects": [
            {"label": "hot dog", "accuracy": 0.987654, "box": [1.23, 2, 3.46, 4]},
            {"label": "cat", "accuracy": 0.5, "box": [0, 0, 1, 1]},
        ],
        "inference_time": 20.0,
        "timings": {"decode": 1.235, "preprocess": 0.5, "inference": 20.0, "postprocess": 0.1},
    }
    assert json.loads(json.dumps(document)) == document


def test_nothing_found_as_json():
    document = Detector(DARKNET, FakeEngine(darknet_output())).detect(as_png(noise(64, 32))).to_json()
    assert set(document) == {"objects", "inference_time", "timings"}
    assert document["objects"] == []
    assert document["inference_time"] == document["timings"]["inference"]


# A made network in every engine.

CFG = """\
[net]
width=96
height=64
[convolutional]
filters=16
size=3
stride=4
pad=1
activation=leaky
[convolutional]
batch_normalize=1
filters=16
size=3
stride=4
pad=1
activation=mish
[convolutional]
filters=14
activation=linear
[yolo]
classes=2
anchors=20,24, 40,30
"""
SENSITIVE = 0.05  # noise for weights finds little, and is not sure of it


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model of made weights."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "made.cfg").write_text(CFG)
    (folder / "made.weights").write_bytes(make_weights(CFG))
    (folder / "made.names").write_text("cat\ndog\n")
    return load_model(folder / "made.cfg", cache=folder / "cache")


@pytest.fixture(params=INSTALLED)
def engine(request):
    return request.param


def detect_all(detector, pictures):
    return [detector.detect(data).objects for data in pictures]


PICTURES = [as_png(noise(160 + 16 * number, 120, seed=number)) for number in range(12)]


def test_a_detector_used_from_several_threads_finds_what_it_finds_alone(made, engine):
    detector = open_detector(made, engine, threads=1, selection=Selection(SENSITIVE))
    alone = detect_all(detector, PICTURES)
    assert sum(map(len, alone)) >= len(PICTURES)
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda data: detector.detect(data).objects, PICTURES * 8))
    detector.close()
    assert together == alone * 8


def test_engines_agree_on_a_made_network(made):
    answers = {}
    for name in INSTALLED:
        detector = open_detector(made, name, threads=1, selection=Selection(SENSITIVE))
        answers[name] = detect_all(detector, PICTURES)
        detector.close()
    for name in INSTALLED:
        compare(answers["opencv"], answers[name], SENSITIVE, confidence=1e-3, overlap=0.99, edge=0)


def test_a_detector_is_opened_with_what_holds_everywhere(made):
    detector = open_detector(made)
    assert (detector.engine.name, detector.selection.confidence, detector.selection.iou) == (choose(), 0.25, 0.45)
    assert detector.model is made
    detector.warm_up()
    detector.close()


def test_a_model_whose_network_is_broken_is_refused(tmp_path, engine):
    (tmp_path / "network.onnx").write_bytes(b"no network")
    with pytest.raises(EngineError, match="can't load the network"):
        open_detector(Model("broken", tmp_path, "", DARKNET.input_format, DARKNET.head, LABELS), engine)


# Real networks on photographs. OpenCV 4.14 read the Darknet files itself; its boxes are rounded to hundredths.

REAL = ("yolo-fastest-1.1", "yolo-fastest-1.1-xl")
EDGE = 0.01  # objects as near as this to the threshold may be found or not


def photographs():
    paths = sorted(shared("coco", "images").glob("*.jpg"))
    assert len(paths) == 64
    return [path.read_bytes() for path in paths]


@cache
def real_answers(model, engine, threads):
    suffix = ".cfg" if model in REAL else ".onnx"
    detector = open_detector(load_model(shared("models", model + suffix)), engine, threads=threads)
    answers = detect_all(detector, photographs())
    detector.close()
    return answers


@cache
def golden_answers(model):
    documents = json.loads(shared("golden", "opencv4_detections.json").read_text())[model]
    return [
        [Detection(found["label"], found["confidence"], Box(*found["box_xywh"])) for found in documents[name]]
        for name in sorted(documents)
    ]


def box_iou(one, other):
    first, second = (np.array([[box.x, box.y, box.x + box.width, box.y + box.height]]) for box in (one, other))
    return float(iou(first, second)[0, 0])


def take_match(found, others, confidence, overlap):
    """Remove the object's counterpart from the others; tell whether there is one."""
    for other in others:
        alike = found.label == other.label and abs(found.confidence - other.confidence) <= confidence
        if alike and box_iou(found.box, other.box) > overlap:
            others.remove(other)
            return True
    return False


def compare(expected, found, threshold, *, confidence, overlap, edge):
    """Each object has its counterpart, but for at most ``edge`` of all at the threshold's edge."""
    assert len(expected) == len(found)
    unmatched = []
    for one_image, other_image in zip(expected, found, strict=True):
        rest = list(other_image)
        unmatched += [one for one in one_image if not take_match(one, rest, confidence, overlap)]
        unmatched += rest
    assert [one for one in unmatched if one.confidence > threshold + EDGE] == []
    assert len(unmatched) <= edge, unmatched


@pytest.mark.parametrize("model", REAL)
def test_real_networks_find_what_opencv_4_found(model, engine):
    golden = golden_answers(model)
    assert sum(map(len, golden)) > 100
    compare(golden, real_answers(model, engine, 2), 0.25, confidence=0.01, overlap=0.95, edge=2)


@pytest.mark.parametrize("model", REAL)
def test_one_and_two_threads_find_the_same_to_the_last_bit(model, engine):
    assert real_answers(model, engine, 1) == real_answers(model, engine, 2)


@pytest.mark.parametrize("model", [*REAL, "yolox_nano"])
def test_engines_agree_on_real_networks(model, engine):
    """The same labels, confidences within a thousandth, boxes within a pixel, on all 64 images."""
    expected, found = real_answers(model, "opencv", 2), real_answers(model, engine, 2)
    assert sum(map(len, expected)) > 100
    for one_image, other_image in zip(expected, found, strict=True):
        rest = list(other_image)
        for one in one_image:
            rest.remove(next(other for other in rest if is_same_object(one, other)))
        assert rest == []


def is_same_object(one, other):
    sides = zip(dataclasses.astuple(one.box), dataclasses.astuple(other.box), strict=True)
    return (
        one.label == other.label
        and abs(one.confidence - other.confidence) <= 1e-3
        and all(abs(a - b) <= 1 for a, b in sides)
    )


def test_a_higher_confidence_finds_the_surer_of_the_same_objects():
    detector = open_detector(load_model(shared("models", "yolo-fastest-1.1.cfg")), threads=2, selection=Selection(0.6))
    expected = [
        tuple(one for one in objects if one.confidence > 0.6)
        for objects in real_answers("yolo-fastest-1.1", choose(), 2)[:16]
    ]
    assert detect_all(detector, photographs()[:16]) == expected
    detector.close()


# The Python face: what it takes, and what it gives.


def test_a_path_bytes_and_pixels_of_an_image_give_the_same(tmp_path):
    detector = Detector(DARKNET, FakeEngine(darknet_output((1, 1, 0.8))))
    path = tmp_path / "picture.png"
    path.write_bytes(as_png(noise(640, 480)))
    found = [
        detector.detect(image).objects
        for image in (path, str(path), path.read_bytes(), images.decode(path.read_bytes()).pixels_bgr)
    ]
    assert len(found[0]) == 1
    assert found == found[:1] * 4


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"nowhere\.jpg can't be read: No such file"):
        Detector(DARKNET, FakeEngine()).detect(tmp_path / "nowhere.jpg")


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_an_array_that_is_no_image_is_refused(pixels):
    engine = FakeEngine(darknet_output())
    with pytest.raises(ImageError, match=r"is no image: give uint8 \(height, width, 3\)"):
        Detector(DARKNET, engine).detect(pixels)
    assert engine.blobs == []


def test_an_annotated_picture_is_a_copy_with_a_box_where_the_object_is():
    picture = noise(640, 480)
    result = Detector(DARKNET, FakeEngine(darknet_output((1, 1, 0.8)))).detect(picture)
    drawn = result.annotated()
    assert drawn.shape == picture.shape
    changed = (drawn != picture).any(axis=2)
    assert changed[240:480, 158:322].any()
    assert not changed[240:480, 340:].any()
    from_bytes = Detector(DARKNET, FakeEngine(darknet_output((1, 1, 0.8)))).detect(as_png(picture))
    np.testing.assert_array_equal(from_bytes.annotated(), drawn)


def test_a_result_without_an_image_says_so():
    with pytest.raises(ValueError, match="knows no image"):
        Result(()).annotated()


def test_only_the_classes_that_are_wanted_and_only_so_many():
    output = darknet_output((0, 0, 0.5), (2, 0, 0.9), (1, 1, 0.7))  # dogs
    assert (
        Detector(DARKNET, FakeEngine(output), Selection(class_ids=frozenset({0}))).detect(noise(64, 32)).objects == ()
    )
    two = Detector(DARKNET, FakeEngine(output), Selection(max_detections=2)).detect(noise(64, 32)).objects
    assert [round(found.confidence, 3) for found in two] == [0.9, 0.7]


def test_loading_by_name_of_file_engine_and_classes(made):
    cfg = made.folder.parents[2] / "made.cfg"
    detector = lookout.load(cfg, engine="opencv", threads=1, confidence=SENSITIVE, classes=["dog"], max_detections=3)
    assert detector.selection == Selection(SENSITIVE, 0.45, frozenset({1}), 3)
    found = [one for objects in detect_all(detector, PICTURES) for one in objects]
    assert {one.label for one in found} == {"dog"}
    with pytest.raises(UsageError, match=r"made knows no class 'dg': name its own labels, such as dog"):
        lookout.load(cfg, classes=["dg"])
