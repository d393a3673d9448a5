"""RT-DETR and D-FINE: a fixed number of queries, each a box in parts of the picture and a score a class.

Nothing is suppressed, since the training teaches each object to one query. As in their own post-processing the
scores of all queries and classes compete, and as many win as there are queries.

Sources: Zhao et al., *DETRs Beat YOLOs on Real-time Object Detection* (2023); Peng et al., *D-FINE* (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lookout.core.detections import Candidates, FloatArray
from lookout.core.heads.rows import corners, logit, shapes, sigmoid, sound


@dataclass(frozen=True, slots=True)
class DetrHead:
    """Two outputs, logits (1, queries, classes) and boxes (1, queries, 4), centre and size in parts of the input.

    Or one, as Ultralytics exports it: boxes and scores side by side, (1, queries, 4 + classes).
    """

    classes: int
    suppressed: ClassVar[bool] = True

    def decode(
        self, outputs: Sequence[FloatArray], input_wh: tuple[int, int], confidence: float, *, every_class: bool = False
    ) -> Candidates:
        """See ``heads.decode``."""
        del every_class  # as in their own post-processing, all count always
        match [output.shape for output in outputs]:
            case [(1, _, entries)] if entries == 4 + self.classes:
                boxes, scores = np.split(outputs[0][0], [4], axis=1)
                query_ids, class_ids = np.nonzero(scores > confidence)
                confidences = scores[query_ids, class_ids]
            case [(1, queries, classes), (1, boxed, 4)] if classes == self.classes and queries == boxed:
                logits, boxes = outputs[0][0], outputs[1][0]
                query_ids, class_ids = np.nonzero(logits > logit(confidence))
                confidences = sigmoid(logits[query_ids, class_ids])
            case _:
                raise ValueError(f"outputs of {shapes(outputs)} do not fit DETR with {self.classes} classes")
        best = np.argsort(-confidences, kind="stable")[: len(boxes)]
        rows = boxes[query_ids[best]]
        size = np.array(input_wh, np.float32)
        boxes_xyxy = corners(rows[:, :2] * size, rows[:, 2:4] * size)
        return sound(boxes_xyxy, confidences[best], class_ids[best], confidence)
