"""Sports balls: patterns on a sphere, turned any way, under a light.

A pixel of the disc is a direction; turned into the ball's own frame, the direction's place says the colour. The
football is exact: of a truncated icosahedron's faces, a direction meets the one whose plane it reaches first.
"""

from __future__ import annotations

import numpy as np

from training.drawing import Array, Colour, Random, Sprite, fractal, grey, hsv, to_bytes

_GOLDEN = (1 + 5**0.5) / 2
_FACE_DISTANCES = 2.32744, 2.26728  # of the pentagons and the hexagons from the centre, in edges


def sports_ball(random: Random, size: int) -> Sprite:
    """A football, basketball, tennis ball, volleyball or baseball."""
    paint = _PATTERNS[random.choice(len(_PATTERNS), p=_SHARES)]
    y, x = np.mgrid[-1.04 : 1.04 : size * 1j, -1.04 : 1.04 : size * 1j].astype(np.float32)
    square = x * x + y * y
    z = np.sqrt(np.maximum(0, 1 - square))
    normals = np.stack([x, y, z], axis=-1)
    colours = paint(random, normals @ _rotation(random))
    colours *= _light(random, normals)[..., None]
    colours *= (1 + random.uniform(0, 0.12) * fractal(random, size, size, 6))[..., None]
    colours += _gloss(random, normals)
    coverage = np.clip((1 - np.sqrt(square)) * size / 2.08 + 0.5, 0, 1)
    alpha = to_bytes(coverage * 255)
    bgr = to_bytes(np.clip(colours, 0, 255) * coverage[..., None])
    return Sprite(np.dstack([bgr, alpha]), alpha)


def _rotation(random: Random) -> Array:
    """Any rotation, float32 (3, 3)."""
    q, r = np.linalg.qr(random.standard_normal((3, 3)))
    return (q * np.sign(np.diag(r))).astype(np.float32)


def _light(random: Random, normals: Array) -> Array:
    source = np.array([random.normal(0, 0.7), random.normal(-0.6, 0.6), random.uniform(0.3, 1.2)], np.float32)
    source /= np.linalg.norm(source)
    ambient = random.uniform(0.3, 0.75)
    return ambient + (1.12 - ambient) * np.clip(normals @ source, 0, 1)


def _gloss(random: Random, normals: Array) -> Array:
    source = np.array([random.normal(0, 0.5), random.normal(-0.5, 0.3), 1], np.float32)
    source /= np.linalg.norm(source)
    return (random.uniform(0, 90) * np.clip(normals @ source, 0, 1) ** random.uniform(12, 60))[..., None]


def _where(condition: Array, yes: Colour, no: Array) -> Array:
    return np.where(condition[..., None], np.array(yes, np.float32), no)


def _plain(directions: Array, colour: Colour) -> Array:
    return np.broadcast_to(np.array(colour, np.float32), directions.shape).copy()


def _icosahedron() -> tuple[Array, Array]:
    """Unit vectors to its 12 corners and 20 faces."""
    corners = [
        np.roll((0, a, b * _GOLDEN), turn) for turn in range(3) for a in (-1, 1) for b in (-1, 1)
    ]  # fmt: skip
    corners = np.array(corners, np.float32) / np.hypot(1, _GOLDEN)
    near = corners @ corners.T > 0.4
    faces = [
        corners[[i, j, k]].sum(axis=0)
        for i in range(12)
        for j in range(i)
        for k in range(j)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    unit = np.array(faces, np.float32)
    return corners, unit / np.linalg.norm(unit, axis=1, keepdims=True)


_PENTAGONS, _HEXAGONS = _icosahedron()


def _football(random: Random, directions: Array) -> Array:
    to_pentagon = directions @ _PENTAGONS.T / _FACE_DISTANCES[0]
    to_hexagon = np.sort(directions @ _HEXAGONS.T, axis=-1)[..., -2:] / _FACE_DISTANCES[1]
    pentagon = to_pentagon.max(axis=-1)
    dark = (
        grey(random, 0.02, 0.2)
        if random.random() < 0.75
        else hsv(random.uniform(0, 360), 0.8, random.uniform(0.3, 0.8))
    )
    seam = to_hexagon[..., 1] - to_hexagon[..., 0] < random.uniform(0.004, 0.012)
    colours = _plain(directions, grey(random, 0.82, 1))
    colours = _where(seam, grey(random, 0.3, 0.7), colours)
    return _where(pentagon > to_hexagon[..., 1], dark, colours)


def _basketball(random: Random, directions: Array) -> Array:
    x, y = directions[..., 0], directions[..., 1]
    width = random.uniform(0.025, 0.05)
    bow = np.abs(x) - 0.58 + 0.32 * (1 - y * y)
    seams = (np.abs(x) < width) | (np.abs(y) < width) | (np.abs(bow) < width)
    leather = hsv(random.uniform(14, 30), random.uniform(0.7, 0.95), random.uniform(0.6, 0.95))
    return _where(seams, grey(random, 0.02, 0.22), _plain(directions, leather))


def _on_seam(directions: Array, width: float) -> Array:
    """The curve that a tennis ball and a baseball share."""
    around = np.arctan2(directions[..., 1], directions[..., 0])
    flat = np.sqrt(np.maximum(0, 1 - directions[..., 2] ** 2))
    return np.abs(directions[..., 2] - 0.62 * np.cos(2 * around) * flat) < width


def _tennis_ball(random: Random, directions: Array) -> Array:
    felt = hsv(random.uniform(58, 80), random.uniform(0.6, 0.95), random.uniform(0.75, 1))
    return _where(_on_seam(directions, random.uniform(0.05, 0.09)), grey(random, 0.8, 1), _plain(directions, felt))


def _baseball(random: Random, directions: Array) -> Array:
    around = np.arctan2(directions[..., 1], directions[..., 0])
    stitches = _on_seam(directions, 0.1) & (np.sin(around * 40) > 0)
    thread = hsv(random.uniform(-10, 10), 0.8, random.uniform(0.5, 0.9))
    return _where(stitches, thread, _plain(directions, grey(random, 0.8, 1)))


def _volleyball(random: Random, directions: Array) -> Array:
    size = np.abs(directions)
    axis = size.argmax(axis=-1)
    across = np.take_along_axis(directions, ((axis + 1) % 3)[..., None], axis=-1)[..., 0] / size.max(axis=-1).clip(0.1)
    stripe = np.digitize(across, (-0.33, 0.33))
    seams = np.abs(np.abs(across) - 0.33) < 0.03
    hues = hsv(random.uniform(45, 58), 0.85, 0.95), hsv(random.uniform(205, 235), 0.8, random.uniform(0.5, 0.8))
    colours = _plain(directions, grey(random, 0.85, 1))
    if random.random() < 0.7:
        colours = _where((stripe + axis) % 3 == 0, hues[0], colours)
        colours = _where((stripe + axis) % 3 == 1, hues[1], colours)
    return _where(seams, grey(random, 0.3, 0.6), colours)


_PATTERNS = (_football, _basketball, _tennis_ball, _volleyball, _baseball)
_SHARES = (0.35, 0.25, 0.2, 0.12, 0.08)
