"""Bytes <-> pixels: the one place that decodes, fills a network's input, draws and encodes.

Arrays are BGR, uint8, (height, width, 3), as OpenCV has them.
"""

from __future__ import annotations

from lookout.images.decoding import Image, decode
from lookout.images.drawing import draw
from lookout.images.files import SUFFIXES, find, read, walk, write, write_whole
from lookout.images.limits import DEFAULT_LIMITS, MAX_BYTES, MAX_PIXELS, ImageLimits
from lookout.images.pixels import ImageArray, blank, encode_jpeg, encode_png, fill, reduction, size_wh

__all__ = [
    "DEFAULT_LIMITS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "SUFFIXES",
    "Image",
    "ImageArray",
    "ImageLimits",
    "blank",
    "decode",
    "draw",
    "encode_jpeg",
    "encode_png",
    "fill",
    "find",
    "read",
    "reduction",
    "size_wh",
    "walk",
    "write",
    "write_whole",
]
