"""The objects that have labels: ``OBJECTS`` says what there is, and what draws it anew every time.

A function takes a random generator and a size in pixels, and gives a sprite of that size.
"""

from __future__ import annotations

from collections.abc import Callable

from training.balls import sports_ball
from training.drawing import Random, Sprite
from training.street import clock, stop_sign, traffic_light
from training.toys import donut, frisbee, kite, umbrella

OBJECTS: dict[str, Callable[[Random, int], Sprite]] = {
    "traffic light": traffic_light,
    "stop sign": stop_sign,
    "umbrella": umbrella,
    "frisbee": frisbee,
    "sports ball": sports_ball,
    "kite": kite,
    "donut": donut,
    "clock": clock,
}
"""In COCO's order, which is the network's order of classes."""

LABELS = tuple(OBJECTS)
