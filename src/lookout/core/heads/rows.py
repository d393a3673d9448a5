"""What the families share: from rows of boxes and scores to candidates.

Most cells of an output hold nothing, so the decoders look at the objectness first and do the exponentials only
for what can still reach the wanted confidence (a confidence is objectness times a class score, and never more
than either).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lookout.core.detections import Candidates, FloatArray, IntArray

# No picture has so many pixels a side, and the area of such a box is still a float32.
_LARGEST = 1e9

# An exponential may overflow: 1 / (1 + inf) is the right 0, and a box of that size a row that ``sound`` drops.
overflow_is_fine = np.errstate(over="ignore", invalid="ignore")


def classify(
    boxes_xyxy: FloatArray,
    objectness: FloatArray,
    class_scores: FloatArray,
    confidence: float,
    *,
    every_class: bool = False,
) -> Candidates:
    """One candidate a row, its best class, where that scores over ``confidence``; or one of every class that does.

    ``boxes_xyxy`` (n, 4), ``objectness`` (n,), ``class_scores`` (n, classes).
    """
    if every_class:
        scores = objectness[:, None] * class_scores
        row_ids, class_ids = np.nonzero(scores > confidence)
        return sound(boxes_xyxy[row_ids], scores[row_ids, class_ids], class_ids, confidence)
    class_ids = class_scores.argmax(axis=1)
    confidences = objectness * class_scores[np.arange(len(class_ids)), class_ids]
    return sound(boxes_xyxy, confidences, class_ids, confidence)


def sound(boxes_xyxy: FloatArray, confidences: FloatArray, class_ids: IntArray, confidence: float) -> Candidates:
    """The candidates over ``confidence``, without the rows of a network that overflowed: no inf or nan is an object."""
    candidates = Candidates(boxes_xyxy, confidences, class_ids)
    finite = (np.abs(boxes_xyxy) < _LARGEST).all(axis=1) & np.isfinite(confidences)
    return candidates.take(finite & (confidences > confidence))


def corners(centres: FloatArray, sizes: FloatArray) -> FloatArray:
    """Boxes (n, 4) as left, top, right, bottom, of centres (n, 2) and sizes (n, 2)."""
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)


def shapes(outputs: Sequence[FloatArray]) -> str:
    """The outputs' shapes, for an error."""
    return str([tuple(output.shape) for output in outputs])


def sigmoid(x: FloatArray) -> FloatArray:
    """From a logit to a probability, float32."""
    return np.float32(1) / (np.float32(1) + np.exp(-x))


def logit(probability: float) -> float:
    """The inverse of the sigmoid: minus infinity at 0, infinity at 1."""
    with np.errstate(divide="ignore"):
        return float(np.log(np.float64(probability) / (1 - np.float64(probability))))
