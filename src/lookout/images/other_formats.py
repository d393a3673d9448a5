"""Decoding with Pillow: PNG, WebP, BMP, TIFF and GIF.

Pillow reads a file's header when it opens it, and decodes when it is asked to: the limits come between. It is imported
when the first such image comes, and its classes are used one by one: ``PIL.Image.open`` has limits of its own, which
are global.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lookout.errors import ImageError
from lookout.images.limits import ImageLimits
from lookout.images.pixels import ImageArray

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFile import ImageFile

_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
}
_PNG_END = b"IEND\xaeB`\x82"
_WHITE = (255, 255, 255)
_STRIP_PIXELS = 1 << 20
# The most memory that decoding takes, for each pixel: Pillow's picture, ours, and ours turned upright.
_BYTES_A_PIXEL_OF_MOST, _BYTES_A_PIXEL = 8, {"WebP": 17}
_ORIENTATION, _TILE_WIDTH, _TILE_LENGTH = 0x0112, 0x0142, 0x0143

_NOWHERE = logging.NullHandler()

# What Pillow raises for files that are damaged on purpose or by accident.
_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)


def decode(data: bytes, limits: ImageLimits) -> tuple[ImageArray, int]:
    """The pixels as they are stored, and EXIF's orientation. Raises ``ImageError``."""
    kind = _kind(data)
    if kind is None:
        raise ImageError("not an image that can be decoded: JPEG, PNG, WebP, BMP, TIFF and GIF are")
    from PIL.Image import DecompressionBombError

    _silence()
    try:
        picture = _image_file(kind)(io.BytesIO(data))
        _check(picture, kind, len(data), limits)
        _check_tiles(picture, limits)
        picture.load()
        orientation = _orientation(picture)
        pixels_bgr = _to_bgr(picture)
    except DecompressionBombError as error:  # a limit of its own that GIF and WebP can't be opened without
        raise ImageError(f"the {kind} has too many pixels: {error}") from error
    except _FAULTS as error:
        raise ImageError(f"the {kind} is truncated, damaged or of a rare kind: store it anew ({error})") from error
    if kind == "PNG" and data.rfind(_PNG_END) < 0:  # Pillow is content with all the pixels
        raise ImageError("the PNG is truncated: its end is missing")
    return pixels_bgr, orientation


def _check(picture: ImageFile, kind: str, size_bytes: int, limits: ImageLimits) -> None:
    """Refuse what is too large; WebP's decoder holds four pictures of four bytes a pixel at once."""
    within = replace(limits, max_pixels=limits.max_pixels * 3 // 4) if kind == "WebP" else limits
    within.check_size(picture.size)
    width, height = picture.size
    limits.check_memory(picture.size, size_bytes + width * height * _BYTES_A_PIXEL.get(kind, _BYTES_A_PIXEL_OF_MOST))


def _silence() -> None:
    """Keep Pillow's remarks on oddities in a file off the terminal; who listens to its log still gets them."""
    warnings.filterwarnings("ignore", module=r"PIL\.")  # the same filter again changes nothing
    logging.getLogger("PIL").addHandler(_NOWHERE)


def _kind(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return next((kind for beginning, kind in _BEGINNINGS.items() if data.startswith(beginning)), None)


def _image_file(kind: str) -> type[ImageFile]:
    match kind:
        case "PNG":
            from PIL.PngImagePlugin import PngImageFile

            return PngImageFile
        case "WebP":
            from PIL.WebPImagePlugin import WebPImageFile

            return WebPImageFile
        case "BMP":
            from PIL.BmpImagePlugin import BmpImageFile

            return BmpImageFile
        case "GIF":
            from PIL.GifImagePlugin import GifImageFile

            return GifImageFile
        case _:
            from PIL.TiffImagePlugin import TiffImageFile

            return TiffImageFile


def _check_tiles(picture: ImageFile, limits: ImageLimits) -> None:
    """Refuse a small TIFF whose one tile is huge: it is unfolded as a whole."""
    tags = getattr(picture, "tag_v2", {})
    limits.check_size((int(tags.get(_TILE_WIDTH, 1)), int(tags.get(_TILE_LENGTH, 1))))


def _orientation(picture: Picture) -> int:
    """EXIF's orientation; Pillow turns a TIFF itself, and forgets it."""
    orientation = picture.getexif().get(_ORIENTATION, 1)
    return orientation if isinstance(orientation, int) else 1


def _to_bgr(picture: Picture) -> ImageArray:
    """The picture in BGR, strip by strip: whole copies in between would take a gigabyte of the largest."""
    width, height = picture.size
    pixels_bgr = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels_bgr[top:bottom] = _strip_to_bgr(picture.crop((0, top, width, bottom)))
    return pixels_bgr


def _strip_to_bgr(strip: Picture) -> ImageArray:
    if strip.mode.startswith("I;16"):
        return _grey(np.asarray(strip).astype(np.uint16), 65535)  # in this machine's byte order, as OpenCV takes it
    if strip.mode == "F":
        return _grey(np.asarray(strip), 1)
    if strip.mode == "I":
        raise ValueError("numbers of 32 bits are not taken")
    if strip.has_transparency_data:
        strip = _on_white(_in_mode("RGBA", strip))
    return cv2.cvtColor(np.asarray(_in_mode("RGB", strip)), cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)


def _in_mode(mode: str, picture: Picture) -> Picture:
    return picture if picture.mode == mode else picture.convert(mode)


def _grey(values: np.ndarray, white: int) -> ImageArray:
    """Three equal channels of what is black at 0, and white at ``white``."""
    if not (values.min() >= 0 and values.max() <= white):  # nor is NaN
        raise ValueError(f"its pixels are not all between 0 and {white}")
    grey = cv2.convertScaleAbs(values, alpha=255 / white)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)


def _on_white(picture: Picture) -> Picture:
    """The picture as a page shows it: what lies under full transparency is arbitrary, and was never to be seen."""
    from PIL.Image import new

    page = new("RGB", picture.size, _WHITE)
    page.paste(picture, mask=picture)
    return page
