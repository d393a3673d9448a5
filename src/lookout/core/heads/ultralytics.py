"""The ONNX exports of Ultralytics' YOLOs without built-in suppression: boxes in pixels, all squashed already.

Source: the documentation of Ultralytics' export and the shapes that it publishes. With built-in suppression
they write the rows of :mod:`lookout.core.heads.end_to_end`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lookout.core.detections import Candidates, FloatArray
from lookout.core.heads.rows import classify, corners, shapes


@dataclass(frozen=True, slots=True)
class YoloV5Head:
    """YOLOv5's and YOLOv7's one output (1, rows, 5 + classes): centre, size, objectness, class scores."""

    classes: int
    suppressed: ClassVar[bool] = False

    def decode(
        self, outputs: Sequence[FloatArray], input_wh: tuple[int, int], confidence: float, *, every_class: bool = False
    ) -> Candidates:
        """See ``heads.decode``."""
        del input_wh  # boxes are in its pixels already
        if len(outputs) != 1 or outputs[0].ndim != 3 or outputs[0].shape[::2] != (1, 5 + self.classes):
            raise ValueError(f"outputs of {shapes(outputs)} do not fit YOLOv5 with {self.classes} classes")
        rows = outputs[0][0]
        rows = rows[rows[:, 4] > confidence]
        return classify(
            corners(rows[:, :2], rows[:, 2:4]), rows[:, 4], rows[:, 5:], confidence, every_class=every_class
        )


@dataclass(frozen=True, slots=True)
class YoloV8Head:
    """The one output (1, 4 + classes, cells) of YOLOv8, v11 and later: a column a cell, no objectness."""

    classes: int
    suppressed: ClassVar[bool] = False

    def decode(
        self, outputs: Sequence[FloatArray], input_wh: tuple[int, int], confidence: float, *, every_class: bool = False
    ) -> Candidates:
        """See ``heads.decode``."""
        del input_wh  # boxes are in its pixels already
        if len(outputs) != 1 or outputs[0].ndim != 3 or outputs[0].shape[:2] != (1, 4 + self.classes):
            raise ValueError(f"outputs of {shapes(outputs)} do not fit YOLOv8 with {self.classes} classes")
        columns = outputs[0][0]
        rows = columns[:, columns[4:].max(axis=0) > confidence].T
        certain = np.ones(len(rows), np.float32)
        return classify(corners(rows[:, :2], rows[:, 2:4]), certain, rows[:, 4:], confidence, every_class=every_class)
