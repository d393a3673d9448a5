"""Raw network outputs -> candidates: one module a family of networks.

A *head* describes how a family writes down what it found. Candidates come back in pixels of the network's
input; :mod:`lookout.core.framing` takes them to the picture. A head that is ``suppressed`` lists each object
once by itself, and wants no non-maximum suppression after it.
"""

from __future__ import annotations

from collections.abc import Sequence

from lookout.core.detections import Candidates, FloatArray
from lookout.core.heads.darknet import DarknetHead, RegionLayer, YoloLayer, darknet_rows
from lookout.core.heads.detr import DetrHead
from lookout.core.heads.end_to_end import EndToEndHead
from lookout.core.heads.rows import overflow_is_fine
from lookout.core.heads.ultralytics import YoloV5Head, YoloV8Head
from lookout.core.heads.yolox import YOLOX_STRIDES, YoloxHead, grid_cells

__all__ = [
    "FAMILIES",
    "YOLOX_STRIDES",
    "DarknetHead",
    "DetrHead",
    "EndToEndHead",
    "Head",
    "RegionLayer",
    "YoloLayer",
    "YoloV5Head",
    "YoloV8Head",
    "YoloxHead",
    "darknet_rows",
    "decode",
    "family",
    "grid_cells",
]

Head = DarknetHead | YoloxHead | YoloV5Head | YoloV8Head | EndToEndHead | DetrHead

# The names by which heads are stored, and chosen by hand.
FAMILIES: dict[str, type[Head]] = {
    "darknet": DarknetHead,
    "yolox": YoloxHead,
    "yolov5": YoloV5Head,
    "yolov8": YoloV8Head,
    "end-to-end": EndToEndHead,
    "detr": DetrHead,
}


def family(head: Head) -> str:
    """The name of a head's family.

    >>> family(YoloxHead(80))
    'yolox'
    """
    return next(name for name, kind in FAMILIES.items() if type(head) is kind)


@overflow_is_fine
def decode(
    head: Head,
    outputs: Sequence[FloatArray],
    input_wh: tuple[int, int],
    confidence: float,
    *,
    every_class: bool = False,
) -> Candidates:
    """The candidates whose best class scores over ``confidence``; with ``every_class`` one of each class that does.

    ``outputs`` are the network's, in its order. Raises ``ValueError`` when they don't have the head's shape.
    """
    return head.decode(outputs, input_wh, confidence, every_class=every_class)
