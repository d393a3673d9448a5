"""How large an image may be, asked before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lookout.errors import ImageError, ImageMemoryError

MAX_BYTES = 50 * 1024 * 1024
MAX_PIXELS = 64_000_000


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """The most bytes that an encoded image may have, and the most pixels (width x height) that it may unfold into.

    ``max_memory_bytes`` is the most memory that decoding may take, None for as much as the pixels ask for.

    >>> ImageLimits(max_pixels=1_000_000).check_size((1001, 1000))
    Traceback (most recent call last):
    lookout.errors.ImageError: the image has 1001 x 1000 pixels; at most 1,000,000 are taken
    """

    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    max_memory_bytes: int | None = None

    def check_bytes(self, count: int) -> None:
        """Raise ``ImageError`` where there are too many, ``ImageMemoryError`` where it is for want of memory."""
        if count <= self.max_bytes:
            return
        told = f"the image has {count:,} bytes; at most {self.max_bytes:,} are taken"
        if self.max_memory_bytes == 0:
            raise ImageMemoryError("the network alone takes all the memory: give more memory")
        if self.max_memory_bytes is not None and count <= MAX_BYTES:
            raise ImageMemoryError(f"{told} with so little memory: send a smaller one, or give more memory")
        raise ImageError(told)

    def check_size(self, size_wh: tuple[int, int]) -> None:
        """Raise ``ImageError`` where a picture of this width and height has too many pixels, or none."""
        width, height = size_wh
        if width < 1 or height < 1:
            raise ImageError(f"the image is damaged: it says that it has {width} x {height} pixels")
        if width * height > self.max_pixels:
            raise ImageError(f"the image has {width} x {height} pixels; at most {self.max_pixels:,} are taken")

    def check_memory(self, size_wh: tuple[int, int], needed_bytes: int) -> None:
        """Raise ``ImageMemoryError`` where to decode a picture of this size takes more memory than there is."""
        if self.max_memory_bytes is not None and needed_bytes > self.max_memory_bytes:
            width, height = size_wh
            raise ImageMemoryError(
                f"to decode the image of {width} x {height} pixels takes {_mb(needed_bytes)} MB of memory, and there "
                f"are {_mb(self.max_memory_bytes)} for it: send a smaller one, or give more memory"
            )


def within(free_bytes: int, most: ImageLimits | None = None) -> ImageLimits:
    """The limits for a process that has so much memory left for one image; never more than ``most``.

    A file is in memory twice while it comes in (in pieces, and as a whole), and once while it is decoded.

    >>> within(300 << 20).max_memory_bytes == 300 << 20, within(40 << 20).max_bytes == 10 << 20
    (True, True)
    """
    most = most or DEFAULT_LIMITS
    free_bytes = max(0, free_bytes)
    return replace(most, max_bytes=min(most.max_bytes, free_bytes // 4), max_memory_bytes=free_bytes)


def _mb(count: int) -> int:
    return round(count / (1 << 20))


DEFAULT_LIMITS = ImageLimits()
