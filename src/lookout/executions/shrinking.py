"""Sending a picture no larger than the network needs: less to transfer, for a little accuracy (docs/shrinking.md)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import cv2

from lookout import images
from lookout.core.detections import Box, Detection
from lookout.core.framing import Framing, InputFormat
from lookout.errors import UsageError
from lookout.executions.protocol import Answer, Earlier, Execution, UploadingExecution

# Measured by benchmarks/shrinking.py, with others: docs/shrinking.md.
QUALITY = 90
MARGIN = 1.0


@dataclass(frozen=True, slots=True)
class Shrunk:
    """An image to be sent, and by what its boxes are multiplied: width and height of the original over its own."""

    data: bytes
    enlarge_xy: tuple[float, float] = (1.0, 1.0)

    def original(self, found: Detection) -> Detection:
        """An object of the sent picture, in the original."""
        (by_x, by_y), box = self.enlarge_xy, found.box
        return replace(found, box=Box(box.x * by_x, box.y * by_y, box.width * by_x, box.height * by_y))


def shrink(data: bytes, input_format: InputFormat, quality: int = QUALITY, margin: float = MARGIN) -> Shrunk:
    """The picture, upright, at the size that the network looks at, as a JPEG; or as it is where that is no larger.

    Its shape is kept, so a network that stretches pictures gets one that is as wide and as high as its input, or more.
    Nothing is enlarged. Raises ``ImageError`` for what is no image.
    """
    image = images.decode(data)
    wanted_wh = needed_wh(image.size_wh, input_format, margin)
    if wanted_wh == image.size_wh:
        return Shrunk(data)
    small = cv2.resize(image.pixels_bgr, wanted_wh, interpolation=cv2.INTER_AREA)
    encoded = _encoded(small, quality)
    if len(encoded) >= len(data):
        return Shrunk(data)
    width, height = image.size_wh
    return Shrunk(encoded, (width / wanted_wh[0], height / wanted_wh[1]))


def _encoded(image_bgr: cv2.typing.MatLike, quality: int) -> bytes:
    """As JPEG with all of its colours: most JPEGs keep them at half the size, which the network would see here."""
    whole = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality, *whole])[1].tobytes()


def needed_wh(size_wh: tuple[int, int], input_format: InputFormat, margin: float = MARGIN) -> tuple[int, int]:
    """The size at which a picture of this size is sent: ``margin`` times what the network looks at, at the most.

    >>> needed_wh((4000, 3000), InputFormat(416, 416, "letterbox", "bgr", 1.0))
    (416, 312)
    >>> needed_wh((4000, 3000), InputFormat(416, 416, "stretch", "rgb", 1 / 255))
    (555, 416)
    >>> needed_wh((400, 300), InputFormat(416, 416, "stretch", "rgb", 1 / 255))
    (400, 300)
    """
    width, height = size_wh
    ratios = input_format.width / width, input_format.height / height
    ratio = margin * (max(ratios) if input_format.framing == "stretch" else min(ratios))
    return size_wh if ratio >= 1 else (max(1, round(width * ratio)), max(1, round(height * ratio)))


def read_input(described: str) -> InputFormat:
    """What a stack says of its model's input. Raises ``UsageError`` where it doesn't say.

    >>> read_input("416x312 letterbox").size_wh
    (416, 312)
    """
    try:
        size, framing = described.split()
        width, height = map(int, size.split("x"))
        return input_of(width, height, framing)
    except ValueError as error:
        raise UsageError(
            "the stack does not say what its model looks at: bring it up again with lookout stack up --model"
        ) from error


def input_of(width: int, height: int, framing: str) -> InputFormat:
    """An input of which no more is known than shrinking needs. Raises ``ValueError`` for what is none."""
    return InputFormat(width, height, cast(Framing, framing), "rgb", 1.0)


class ShrinkingExecution:
    """Another execution, of shrunk pictures. Boxes come back in the original's coordinates.

    What shrinking takes belongs to ``elapsed_ms``.
    """

    def __init__(self, execution: Execution, input_format: InputFormat) -> None:
        self.name = execution.name
        self._execution = execution
        self._input_format = input_format

    def detect(self, data: bytes, name: str = "image") -> Answer:
        """See ``Execution``."""
        return self._shrunk(data, lambda small: self._execution.detect(small, name))

    def close(self) -> None:
        """See ``Execution``."""
        self._execution.close()

    def _shrunk(self, data: bytes, detect: Callable[[bytes], Answer]) -> Answer:
        start = time.perf_counter()
        shrunk = shrink(data, self._input_format)
        shrink_ms = (time.perf_counter() - start) * 1000
        answer = detect(shrunk.data)
        objects = tuple(map(shrunk.original, answer.objects))
        return replace(answer, objects=objects, elapsed_ms=answer.elapsed_ms + shrink_ms)


class ShrinkingUpload(ShrinkingExecution):
    """The same of an execution that uploads."""

    def __init__(self, execution: UploadingExecution, input_format: InputFormat) -> None:
        super().__init__(execution, input_format)
        self._uploading = execution

    def detect_noted(
        self, data: bytes, name: str, note: Callable[[str], None], earlier: Earlier | None = None
    ) -> Answer:
        """See ``UploadingExecution``."""
        return self._shrunk(data, lambda small: self._uploading.detect_noted(small, name, note, earlier))


def shrinking(execution: Execution, input_format: InputFormat) -> Execution:
    """That execution, of shrunk pictures; one that uploads still does."""
    if isinstance(execution, UploadingExecution):
        return ShrinkingUpload(execution, input_format)
    return ShrinkingExecution(execution, input_format)
