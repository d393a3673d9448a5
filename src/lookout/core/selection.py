"""Which of a network's candidates are objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookout.core.detections import CONFIDENCE, IOU, Candidates
from lookout.core.suppression import by_confidence, suppress
from lookout.errors import UsageError

MAX_DETECTIONS = 300


@dataclass(frozen=True, slots=True)
class Selection:
    """What a candidate must be, to be an object.

    ``confidence``: what it must score over. ``iou``: how much two boxes of one class may overlap before the
    less confident goes. ``class_ids``: the classes wanted; None for all. ``max_detections``: of more, the most
    confident stay. ``every_class``: a box counts as each class that scores high enough, not only as its best; so
    that a network's average precision is measured.
    """

    confidence: float = CONFIDENCE
    iou: float = IOU
    class_ids: frozenset[int] | None = None
    max_detections: int = MAX_DETECTIONS
    every_class: bool = False

    def __post_init__(self) -> None:
        for name, value in (("confidence", self.confidence), ("iou", self.iou)):
            if not 0 <= value <= 1:  # nor is not-a-number
                raise UsageError(f"{name} is {value}: give a number from 0 to 1")
        if self.max_detections < 1:
            raise UsageError(f"max_detections is {self.max_detections}: give 1 or more")

    def of(self, candidates: Candidates, *, suppressed: bool = False) -> Candidates:
        """The objects among candidates, most confident first.

        ``suppressed``: the network has listed each object once already.

        >>> boxes = np.array([[0, 0, 9, 9], [1, 0, 9, 9], [0, 0, 9, 9]], np.float32)
        >>> found = Candidates(boxes, np.array([0.5, 0.9, 0.1], np.float32), np.array([7, 7, 8]))
        >>> Selection().of(found).class_ids.tolist()
        [7]
        """
        wanted = candidates.confidences > self.confidence
        if self.class_ids is not None:
            wanted &= np.isin(candidates.class_ids, list(self.class_ids))
        left = candidates.take(wanted)
        if not suppressed:
            return suppress(left, self.iou, self.max_detections)
        return by_confidence(left).take(np.arange(min(len(left), self.max_detections)))
