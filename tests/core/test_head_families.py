"""The heads of YOLOv2, Ultralytics, end-to-end networks and DETR, against slow definitions in plain numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookout.core.heads import (
    FAMILIES,
    DarknetHead,
    DetrHead,
    EndToEndHead,
    RegionLayer,
    YoloV5Head,
    YoloV8Head,
    YoloxHead,
    decode,
    family,
)

INPUT_WH = (96, 64)
REGION = RegionLayer(((1.5, 2.0), (3.25, 0.75)), classes=3)
SEEDS = st.integers(0, 2**32 - 1)
CONFIDENCES = st.one_of(st.sampled_from([0.0, 0.25, 1.0]), st.floats(0, 1))
EDGE = 1e-5  # so near to the threshold, float32 may fall on either side of it


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def from_centre(x, y, width, height):
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def best_of(scores):
    return max(range(len(scores)), key=lambda class_id: scores[class_id])


def region_map(seed):
    rng = np.random.default_rng(seed)
    return rng.uniform(-5, 5, (1, 2 * 8, 2, 3)).astype(np.float32)


def plain_region(output):
    _, _, height, width = output.shape
    for anchor, (anchor_width, anchor_height) in enumerate(REGION.anchors):
        for y in range(height):
            for x in range(width):
                cell = [float(value) for value in output[0, anchor * 8 : anchor * 8 + 8, y, x]]
                box = from_centre(
                    (x + sigmoid(cell[0])) / width * INPUT_WH[0],
                    (y + sigmoid(cell[1])) / height * INPUT_WH[1],
                    math.exp(cell[2]) * anchor_width / width * INPUT_WH[0],
                    math.exp(cell[3]) * anchor_height / height * INPUT_WH[1],
                )
                powers = [math.exp(score) for score in cell[5:]]
                scores = [power / sum(powers) for power in powers]
                yield box, sigmoid(cell[4]) * max(scores), best_of(scores)


def pixel_boxes(rng, count):
    """Centres and sizes in input pixels."""
    return np.concatenate([rng.uniform(0, 96, (count, 2)), rng.uniform(1, 40, (count, 2))], axis=1)


def yolov5_map(seed):
    rng = np.random.default_rng(seed)
    return np.concatenate([pixel_boxes(rng, 30), rng.uniform(0, 1, (30, 4))], axis=1)[None].astype(np.float32)


def plain_yolov5(output):
    for values in output[0].tolist():
        scores = values[5:]
        yield from_centre(*values[:4]), values[4] * max(scores), best_of(scores)


def yolov8_map(seed):
    rng = np.random.default_rng(seed)
    return np.concatenate([pixel_boxes(rng, 30), rng.uniform(0, 1, (30, 3))], axis=1).T[None].astype(np.float32)


def plain_yolov8(output):
    for values in output[0].T.tolist():
        yield from_centre(*values[:4]), max(values[4:]), best_of(values[4:])


def assert_same(found, rows, confidence):
    """The same candidates in the same order, but for those at the very edge of the threshold."""
    assert (found.confidences > np.float32(confidence)).all()
    sure = found.take(np.abs(found.confidences - confidence) > EDGE)
    expected = [row for row in rows if row[1] > confidence + EDGE]
    assert sure.class_ids.tolist() == [row[2] for row in expected]
    np.testing.assert_allclose(sure.confidences, [row[1] for row in expected], atol=1e-6)
    np.testing.assert_allclose(sure.boxes_xyxy, np.array([row[0] for row in expected]).reshape(-1, 4), atol=1e-2)
    assert (sure.boxes_xyxy.dtype, sure.confidences.dtype) == (np.float32, np.float32)


CASES = {
    "region": (DarknetHead((REGION,)), region_map, plain_region),
    "yolov5": (YoloV5Head(3), yolov5_map, plain_yolov5),
    "yolov8": (YoloV8Head(3), yolov8_map, plain_yolov8),
}


@pytest.mark.parametrize(("head", "make", "plain"), CASES.values(), ids=CASES)
@given(seed=SEEDS, confidence=CONFIDENCES)
def test_rows_are_decoded_as_by_the_definition(head, make, plain, seed, confidence):
    output = make(seed)
    before = output.copy()
    assert_same(decode(head, [output], INPUT_WH, confidence), list(plain(output)), confidence)
    np.testing.assert_array_equal(output, before)


def test_region_scores_are_shares_even_of_huge_logits():
    output = np.zeros((1, 8, 1, 1), np.float32)
    output[0, 4:, 0, 0] = [50, 1000, 999, -1000]
    found = decode(DarknetHead((RegionLayer(((1.0, 1.0),), 3),)), [output], (32, 32), 0.1)
    assert found.confidences.tolist() == pytest.approx([1 / (1 + math.exp(-1))])


# End to end


def test_finished_boxes_come_out_as_they_are():
    rows = [[1, 2, 3, 4, 0.9, 2], [5, 6, 70, 80, 0.3, 0], [0, 0, 0, 0, 0, 0]]
    found = decode(EndToEndHead(3), [np.array([rows], np.float32)], INPUT_WH, 0.25)
    assert found.boxes_xyxy.tolist() == [[1, 2, 3, 4], [5, 6, 70, 80]]
    assert found.class_ids.tolist() == [2, 0]
    assert found.confidences.tolist() == pytest.approx([0.9, 0.3])


@pytest.mark.parametrize("class_id", [3, 1000, -1])
def test_a_class_that_there_is_not_is_no_object_but_an_error(class_id):
    rows = np.array([[[0, 0, 9, 9, 0.9, class_id]]], np.float32)
    with pytest.raises(ValueError, match=f"it found class {class_id}, and has 3"):
        decode(EndToEndHead(3), [rows], INPUT_WH, 0.25)
    assert len(decode(EndToEndHead(3), [rows], INPUT_WH, 0.95)) == 0


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_overflown_finished_box_is_none(place, value):
    rows = np.array([[[0, 0, 9, 9, 0.9, 1], [1, 1, 5, 5, 0.8, 1]]], np.float32)
    rows[0, 0, place] = value
    assert decode(EndToEndHead(3), [rows], INPUT_WH, 0.25).confidences.tolist() == pytest.approx([0.8])


# DETR


def plain_detr(logits, boxes, confidence):
    """All pairs of query and class over the confidence, the best first, as many as there are queries."""
    pairs = [
        (sigmoid(float(logits[0, query, class_id])), query, class_id)
        for query in range(logits.shape[1])
        for class_id in range(logits.shape[2])
    ]
    best = sorted((pair for pair in pairs if pair[0] > confidence), key=lambda pair: -pair[0])
    for score, query, class_id in best[: logits.shape[1]]:
        x, y, width, height = (float(side) for side in boxes[0, query])
        yield from_centre(x * 96, y * 64, width * 96, height * 64), score, class_id


@given(seed=SEEDS, confidence=st.sampled_from([0.05, 0.25, 0.5, 0.9]))
def test_queries_are_decoded_as_by_the_definition(seed, confidence):
    rng = np.random.default_rng(seed)
    logits = rng.uniform(-6, 3, (1, 7, 4)).astype(np.float32)
    boxes = rng.uniform(0, 1, (1, 7, 4)).astype(np.float32)
    expected = list(plain_detr(logits, boxes, confidence))
    two = decode(DetrHead(4), [logits, boxes], INPUT_WH, confidence)
    assert len(two) <= 7
    assert_same(two, expected, confidence)
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    one = decode(DetrHead(4), [np.concatenate([boxes, scores], axis=2)], INPUT_WH, confidence)
    assert_same(one, expected, confidence)


# All


WRONG = {
    "yolov5": (YoloV5Head(3), [[(1, 30, 9)], [(2, 30, 8)], [(30, 8)], [], [(1, 30, 8)] * 2]),
    "yolov8": (YoloV8Head(3), [[(1, 30, 7)], [(2, 7, 30)], [(7, 30)], [], [(1, 7, 30)] * 2]),
    "end-to-end": (EndToEndHead(3), [[(1, 30, 7)], [(2, 30, 6)], [(30, 6)], []]),
    "detr": (DetrHead(3), [[(1, 30, 8)], [(1, 30, 3), (1, 29, 4)], [(1, 30, 4), (1, 30, 4)], [], [(1, 30, 3)]]),
}


@pytest.mark.parametrize(("head", "wrong"), WRONG.values(), ids=WRONG)
def test_outputs_of_another_shape_are_refused(head, wrong):
    for shapes in wrong:
        with pytest.raises(ValueError, match=r"outputs of \[.*\] do not fit"):
            decode(head, [np.zeros(shape, np.float32) for shape in shapes], INPUT_WH, 0.25)


ANY = st.lists(st.floats(width=32), min_size=14, max_size=14)
ANYTHING = {
    "region": (DarknetHead((RegionLayer(((1.5, 2.0),), 2),)), [(1, 7, 1, 2)]),
    "yolov5": (YoloV5Head(2), [(1, 2, 7)]),
    "yolov8": (YoloV8Head(3), [(1, 7, 2)]),
    "detr": (DetrHead(3), [(1, 2, 3), (1, 2, 4)]),
    "detr, one output": (DetrHead(3), [(1, 2, 7)]),
}


@pytest.mark.parametrize(("head", "shapes"), ANYTHING.values(), ids=ANYTHING)
@given(values=ANY)
def test_whatever_a_network_says_becomes_finite_boxes_without_warning(head, shapes, values):
    numbers = np.array(values, np.float32)
    outputs = np.split(numbers, [6]) if len(shapes) == 2 else [numbers]
    found = decode(head, [part.reshape(shape) for part, shape in zip(outputs, shapes, strict=True)], (64, 32), 0.25)
    assert np.isfinite(found.boxes_xyxy).all()
    assert np.isfinite(found.confidences).all()


def test_families_and_who_suppresses_by_itself():
    heads = [DarknetHead((REGION,)), YoloxHead(1), YoloV5Head(1), YoloV8Head(1), EndToEndHead(1), DetrHead(1)]
    assert [family(head) for head in heads] == list(FAMILIES)
    assert [head.suppressed for head in heads] == [False, False, False, False, True, True]
