"""Intersection over union, and greedy non-maximum suppression per class."""

from __future__ import annotations

import numpy as np

from lookout.core.detections import Candidates, FloatArray, IntArray


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


def suppress(candidates: Candidates, iou_threshold: float) -> Candidates:
    """The candidates that survive greedy suppression within each class, most confident first.

    The most confident stays, what overlaps it more than the threshold goes; and so on with the next that is
    left. The order of the input does not matter.
    """
    ordered = by_confidence(candidates)
    survivors = [
        members[_greedy(ordered.boxes_xyxy[members], iou_threshold)]
        for class_id in np.unique(ordered.class_ids)
        for members in [np.flatnonzero(ordered.class_ids == class_id)]
    ]
    if not survivors:
        return ordered
    return ordered.take(np.sort(np.concatenate(survivors)))


def by_confidence(candidates: Candidates) -> Candidates:
    """Most confident first; equals by class and box, so that the answer never hangs on the input's order."""
    keys = [*candidates.boxes_xyxy.T, candidates.class_ids, -candidates.confidences]
    return candidates.take(np.lexsort(keys))


def _greedy(boxes_xyxy: FloatArray, iou_threshold: float) -> IntArray:
    """The indices that survive, of boxes ordered by confidence."""
    alive = np.arange(len(boxes_xyxy))
    kept = []
    while alive.size:
        best, rest = alive[0], alive[1:]
        kept.append(best)
        overlaps = iou(boxes_xyxy[best : best + 1], boxes_xyxy[rest])[0]
        alive = rest[overlaps <= iou_threshold]
    return np.array(kept, np.intp)


def _areas(boxes_xyxy: FloatArray) -> FloatArray:
    sides = np.clip(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0, None)
    areas: FloatArray = sides[:, 0] * sides[:, 1]
    return areas
