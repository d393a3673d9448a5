"""How large an image may be, asked before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from lookout.errors import ImageError

MAX_BYTES = 50 * 1024 * 1024
MAX_PIXELS = 64_000_000


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """The most bytes that an encoded image may have, and the most pixels (width x height) that it may unfold into.

    >>> ImageLimits(max_pixels=1_000_000).check_size((1001, 1000))
    Traceback (most recent call last):
    lookout.errors.ImageError: the image has 1001 x 1000 pixels; at most 1,000,000 are taken
    """

    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS

    def check_bytes(self, count: int) -> None:
        """Raise ``ImageError`` where there are too many."""
        if count > self.max_bytes:
            raise ImageError(f"the image has {count:,} bytes; at most {self.max_bytes:,} are taken")

    def check_size(self, size_wh: tuple[int, int]) -> None:
        """Raise ``ImageError`` where a picture of this width and height has too many pixels, or none."""
        width, height = size_wh
        if width < 1 or height < 1:
            raise ImageError(f"the image is damaged: it says that it has {width} x {height} pixels")
        if width * height > self.max_pixels:
            raise ImageError(f"the image has {width} x {height} pixels; at most {self.max_pixels:,} are taken")


DEFAULT_LIMITS = ImageLimits()
