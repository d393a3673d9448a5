"""Boxes and labels on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2s

import cv2
import numpy as np

from lookout.core.detections import Detection
from lookout.images.pixels import ImageArray, size_wh

_Colour = tuple[int, int, int]

# Of the numbers below 900,000 the one that puts the colours of COCO's 80 labels furthest apart (in CIE Lab).
_SALT = 75592
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_WEIGHT = 500  # of the strokes; 400 is regular, 700 bold


def draw(image_bgr: ImageArray, objects: Sequence[Detection]) -> ImageArray:
    """A copy of the picture with a labelled box round each object."""
    canvas = image_bgr.copy()
    font = cv2.FontFace("sans")
    for detection in reversed(objects):  # the most confident last, on top
        _draw_box(canvas, detection, font)
    return canvas


def _draw_box(canvas: ImageArray, detection: Detection, font: cv2.FontFace) -> None:
    box, colour, text_height = detection.box, _colour(detection.label), _text_height(canvas)
    left, top = round(box.x), round(box.y)
    thickness = max(1, round(text_height / 8))
    cv2.rectangle(canvas, (left, top), (round(box.x + box.width), round(box.y + box.height)), colour, thickness)
    text = f"{detection.label} {detection.confidence:.2f}"
    _draw_label(canvas, text, (left - thickness // 2, top), colour, font)


def _draw_label(
    canvas: ImageArray, text: str, bottom_left: tuple[int, int], colour: _Colour, font: cv2.FontFace
) -> None:
    """The text on its colour, moved so that it is inside the picture."""
    text_height = _text_height(canvas)
    width, height = round(_text_width(text, font, text_height) + 0.4 * text_height), round(1.3 * text_height)
    left = max(0, min(bottom_left[0], canvas.shape[1] - width))
    bottom = max(bottom_left[1], height)
    cv2.rectangle(canvas, (left, bottom - height), (left + width, bottom), colour, cv2.FILLED)
    start = left + round(0.2 * text_height), bottom - round(0.35 * text_height)
    cv2.putText(canvas, text, start, _ink(colour), font, text_height, _WEIGHT)


def _text_height(canvas: ImageArray) -> int:
    """In pixels: legible where the picture is seen whole on a screen, and never too small to read."""
    size = size_wh(canvas)
    return max(11, round(min(max(size) / 50, min(size) / 12)))


def _text_width(text: str, font: cv2.FontFace, text_height: int) -> int:
    _, _, width, _ = cv2.getTextSize((1 << 20, 1 << 20), text, (0, 0), font, text_height, _WEIGHT)
    return width


def _ink(colour: _Colour) -> _Colour:
    """Black on what is bright to the eye, else white."""
    blue, green, red = colour
    return _BLACK if 0.114 * blue + 0.587 * green + 0.299 * red > 128 else _WHITE


@cache
def _colour(label: str) -> _Colour:
    """The colour of a label, the same in every picture and every run: blue, green, red."""
    digest = blake2s(f"{_SALT}{label}".encode("utf-8", "replace"), digest_size=4).digest()
    hue = int.from_bytes(digest[:2]) / 65536 * 360
    saturation, value = 0.4 + 0.6 * digest[2] / 255, 0.45 + 0.55 * digest[3] / 255
    colour = cv2.cvtColor(np.array([[[hue, saturation, value]]], np.float32), cv2.COLOR_HSV2BGR)[0, 0] * 255
    blue, green, red = colour.round().astype(int).tolist()
    return blue, green, red
