"""Kites, frisbees, umbrellas and donuts: what people take along."""

from __future__ import annotations

import numpy as np

from training.drawing import (
    Array,
    Canvas,
    Colour,
    Random,
    Sprite,
    any_colour,
    bright,
    ellipse_points,
    fractal,
    grey,
    hsv,
    mix,
    regular,
)

_CENTRE = (0.5, 0.5)


def kite(random: Random, size: int) -> Sprite:
    """A diamond of two or four colours, a delta, or a parafoil; its tail and line are not part of the mask."""
    canvas = Canvas(size)
    colours = [bright(random) if random.random() < 0.9 else grey(random, 0, 1) for _ in range(4)]
    shape = random.random()
    if shape < 0.6:
        bottom = _diamond(canvas, random, colours)
    elif shape < 0.92:
        bottom = _delta(canvas, random, colours)
    else:
        bottom = _parafoil(canvas, random, colours)
    if random.random() < 0.7:
        _tail(canvas, random, bottom)
    canvas.wear(random, random.uniform(0.05, 0.25))
    return canvas.sprite()


def _diamond(canvas: Canvas, random: Random, colours: list[Colour]) -> float:
    half, waist, bottom = random.uniform(0.2, 0.34), random.uniform(0.18, 0.3), random.uniform(0.66, 0.8)
    top, left, right, low, middle = (0.5, 0.01), (0.5 - half, waist), (0.5 + half, waist), (0.5, bottom), (0.5, waist)
    pattern = random.choice([(0, 0, 0, 0), (0, 1, 0, 1), (0, 1, 1, 0), (0, 0, 1, 1), (0, 1, 2, 3)])
    for corners, index in zip(((top, left), (left, low), (low, right), (right, top)), pattern, strict=True):
        canvas.polygon([*corners, middle], colours[index])
    if random.random() < 0.7:
        spar = mix(colours[0], (20, 20, 20), 0.6)
        canvas.line([top, low], spar, 0.01)
        canvas.line([left, right], spar, 0.01)
    return bottom


def _delta(canvas: Canvas, random: Random, colours: list[Colour]) -> float:
    low, keel = random.uniform(0.3, 0.5), random.uniform(0.35, 0.5)
    canvas.polygon([(0.5, 0.03), (0.02, low), (0.5, keel)], colours[0])
    canvas.polygon([(0.5, 0.03), (0.98, low), (0.5, keel)], colours[int(random.integers(2))])
    share = random.uniform(0.3, 0.7)
    canvas.polygon([(0.5, 0.03), (0.5 - 0.48 * share, 0.03 + (low - 0.03) * share), (0.5, keel)], colours[2])
    canvas.polygon([(0.5, 0.03), (0.5 + 0.48 * share, 0.03 + (low - 0.03) * share), (0.5, keel)], colours[2])
    return keel


def _parafoil(canvas: Canvas, random: Random, colours: list[Colour]) -> float:
    cells, depth, bow = int(random.integers(4, 9)), random.uniform(0.15, 0.3), random.uniform(0.02, 0.15)
    x = np.linspace(0.02, 0.98, cells + 1)
    y = 0.05 + bow * (2 * x - 1) ** 2
    for cell in range(cells):
        a, b = (x[cell], y[cell]), (x[cell + 1], y[cell + 1])
        canvas.polygon([a, b, (b[0], b[1] + depth), (a[0], a[1] + depth)], colours[cell % int(random.integers(2, 4))])
    for edge in range(0, cells + 1, 2):
        canvas.line([(x[edge], y[edge] + depth), (0.5, 0.98)], grey(random, 0.3, 0.9), 0.004, counts=False)
    return depth + 0.05


def _tail(canvas: Canvas, random: Random, bottom: float) -> None:
    y = np.linspace(bottom, 0.99, 14)
    x = (
        0.5
        + random.uniform(0.02, 0.1) * np.sin((y - bottom) * random.uniform(15, 40))
        + (y - bottom) * random.normal(0, 0.4)
    )
    colour = bright(random)
    canvas.line(np.stack([x, y], axis=1), colour, random.uniform(0.005, 0.02), counts=False)
    for place in range(3, 14, 4):
        bow = np.array([(-0.03, -0.015), (0.03, 0.015), (0.03, -0.015), (-0.03, 0.015)])
        canvas.polygon(np.add(bow, (x[place], y[place])), colour, counts=False)


def frisbee(random: Random, size: int) -> Sprite:
    """A disc with a rim, seen at any angle, often with a print."""
    canvas = Canvas(size)
    base = bright(random) if random.random() < 0.75 else grey(random, 0.75, 1)
    flat = random.uniform(0.18, 1)
    depth = 0.1 * (1 - flat) * random.uniform(0.5, 1.3)

    def ring(radius: float, colour: Colour, width: float = 0) -> None:
        canvas.ellipse((0.5, 0.5 - depth / 2), (radius, radius * flat), colour, width=width)

    canvas.ellipse((0.5, 0.5 + depth / 2), (0.49, 0.49 * flat), mix(base, (0, 0, 0), 0.45))
    canvas.rectangle(0.01, 0.5 - depth / 2, 0.99, 0.5 + depth / 2, mix(base, (0, 0, 0), 0.4))
    ring(0.49, base)
    ring(0.45, mix(base, (0, 0, 0), random.uniform(0.1, 0.3)), 0.012)
    ring(0.42, mix(base, (255, 255, 255), random.uniform(0, 0.2)))
    if random.random() < 0.65:
        ink = any_colour(random)
        ring(random.uniform(0.2, 0.32), ink, random.choice([0, 0.02, 0.05]))
        ring(random.uniform(0.05, 0.15), bright(random))
    for _ in range(int(random.integers(0, 4))):
        ring(random.uniform(0.15, 0.4), mix(base, (0, 0, 0), 0.15), 0.008)
    canvas.wear(random, random.uniform(0.1, 0.35))
    return canvas.sprite()


def umbrella(random: Random, size: int) -> Sprite:
    """An umbrella or a parasol from the side, or an open one from behind; its handle is not part of the mask."""
    canvas = Canvas(size)
    first = bright(random) if random.random() < 0.65 else grey(random, 0.02, 1)
    second = first if random.random() < 0.45 else any_colour(random)
    if random.random() < 0.2:
        _panels_from_behind(canvas, random, first, second)
    else:
        _dome(canvas, random, first, second)
    canvas.wear(random, random.uniform(0.1, 0.35))
    return canvas.sprite()


def _dome(canvas: Canvas, random: Random, first: Colour, second: Colour) -> None:
    height, low = random.uniform(0.22, 0.46), random.uniform(0.42, 0.52)
    pole = random.uniform(0.014, 0.03)
    cone = random.random() < 0.3
    end = random.uniform(0.8, 0.99)
    canvas.line([(0.5, low - height - 0.03), (0.5, end)], grey(random, 0.05, 0.8), pole, counts=False)
    if random.random() < 0.6:
        canvas.line(
            ellipse_points((0.46, end - 0.05), (0.04, 0.05), 0, 0, 180), any_colour(random), pole * 1.6, counts=False
        )
    canvas.ellipse((0.5, low), (0.45, random.uniform(0.03, 0.07)), mix(first, (0, 0, 0), 0.6))
    panels = int(random.integers(5, 9))
    # Ribs stand evenly around the pole, so from the side they crowd at the edges.
    edges = 0.5 - 0.49 * np.cos(np.linspace(0, np.pi, panels + 1))
    for panel in range(panels):
        left, right = edges[panel], edges[panel + 1]
        outline = [*_rib(left, height, low, cone=cone)[::-1], *_rib(right, height, low, cone=cone)]
        scallop = ellipse_points(((left + right) / 2, low), ((right - left) / 2, 0.03), 0, 0, -180)
        shade = 0.28 * abs((left + right) / 2 - random.uniform(0.3, 0.7))
        canvas.polygon([*outline, *scallop], mix(second if panel % 2 else first, (0, 0, 0), shade))
    for edge in edges[1:-1]:
        canvas.line(_rib(edge, height, low, cone=cone), mix(first, (0, 0, 0), 0.45), 0.005)


def _rib(x: float, height: float, low: float, *, cone: bool) -> Array:
    """From the tip down to the edge."""
    share = np.linspace(0, 1, 10)
    rise = 1 - share if cone else np.sqrt(np.maximum(0, 1 - share**2))
    return np.stack([0.5 + (x - 0.5) * share, low - height * rise], axis=1)


def _panels_from_behind(canvas: Canvas, random: Random, first: Colour, second: Colour) -> None:
    flat, turn = random.uniform(0.6, 1), random.uniform(0, 45)
    tip = np.array([0.5 + random.uniform(-0.1, 0.1), 0.5 + random.uniform(-0.15, 0.1)])
    corners = (regular((0, 0), 0.49, 8, turn) * (1, flat)) + 0.5
    canvas.line([tuple(tip), (0.5 + random.uniform(-0.1, 0.1), 0.98)], grey(random, 0.05, 0.6), 0.02, counts=False)
    for panel in range(8):
        a, b = corners[panel], corners[(panel + 1) % 8]
        inward = (a + b) / 2 * 0.94 + 0.5 * 0.06
        shade = 0.45 * (0.5 + 0.5 * np.sin(np.radians(turn + 45 * panel)))
        canvas.polygon([tip, a, inward, b], mix(second if panel % 2 else first, (0, 0, 0), shade))
        canvas.line([tip, a], mix(first, (0, 0, 0), 0.5), 0.005)


def donut(random: Random, size: int) -> Sprite:
    """A ring of dough, mostly with icing and sprinkles on it."""
    canvas = Canvas(size)
    flat = random.uniform(0.55, 1)
    dough = hsv(random.uniform(24, 36), random.uniform(0.45, 0.75), random.uniform(0.55, 0.88))
    hole = random.uniform(0.1, 0.17)
    canvas.ellipse(_CENTRE, (0.49, 0.49 * flat), mix(dough, (0, 0, 0), 0.25))
    canvas.ellipse((0.5, 0.49), (0.47, 0.46 * flat), dough)
    if random.random() < 0.8:
        icings = hsv(random.uniform(320, 350), random.uniform(0.3, 0.6), 0.95), hsv(20, 0.7, random.uniform(0.2, 0.45))
        icing = [*icings, grey(random, 0.88, 1), bright(random)][random.choice(4, p=(0.35, 0.35, 0.2, 0.1))]
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        edge = 0.42 + 0.02 * np.sin(angles * int(random.integers(4, 9)) + random.uniform(0, 6))
        canvas.polygon(np.stack([0.5 + edge * np.cos(angles), 0.485 + edge * flat * np.sin(angles)], axis=1), icing)
        if random.random() < 0.6:
            _sprinkles(canvas, random, hole, flat)
        elif random.random() < 0.5:
            _drizzle(canvas, random, flat)
    canvas.ellipse((0.5, 0.49), (hole + 0.03, (hole + 0.03) * flat), mix(dough, (0, 0, 0), 0.2))
    canvas.ellipse((0.5, 0.5), (hole, hole * flat), mix(dough, (10, 10, 20), random.uniform(0.5, 0.95)))
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    bulge = np.clip(1 - ((np.hypot(x, y / flat) - 0.62) / 0.38) ** 2, 0, 1)
    canvas.light((0.72 + 0.33 * bulge + 0.05 * fractal(random, size, size, 8)).astype(np.float32))
    canvas.wear(random, random.uniform(0.05, 0.2))
    return canvas.sprite()


def _sprinkles(canvas: Canvas, random: Random, hole: float, flat: float) -> None:
    for _ in range(int(random.integers(20, 70))):
        radius, angle = random.uniform(hole + 0.05, 0.39), random.uniform(0, 2 * np.pi)
        x, y, turn = 0.5 + radius * np.cos(angle), 0.485 + radius * flat * np.sin(angle), random.uniform(0, np.pi)
        dx, dy = 0.02 * np.cos(turn), 0.02 * np.sin(turn)
        canvas.line([(x - dx, y - dy), (x + dx, y + dy)], bright(random), 0.014)


def _drizzle(canvas: Canvas, random: Random, flat: float) -> None:
    colour = mix(any_colour(random), (255, 255, 255), 0.5)
    for offset in np.linspace(-0.3, 0.3, int(random.integers(4, 8))):
        reach = 0.8 * np.sqrt(0.4**2 - offset**2)
        canvas.line(
            [(0.5 - reach, 0.485 + (offset - 0.04) * flat), (0.5 + reach, 0.485 + (offset + 0.04) * flat)],
            colour,
            0.018,
        )
