"""Pixels: their size, a network's input made of them, and JPEG."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from lookout.core.detections import FloatArray
from lookout.core.framing import Frame, InputFormat
from lookout.errors import ImageError

ImageArray = npt.NDArray[np.uint8]

REDUCTIONS = (1, 2, 4, 8)

# What is left of a reduced picture is at least this many times what the network sees of it: at 1.0 AP falls, from here
# on it doesn't change. Measured by benchmarks/reduced_decoding.py.
MARGIN = 1.1

_MOST_JPEG_SIDE = 65_500  # libjpeg's


def size_wh(image_bgr: ImageArray) -> tuple[int, int]:
    """Width and height in pixels."""
    height, width = image_bgr.shape[:2]
    return width, height


def blank(width: int, height: int) -> ImageArray:
    """A grey picture."""
    return np.full((height, width, 3), 114, np.uint8)


def reduction(size_wh: tuple[int, int], content_wh: tuple[int, int]) -> int:
    """By how much a picture of this size may be reduced for a network that sees it at ``content_wh``: 1, 2, 4 or 8.

    >>> reduction((4000, 3000), (416, 312))
    8
    """
    room = min(side / needed for side, needed in zip(size_wh, content_wh, strict=True))
    return max((by for by in REDUCTIONS if by * MARGIN <= room), default=1)


def reduced_wh(size_wh: tuple[int, int], by: int) -> tuple[int, int]:
    """The size of a reduced picture: what doesn't fill a pixel gets one."""
    width, height = size_wh
    return math.ceil(width / by), math.ceil(height / by)


def fill(image_bgr: ImageArray, frame: Frame, input_format: InputFormat) -> FloatArray:
    """The network's input: float32 (1, 3, height, width), in its colour order and range.

    The picture may be smaller than ``frame.image_wh`` (see ``decode``): only the frame's place in the input counts.
    """
    # What is large is averaged: INTER_LINEAR looks at four pixels only for each one that it makes.
    large = reduction(frame.image_wh, frame.content_wh) > 1
    content = cv2.resize(image_bgr, frame.content_wh, interpolation=cv2.INTER_AREA if large else cv2.INTER_LINEAR)
    # Plane by plane into place: the same numbers as cv2.dnn.blobFromImage's, without its copy of the whole in float32.
    planes = cv2.split(content) if input_format.channels == "bgr" else cv2.split(content)[::-1]
    blob = np.empty((1, 3, input_format.height, input_format.width), np.float32)
    if frame.content_wh != input_format.size_wh:
        blob.fill(input_format.padding)
    (left, top), (width, height) = frame.offset_xy, frame.content_wh
    for plane, place in zip(planes, blob[0, :, top : top + height, left : left + width], strict=True):
        np.copyto(place, plane)
    if input_format.scale != 1:
        blob *= np.float32(input_format.scale)
    return blob


def encode_jpeg(image_bgr: ImageArray, quality: int = 90) -> bytes:
    """The picture as JPEG. Raises ``ImageError`` where it is too wide or too high for one."""
    height, width = image_bgr.shape[:2]
    if max(width, height) > _MOST_JPEG_SIDE:
        raise ImageError(f"the picture has {width} x {height} pixels, and a JPEG at most {_MOST_JPEG_SIDE:,} on a side")
    _, encoded = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def encode_png(image_bgr: ImageArray) -> bytes:
    """The picture as PNG, which loses nothing."""
    # The least work at compressing: what is saved beyond that costs more time than sending it does.
    _, encoded = cv2.imencode(".png", image_bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return encoded.tobytes()
