"""Darknet: the ``[yolo]`` sections of YOLOv3, v4 and v7, and YOLOv2's ``[region]``.

Sources: Redmon and Farhadi, *YOLO9000* (2016) and *YOLOv3* (2018); AlexeyAB/darknet ``region_layer.c``, and
``yolo_layer.c`` for ``scale_x_y`` and ``new_coords``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lookout.core.detections import Candidates, FloatArray
from lookout.core.heads.rows import classify, corners, logit, overflow_is_fine, sigmoid


@dataclass(frozen=True, slots=True)
class YoloLayer:
    """One ``[yolo]`` section.

    ``anchors`` are the sizes, in input pixels, that its mask selects. ``new_coords`` (YOLOv4-csp and v7)
    means that the network's own last activation has already squashed its outputs.
    """

    anchors: tuple[tuple[float, float], ...]
    classes: int
    scale_x_y: float = 1.0
    new_coords: bool = False


@dataclass(frozen=True, slots=True)
class RegionLayer:
    """One ``[region]`` section. ``anchors`` are sizes in cells; a softmax makes scores of the classes' logits."""

    anchors: tuple[tuple[float, float], ...]
    classes: int


@dataclass(frozen=True, slots=True)
class DarknetHead:
    """The ``[yolo]`` or ``[region]`` layers of a Darknet network, one to each of its outputs, in order."""

    layers: tuple[YoloLayer | RegionLayer, ...]
    suppressed: ClassVar[bool] = False

    @property
    def classes(self) -> int:
        """How many labels the network knows."""
        return self.layers[0].classes

    def decode(
        self, outputs: Sequence[FloatArray], input_wh: tuple[int, int], confidence: float, *, every_class: bool = False
    ) -> Candidates:
        """See ``heads.decode``."""
        if len(outputs) != len(self.layers):
            raise ValueError(f"the network has {len(outputs)} outputs, its head {len(self.layers)} layers")
        parts = [
            classify(*darknet_rows(layer, output, input_wh, confidence), confidence, every_class=every_class)
            for layer, output in zip(self.layers, outputs, strict=True)
        ]
        return Candidates.join(parts)


@overflow_is_fine
def darknet_rows(
    layer: YoloLayer | RegionLayer, output: FloatArray, input_wh: tuple[int, int], objectness_over: float = 0.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The rows of one layer whose objectness is over ``objectness_over``.

    ``output`` is the raw map (1, anchors * (5 + classes), height, width). Returns boxes_xyxy (n, 4) in input
    pixels, objectness (n,) and class scores (n, classes), the latter not yet multiplied by the objectness.
    Rows run over anchors, then cells.
    """
    anchor_count, entries = len(layer.anchors), 5 + layer.classes
    if output.ndim != 4 or output.shape[:2] != (1, anchor_count * entries):
        raise ValueError(f"a map of {output.shape} does not fit {anchor_count} anchors of {entries} entries")
    grid_height, grid_width = output.shape[2:]
    cells = output.reshape(anchor_count, entries, grid_height * grid_width)
    squashed = isinstance(layer, YoloLayer) and layer.new_coords
    anchor_ids, cell_ids = np.nonzero(cells[:, 4] > (objectness_over if squashed else logit(objectness_over)))
    rows = cells[anchor_ids, :, cell_ids]
    cell_wh = np.array([input_wh[0] / grid_width, input_wh[1] / grid_height], np.float32)
    cell_xy = np.stack([cell_ids % grid_width, cell_ids // grid_width], axis=1).astype(np.float32)
    anchors = np.array(layer.anchors, np.float32)[anchor_ids]
    if isinstance(layer, RegionLayer):
        boxes_xyxy = corners((cell_xy + sigmoid(rows[:, :2])) * cell_wh, np.exp(rows[:, 2:4]) * anchors * cell_wh)
        return boxes_xyxy, sigmoid(rows[:, 4]), _softmax(rows[:, 5:])
    squash = _same if squashed else sigmoid
    shift = np.float32(0.5 * (layer.scale_x_y - 1))
    centres = (cell_xy + squash(rows[:, :2]) * np.float32(layer.scale_x_y) - shift) * cell_wh
    growth = (rows[:, 2:4] * 2) ** 2 if squashed else np.exp(rows[:, 2:4])
    return corners(centres, growth * anchors), squash(rows[:, 4]), squash(rows[:, 5:])


def _softmax(logits: FloatArray) -> FloatArray:
    """Over the last axis; the largest is taken off first, so that nothing overflows."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _same(x: FloatArray) -> FloatArray:
    return x
