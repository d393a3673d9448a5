"""COCO's average precision, on cases whose answer is known beforehand, and on real networks and photographs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("faster_coco_eval", reason="the extra evaluate is not installed")

from helpers.shared import shared
from lookout.comparison.accuracy import Accuracy, judge
from lookout.comparison.coco import Annotations, Truth
from lookout.comparison.samples import Sample
from lookout.core.detections import Box, Detection
from lookout.errors import ImageError
from lookout.executions.protocol import Answer

NAMES = ("dog", "cat", "car")
STAGES = {"decode": 1.0, "preprocess": 1.0, "inference": 5.0, "postprocess": 1.0}
# Eight images, in each a small dog, a middling cat and a large car.
BOXES = {"dog": (10, 10, 20, 20), "cat": (100, 20, 60, 50), "car": (20, 150, 200, 120)}
IMAGES = {f"{number}.jpg": 100 + number for number in range(8)}


def truths(category_ids: dict[str, int]) -> Annotations:
    objects = tuple(
        Truth(image_id, category_ids[name], tuple(map(float, box)), float(box[2] * box[3]), crowd=False)
        for image_id in IMAGES.values()
        for name, box in BOXES.items()
    )
    return Annotations(Path("a.json"), IMAGES, {number: name for name, number in category_ids.items()}, objects)


def found(name: str, confidence: float = 0.9, shift: float = 0.0) -> Detection:
    x, y, width, height = BOXES[name]
    return Detection(name, confidence, Box(x + shift * width, y, width, height))


def samples(*objects: Detection) -> list[Sample]:
    return [Sample("in-process", name, 0.0, Answer(objects, 5.0, 8.0, STAGES)) for name in IMAGES]


def accuracy(
    answered: list[Sample], category_ids: dict[str, int] | None = None, wanted: tuple[str, ...] = NAMES, most: int = 100
) -> Accuracy:
    ids = category_ids or dict(zip(NAMES, (1, 2, 3), strict=True))
    return judge(truths(ids), IMAGES, {name: ids[name] for name in wanted}, answered, most)


def test_perfect_boxes_are_perfect():
    result = accuracy(samples(*map(found, NAMES)))
    assert list(dataclasses.asdict(result.precision).values()) == pytest.approx([1.0] * 6)
    assert (result.images, result.objects, result.categories, result.unknown) == (8, 24, 3, ())


def test_wrong_boxes_are_worth_nothing():
    precision = accuracy(samples(*(found(name, shift=1.5) for name in NAMES))).precision
    assert (precision.ap, precision.ap50, precision.ap75) == (0, 0, 0)


def test_right_boxes_under_wrong_labels_are_worth_nothing():
    swapped = [dataclasses.replace(found(name), label=NAMES[NAMES.index(name) - 1]) for name in NAMES]
    assert accuracy(samples(*swapped)).precision.ap == 0


def test_nothing_found_is_nothing_and_no_error():
    assert accuracy(samples()).precision.ap == 0


def test_a_box_that_is_a_little_off_counts_at_the_low_ious_only():
    precision = accuracy(samples(*(found(name, shift=0.2) for name in NAMES))).precision
    assert (precision.ap50, precision.ap75) == (pytest.approx(1), 0)  # shifted by a fifth, the IoU is 0.8 / 1.2 = 0.667
    assert precision.ap == pytest.approx(0.4)  # 0.50, 0.55, 0.60, 0.65 of ten


def test_sizes_are_told_apart():
    precision = accuracy(samples(found("cat"), found("car"))).precision
    assert (precision.ap_small, precision.ap_medium, precision.ap_large) == (0, pytest.approx(1), pytest.approx(1))
    assert precision.ap == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(4))
def test_any_ids_of_the_categories_give_the_same_figures(seed: int):
    answered = samples(found("dog"), found("cat", shift=0.2), found("car", shift=2), found("cat", 0.4))
    ids = dict(zip(NAMES, np.random.default_rng(seed).permutation(90)[:3].tolist(), strict=True))
    assert accuracy(answered, ids).precision == accuracy(answered).precision


def test_categories_without_a_label_are_left_out_and_named():
    result = accuracy(samples(found("dog"), found("car", shift=2)), wanted=("dog",))
    assert (result.precision.ap, result.unknown) == (pytest.approx(1), ("cat", "car"))
    assert (result.objects, result.categories) == (8, 1)


def test_labels_that_are_no_category_are_passed_over():
    assert accuracy(samples(*map(found, NAMES), Detection("ufo", 0.99, Box(0, 0, 9, 9)))).precision.ap == pytest.approx(
        1
    )


def test_only_the_most_confident_count():
    wrong = [found("dog", 0.95, shift=5 + number) for number in range(3)]
    assert accuracy(samples(found("dog"), *wrong), wanted=("dog",), most=3).precision.ap == 0
    assert accuracy(samples(found("dog"), *wrong), wanted=("dog",), most=4).precision.ap == pytest.approx(0.25)


def test_an_image_that_failed_lowers_the_figures():
    answered = samples(*map(found, NAMES))
    answered[3] = Sample.failed("in-process", "3.jpg", 0.0, ImageError("torn"))
    result = accuracy(answered)
    assert 0.8 < result.precision.ap < 0.9
    assert (result.images, [sample.image for sample in result.failed]) == (8, ["3.jpg"])
    assert result.to_json()["failed"] == [{"image": "3.jpg", "error": "torn"}]


def test_a_crowd_is_neither_missed_nor_wrongly_found():
    annotations = truths({"dog": 1, "cat": 2, "car": 3})
    crowd = Truth(100, 1, (300.0, 300.0, 100.0, 100.0), 10000.0, crowd=True)
    annotations = dataclasses.replace(annotations, objects=(*annotations.objects, crowd))
    inside = Detection("dog", 0.99, Box(310, 310, 20, 20))
    result = judge(annotations, IMAGES, {"dog": 1}, samples(found("dog")), 100)
    assert (result.precision.ap, result.objects) == (pytest.approx(1), 8)
    answered = samples(found("dog"))
    answered[0] = dataclasses.replace(answered[0], answer=Answer((found("dog"), inside), 5.0, 8.0, STAGES))
    assert judge(annotations, IMAGES, {"dog": 1}, answered, 100).precision.ap == pytest.approx(1)


def test_no_object_to_find_is_no_figure():
    annotations = dataclasses.replace(truths({"dog": 1, "cat": 2, "car": 3}), objects=())
    assert judge(annotations, IMAGES, {"dog": 1}, samples(found("dog")), 100).precision.ap is None


def test_times_are_those_of_the_answers():
    document = accuracy(samples(*map(found, NAMES))).to_json()
    assert (document["ms_per_image"], document["p50_ms_per_image"], document["stages_ms"]) == (8.0, 8.0, STAGES)


@pytest.mark.parametrize(
    ("network", "figure", "floor"),
    [("yolox_nano.onnx", "ap", 0.41), ("yolo-fastest-1.1-xl.cfg", "ap50", 0.545)],
)
def test_published_networks_are_as_good_as_they_are_known_to_be(network: str, figure: str, floor: float):
    import lookout
    from lookout.comparison.load import closed_loop, in_turns
    from lookout.executions.in_process import InProcessExecution

    annotations = Annotations.read(shared("coco", "instances.json"))
    images, missing = annotations.locate(shared("coco", "images"))
    assert (len(images), missing) == (64, [])
    detector = lookout.load(shared("models", network), confidence=0.001, max_detections=100)
    detector.selection = dataclasses.replace(detector.selection, every_class=True)
    answered = list(closed_loop(in_turns([InProcessExecution(detector)], list(images))))
    ids = {str(path): image_id for path, image_id in images.items()}
    result = judge(annotations, ids, annotations.category_ids(detector.model.labels), answered, 100)
    assert result.unknown == ()
    assert getattr(result.precision, figure) >= floor
