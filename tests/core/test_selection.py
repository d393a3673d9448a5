"""Which candidates are objects: order, thresholds, classes, number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookout.core.detections import Candidates
from lookout.core.selection import Selection
from lookout.errors import UsageError

# Few places and scores, so that ties and overlaps are common.
SIDES = st.sampled_from([0.0, 4.0, 5.0, 8.0, 10.0])
ROWS = st.lists(st.tuples(SIDES, SIDES, st.sampled_from([0.1, 0.25, 0.5, 0.9]), st.integers(0, 3)), max_size=12)
SELECTIONS = st.builds(
    Selection,
    confidence=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    iou=st.sampled_from([0.0, 0.45, 1.0]),
    class_ids=st.one_of(st.none(), st.frozensets(st.integers(0, 4))),
    max_detections=st.integers(1, 12),
)


def candidates(rows):
    boxes_xyxy = np.array([[x, y, x + 6, y + 6] for x, y, _, _ in rows], np.float32).reshape(-1, 4)
    confidences = np.array([row[2] for row in rows], np.float32)
    return Candidates(boxes_xyxy, confidences, np.array([row[3] for row in rows], np.intp))


def as_rows(found):
    return list(zip(found.boxes_xyxy.tolist(), found.confidences.tolist(), found.class_ids.tolist(), strict=True))


@given(ROWS, SELECTIONS, st.booleans())
def test_what_is_selected_is_what_was_asked_for(rows, selection, suppressed):
    found = selection.of(candidates(rows), suppressed=suppressed)
    assert len(found) <= selection.max_detections
    assert (found.confidences > selection.confidence).all()
    assert selection.class_ids is None or set(found.class_ids.tolist()) <= selection.class_ids
    assert (np.diff(found.confidences) <= 0).all()
    assert set(map(repr, as_rows(found))) <= set(map(repr, as_rows(candidates(rows))))


@given(ROWS, SELECTIONS, st.booleans(), st.randoms())
def test_the_order_of_the_candidates_does_not_matter_and_twice_is_as_good_as_once(rows, selection, suppressed, random):
    found = selection.of(candidates(rows), suppressed=suppressed)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert as_rows(selection.of(candidates(shuffled), suppressed=suppressed)) == as_rows(found)
    assert as_rows(selection.of(found, suppressed=suppressed)) == as_rows(found)


def test_of_more_than_the_maximum_the_most_confident_stay():
    rows = [(20.0 * n, 0.0, n / 10, 0) for n in range(10)]
    found = Selection(0.0, max_detections=3).of(candidates(rows))
    assert np.round(found.confidences, 1).tolist() == [np.float32(0.9), np.float32(0.8), np.float32(0.7)]


def test_a_class_that_is_not_wanted_suppresses_nothing():
    rows = [(0.0, 0.0, 0.9, 0), (0.0, 0.0, 0.5, 1)]
    assert Selection(class_ids=frozenset({1})).of(candidates(rows)).class_ids.tolist() == [1]


def test_what_a_network_has_suppressed_itself_is_left_alone():
    twice = candidates([(0.0, 0.0, 0.9, 0), (0.0, 0.0, 0.5, 0)])
    assert len(Selection().of(twice)) == 1
    assert len(Selection().of(twice, suppressed=True)) == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"confidence": -0.1},
        {"confidence": 1.1},
        {"confidence": np.nan},
        {"iou": np.nan},
        {"iou": 2},
        {"max_detections": 0},
        {"max_detections": -1},
    ],
)
def test_senseless_settings_are_refused_by_name(settings):
    with pytest.raises(UsageError, match=f"^{next(iter(settings))} is "):
        Selection(**settings)
