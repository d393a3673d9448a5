"""YOLOX: no anchors, one box a cell, in cells and the logarithm of cells.

Source: Ge et al., *YOLOX* (2021), and the ``demo_postprocess`` of its release.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from lookout.core.detections import Candidates, FloatArray
from lookout.core.heads.rows import classify, corners, shapes

YOLOX_STRIDES = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class YoloxHead:
    """YOLOX's one output (1, cells, 5 + classes): all cells of one stride after those of the one before."""

    classes: int
    strides: tuple[int, ...] = YOLOX_STRIDES
    suppressed: ClassVar[bool] = False

    def decode(
        self, outputs: Sequence[FloatArray], input_wh: tuple[int, int], confidence: float, *, every_class: bool = False
    ) -> Candidates:
        """See ``heads.decode``."""
        cells = grid_cells(input_wh, self.strides)
        if len(outputs) != 1 or outputs[0].shape != (1, cells, 5 + self.classes):
            raise ValueError(
                f"outputs of {shapes(outputs)} do not fit YOLOX with {cells} cells and {self.classes} classes"
            )
        cell_xy, strides = _grid(input_wh, self.strides)
        kept = np.flatnonzero(outputs[0][0, :, 4] > confidence)
        rows, stride = outputs[0][0, kept], strides[kept]
        boxes_xyxy = corners((rows[:, :2] + cell_xy[kept]) * stride, np.exp(rows[:, 2:4]) * stride)
        return classify(boxes_xyxy, rows[:, 4], rows[:, 5:], confidence, every_class=every_class)


def grid_cells(input_wh: tuple[int, int], strides: Sequence[int]) -> int:
    """How many cells the grids of these strides have at this input size.

    >>> grid_cells((416, 416), (8, 16, 32))
    3549
    """
    return sum((input_wh[0] // stride) * (input_wh[1] // stride) for stride in strides)


@cache
def _grid(input_wh: tuple[int, int], strides: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Each cell's corner (n, 2) in cells, and its stride (n, 1) in pixels."""
    corner_xy, scales = [], []
    for stride in strides:
        y, x = np.mgrid[: input_wh[1] // stride, : input_wh[0] // stride]
        corner_xy.append(np.stack([x.ravel(), y.ravel()], axis=1))
        scales.append(np.full((x.size, 1), stride))
    return np.concatenate(corner_xy).astype(np.float32), np.concatenate(scales).astype(np.float32)
