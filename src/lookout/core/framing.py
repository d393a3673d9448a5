"""How a picture is laid into a network's input, and how boxes come back out of it.

Three ways are in use. Most Darknet networks were trained on pictures *stretched* to the input, whatever their
shape; others on pictures scaled by one factor and laid onto a grey field (*letterbox*): YOLOX into its top left
corner, Ultralytics' networks and Darknet's with ``letter_box=1`` into its centre. The wrong one costs points of
AP, so it belongs to the model and not to the user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from lookout.core.detections import FloatArray

Framing = Literal["stretch", "letterbox", "letterbox-centred"]

# Of a network's input, in pixels: published ones end at 1536.
LARGEST_SIDE = 16_384


@dataclass(frozen=True, slots=True)
class InputFormat:
    """What a network wants to be fed: one float32 tensor (1, 3, ``height``, ``width``).

    ``channels`` is the order of the colours, ``scale`` what 0..255 is multiplied by, ``padding`` the grey
    value (0..255) around a letterboxed picture.
    """

    width: int
    height: int
    framing: Framing
    channels: Literal["rgb", "bgr"]
    scale: float
    padding: int = 114

    def __post_init__(self) -> None:
        if not all(type(side) is int and 0 < side <= LARGEST_SIDE for side in self.size_wh):
            raise ValueError(f"an input of {self.width} x {self.height} is none that Lookout runs")
        if self.framing not in get_args(Framing) or self.channels not in ("rgb", "bgr"):
            raise ValueError(f"there is no framing {self.framing!r} with channels {self.channels!r}")
        if not (0 < self.scale < np.inf and 0 <= self.padding <= 255):
            raise ValueError(f"a scale of {self.scale} and a padding of {self.padding} make no picture")

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    def described(self) -> str:
        """What a client must know of it that makes pictures no larger than needed.

        >>> InputFormat(416, 312, "stretch", "rgb", 1 / 255).described()
        '416x312 stretch'
        """
        return f"{self.width}x{self.height} {self.framing}"


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a picture lies in the network's input: ``input = picture * scale + offset``."""

    image_wh: tuple[int, int]
    content_wh: tuple[int, int]
    offset_xy: tuple[int, int] = (0, 0)

    @staticmethod
    def of(image_wh: tuple[int, int], input_format: InputFormat) -> Frame:
        """The frame of a picture of this size.

        >>> Frame.of((640, 480), InputFormat(416, 416, "letterbox", "bgr", 1.0)).content_wh
        (416, 312)
        >>> Frame.of((640, 480), InputFormat(416, 416, "letterbox-centred", "rgb", 1 / 255)).offset_xy
        (0, 52)
        """
        if input_format.framing == "stretch":
            return Frame(image_wh, input_format.size_wh)
        width, height = image_wh
        ratio = min(input_format.width / width, input_format.height / height)
        # YOLOX's code cuts off and Ultralytics' rounds; Darknet's cuts off, too, which is a pixel less at most.
        whole = round if input_format.framing == "letterbox-centred" else int
        content_width, content_height = max(1, whole(width * ratio)), max(1, whole(height * ratio))
        if input_format.framing == "letterbox":
            return Frame(image_wh, (content_width, content_height))
        offset = (input_format.width - content_width) // 2, (input_format.height - content_height) // 2
        return Frame(image_wh, (content_width, content_height), offset)

    def to_image(self, boxes_xyxy: FloatArray) -> FloatArray:
        """Boxes (n, 4) from input pixels to picture pixels, clipped to the picture."""
        (width, height), (content_width, content_height) = self.image_wh, self.content_wh
        scale = np.array([width / content_width, height / content_height] * 2, np.float32)
        offset = np.array(self.offset_xy * 2, np.float32)
        limit = np.array([width, height] * 2, np.float32)
        inside: FloatArray = np.clip((boxes_xyxy - offset) * scale, np.float32(0), limit)
        return inside
