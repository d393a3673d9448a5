"""What everything is drawn with: colours, noise, and canvases in units of their own size.

Colours are BGR, 0..255. A canvas is premultiplied: antialiased edges on the empty (black, transparent) ground are
already colour times coverage, and stay right when the sprite is made smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Colour = tuple[float, float, float]
Point = tuple[float, float]
Random = np.random.Generator

_SHIFT = 4  # bits behind the point of what OpenCV is given
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour from its hue in degrees, saturation and value, both 0..1.

    >>> hsv(0, 1, 1)
    (0.0, 0.0, 255.0)
    """
    pixel = np.array([[[hue % 360, np.clip(saturation, 0, 1), np.clip(value, 0, 1)]]], np.float32)
    blue, green, red = (cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0] * 255).tolist()
    return blue, green, red


def any_colour(random: Random) -> Colour:
    """A colour of any hue, from grey to bright."""
    return hsv(random.uniform(0, 360), random.uniform(0, 1), random.uniform(0.1, 1))


def bright(random: Random) -> Colour:
    """A colour as toys and fabrics have it."""
    return hsv(random.uniform(0, 360), random.uniform(0.55, 1), random.uniform(0.55, 1))


def grey(random: Random, least: float, most: float) -> Colour:
    """A grey with a touch of colour, its value between the two, 0..1."""
    return hsv(random.uniform(0, 360), random.uniform(0, 0.12), random.uniform(least, most))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Between two colours: the first at 0, the second at 1."""
    blue, green, red = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return blue, green, red


def fractal(random: Random, width: int, height: int, cells: int = 3, octaves: int = 5, rough: float = 0.55) -> Array:
    """Cloudy noise, float32 (height, width), mean about 0, mostly in -1..1; ``cells`` is how coarse it begins."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        columns = cells * 2**octave + 1
        rows = max(2, columns * height // width)
        if columns > width:
            break
        grid = random.uniform(-1, 1, (rows, columns)).astype(np.float32)
        total += rough**octave * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def grain(random: Random, shape: tuple[int, ...], amplitude: float) -> Array:
    """White noise, float32, uniform in -amplitude..amplitude; made of bytes, as that is quick."""
    noise = np.frombuffer(random.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
    return (noise.astype(np.float32) - 127.5) * np.float32(amplitude / 127.5)


def to_bytes(values: Array) -> Array:
    """Values clipped to 0..255, uint8."""
    return np.clip(values, 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Sprite:
    """Something to be put into a picture: ``bgra`` premultiplied, uint8 (n, n, 4), and its ``mask``, uint8 (n, n).

    The mask is the part that an annotator would mark: a sign without its post, a kite without its line.
    """

    bgra: Array
    mask: Array


class Canvas:
    """A square to draw on, its sides from 0 to 1, y downwards."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.bgra = np.zeros((size, size, 4), np.uint8)
        self.mask = np.zeros((size, size), np.uint8)

    def polygon(self, points: Sequence[Point] | Array, colour: Colour, *, counts: bool = True) -> None:
        """A filled polygon; ``counts`` is whether it belongs to the mask."""
        corners = [self._fixed(points)]
        cv2.fillPoly(self.bgra, corners, (*colour, 255), cv2.LINE_AA, _SHIFT)
        if counts:
            cv2.fillPoly(self.mask, corners, 255, cv2.LINE_AA, _SHIFT)

    def line(
        self,
        points: Sequence[Point] | Array,
        colour: Colour,
        width: float,
        *,
        counts: bool = True,
        closed: bool = False,
    ) -> None:
        """A line through the points."""
        thickness = max(1, round(width * self.size))
        corners = [self._fixed(points)]
        cv2.polylines(self.bgra, corners, closed, (*colour, 255), thickness, cv2.LINE_AA, _SHIFT)
        if counts:
            cv2.polylines(self.mask, corners, closed, 255, thickness, cv2.LINE_AA, _SHIFT)

    def ellipse(
        self, centre: Point, radii: Point, colour: Colour, *, angle: float = 0, counts: bool = True, width: float = 0
    ) -> None:
        """An ellipse turned by ``angle`` degrees: filled, or a line of ``width``."""
        points = ellipse_points(centre, radii, angle)
        if width:
            self.line(points, colour, width, counts=counts, closed=True)
        else:
            self.polygon(points, colour, counts=counts)

    def rectangle(
        self, left: float, top: float, right: float, bottom: float, colour: Colour, *, counts: bool = True
    ) -> None:
        """A filled rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour, counts=counts)

    def text(
        self, text: str, centre: Point, height: float, colour: Colour, weight: float = 0.16, font: int = 1
    ) -> None:
        """Text with capitals of ``height``, around its centre; ``weight`` is the stroke's share of the height."""
        face = _FONTS[font]
        (_, at_scale_1), _ = cv2.getTextSize("S", face, 1, 1)
        scale = height * self.size / at_scale_1
        thickness = max(1, round(weight * height * self.size))
        (width_px, height_px), _ = cv2.getTextSize(text, face, scale, thickness)
        origin = round(centre[0] * self.size - width_px / 2), round(centre[1] * self.size + height_px / 2)
        cv2.putText(self.bgra, text, origin, face, scale, (*colour, 255), thickness, cv2.LINE_AA)

    def light(self, factors: Array) -> None:
        """Multiply the colours by factors (size, size)."""
        lit = self.bgra[..., :3] * factors[..., None]
        self.bgra[..., :3] = np.minimum(lit, self.bgra[..., 3:])  # premultiplied: never over the coverage

    def wear(self, random: Random, strength: float) -> None:
        """Uneven light, and a surface that is not quite clean."""
        y, x = np.mgrid[-0.5 : 0.5 : self.size * 1j, -0.5 : 0.5 : self.size * 1j]
        slope = x * random.normal() + y * random.normal()
        spots = fractal(random, self.size, self.size, int(random.integers(2, 7)))
        self.light((1 + strength * (slope + 0.6 * spots)).astype(np.float32))

    def sprite(self) -> Sprite:
        """What was drawn."""
        return Sprite(self.bgra, self.mask)

    def _fixed(self, points: Sequence[Point] | Array) -> Array:
        # OpenCV's coordinates are those of pixels' centres.
        return np.round((np.asarray(points, np.float64) * self.size - 0.5) * 2**_SHIFT).astype(np.int32)


def ellipse_points(centre: Point, radii: Point, angle: float = 0, start: float = 0, end: float = 360) -> Array:
    """Points on an ellipse, (n, 2), from ``start`` to ``end`` degrees, clockwise as y goes down."""
    steps = np.radians(np.linspace(start, end, max(8, int(abs(end - start) / 5))))
    x, y = radii[0] * np.cos(steps), radii[1] * np.sin(steps)
    turn = np.radians(angle)
    return np.stack(
        [centre[0] + x * np.cos(turn) - y * np.sin(turn), centre[1] + x * np.sin(turn) + y * np.cos(turn)], axis=1
    )


def regular(centre: Point, radius: float, corners: int, angle: float = 0) -> Array:
    """The corners (n, 2) of a regular polygon."""
    steps = np.radians(angle + np.arange(corners) * 360 / corners)
    return np.stack([centre[0] + radius * np.cos(steps), centre[1] + radius * np.sin(steps)], axis=1)
