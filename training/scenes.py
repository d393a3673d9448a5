"""Pictures with known objects in them: ``render(seed, number)`` is always the same one.

A background, then objects and clutter from far to near, each warped into place and laid over what is there; then the
lens. A map of the same size notes which object each pixel shows, so that boxes hold what is visible, as COCO's do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from training import clutter
from training.backgrounds import BACKGROUNDS
from training.drawing import Array, Point, Random, Sprite
from training.lens import photograph
from training.objects import LABELS, OBJECTS

SIZES_WH = ((640, 480), (640, 427), (480, 640), (640, 360), (500, 500))
_SIZE_SHARES = (0.5, 0.2, 0.16, 0.08, 0.06)
_VISIBLE = 0.4  # of an object's area, or it has no box
_SMALLEST = 9  # pixels a side, or it has no box

_SCENES: dict[str, tuple[float, tuple[str, ...]]] = {
    "street": (0.3, ("traffic light", "traffic light", "stop sign", "umbrella", "clock", "sports ball")),
    "field": (0.18, ("sports ball", "sports ball", "frisbee", "umbrella", "kite", "kite")),
    "beach": (0.16, ("kite", "kite", "kite", "umbrella", "frisbee")),
    "room": (0.12, ("clock", "clock", "sports ball", "umbrella", "frisbee", "frisbee")),
    "table": (0.12, ("donut", "donut", "donut", "clock", "sports ball")),
    "disorder": (0.12, LABELS),
}
"""How often a background is taken, and what is mostly seen there."""


@dataclass(frozen=True, slots=True)
class Picture:
    """``pixels`` uint8 BGR (h, w, 3); ``boxes_xyxy`` float32 (n, 4) in pixels; ``class_ids`` intp (n,)."""

    pixels: Array
    boxes_xyxy: Array
    class_ids: Array


def render(seed: int, number: int) -> Picture:
    """Picture ``number`` of the set that ``seed`` names."""
    random = np.random.default_rng([seed, number])
    names = list(_SCENES)
    name = names[random.choice(len(names), p=[share for share, _ in _SCENES.values()])]
    width, height = SIZES_WH[random.choice(len(SIZES_WH), p=_SIZE_SHARES)]
    pixels, horizon = BACKGROUNDS[name](random, width, height)
    scene = _Scene(random, pixels, horizon)
    _populate(scene, name)
    boxes_xyxy, class_ids = scene.visible()
    return Picture(photograph(random, scene.pixels), boxes_xyxy, class_ids)


def _populate(scene: _Scene, name: str) -> None:
    """Put clutter and objects in, from small (far) to large (near), then what stands in front."""
    random = scene.random
    kinds = clutter.SMALL if name == "table" else clutter.ANYWHERE if name == "disorder" else clutter.STANDING
    for height in np.sort(scene.height * random.uniform(0.1, 0.6, int(random.integers(0, 8)))):
        kind = kinds[random.integers(len(kinds))]
        size = height * (0.5 if kind in (clutter.road_sign, clutter.crate) else 1)
        scene.clutter(kind(random, _canvas(size)), scene.ground(size), size)
    for size, label in _cast(random, name, scene.height):
        _SETTERS.get(label, _set_freely)(scene, label, size)
        if random.random() < 0.3:
            kind = clutter.ANYWHERE[random.integers(len(clutter.ANYWHERE))]
            scene.clutter(kind(random, _canvas(size)), scene.anywhere(), size * random.uniform(0.5, 1.5))
    for _ in range(int(random.choice(4, p=(0.65, 0.25, 0.1, 0)))):
        size = scene.height * random.uniform(0.15, 0.7)
        kind = clutter.IN_FRONT[random.integers(len(clutter.IN_FRONT))]
        scene.clutter(kind(random, _canvas(size)), scene.anywhere(), size)


def _cast(random: Random, name: str, height: int) -> list[tuple[float, str]]:
    """Who plays: sizes in pixels, ascending, and labels."""
    usual = _SCENES[name][1]
    count = int(random.choice((0, 1, 2, 3, 4, 5, 6), p=(0.05, 0.2, 0.25, 0.2, 0.15, 0.1, 0.05)))
    chosen = [str(random.choice(usual if random.random() < 0.65 else LABELS)) for _ in range(count)]
    if chosen and random.random() < 0.2:  # a flock of kites, a tray of donuts
        chosen += [chosen[0]] * int(random.integers(1, 5))
    largest = 0.9 if len(chosen) <= 2 else 0.55
    sizes = height * np.exp(random.uniform(np.log(0.09), np.log(largest), len(chosen)))
    return sorted(zip(sizes.tolist(), chosen, strict=True))


def _set_freely(scene: _Scene, label: str, size: float) -> None:
    scene.object(label, scene.free(size), size)


def _set_on_post(scene: _Scene, label: str, size: float) -> None:
    random, centre = scene.random, scene.free(size)
    if random.random() < 0.7:
        length = size * random.uniform(2, 4)
        scene.clutter(clutter.post(random, _canvas(length)), (centre[0], centre[1] + length / 2), length, turned=False)
    scene.object(label, centre, size)


def _set_ball(scene: _Scene, label: str, size: float) -> None:
    random, centre = scene.random, scene.free(size)
    if centre[1] > scene.horizon and random.random() < 0.7:
        place = centre[0] + size * random.uniform(-0.3, 0.3), centre[1] + size * 0.45
        scene.lay(clutter.shadow(64, random.uniform(0.3, 0.8)), place, size * 1.2, squash=0.3)
    scene.object(label, centre, size)


def _set_kite(scene: _Scene, label: str, size: float) -> None:
    size *= 1.35  # it fills less of its canvas than others
    random, centre = scene.random, scene.free(size, highest=0.75)
    if random.random() < 0.5:
        end = int(random.uniform(0, scene.width)), scene.height
        tone = int(random.integers(40, 255))
        cv2.line(scene.pixels, (int(centre[0]), int(centre[1])), end, (tone, tone, tone), 1, cv2.LINE_AA)
    scene.object(label, centre, size, turn=random.normal(0, 45))


def _set_umbrella(scene: _Scene, label: str, size: float) -> None:
    random, centre = scene.random, scene.free(size)
    scene.object(label, centre, size, turn=random.normal(0, 14))
    if random.random() < 0.4:
        tall = size * random.uniform(1.1, 1.9)
        place = centre[0] + size * random.normal(0, 0.08), centre[1] + tall * 0.45
        scene.clutter(clutter.person(random, _canvas(tall)), place, tall, turned=False)


_SETTERS = {
    "stop sign": _set_on_post,
    "traffic light": _set_on_post,
    "sports ball": _set_ball,
    "kite": _set_kite,
    "umbrella": _set_umbrella,
}


def _canvas(size: float) -> int:
    """The side of the canvas for something this large: twice as many pixels, within reason."""
    return int(np.clip(2 * size, 72, 400))


class _Scene:
    """A picture in the making."""

    def __init__(self, random: Random, pixels: Array, horizon: int) -> None:
        self.random = random
        self.pixels = pixels
        self.height, self.width = pixels.shape[:2]
        self.horizon = horizon
        self._shown = np.zeros((self.height, self.width), np.uint8)  # which object; 0 for none
        self._objects: list[tuple[int, int]] = []  # class, and area before anything covered it
        self._taken: list[tuple[float, float, float]] = []

    def object(self, label: str, centre: Point, size: float, turn: float | None = None) -> None:
        """Draw an object, and remember it."""
        random = self.random
        sprite = OBJECTS[label](random, _canvas(size))
        turn = random.normal(0, 7) if turn is None else turn
        if label in ("sports ball", "donut", "frisbee") and random.random() < 0.6:
            turn = random.normal(0, 30)
        self._taken.append((*centre, size))
        area = self.lay(
            sprite, centre, size, turn, random.uniform(0.8, 1) if random.random() < 0.4 else 1, len(self._objects) + 1
        )
        self._objects.append((LABELS.index(label), area))

    def clutter(self, sprite: Sprite, centre: Point, size: float, *, turned: bool = True) -> None:
        """Draw something without a label."""
        self.lay(sprite, centre, size, self.random.normal(0, 5) if turned else 0)

    def lay(
        self, sprite: Sprite, centre: Point, size: float, turn: float = 0, squash: float = 1, shows: int = 0
    ) -> int:
        """Warp a sprite into place and blend it in; the area of its mask, in pixels."""
        corners = self._corners(centre, size, turn, squash)
        left, top = np.floor(corners.min(axis=0)).astype(int) - 1
        right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
        bgra, mask = _warp(sprite, corners - (left, top), (right - left, bottom - top))
        area = int(np.count_nonzero(mask > 100))
        x = slice(max(0, left), min(self.width, right))
        y = slice(max(0, top), min(self.height, bottom))
        if x.start >= x.stop or y.start >= y.stop:
            return area
        inside = slice(y.start - top, y.stop - top), slice(x.start - left, x.stop - left)
        bgra, mask = bgra[inside], mask[inside]
        under = self.pixels[y, x]
        coverage = bgra[..., 3:].astype(np.float32) / 255
        self.pixels[y, x] = np.clip(under * (1 - coverage) + bgra[..., :3], 0, 255).astype(np.uint8)
        shown = self._shown[y, x]
        shown[bgra[..., 3] > 160] = 0
        shown[mask > 100] = shows
        return area

    def visible(self) -> tuple[Array, Array]:
        """The boxes (n, 4) and classes (n,) of what can still be seen."""
        boxes, class_ids = [], []
        for number, (class_id, area) in enumerate(self._objects, start=1):
            y, x = np.nonzero(self._shown == number)
            if len(x) < max(_VISIBLE * area, 1):
                continue
            box = x.min(), y.min(), x.max() + 1, y.max() + 1
            if min(box[2] - box[0], box[3] - box[1]) >= _SMALLEST:
                boxes.append(box)
                class_ids.append(class_id)
        return np.array(boxes, np.float32).reshape(-1, 4), np.array(class_ids, np.intp)

    def ground(self, size: float) -> Point:
        """Where something that stands has its centre: its foot is on the ground, nearer the larger it is."""
        foot = self.horizon + (self.height - self.horizon) * min(1.1, size / self.height * 1.5) * self.random.uniform(
            0.3, 1
        )
        return self.random.uniform(0, self.width), foot - size / 2

    def anywhere(self) -> Point:
        """Any place."""
        return self.random.uniform(0, self.width), self.random.uniform(0, self.height)

    def free(self, size: float, highest: float = 1.0) -> Point:
        """A place that keeps off the other objects, if there is one; mostly inside of the picture."""
        margin = size * self.random.choice([0.5, 0.2])
        place = self.anywhere()
        for _ in range(12):
            place = self._between(margin, self.width), self._between(margin, self.height * highest)
            if all(np.hypot(place[0] - x, place[1] - y) > 0.45 * (size + other) for x, y, other in self._taken):
                break
        return place

    def _between(self, margin: float, length: float) -> float:
        return self.random.uniform(margin, length - margin) if length > 2 * margin else length / 2

    def _corners(self, centre: Point, size: float, turn: float, squash: float) -> Array:
        """Where the sprite's corners come to lie, (4, 2): turned, and seen a little from the side."""
        unit = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]) * (1, squash)
        unit *= (1 + self.random.normal(0, 0.05), 1)
        unit += self.random.normal(0, 0.025, (4, 2))
        angle = np.radians(turn)
        rotation = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
        return unit @ rotation * size + centre


def _warp(sprite: Sprite, corners: Array, size_wh: Sequence[int]) -> tuple[Array, Array]:
    """Sprite and mask in perspective, antialiased: warped at twice the size, then halved."""
    side = len(sprite.mask)
    source = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(source, (corners * 2 - 0.5).astype(np.float32))
    large = int(size_wh[0]) * 2, int(size_wh[1]) * 2
    bgra, mask = (
        cv2.warpPerspective(part, matrix, large, flags=cv2.INTER_LINEAR) for part in (sprite.bgra, sprite.mask)
    )
    half = int(size_wh[0]), int(size_wh[1])
    return tuple(cv2.resize(part, half, interpolation=cv2.INTER_AREA) for part in (bgra, mask))
