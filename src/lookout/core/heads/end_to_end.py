"""Networks that suppress by themselves: a short list of finished boxes, best first, filled up with zeros.

YOLOv10 and YOLO26 write it, Ultralytics' exports with ``nms=True``, and RT-DETR's and D-FINE's own exports once
their three outputs are joined (:mod:`lookout.models.onnx_file`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lookout.core.detections import Candidates, FloatArray
from lookout.core.heads.rows import shapes, sound


@dataclass(frozen=True, slots=True)
class EndToEndHead:
    """One output (1, n, 6): left, top, right, bottom in input pixels, confidence, class."""

    classes: int
    suppressed: ClassVar[bool] = True

    def decode(
        self, outputs: Sequence[FloatArray], input_wh: tuple[int, int], confidence: float, *, every_class: bool = False
    ) -> Candidates:
        """See ``heads.decode``."""
        del input_wh, every_class  # boxes are in its pixels already, and have one class each
        if len(outputs) != 1 or outputs[0].ndim != 3 or outputs[0].shape[::2] != (1, 6):
            raise ValueError(f"outputs of {shapes(outputs)} do not fit rows of box, confidence and class")
        rows = outputs[0][0]
        rows = rows[(rows[:, 4] > confidence) & np.isfinite(rows[:, 5])]
        class_ids = rows[:, 5]
        known = (class_ids >= 0) & (class_ids < self.classes)
        if not known.all():
            raise ValueError(f"it found class {class_ids[~known][0]:g}, and has {self.classes}, counted from 0")
        return sound(rows[:, :4], rows[:, 4], class_ids.astype(np.intp), confidence)
