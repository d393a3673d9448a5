"""What light, air, lens and sensor do to a whole picture. None of it moves anything, so boxes stay right."""

from __future__ import annotations

import cv2
import numpy as np

from training.drawing import Array, Random, any_colour, fractal, grain, to_bytes


def photograph(random: Random, picture: Array) -> Array:
    """The picture as a camera might have it: uint8 of the same shape."""
    height, width = picture.shape[:2]
    values = picture.astype(np.float32)
    if random.random() < 0.35:
        values *= _cast_shadow(random, width, height)[..., None]
    if random.random() < 0.5:
        values *= (1 + 0.25 * fractal(random, width, height, 2, 2))[..., None]
    if random.random() < 0.2:
        values = _haze(random, values)
    values = _expose(random, values)
    if random.random() < 0.4:
        values = _blur(random, values)
    if random.random() < 0.75:
        values += grain(random, values.shape, random.uniform(2, 20) if random.random() < 0.6 else 4)
    return _compress(random, to_bytes(values)) if random.random() < 0.5 else to_bytes(values)


def _cast_shadow(random: Random, width: int, height: int) -> Array:
    """Factors (height, width): an odd patch is darker, with soft edges."""
    patch = np.ones((height // 4, width // 4), np.float32)
    corners = random.uniform(-0.2, 1.2, (int(random.integers(3, 7)), 2)) * (width // 4, height // 4)
    cv2.fillPoly(patch, [corners.astype(np.int32)], random.uniform(0.45, 0.85), cv2.LINE_AA)
    return cv2.resize(cv2.GaussianBlur(patch, (0, 0), random.uniform(0.5, 4)), (width, height))


def _haze(random: Random, values: Array) -> Array:
    strength = random.uniform(0.1, 0.45)
    share = strength * np.linspace(1, random.uniform(0.2, 1), values.shape[0], dtype=np.float32)[:, None, None]
    return values * (1 - share) + random.uniform(140, 235) * share


def _expose(random: Random, values: Array) -> Array:
    """Colour of the light, exposure, contrast, saturation, and darker corners."""
    gains = np.exp(random.normal(0, 0.09, 3)) * np.exp(random.normal(0.08, 0.18))
    if random.random() < 0.1:
        gains *= np.array(any_colour(random)) / 255 * 0.6 + 0.5
    values = values * gains.astype(np.float32)
    contrast, middle = np.exp(random.normal(0, 0.15)), random.uniform(90, 150)
    values = (values - middle) * np.float32(contrast) + np.float32(middle)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * np.float32(np.clip(random.normal(0.95, 0.22), 0, 1.4))
    height, width = values.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return values * (1 - random.uniform(0, 0.25) * (x * x + y * y))[..., None]


def _blur(random: Random, values: Array) -> Array:
    """Out of focus, moved, or enlarged from a smaller picture."""
    kind, (height, width) = random.random(), values.shape[:2]
    if kind < 0.5:
        return cv2.GaussianBlur(values, (0, 0), random.uniform(0.4, 1.8))
    if kind < 0.75:
        length, angle = int(random.integers(3, 11)), random.uniform(0, np.pi)
        kernel = np.zeros((length, length), np.float32)
        reach = (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
        ends = [tuple(np.round((length - 1) / 2 + sign * reach).astype(int).tolist()) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1)
        return cv2.filter2D(values, -1, kernel / kernel.sum())
    share = random.uniform(0.4, 0.8)
    small = cv2.resize(values, (int(width * share), int(height * share)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _compress(random: Random, picture: Array) -> Array:
    quality = int(random.integers(25, 95))
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
