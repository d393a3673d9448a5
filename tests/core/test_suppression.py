"""Suppression against its definition, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookout.core.detections import Candidates
from lookout.core.suppression import iou, suppress

# Whole pixels and few confidences: ties are common, and every area is exact in float32.
PIXEL = st.integers(0, 24)
SIDE = st.integers(0, 16)
CONFIDENCE = st.sampled_from([0.25, 0.5, 0.75, 0.875, 1.0])
ROWS = st.lists(st.tuples(PIXEL, PIXEL, SIDE, SIDE, CONFIDENCE, st.integers(0, 2)), max_size=25)
THRESHOLDS = st.sampled_from([0.0, 0.2, 0.45, 0.5, 0.9, 1.0])


def candidates(rows):
    boxes_xyxy = np.array([[x, y, x + w, y + h] for x, y, w, h, *_ in rows], np.float32).reshape(-1, 4)
    confidences = np.array([row[4] for row in rows], np.float32)
    return Candidates(boxes_xyxy, confidences, np.array([row[5] for row in rows], np.intp))


def as_rows(found):
    boxes = map(tuple, found.boxes_xyxy.tolist())
    return list(zip(found.confidences.tolist(), found.class_ids.tolist(), boxes, strict=True))


def plain_iou(one, other):
    sides = [max(0, min(one[i + 2], other[i + 2]) - max(one[i], other[i])) for i in (0, 1)]
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    union = sum(areas) - sides[0] * sides[1]
    return sides[0] * sides[1] / union if union > 0 else 0.0


def plain_suppress(found, threshold):
    """Each row against all that were kept before it; the most confident first, then by class and box."""
    kept = []
    rows = sorted(as_rows(found), key=lambda row: (-row[0], row[1], row[2][::-1]))
    for confidence, class_id, box in rows:
        rivals = [other for _, other_class, other in kept if other_class == class_id]
        if all(plain_iou(box, other) <= threshold for other in rivals):
            kept.append((confidence, class_id, box))
    return kept


@given(ROWS, THRESHOLDS)
def test_survivors_are_those_of_the_definition(rows, threshold):
    found = candidates(rows)
    assert as_rows(suppress(found, threshold)) == plain_suppress(found, threshold)


@given(st.integers(0, 2**32 - 1), THRESHOLDS, st.integers(1, 400))
def test_many_survivors_too_are_those_of_the_definition(seed, threshold, most):
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, 60, (300, 2)), rng.integers(0, 16, (300, 2)), rng.choice([0.3, 0.5, 0.7], (300, 1))
    rows = np.concatenate([*columns, rng.integers(0, 2, (300, 1))], axis=1).tolist()
    expected = plain_suppress(candidates(rows), threshold)
    assert as_rows(suppress(candidates(rows), threshold)) == expected
    assert as_rows(suppress(candidates(rows), threshold, most)) == expected[:most]


@given(ROWS, THRESHOLDS)
def test_suppressing_twice_changes_nothing(rows, threshold):
    once = suppress(candidates(rows), threshold)
    assert as_rows(suppress(once, threshold)) == as_rows(once)


@given(ROWS, THRESHOLDS, st.randoms())
def test_the_order_of_the_input_does_not_matter(rows, threshold, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert as_rows(suppress(candidates(shuffled), threshold)) == as_rows(suppress(candidates(rows), threshold))


@given(ROWS)
def test_a_threshold_of_one_keeps_all(rows):
    assert len(suppress(candidates(rows), 1.0)) == len(rows)


def test_an_overlap_of_exactly_the_threshold_stays():
    pair = candidates([(0, 0, 2, 2, 0.75, 0), (0, 1, 2, 2, 0.5, 0)])  # they share a third
    assert len(suppress(pair, 1 / 3)) == 2
    assert len(suppress(pair, 0.33)) == 1


def test_one_that_was_suppressed_suppresses_none():
    chain = candidates([(0, 0, 10, 10, 1.0, 0), (4, 0, 10, 10, 0.75, 0), (8, 0, 10, 10, 0.5, 0)])
    assert suppress(chain, 0.4).boxes_xyxy[:, 0].tolist() == [0, 8]


def test_labels_do_not_suppress_each_other():
    pair = candidates([(0, 0, 9, 9, 0.5, 1), (0, 0, 9, 9, 0.75, 0), (0, 0, 9, 9, 0.25, 1)])
    assert as_rows(suppress(pair, 0.5)) == [(0.75, 0, (0, 0, 9, 9)), (0.5, 1, (0, 0, 9, 9))]


def test_nothing_stays_nothing():
    assert len(suppress(candidates([]), 0.45)) == 0


def test_the_input_is_left_as_it_was():
    found = candidates([(0, 0, 9, 9, 0.25, 1), (0, 0, 9, 9, 0.75, 1)])
    before = as_rows(found)
    suppress(found, 0.5)
    assert as_rows(found) == before


@given(ROWS, ROWS)
def test_iou_is_that_of_the_definition(rows, others):
    one, other = candidates(rows).boxes_xyxy, candidates(others).boxes_xyxy
    expected = [[plain_iou(a, b) for b in other.tolist()] for a in one.tolist()]
    ratios = iou(one, other)
    assert ratios.shape == (len(rows), len(others))
    np.testing.assert_allclose(ratios, np.array(expected).reshape(ratios.shape), rtol=1e-6)
    np.testing.assert_array_equal(ratios.T, iou(other, one))


@pytest.mark.parametrize("box", [[3, 3, 3, 3], [3, 3, 3, 9], [5, 5, 2, 2]])
def test_iou_of_boxes_without_area_is_nothing(box):
    without_area = np.array([box], np.float32)
    whole = np.array([[0, 0, 9, 9]], np.float32)
    assert iou(without_area, without_area).tolist() == [[0]]
    assert iou(without_area, whole).tolist() == [[0]]


@given(st.lists(st.tuples(*[st.floats(0, 2**20, width=32)] * 4), min_size=1, max_size=6))
def test_iou_is_between_nothing_and_one(corners):
    boxes_xyxy = np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in corners], np.float32)
    ratios = iou(boxes_xyxy, boxes_xyxy)
    assert (ratios >= 0).all()
    assert (ratios <= 1 + 1e-5).all()
