"""Raw network outputs -> candidates: one function a family of networks.

A *head* describes how a family writes down what it found. Candidates come back in pixels of the network's
input; :mod:`lookout.core.framing` takes them to the picture.

Most cells of an output hold nothing, so the decoders look at the objectness first and do the exponentials
only for what can still reach the wanted confidence (a confidence is objectness times a class score, and
never more than either).

Sources: Redmon and Farhadi, *YOLOv3* (2018); AlexeyAB/darknet ``yolo_layer.c`` for ``scale_x_y`` and
``new_coords``; Ge et al., *YOLOX* (2021) and its ``demo_postprocess``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lookout.core.detections import Candidates, FloatArray

YOLOX_STRIDES = (8, 16, 32)

# No picture has so many pixels a side, and the area of such a box is still a float32.
_LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class YoloLayer:
    """One Darknet ``[yolo]`` section.

    ``anchors`` are the sizes, in input pixels, that its mask selects. ``new_coords`` (YOLOv4-csp and v7)
    means that the network's own last activation has already squashed its outputs.
    """

    anchors: tuple[tuple[float, float], ...]
    classes: int
    scale_x_y: float = 1.0
    new_coords: bool = False


@dataclass(frozen=True, slots=True)
class DarknetHead:
    """The ``[yolo]`` layers of a Darknet network, one to each of its outputs, in order."""

    layers: tuple[YoloLayer, ...]

    @property
    def classes(self) -> int:
        """How many labels the network knows."""
        return self.layers[0].classes


@dataclass(frozen=True, slots=True)
class YoloxHead:
    """YOLOX's one output (1, cells, 5 + classes): all cells of one stride after those of the one before."""

    classes: int
    strides: tuple[int, ...] = YOLOX_STRIDES


Head = DarknetHead | YoloxHead


# An exponential may overflow: 1 / (1 + inf) is the right 0, and a box of that size a row that _best_class drops.
_overflow_is_fine = np.errstate(over="ignore", invalid="ignore")


@_overflow_is_fine
def decode(head: Head, outputs: Sequence[FloatArray], input_wh: tuple[int, int], confidence: float) -> Candidates:
    """The candidates whose best class scores over ``confidence``.

    ``outputs`` are the network's, in its order. Raises ``ValueError`` when they don't have the head's shape.
    """
    if isinstance(head, YoloxHead):
        return _decode_yolox(head, outputs, input_wh, confidence)
    if len(outputs) != len(head.layers):
        raise ValueError(f"the network has {len(outputs)} outputs, its head {len(head.layers)} layers")
    parts = [
        _best_class(*darknet_rows(layer, output, input_wh, confidence), confidence)
        for layer, output in zip(head.layers, outputs, strict=True)
    ]
    return Candidates.join(parts)


@_overflow_is_fine
def darknet_rows(
    layer: YoloLayer, output: FloatArray, input_wh: tuple[int, int], objectness_over: float = 0.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The rows of one ``[yolo]`` layer whose objectness is over ``objectness_over``.

    ``output`` is the raw map (1, anchors * (5 + classes), height, width). Returns boxes_xyxy (n, 4) in input
    pixels, objectness (n,) and class scores (n, classes), the latter not yet multiplied by the objectness.
    Rows run over anchors, then cells.
    """
    anchor_count, entries = len(layer.anchors), 5 + layer.classes
    if output.ndim != 4 or output.shape[:2] != (1, anchor_count * entries):
        raise ValueError(f"a map of {output.shape} does not fit {anchor_count} anchors of {entries} entries")
    grid_height, grid_width = output.shape[2:]
    cells = output.reshape(anchor_count, entries, grid_height * grid_width)
    squash = _same if layer.new_coords else _sigmoid
    floor = objectness_over if layer.new_coords else _logit(objectness_over)
    anchor_ids, cell_ids = np.nonzero(cells[:, 4] > floor)
    rows = cells[anchor_ids, :, cell_ids]
    corners = np.stack([cell_ids % grid_width, cell_ids // grid_width], axis=1).astype(np.float32)
    shift = np.float32(0.5 * (layer.scale_x_y - 1))
    cell_wh = np.array([input_wh[0] / grid_width, input_wh[1] / grid_height], np.float32)
    centres = (corners + squash(rows[:, :2]) * np.float32(layer.scale_x_y) - shift) * cell_wh
    growth = (rows[:, 2:4] * 2) ** 2 if layer.new_coords else np.exp(rows[:, 2:4])
    sizes = growth * np.array(layer.anchors, np.float32)[anchor_ids]
    boxes_xyxy = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    return boxes_xyxy, squash(rows[:, 4]), squash(rows[:, 5:])


def yolox_cells(input_wh: tuple[int, int], strides: Sequence[int]) -> int:
    """How many cells YOLOX has at this input size.

    >>> yolox_cells((416, 416), (8, 16, 32))
    3549
    """
    return sum((input_wh[0] // stride) * (input_wh[1] // stride) for stride in strides)


def _decode_yolox(
    head: YoloxHead, outputs: Sequence[FloatArray], input_wh: tuple[int, int], confidence: float
) -> Candidates:
    cells = yolox_cells(input_wh, head.strides)
    if len(outputs) != 1 or outputs[0].shape != (1, cells, 5 + head.classes):
        shapes = [output.shape for output in outputs]
        raise ValueError(f"outputs of {shapes} do not fit YOLOX with {cells} cells and {head.classes} classes")
    corners, strides = _yolox_grid(input_wh, head.strides)
    kept = np.flatnonzero(outputs[0][0, :, 4] > confidence)
    rows, stride = outputs[0][0, kept], strides[kept]
    centres = (rows[:, :2] + corners[kept]) * stride
    sizes = np.exp(rows[:, 2:4]) * stride
    boxes_xyxy = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    return _best_class(boxes_xyxy, rows[:, 4], rows[:, 5:], confidence)


def _yolox_grid(input_wh: tuple[int, int], strides: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """Each cell's corner (n, 2) in cells, and its stride (n, 1) in pixels."""
    corners, scales = [], []
    for stride in strides:
        y, x = np.mgrid[: input_wh[1] // stride, : input_wh[0] // stride]
        corners.append(np.stack([x.ravel(), y.ravel()], axis=1))
        scales.append(np.full((x.size, 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(scales).astype(np.float32)


def _best_class(
    boxes_xyxy: FloatArray, objectness: FloatArray, class_scores: FloatArray, confidence: float
) -> Candidates:
    """One candidate a row: its best class, where that scores over ``confidence``."""
    class_ids = class_scores.argmax(axis=1)
    confidences = objectness * class_scores[np.arange(len(class_ids)), class_ids]
    candidates = Candidates(boxes_xyxy, confidences, class_ids)
    # A network that overflowed says inf or nan somewhere; no such row is an object.
    sound = (np.abs(boxes_xyxy) < _LARGEST).all(axis=1) & np.isfinite(confidences)
    return candidates.take(sound & (confidences > confidence))


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.float32(1) / (np.float32(1) + np.exp(-x))


def _same(x: FloatArray) -> FloatArray:
    return x


def _logit(probability: float) -> float:
    """The inverse of the sigmoid: minus infinity at 0, infinity at 1."""
    with np.errstate(divide="ignore"):
        return float(np.log(np.float64(probability) / (1 - np.float64(probability))))
