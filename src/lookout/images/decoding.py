"""An encoded image in, pixels out.

OpenCV decodes JPEG: it is the fastest, and decodes at 1/2, 1/4 or 1/8 of the size for less. Pillow decodes the rest
(PNG, WebP, BMP, TIFF, and GIF's first frame), where OpenCV leaves transparent GIFs, TIFFs with alpha, and TIFFs of
numbers other than 8 and 16 bits wrong or undone. Both refuse a file that is cut off. A JPEG that is cut and then given
an end (FFD9), as repair tools do, is taken: libjpeg fills what it lacks with grey, or leaves it coarse.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lookout.core.framing import Frame, InputFormat
from lookout.errors import ImageError
from lookout.images import jpeg, other_formats
from lookout.images.limits import DEFAULT_LIMITS, ImageLimits
from lookout.images.pixels import ImageArray, reduced_wh, reduction, size_wh

_JPEG_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

# What undoes each of EXIF's orientations: whether rows and columns are exchanged, then which axes are reversed.
_TURNS = {
    2: (False, (1,)),
    3: (False, (0, 1)),
    4: (False, (0,)),
    5: (True, ()),
    6: (True, (1,)),
    7: (True, (0, 1)),
    8: (True, (0,)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A decoded image: its pixels, upright, and the size that it has at full size.

    ``pixels_bgr`` may be 1/2, 1/4 or 1/8 of ``size_wh``; boxes refer to ``size_wh``.
    """

    pixels_bgr: ImageArray
    size_wh: tuple[int, int]


def decode(data: bytes, *, input_format: InputFormat | None = None, limits: ImageLimits = DEFAULT_LIMITS) -> Image:
    """The pixels of an encoded image, turned upright as EXIF says; what is transparent becomes white.

    For a network's ``input_format``, a large JPEG is decoded at a reduced size, where the network sees less of it
    anyway; without one, at full size. Raises ``ImageError`` for anything that is not a whole image within the limits.
    """
    if not data:
        raise ImageError("the image is empty")
    limits.check_bytes(len(data))
    if jpeg.is_jpeg(data):
        return _decode_jpeg(data, input_format, limits)
    stored, orientation = other_formats.decode(data, limits)
    pixels_bgr = _upright(stored, orientation)
    return Image(pixels_bgr, size_wh(pixels_bgr))


def _decode_jpeg(data: bytes, input_format: InputFormat | None, limits: ImageLimits) -> Image:
    header = jpeg.read_header(data)
    limits.check_size(header.stored_wh)
    by = reduction(header.size_wh, Frame.of(header.size_wh, input_format).content_wh) if input_format else 1
    limits.check_memory(header.size_wh, len(data) + _jpeg_memory_bytes(header, by))
    try:
        stored = cv2.imdecode(np.frombuffer(data, np.uint8), _JPEG_FLAGS[by] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(f"decoding a JPEG: {error.err}") from error
        raise ImageError(f"the JPEG can't be decoded: {error.err}") from error
    if stored is None or stored.shape[1::-1] != reduced_wh(header.stored_wh, by):
        raise ImageError("the JPEG is truncated, damaged or of a rare kind: store it anew")
    return Image(_upright(stored.astype(np.uint8, copy=False), header.orientation), header.size_wh)


def _jpeg_memory_bytes(header: jpeg.Header, by: int) -> int:
    """The most that decoding takes: the reduced pixels twice, or once beside the coefficients.

    OpenCV hands over a copy of them, and to turn them makes another, when the first is gone. Coefficients are kept of
    a picture in several scans (a progressive one), two bytes each of full size, however small it becomes.
    """
    (reduced_width, reduced_height), (width, height) = reduced_wh(header.stored_wh, by), header.stored_wh
    pixels_bytes = 3 * reduced_width * reduced_height
    coefficients_bytes = 2 * header.components * width * height if header.in_scans else 0
    return pixels_bytes + max(pixels_bytes, coefficients_bytes)


def _upright(stored: ImageArray, orientation: int) -> ImageArray:
    if orientation not in _TURNS:  # 1 is upright; other numbers mean nothing
        return stored
    exchanged, reversed_axes = _TURNS[orientation]
    turned = stored.transpose(1, 0, 2) if exchanged else stored
    return np.ascontiguousarray(np.flip(turned, reversed_axes))
