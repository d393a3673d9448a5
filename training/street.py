"""Traffic lights, stop signs and clocks: what is put up in streets and on walls."""

from __future__ import annotations

import numpy as np

from training.drawing import Canvas, Colour, Random, Sprite, any_colour, grey, hsv, mix, regular

_CENTRE = (0.5, 0.5)


def traffic_light(random: Random, size: int) -> Sprite:
    """Three lamps in a housing, one of them lit (rarely two, or none); upright, or lying as over wide roads."""
    canvas = Canvas(size)
    half = random.uniform(0.15, 0.2)
    upright = random.random() < 0.75

    def at(along: float, across: float) -> tuple[float, float]:
        return (0.5 + across, along) if upright else (along, 0.5 + across)

    def block(along: float, across: float, colour: Colour) -> None:
        corners = [at(0.5 - along, -across), at(0.5 + along, -across), at(0.5 + along, across), at(0.5 - along, across)]
        canvas.polygon(corners, colour)

    body = (
        hsv(random.uniform(40, 52), 0.85, random.uniform(0.5, 0.9))
        if random.random() < 0.3
        else grey(random, 0.02, 0.28)
    )
    if random.random() < 0.3:
        block(0.5, half + 0.06, grey(random, 0.6, 1) if random.random() < 0.5 else grey(random, 0.02, 0.15))
        block(0.48, half + 0.04, grey(random, 0.02, 0.12))
    block(0.47, half, mix(body, (0, 0, 0), 0.4))
    block(0.46, half - 0.015, body)
    radius = random.uniform(0.095, 0.125)
    lit = set(random.choice(3, p=(0.42, 0.16, 0.42), size=1 if random.random() < 0.93 else 2).tolist())
    for lamp in range(3) if random.random() < 0.95 else ():
        _lamp(canvas, random, at(0.19 + 0.31 * lamp, 0), radius, lamp, lit=lamp in lit)
    canvas.wear(random, 0.12)
    return canvas.sprite()


def _lamp(canvas: Canvas, random: Random, centre: tuple[float, float], radius: float, lamp: int, *, lit: bool) -> None:
    hue = (random.uniform(-8, 10), random.uniform(36, 52), random.uniform(125, 175))[lamp]
    canvas.ellipse(centre, (radius * 1.12, radius * 1.12), grey(random, 0, 0.1))
    if not lit:
        canvas.ellipse(centre, (radius, radius), hsv(hue, random.uniform(0.2, 0.8), random.uniform(0.08, 0.3)))
        return
    canvas.ellipse(centre, (radius, radius), hsv(hue, random.uniform(0.8, 1), random.uniform(0.85, 1)))
    core = radius * random.uniform(0.4, 0.75)
    canvas.ellipse(centre, (core, core), hsv(hue, random.uniform(0.15, 0.7), 1))


def stop_sign(random: Random, size: int) -> Sprite:
    """A red octagon with a white edge and STOP; faded, dirty or with stickers on it."""
    canvas = Canvas(size)
    red = hsv(random.uniform(-10, 10), random.uniform(0.7, 1), random.uniform(0.45, 0.9))
    white = grey(random, 0.75, 1)
    canvas.polygon(regular(_CENTRE, 0.5, 8, 22.5), grey(random, 0.3, 1) if random.random() < 0.3 else red)
    canvas.polygon(regular(_CENTRE, 0.48, 8, 22.5), white)
    canvas.polygon(regular(_CENTRE, random.uniform(0.43, 0.455), 8, 22.5), red)
    canvas.text(
        "STOP", (0.5, 0.5), random.uniform(0.24, 0.3), white, random.uniform(0.12, 0.2), int(random.integers(2))
    )
    for _ in range(int(random.integers(0, 4)) if random.random() < 0.25 else 0):
        x, y = random.uniform(0.25, 0.75, 2)
        canvas.ellipse((x, y), tuple(random.uniform(0.02, 0.07, 2)), any_colour(random))
    canvas.wear(random, random.uniform(0.05, 0.3))
    return canvas.sprite()


def clock(random: Random, size: int) -> Sprite:
    """A dial with marks and two hands, sometimes numerals and a third hand; round, sometimes square."""
    canvas = Canvas(size)
    rim = any_colour(random) if random.random() < 0.5 else grey(random, 0.05, 0.9)
    dark_dial = random.random() < 0.15
    dial = (
        grey(random, 0.05, 0.25) if dark_dial else mix(grey(random, 0.8, 1), any_colour(random), random.uniform(0, 0.2))
    )
    ink = grey(random, 0.8, 1) if dark_dial else mix(grey(random, 0, 0.2), any_colour(random), random.uniform(0, 0.3))
    inner = random.uniform(0.38, 0.47)
    if random.random() < 0.2:
        canvas.rectangle(0.02, 0.02, 0.98, 0.98, rim)
        if random.random() < 0.6:
            canvas.rectangle(0.5 - inner, 0.5 - inner, 0.5 + inner, 0.5 + inner, dial)
        else:
            canvas.ellipse(_CENTRE, (inner, inner), dial)
    else:
        canvas.ellipse(_CENTRE, (0.49, 0.49), rim)
        if random.random() < 0.4:
            canvas.ellipse(_CENTRE, (inner + 0.015, inner + 0.015), mix(rim, (0, 0, 0), 0.5))
        canvas.ellipse(_CENTRE, (inner, inner), dial)
    _marks(canvas, random, inner, ink)
    hour, minute = random.uniform(0, 360), random.uniform(0, 360)
    width = random.uniform(0.018, 0.04)
    _hand(canvas, hour, inner * random.uniform(0.5, 0.62), width * 1.4, ink)
    _hand(canvas, minute, inner * random.uniform(0.75, 0.92), width, ink)
    if random.random() < 0.4:
        _hand(canvas, random.uniform(0, 360), inner * 0.9, 0.008, hsv(0, 0.9, 0.8))
    canvas.ellipse(_CENTRE, (0.03, 0.03), ink)
    canvas.wear(random, random.uniform(0.05, 0.25))
    return canvas.sprite()


def _marks(canvas: Canvas, random: Random, inner: float, ink: Colour) -> None:
    numerals = random.random() < 0.5
    roman = ("XII", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI")
    latin = random.random() < 0.3
    step = 1 if random.random() < 0.85 else 3
    for hour in range(0, 12, step):
        angle = np.radians(hour * 30 - 90)
        x, y = float(np.cos(angle)), float(np.sin(angle))
        if numerals:
            place = (0.5 + 0.8 * inner * x, 0.5 + 0.8 * inner * y)
            text = roman[hour] if latin else str(hour or 12)
            canvas.text(text, place, inner * (0.17 if latin else 0.22), ink, 0.16, 2 if latin else 0)
        else:
            ends = [(0.5 + share * inner * x, 0.5 + share * inner * y) for share in (0.8, 0.95)]
            canvas.line(ends, ink, 0.03 if hour % 3 == 0 else 0.016)


def _hand(canvas: Canvas, angle: float, length: float, width: float, colour: Colour) -> None:
    x, y = float(np.cos(np.radians(angle))), float(np.sin(np.radians(angle)))
    canvas.line(
        [(0.5 - 0.15 * length * x, 0.5 - 0.15 * length * y), (0.5 + length * x, 0.5 + length * y)], colour, width
    )
