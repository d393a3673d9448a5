"""Detections and their JSON form; candidates as arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookout.core.detections import Box, Candidates, Detection

PIXELS = st.floats(0, 1e5)
DETECTIONS = st.builds(Detection, st.text(), st.floats(0, 1), st.builds(Box, PIXELS, PIXELS, PIXELS, PIXELS))
DOCUMENT = {"label": "cat", "accuracy": 0.5, "box": [1, 2, 3, 4]}


def travel(detection):
    return Detection.from_json(json.loads(json.dumps(detection.to_json())))


@given(DETECTIONS)
def test_json_brings_back_what_means_something(detection):
    back = travel(detection)
    assert back.label == detection.label
    assert back.confidence == pytest.approx(detection.confidence, rel=0, abs=0.6e-6)
    for side in ("x", "y", "width", "height"):
        assert getattr(back.box, side) == pytest.approx(getattr(detection.box, side), rel=0, abs=0.006)


@given(DETECTIONS)
def test_json_loses_nothing_the_second_time(detection):
    once = travel(detection)
    assert travel(once) == once


def test_json_is_rounded_to_a_millionth_and_a_hundredth_of_a_pixel():
    detection = Detection("hot dog", 0.12345678, Box(1.2345, 2.999, 100 / 3, 0.004))
    assert detection.to_json() == {"label": "hot dog", "accuracy": 0.123457, "box": [1.23, 3.0, 33.33, 0.0]}


def test_json_is_read_into_floats():
    detection = Detection.from_json({**DOCUMENT, "accuracy": 1})
    assert detection == Detection("cat", 1.0, Box(1.0, 2.0, 3.0, 4.0))
    assert type(detection.confidence) is type(detection.box.x) is float


def test_what_json_has_besides_is_passed_over():
    assert Detection.from_json({**DOCUMENT, "colour": "black"}) == Detection.from_json(DOCUMENT)


BROKEN = [
    {},
    {"label": "cat", "accuracy": 0.5},
    {"label": "cat", "box": [1, 2, 3, 4]},
    {"accuracy": 0.5, "box": [1, 2, 3, 4]},
    {**DOCUMENT, "box": [1, 2, 3]},
    {**DOCUMENT, "box": [1, 2, 3, 4, 5]},
    {**DOCUMENT, "box": None},
    {**DOCUMENT, "box": "1 2 3 4"},
    {**DOCUMENT, "box": [1, 2, 3, "wide"]},
    {**DOCUMENT, "box": [1, 2, 3, [4]]},
    {**DOCUMENT, "accuracy": "sure"},
    {**DOCUMENT, "accuracy": None},
    {**DOCUMENT, "accuracy": 10**400},
    [],
    "cat",
    None,
]


@pytest.mark.parametrize("document", BROKEN, ids=lambda document: json.dumps(document)[:60])
def test_other_json_is_refused(document):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Detection.from_json(document)


def candidates(*confidences):
    count = len(confidences)
    boxes_xyxy = np.arange(4 * count, dtype=np.float32).reshape(count, 4)
    return Candidates(boxes_xyxy, np.array(confidences, np.float32), np.arange(count))


@pytest.mark.parametrize(
    ("boxes", "classes"),
    [((1, 4), (2,)), ((2, 4), (1,)), ((2, 5), (2,)), ((2, 4), (2, 1)), ((8,), (2,))],
)
def test_candidates_whose_arrays_do_not_fit_cannot_be_made(boxes, classes):
    with pytest.raises(ValueError, match="2 confidences do not fit"):
        Candidates(np.zeros(boxes, np.float32), np.zeros(2, np.float32), np.zeros(classes, np.intp))


def test_taking_by_mask_and_by_order():
    three = candidates(0.25, 0.5, 0.75)
    assert three.take(np.array([True, False, True])).confidences.tolist() == [0.25, 0.75]
    turned = three.take(np.array([2, 0]))
    assert turned.confidences.tolist() == [0.75, 0.25]
    assert turned.class_ids.tolist() == [2, 0]
    assert turned.boxes_xyxy.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]


def test_joining_keeps_the_order():
    joined = Candidates.join([candidates(0.25), candidates(), candidates(0.5, 0.75)])
    assert joined.confidences.tolist() == [0.25, 0.5, 0.75]
    assert joined.class_ids.tolist() == [0, 0, 1]
    assert joined.boxes_xyxy.tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]]


def test_joining_nothing_gives_no_candidates():
    nothing = Candidates.join([])
    assert len(nothing) == 0
    assert (nothing.boxes_xyxy.dtype, nothing.confidences.dtype) == (np.float32, np.float32)
    assert nothing.class_ids.dtype == np.intp
