"""What is behind everything: streets, fields, beaches, rooms, tables, and plain disorder.

A function gives pixels, uint8 (height, width, 3), and the row of the horizon.
"""

from __future__ import annotations

import cv2
import numpy as np

from training.drawing import Array, Colour, Random, any_colour, fractal, grain, grey, hsv, mix, to_bytes

_PLANE = 256  # the side of a ground plane before it is laid into perspective


def street(random: Random, width: int, height: int) -> tuple[Array, int]:
    """Houses along a road."""
    horizon = int(height * random.uniform(0.4, 0.68))
    picture = _sky(random, width, height)
    if random.random() < 0.6:
        _hills(random, picture, horizon)
    _houses(random, picture, horizon)
    plane = _surface(random, grey(random, 0.2, 0.55), 0.12)
    paint = grey(random, 0.7, 0.95) if random.random() < 0.7 else hsv(48, 0.8, 0.9)
    for x in random.choice((40, 80, 128, 176, 216), int(random.integers(0, 4)), replace=False).tolist():
        for y in range(0, _PLANE, 32):
            cv2.rectangle(plane, (x - 2, y), (x + 2, y + int(random.choice([18, 32]))), paint, -1)
    edge = int(random.integers(10, 70))
    pavement = grey(random, 0.45, 0.75)
    for x in range(0, edge, 10):
        cv2.rectangle(plane, (x, 0), (x + 9, _PLANE), mix(pavement, (0, 0, 0), random.uniform(0, 0.12)), -1)
    if random.random() < 0.3:
        for x in range(0, _PLANE, 16):
            cv2.rectangle(plane, (x, 190), (x + 8, 225), paint, -1)
    _lay(random, picture, plane, horizon)
    return picture, horizon


def field(random: Random, width: int, height: int) -> tuple[Array, int]:
    """A pitch with lines, in front of a stand, trees or the sky; or a hall."""
    horizon = int(height * random.uniform(0.15, 0.55))
    picture = _sky(random, width, height)
    behind = random.random()
    if behind < 0.45:
        _crowd(random, picture, int(horizon * random.uniform(0.1, 0.6)), horizon)
    elif behind < 0.8:
        _hills(random, picture, horizon)
    hue, value = random.uniform(75, 135), random.uniform(0.25, 0.65)
    base = hsv(hue, random.uniform(0.35, 0.8), value)
    if random.random() < 0.25:
        base = hsv(random.choice([15.0, 28.0, 210.0]), random.uniform(0.3, 0.7), random.uniform(0.4, 0.8))
    plane = _surface(random, base, 0.22)
    step = int(random.integers(16, 50))
    if random.random() < 0.6:
        for y in range(0, _PLANE, 2 * step):
            plane[y : y + step] = to_bytes(plane[y : y + step] * 0.86)
    line = grey(random, 0.85, 1)
    for _ in range(int(random.integers(0, 4))):
        x, y = random.integers(0, _PLANE, 2).tolist()
        cv2.rectangle(plane, (x, y), (x + int(random.integers(20, 160)), y + int(random.integers(20, 160))), line, 2)
    if random.random() < 0.4:
        cv2.circle(plane, tuple(random.integers(0, _PLANE, 2).tolist()), int(random.integers(20, 70)), line, 2)
    _lay(random, picture, plane, horizon)
    return picture, horizon


def beach(random: Random, width: int, height: int) -> tuple[Array, int]:
    """Much sky, over sand, sea or a meadow."""
    horizon = int(height * random.uniform(0.6, 1.05))
    picture = _sky(random, width, height)
    if random.random() < 0.4:
        _hills(random, picture, horizon)
    hue = random.choice([40.0, 200.0, 95.0])
    plane = _surface(random, hsv(hue, random.uniform(0.2, 0.6), random.uniform(0.4, 0.9)), 0.2)
    _lay(random, picture, plane, horizon)
    return picture, min(horizon, height - 1)


def room(random: Random, width: int, height: int) -> tuple[Array, int]:
    """A wall with paper, bricks or panels, and things on it; a floor."""
    horizon = int(height * random.uniform(0.6, 1))
    base = mix(any_colour(random), (235, 235, 235), random.uniform(0.2, 0.85))
    picture = to_bytes(np.array(base) * (1 + 0.12 * fractal(random, width, height, 2)[..., None]))
    pattern = random.random()
    if pattern < 0.3:
        _bricks(random, picture, base)
    elif pattern < 0.55:
        for x in range(0, width, int(random.integers(14, 80))):
            cv2.line(picture, (x, 0), (x, height), mix(base, any_colour(random), 0.2), int(random.integers(1, 12)))
    for _ in range(int(random.integers(0, 5))):
        left, top = int(random.integers(width)), int(random.integers(max(1, horizon)))
        right, bottom = left + int(random.integers(30, 220)), top + int(random.integers(30, 200))
        cv2.rectangle(picture, (left, top), (right, bottom), any_colour(random), -1)
        cv2.rectangle(picture, (left, top), (right, bottom), any_colour(random), int(random.integers(2, 12)))
    plane = _surface(random, hsv(random.uniform(18, 38), random.uniform(0.1, 0.6), random.uniform(0.25, 0.8)), 0.12)
    _boards(random, plane)
    _lay(random, picture, plane, horizon)
    return picture, min(horizon, height - 1)


def table(random: Random, width: int, height: int) -> tuple[Array, int]:
    """A table from above, or nearly so: wood, cloth or stone."""
    horizon = int(height * random.uniform(-0.1, 0.35))
    picture, _ = room(random, width, height)
    base = (
        any_colour(random)
        if random.random() < 0.4
        else hsv(random.uniform(20, 36), random.uniform(0.15, 0.6), random.uniform(0.3, 0.9))
    )
    plane = _surface(random, base, 0.14)
    kind = random.random()
    if kind < 0.45:
        _boards(random, plane)
    elif kind < 0.7:
        other, step = any_colour(random), int(random.integers(10, 32))
        for y in range(0, _PLANE, step):
            for x in range((y // step % 2) * step, _PLANE, 2 * step):
                cv2.rectangle(plane, (x, y), (x + step - 1, y + step - 1), mix(base, other, 0.6), -1)
    _lay(random, picture, plane, horizon)
    return picture, max(0, horizon)


def disorder(random: Random, width: int, height: int) -> tuple[Array, int]:
    """Coloured noise with shapes in it: nothing to hold on to but the objects."""
    ground = np.dstack([fractal(random, width, height, int(random.integers(2, 12)), 5, 0.7) for _ in range(3)])
    picture = to_bytes(np.array(any_colour(random)) * 0.6 + 60 + ground * random.uniform(20, 90))
    for _ in range(int(random.integers(0, 25))):
        centre = random.integers(0, (width, height)).tolist()
        axes = random.integers(4, 120, 2).tolist()
        corners = cv2.boxPoints((tuple(map(float, centre)), tuple(map(float, axes)), random.uniform(0, 90)))
        cv2.fillPoly(picture, [corners.astype(np.int32)], any_colour(random), cv2.LINE_AA)
    return picture, height // 2


BACKGROUNDS = {"street": street, "field": field, "beach": beach, "room": room, "table": table, "disorder": disorder}


def _sky(random: Random, width: int, height: int) -> Array:
    kind = random.random()
    if kind < 0.6:
        top, low = (
            hsv(random.uniform(198, 225), random.uniform(0.25, 0.75), random.uniform(0.5, 0.95)),
            grey(random, 0.7, 1),
        )
    elif kind < 0.8:
        top, low = grey(random, 0.4, 0.85), grey(random, 0.6, 0.95)
    elif kind < 0.9:
        top, low = hsv(random.uniform(215, 260), 0.4, 0.5), hsv(random.uniform(8, 45), 0.6, 0.95)
    else:
        top, low = hsv(225, 0.6, random.uniform(0.03, 0.2)), hsv(230, 0.4, random.uniform(0.1, 0.35))
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** random.uniform(0.6, 1.6)
    picture = np.array(top, np.float32) * (1 - share) + np.array(low, np.float32) * share
    clouds = np.clip(fractal(random, width, height, int(random.integers(2, 5))) - random.uniform(-0.2, 0.9), 0, 1)
    colour = np.array(mix(low, (255, 255, 255), 0.6 if kind < 0.9 else 0.05), np.float32)
    strength = clouds[..., None] * random.uniform(0.3, 1)
    return to_bytes(picture * (1 - strength) + colour * strength)


def _hills(random: Random, picture: Array, horizon: int) -> None:
    """A line of trees or hills."""
    height, width = picture.shape[:2]
    outline = fractal(random, width, 8, int(random.integers(2, 10)), 6, 0.6)[4]
    tops = horizon - height * random.uniform(0.02, 0.15) * (1 + outline)
    leaf = hsv(random.uniform(60, 150), random.uniform(0.1, 0.6), random.uniform(0.15, 0.5))
    texture = to_bytes(np.array(leaf) * (1 + 0.5 * fractal(random, width, height, 20, 4, 0.8)[..., None]))
    mask = np.arange(height)[:, None] > tops[None, :]
    picture[mask] = texture[mask]


def _houses(random: Random, picture: Array, horizon: int) -> None:
    height, width = picture.shape[:2]
    left = -int(random.integers(0, 80))
    night = random.random() < 0.15
    while left < width:
        right = left + int(width * random.uniform(0.12, 0.4))
        if random.random() < 0.85:
            _house(
                random, picture, (left, int(horizon - height * random.uniform(0.1, 0.6)), right, horizon), night=night
            )
        left = right + int(random.integers(0, 12))


def _house(random: Random, picture: Array, box: tuple[int, int, int, int], *, night: bool) -> None:
    left, top, right, bottom = box
    wall = mix(any_colour(random), grey(random, 0.2, 0.9), random.uniform(0.4, 0.95))
    cv2.rectangle(picture, (left, top), (right, bottom), wall, -1)
    if random.random() < 0.25 and top > 0:
        _bricks(random, picture[max(0, top) : bottom, max(0, left) : max(0, right)], wall)
    across, down = int(random.integers(16, 60)), int(random.integers(20, 60))
    wide, high = random.uniform(0.35, 0.75), random.uniform(0.4, 0.75)
    glass, lit = mix(wall, grey(random, 0.05, 0.6), 0.8), hsv(random.uniform(30, 50), 0.5, 0.95)
    for y in range(top + down // 4, bottom - down // 2, down):
        for x in range(left + across // 4, right - across // 2, across):
            colour = lit if night and random.random() < 0.5 else mix(glass, (0, 0, 0), random.uniform(0, 0.3))
            cv2.rectangle(picture, (x, y), (x + int(across * wide), y + int(down * high)), colour, -1)
    if random.random() < 0.4:
        cv2.rectangle(picture, (left, bottom - down), (right, bottom - down // 2), any_colour(random), -1)


def _bricks(random: Random, picture: Array, base: Colour) -> None:
    high, wide = int(random.integers(5, 18)), int(random.integers(12, 44))
    mortar = mix(base, grey(random, 0.3, 0.9), 0.5)
    for row, y in enumerate(range(0, picture.shape[0], high)):
        cv2.line(picture, (0, y), (picture.shape[1], y), mortar, 1)
        for x in range((row % 2) * wide // 2, picture.shape[1], wide):
            cv2.line(picture, (x, y), (x, y + high), mortar, 1)


def _crowd(random: Random, picture: Array, top: int, bottom: int) -> None:
    """Rows of heads and shoulders, larger towards the front."""
    width = picture.shape[1]
    cv2.rectangle(picture, (0, top), (width, bottom), grey(random, 0.1, 0.5), -1)
    y, size = float(top), random.uniform(3, 6)
    while y < bottom:
        for x in np.arange(random.uniform(0, size), width, size * 2.1):
            place = int(x + random.normal(0, size / 4)), int(y + random.normal(0, size / 5))
            cv2.circle(picture, (place[0], place[1] + int(size)), int(size), any_colour(random), -1)
            skin = hsv(random.uniform(12, 30), random.uniform(0.25, 0.6), random.uniform(0.3, 0.9))
            cv2.circle(picture, place, max(1, int(size * 0.55)), skin, -1)
        y += size * 1.9
        size *= 1.12


def _surface(random: Random, colour: Colour, roughness: float) -> Array:
    """A ground plane, uint8 (256, 256, 3)."""
    texture = fractal(random, _PLANE, _PLANE, int(random.integers(2, 24)), 6, 0.75)[..., None]
    speckle = grain(random, (_PLANE, _PLANE, 1), random.uniform(0, roughness))
    return to_bytes(np.array(colour) * (1 + roughness * texture + speckle))


def _boards(random: Random, plane: Array) -> None:
    wide = int(random.integers(8, 50))
    for x in range(0, _PLANE, wide):
        plane[:, x : x + wide] = to_bytes(plane[:, x : x + wide] * random.uniform(0.82, 1.1))
        plane[:, x : x + 1] = to_bytes(plane[:, x : x + 1] * 0.5)


def _lay(random: Random, picture: Array, plane: Array, horizon: int) -> None:
    """Lay a ground plane into perspective, from the horizon down."""
    height, width = picture.shape[:2]
    if horizon >= height - 1:
        return
    spread, lean = width * random.uniform(0.2, 3), width * random.uniform(-0.5, 0.5)
    source = np.array([(0, 0), (_PLANE, 0), (_PLANE, _PLANE), (0, _PLANE)], np.float32)
    target = np.array(
        [(0, horizon), (width, horizon), (width + spread + lean, height), (-spread + lean, height)], np.float32
    )
    matrix = cv2.getPerspectiveTransform(source, target)
    flat = cv2.warpPerspective(plane, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    picture[max(0, horizon) :] = flat[max(0, horizon) :]
