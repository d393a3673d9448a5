"""Which family's head an ONNX network has, told by the shapes of its outputs.

At 640 x 640 a network with strides 8, 16 and 32 has 8400 cells, and the families write them down as

===========  =========================  ==============================================
yolox        (1, 8400, 5 + classes)     one row a cell
yolov5       (1, 25200, 5 + classes)    three rows a cell, one an anchor
yolov8       (1, 4 + classes, 8400)     one column a cell, no objectness
end-to-end   (1, n, 6)                  finished boxes
detr         (1, q, classes), (1, q, 4) queries; as one output (1, q, 4 + classes) only by name
===========  =========================  ==============================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from lookout.core.framing import InputFormat
from lookout.core.heads import (
    YOLOX_STRIDES,
    DetrHead,
    EndToEndHead,
    Head,
    YoloV5Head,
    YoloV8Head,
    YoloxHead,
    grid_cells,
)

OnnxFamily = Literal["yolox", "yolov5", "yolov8", "end-to-end", "detr"]
ONNX_FAMILIES: tuple[OnnxFamily, ...] = ("yolox", "yolov5", "yolov8", "end-to-end", "detr")

Shapes = Sequence[Sequence[int | str]]

# Networks for large pictures add a coarser grid, those for small objects a finer one.
_STRIDES = (YOLOX_STRIDES, (*YOLOX_STRIDES, 64), (4, *YOLOX_STRIDES))


def recognise(outputs: Shapes, input_wh: tuple[int, int], classes: int | None) -> Head | None:
    """The head of the first family that the shapes fit; None where none does.

    ``classes``: how many labels are known from elsewhere; only a network that lists finished boxes needs it.
    A size in ``outputs`` that is not fixed is a name.
    """
    heads = (head_of(family, outputs, input_wh, classes) for family in ONNX_FAMILIES)
    return next((head for head in heads if head is not None and not _one_output_detr(head, outputs)), None)


def head_of(family: OnnxFamily, outputs: Shapes, input_wh: tuple[int, int], classes: int | None) -> Head | None:
    """The head of this family; None where the shapes don't fit it."""
    return _READERS[family](outputs, input_wh, classes)


def input_format_of(head: Head, input_wh: tuple[int, int]) -> InputFormat:
    """How the family's published networks want to be fed."""
    match head:
        case YoloxHead():
            return InputFormat(*input_wh, "letterbox", "bgr", 1.0)
        case DetrHead():
            return InputFormat(*input_wh, "stretch", "rgb", 1 / 255)
    return InputFormat(*input_wh, "letterbox-centred", "rgb", 1 / 255)


def _yolox(outputs: Shapes, input_wh: tuple[int, int], classes: int | None) -> Head | None:
    del classes
    match outputs:
        case [[1, int(rows), int(entries)]] if entries > 5 and rows == grid_cells(input_wh, YOLOX_STRIDES):
            return YoloxHead(entries - 5)
    return None


def _yolov5(outputs: Shapes, input_wh: tuple[int, int], classes: int | None) -> Head | None:
    del classes
    match outputs:
        case [[1, int(rows), int(entries)]] if entries > 5 and rows in [3 * cells for cells in _cells(input_wh)]:
            return YoloV5Head(entries - 5)
    return None


def _yolov8(outputs: Shapes, input_wh: tuple[int, int], classes: int | None) -> Head | None:
    del classes
    match outputs:
        case [[1, int(entries), int(columns)]] if entries > 4 and columns in _cells(input_wh):
            return YoloV8Head(entries - 4)
    return None


def _end_to_end(outputs: Shapes, input_wh: tuple[int, int], classes: int | None) -> Head | None:
    del input_wh
    match outputs:
        case [[1, _, 6]] if classes:
            return EndToEndHead(classes)
    return None


def _detr(outputs: Shapes, input_wh: tuple[int, int], classes: int | None) -> Head | None:
    del input_wh, classes
    match outputs:
        # Exporters may leave the number of queries open, under a name for each output.
        case [[1, queries, int(entries)], [1, boxes, 4]] if queries == boxes or {type(queries), type(boxes)} == {str}:
            return DetrHead(entries)
        case [[1, _, int(entries)]] if entries > 4:
            return DetrHead(entries - 4)
    return None


_READERS: dict[OnnxFamily, Callable[[Shapes, tuple[int, int], int | None], Head | None]] = {
    "yolox": _yolox,
    "yolov5": _yolov5,
    "yolov8": _yolov8,
    "end-to-end": _end_to_end,
    "detr": _detr,
}


def _one_output_detr(head: Head, outputs: Shapes) -> bool:
    """Rows of any length look like that one, so it must be asked for by name."""
    return isinstance(head, DetrHead) and len(outputs) == 1


def _cells(input_wh: tuple[int, int]) -> list[int]:
    return [grid_cells(input_wh, strides) for strides in _STRIDES]
