"""Intersection over union, and greedy non-maximum suppression per class."""

from __future__ import annotations

import numpy as np

from lookout.core.detections import BoolArray, Candidates, FloatArray, IntArray

# Candidates that are compared with each other at once: enough to make the loop short, few enough for the cache.
_BLOCK = 64


def iou(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> FloatArray:
    """Intersection over union of each of ``boxes_xyxy`` (n, 4) with each of ``others_xyxy`` (m, 4): (n, m).

    Two boxes without area have an IoU of 0.

    >>> a = np.array([[0, 0, 2, 2]], np.float32)
    >>> iou(a, np.array([[1, 0, 3, 2], [5, 5, 6, 6]], np.float32)).round(3).tolist()
    [[0.3330000042915344, 0.0]]
    """
    top_left = np.maximum(boxes_xyxy[:, None, :2], others_xyxy[None, :, :2])
    bottom_right = np.minimum(boxes_xyxy[:, None, 2:], others_xyxy[None, :, 2:])
    sides = np.clip(bottom_right - top_left, 0, None)
    overlap = sides[..., 0] * sides[..., 1]
    union = _areas(boxes_xyxy)[:, None] + _areas(others_xyxy)[None, :] - overlap
    ratio: FloatArray = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return ratio


def suppress(candidates: Candidates, iou_threshold: float, most: int | None = None) -> Candidates:
    """The candidates that survive greedy suppression within each class, most confident first.

    The most confident stays, what overlaps it more than the threshold goes; and so on with the next that is
    left. The order of the input does not matter. ``most``: how many to find; the rest is not looked at.
    """
    ordered = by_confidence(candidates)
    most = len(ordered) if most is None else most
    survivors = np.empty(0, np.intp)
    for start in range(0, len(ordered), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(ordered)))
        if survivors.size:
            block = block[~_overlap(ordered, survivors, block, iou_threshold).any(axis=0)]
        survivors = np.concatenate([survivors, block[_greedy(_overlap(ordered, block, block, iou_threshold))]])
        if len(survivors) >= most:
            break
    return ordered.take(survivors[:most])


def by_confidence(candidates: Candidates) -> Candidates:
    """Most confident first; equals by class and box, so that the answer never hangs on the input's order."""
    order = np.argsort(-candidates.confidences)
    sorted_confidences = candidates.confidences[order]
    if (sorted_confidences[1:] == sorted_confidences[:-1]).any():
        order = np.lexsort([*candidates.boxes_xyxy.T, candidates.class_ids, -candidates.confidences])
    return candidates.take(order)


def _overlap(candidates: Candidates, rows: IntArray, columns: IntArray, iou_threshold: float) -> BoolArray:
    """Whether each of ``rows`` overlaps each of ``columns`` too much, and is of its class."""
    too_much = iou(candidates.boxes_xyxy[rows], candidates.boxes_xyxy[columns]) > iou_threshold
    same_class: BoolArray = candidates.class_ids[rows][:, None] == candidates.class_ids[columns]
    return too_much & same_class


def _greedy(overlap: BoolArray) -> BoolArray:
    """Which survive, of candidates in order, given what overlaps what."""
    later = np.triu(overlap, 1)
    alive = np.ones(len(overlap), np.bool_)
    for index in np.flatnonzero(later.any(axis=1)):  # the others suppress nothing
        if alive[index]:
            alive[later[index]] = False
    return alive


def _areas(boxes_xyxy: FloatArray) -> FloatArray:
    sides = np.clip(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0, None)
    areas: FloatArray = sides[:, 0] * sides[:, 1]
    return areas
