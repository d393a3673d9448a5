"""What stands about in a scene and has no label: some of it like an object in colour or in shape, none of it both.

A function takes a random generator and a size in pixels, and gives a sprite of that size.
"""

from __future__ import annotations

import numpy as np

from training.drawing import Canvas, Random, Sprite, any_colour, bright, fractal, grey, hsv, mix, regular, to_bytes

_WORDS = ("ONE WAY", "SALE", "OPEN", "CAFE", "EXIT", "BUS", "HOTEL", "30", "50", "P", "NO 7", "PIZZA", "TAXI", "SLOW")


def person(random: Random, size: int) -> Sprite:
    """Somebody standing or walking, seen from any side."""
    canvas = Canvas(size)
    skin = hsv(random.uniform(12, 30), random.uniform(0.25, 0.65), random.uniform(0.25, 0.95))
    shirt, trousers = any_colour(random), mix(any_colour(random), (60, 40, 40), 0.5)
    stride, wide = random.uniform(0, 0.09), random.uniform(0.07, 0.11)
    for side in (-1, 1):
        canvas.line(
            [(0.5 + side * 0.04, 0.55), (0.5 + side * stride, 0.78), (0.5 + side * stride * 1.3, 0.97)], trousers, 0.06
        )
        hand = 0.5 + side * random.uniform(0.1, 0.22), random.uniform(0.25, 0.58)
        elbow = 0.5 + side * random.uniform(0.11, 0.17), random.uniform(0.33, 0.42)
        canvas.line([(0.5 + side * wide * 0.9, 0.22), elbow], shirt, 0.045)
        canvas.line([elbow, hand], skin if random.random() < 0.5 else shirt, 0.035)
    canvas.polygon([(0.5 - wide, 0.2), (0.5 + wide, 0.2), (0.5 + wide * 0.8, 0.58), (0.5 - wide * 0.8, 0.58)], shirt)
    canvas.line([(0.5, 0.12), (0.5, 0.22)], skin, 0.04)
    canvas.ellipse((0.5, 0.1), (0.045, 0.058), skin)
    hair = hsv(random.uniform(15, 40), random.uniform(0, 0.7), random.uniform(0.03, 0.6))
    canvas.ellipse((0.5, 0.075), (0.047, 0.04), hair)
    canvas.wear(random, 0.25)
    return canvas.sprite()


def car(random: Random, size: int) -> Sprite:
    """A car from the side or from behind; its lamps are not traffic lights, its wheels not clocks."""
    canvas = Canvas(size)
    paint = any_colour(random)
    glass, rubber = grey(random, 0.1, 0.6), grey(random, 0.02, 0.15)
    if random.random() < 0.5:
        canvas.polygon([(0.2, 0.5), (0.32, 0.33), (0.66, 0.33), (0.82, 0.5)], mix(paint, (0, 0, 0), 0.15))
        canvas.polygon([(0.25, 0.49), (0.35, 0.36), (0.48, 0.36), (0.48, 0.49)], glass)
        canvas.polygon([(0.51, 0.49), (0.51, 0.36), (0.64, 0.36), (0.75, 0.49)], glass)
        canvas.polygon([(0.02, 0.53), (0.2, 0.49), (0.85, 0.49), (0.98, 0.55), (0.98, 0.67), (0.02, 0.67)], paint)
        for x in (0.22, 0.77):
            canvas.ellipse((x, 0.66), (0.085, 0.085), rubber)
            canvas.ellipse((x, 0.66), (0.05, 0.05), grey(random, 0.3, 0.85))
    else:
        canvas.polygon([(0.24, 0.48), (0.32, 0.3), (0.68, 0.3), (0.76, 0.48)], paint)
        canvas.polygon([(0.29, 0.47), (0.35, 0.33), (0.65, 0.33), (0.71, 0.47)], glass)
        canvas.rectangle(0.2, 0.47, 0.8, 0.7, mix(paint, (0, 0, 0), 0.1))
        canvas.rectangle(0.42, 0.58, 0.58, 0.64, grey(random, 0.7, 1))
        for x in (0.22, 0.7):
            canvas.rectangle(x, 0.5, x + 0.08, 0.57, hsv(0, 0.9, random.uniform(0.4, 1)))
            canvas.rectangle(x, 0.7, x + 0.09, 0.76, rubber)
    canvas.wear(random, 0.25)
    return canvas.sprite()


def road_sign(random: Random, size: int) -> Sprite:
    """A round, triangular, square or oblong sign: everything but a red octagon."""
    canvas = Canvas(size)
    kind = int(random.integers(6))
    red, white = hsv(random.uniform(-8, 8), 0.85, random.uniform(0.5, 0.9)), grey(random, 0.8, 1)
    if kind == 0:
        canvas.ellipse((0.5, 0.5), (0.46, 0.46), red)
        canvas.ellipse((0.5, 0.5), (0.36, 0.36), white)
        canvas.text(str(random.choice([20, 30, 50, 70, 80])), (0.5, 0.5), 0.3, (10, 10, 10))
    elif kind == 1:
        canvas.ellipse((0.5, 0.5), (0.46, 0.46), red)
        canvas.rectangle(0.2, 0.43, 0.8, 0.57, white)
    elif kind == 2:
        turn = 90 if random.random() < 0.5 else -90
        canvas.polygon(regular((0.5, 0.5), 0.5, 3, turn), red)
        canvas.polygon(regular((0.5, 0.5), 0.34, 3, turn), white)
    elif kind == 3:
        canvas.polygon(regular((0.5, 0.5), 0.5, 4, 0), hsv(random.uniform(44, 54), 0.9, 0.95))
        canvas.text(str(random.choice(_WORDS)), (0.5, 0.5), 0.12, (10, 10, 10))
    elif kind == 4:
        canvas.ellipse((0.5, 0.5), (0.46, 0.46), hsv(random.uniform(205, 225), 0.85, random.uniform(0.5, 0.8)))
        canvas.line([(0.5, 0.75), (0.5, 0.25), (0.35, 0.42), (0.5, 0.25), (0.65, 0.42)], white, 0.07)
    else:
        canvas.rectangle(0.02, 0.3, 0.98, 0.7, bright(random))
        canvas.text(str(random.choice(_WORDS)), (0.5, 0.5), 0.16, white, 0.16, int(random.integers(3)))
    canvas.wear(random, 0.2)
    return canvas.sprite()


def post(random: Random, size: int) -> Sprite:
    """A pole or a trunk, the height of the canvas."""
    canvas = Canvas(size)
    half = random.uniform(0.008, 0.05)
    canvas.rectangle(
        0.5 - half, 0, 0.5 + half, 1, grey(random, 0.1, 0.7) if random.random() < 0.6 else hsv(30, 0.5, 0.4)
    )
    canvas.wear(random, 0.3)
    return canvas.sprite()


def lamp_post(random: Random, size: int) -> Sprite:
    """A street lamp; its globe or arm is grey or glows warm."""
    canvas = Canvas(size)
    metal = grey(random, 0.05, 0.5)
    canvas.line([(0.4, 1), (0.4, 0.12), (0.6, 0.06)], metal, 0.02)
    canvas.ellipse((0.63, 0.08), (0.07, 0.025), grey(random, 0.6, 1) if random.random() < 0.5 else metal)
    return canvas.sprite()


def tree(random: Random, size: int) -> Sprite:
    """A trunk, and leaves with holes in them."""
    canvas = Canvas(size)
    canvas.line([(0.5, 1), (0.5 + random.normal(0, 0.03), 0.5)], hsv(28, 0.5, random.uniform(0.15, 0.45)), 0.07)
    leaf = hsv(random.uniform(50, 140), random.uniform(0.3, 0.8), random.uniform(0.2, 0.6))
    for _ in range(14):
        x, y = 0.5 + random.normal(0, 0.13), 0.35 + random.normal(0, 0.12)
        canvas.ellipse(
            (x, y),
            (random.uniform(0.08, 0.18), random.uniform(0.06, 0.15)),
            mix(leaf, (0, 0, 0), random.uniform(0, 0.4)),
        )
    canvas.light((1 + 0.5 * fractal(random, size, size, 12)).astype(np.float32))
    return canvas.sprite()


def leaves(random: Random, size: int) -> Sprite:
    """A branch that hangs into the picture."""
    canvas = Canvas(size)
    leaf = hsv(random.uniform(50, 140), random.uniform(0.3, 0.8), random.uniform(0.2, 0.7))
    canvas.line([(0, random.uniform(0.2, 0.8)), (1, random.uniform(0.2, 0.8))], hsv(28, 0.5, 0.3), 0.02)
    for _ in range(30):
        place = (random.uniform(0.05, 0.95), 0.5 + random.normal(0, 0.16))
        canvas.ellipse(place, (0.07, 0.03), mix(leaf, (0, 0, 0), random.uniform(0, 0.5)), angle=random.uniform(0, 180))
    return canvas.sprite()


def crate(random: Random, size: int) -> Sprite:
    """A box, bin, parcel or poster with lines and words."""
    canvas = Canvas(size)
    colour, high = any_colour(random), random.uniform(0.2, 0.48)
    canvas.rectangle(0.05, 0.5 - high, 0.95, 0.5 + high, colour)
    canvas.rectangle(0.1, 0.54 - high, 0.9, 0.46 + high, mix(colour, any_colour(random), 0.4))
    for _ in range(int(random.integers(0, 5))):
        points = [tuple(random.uniform((0.1, 0.5 - high), (0.9, 0.5 + high))) for _ in range(2)]
        canvas.line(points, any_colour(random), random.uniform(0.01, 0.06))
    if random.random() < 0.5:
        canvas.text(str(random.choice(_WORDS)), (0.5, 0.5), random.uniform(0.1, 0.2), any_colour(random))
    canvas.wear(random, 0.3)
    return canvas.sprite()


def bottle(random: Random, size: int) -> Sprite:
    """A bottle, a can or a cup."""
    canvas = Canvas(size)
    colour, half = any_colour(random), random.uniform(0.08, 0.2)
    canvas.rectangle(0.5 - half, 0.35, 0.5 + half, 0.98, colour)
    if half < 0.14:
        canvas.polygon(
            [(0.5 - half, 0.36), (0.47, 0.2), (0.47, 0.05), (0.53, 0.05), (0.53, 0.2), (0.5 + half, 0.36)], colour
        )
    canvas.rectangle(0.5 - half, 0.5, 0.5 + half, 0.75, any_colour(random))
    canvas.wear(random, 0.3)
    return canvas.sprite()


def bird(random: Random, size: int) -> Sprite:
    """A bird in flight, dark as against the sky."""
    canvas = Canvas(size)
    colour = grey(random, 0.05, 0.5)
    rise = random.uniform(0.05, 0.3)
    canvas.line(
        [(0.05, 0.5 - rise), (0.3, 0.5 - rise * 0.8), (0.5, 0.5), (0.7, 0.5 - rise * 0.8), (0.95, 0.5 - rise)],
        colour,
        0.05,
    )
    canvas.ellipse((0.5, 0.5), (0.06, 0.1), colour)
    return canvas.sprite()


def flag(random: Random, size: int) -> Sprite:
    """Stripes on a pole: the colours of a kite, another shape."""
    canvas = Canvas(size)
    canvas.line([(0.1, 0), (0.1, 1)], grey(random, 0.4, 0.9), 0.03)
    wave = 0.03 * np.sin(np.linspace(0, random.uniform(3, 9), 12))
    x = np.linspace(0.1, 0.95, 12)
    for stripe in range(3):
        top = 0.05 + stripe * 0.16
        points = [*zip(x, top + wave, strict=True), *zip(x[::-1], (top + 0.165 + wave)[::-1], strict=True)]
        canvas.polygon(points, bright(random) if random.random() < 0.7 else grey(random, 0.8, 1))
    canvas.wear(random, 0.2)
    return canvas.sprite()


def blob(random: Random, size: int) -> Sprite:
    """A stone, a bush, a bag: any rounded lump."""
    canvas = Canvas(size)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radii = 0.36 + 0.1 * sum(random.normal() * np.sin(k * angles + random.uniform(0, 6)) / k for k in (1, 2, 3, 5))
    squash = random.uniform(0.4, 1)
    radii = np.clip(radii, 0.1, 0.49)
    points = np.stack([0.5 + radii * np.cos(angles), 0.5 + squash * radii * np.sin(angles)], axis=1)
    canvas.polygon(points, any_colour(random))
    canvas.light((1 + random.uniform(0.1, 0.6) * fractal(random, size, size, 6)).astype(np.float32))
    canvas.wear(random, 0.3)
    return canvas.sprite()


def shard(random: Random, size: int) -> Sprite:
    """An odd polygon, as parts of things are when they are cut off."""
    canvas = Canvas(size)
    corners = random.uniform(0.02, 0.98, (int(random.integers(4, 8)), 2))
    order = np.argsort(np.arctan2(*(corners - corners.mean(axis=0)).T))
    # Dull, as a bright one of four corners would be a kite.
    canvas.polygon(corners[order], mix(any_colour(random), grey(random, 0.1, 0.8), random.uniform(0.6, 1)))
    canvas.wear(random, 0.4)
    return canvas.sprite()


def shadow(size: int, darkness: float) -> Sprite:
    """A soft round shadow, to be flattened on the ground."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    alpha = to_bytes(255 * darkness * np.clip(1.2 - 1.2 * np.hypot(x, y), 0, 1))
    nothing = np.zeros((size, size), np.uint8)
    return Sprite(np.dstack([nothing] * 3 + [alpha]), nothing)


STANDING = (person, person, car, lamp_post, tree, road_sign, crate, post, flag)
SMALL = (crate, bottle, blob, shard, bottle)
ANYWHERE = (blob, shard, crate, road_sign, person, flag, tree, bird)
IN_FRONT = (post, leaves, person, blob, shard, tree)
