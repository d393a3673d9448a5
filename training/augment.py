"""One batch after another, each picture cropped, put together, mirrored and coloured anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from training.drawing import Array, Random
from training.objects import LABELS

# Writing and dials read from one side only.
_NEVER_MIRRORED = [LABELS.index(label) for label in ("stop sign", "clock")]
_LEFT_OVER = 0.4  # of a box, in a crop, or it is dropped


@dataclass(frozen=True, slots=True)
class Batch:
    """``images`` uint8 RGB (n, 3, side, side); ``targets`` float32 (m, 6): picture, class, centre, size, in 0..1."""

    images: Array
    targets: Array


@dataclass(frozen=True, slots=True)
class Batches:
    """A training set, an epoch at a time. ``boxes``: per picture (m, 5), class and xyxy in 0..1."""

    pictures: Array
    boxes: Sequence[Array]
    side: int
    size: int

    def __len__(self) -> int:
        return len(self.pictures) // self.size

    def epoch(self, random: Random, *, plain: bool) -> Iterator[Batch]:
        """All pictures once, in random order; ``plain`` leaves out what no real picture looks like."""
        order = random.permutation(len(self.pictures))
        for start in range(0, len(self) * self.size, self.size):
            yield self._batch(random, order[start : start + self.size], plain=plain)

    def _batch(self, random: Random, numbers: Array, *, plain: bool) -> Batch:
        images, targets = [], []
        for place, number in enumerate(numbers):
            chance = random.random()
            if chance < 0.2 and not plain:
                image, rows = self._mosaic(random, number)
            else:
                image, rows = self.pictures[number], self.boxes[number]
                if chance < 0.6:
                    image, rows = _crop(random, image, rows)
            way = cv2.INTER_LINEAR if random.random() < 0.7 else cv2.INTER_AREA
            image = cv2.resize(image, (self.side, self.side), interpolation=way)
            image, rows = _mirror(random, image, rows)
            images.append(_colour(random, image))
            corners, sizes = rows[:, 1:3], rows[:, 3:] - rows[:, 1:3]
            first = np.full((len(rows), 1), place, np.float32)
            targets.append(np.concatenate([first, rows[:, :1], corners + sizes / 2, sizes], axis=1))
        stack = np.stack(images)[..., ::-1].transpose(0, 3, 1, 2)
        return Batch(np.ascontiguousarray(stack), np.concatenate(targets).astype(np.float32))

    def _mosaic(self, random: Random, number: int) -> tuple[Array, Array]:
        """Four pictures in one, around a point near the middle."""
        side = self.pictures.shape[1]
        canvas = np.empty((side, side, 3), np.uint8)
        x, y = (random.uniform(0.3, 0.7, 2) * side).astype(int)
        parts = []
        for left, top, right, bottom in ((0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side)):
            image, rows = self.pictures[number], self.boxes[number]
            canvas[top:bottom, left:right] = cv2.resize(
                image, (int(right - left), int(bottom - top)), interpolation=cv2.INTER_AREA
            )
            scale = np.array([right - left, bottom - top] * 2, np.float32) / side
            moved = rows[:, 1:] * scale + np.array([left, top] * 2, np.float32) / side
            parts.append(np.concatenate([rows[:, :1], moved], axis=1))
            number = int(random.integers(len(self.pictures)))
        rows = np.concatenate(parts)
        return canvas, rows[(rows[:, 3:] - rows[:, 1:3]).min(axis=1) > 0.012]


def _crop(random: Random, image: Array, rows: Array) -> tuple[Array, Array]:
    """A part of the picture, of half its side or more."""
    size = random.uniform(0.5, 1, 2) if random.random() < 0.3 else np.repeat(random.uniform(0.5, 1), 2)
    corner = random.uniform(0, 1 - size)
    low = (corner * image.shape[0]).astype(int)
    high = low + np.maximum(1, (size * image.shape[0]).astype(int))
    low_share, size_share = low / image.shape[0], (high - low) / image.shape[0]
    moved = ((rows[:, 1:] - np.tile(low_share, 2)) / np.tile(size_share, 2)).astype(np.float32)
    clipped = moved.clip(0, 1)
    left = np.prod(clipped[:, 2:] - clipped[:, :2], axis=1) / np.prod(moved[:, 2:] - moved[:, :2], axis=1)
    kept = np.concatenate([rows[:, :1], clipped], axis=1)[left > _LEFT_OVER]
    return image[low[1] : high[1], low[0] : high[0]], kept


def _mirror(random: Random, image: Array, rows: Array) -> tuple[Array, Array]:
    if random.random() < 0.5 or np.isin(rows[:, 0], _NEVER_MIRRORED).any():
        return image, rows
    mirrored = rows.copy()
    mirrored[:, 1], mirrored[:, 3] = 1 - rows[:, 3], 1 - rows[:, 1]
    return image[:, ::-1], mirrored


def _colour(random: Random, image: Array) -> Array:
    """Other light: a gain and a gamma for each channel, by a table."""
    if random.random() < 0.3:
        return image
    levels = np.linspace(0, 1, 256)[:, None]
    gains = np.exp(random.normal(0, 0.15) + random.normal(0, 0.05, 3))
    table = np.clip(255 * gains * levels ** np.exp(random.normal(0, 0.15)), 0, 255).astype(np.uint8)
    return cv2.LUT(np.ascontiguousarray(image), table[:, None])
