"""Renders a training set once, to one array on disk, so that training waits for no drawing.

    python -m training.dataset --out /tmp/lookout-renders

Pictures are stretched to ``SIDE`` a side, as Darknet frames them; boxes are in shares of the picture.
"""

from __future__ import annotations

import argparse
import multiprocessing
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from training.drawing import Array
from training.scenes import render

SIDE = 320
TRAINING_SEED, HELD_OUT_SEED, SAMPLE_SEED = 1, 2, 3
COUNT = 12_000

_PIXELS, _BOXES = "pictures.npy", "boxes.npy"


def load(folder: Path) -> tuple[Array, list[Array]]:
    """Pictures uint8 BGR (n, SIDE, SIDE, 3), mapped from disk, and per picture float32 (m, 5): class, xyxy in 0..1."""
    pictures = np.load(folder / _PIXELS, mmap_mode="r")
    rows = np.load(folder / _BOXES)
    numbers = rows[:, 0].astype(int)
    return pictures, [rows[numbers == number, 1:] for number in range(len(pictures))]


def write(folder: Path, seed: int, count: int, processes: int) -> None:
    """Render ``count`` pictures of a set."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _PIXELS
    np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE, SIDE, 3)).flush()
    with multiprocessing.Pool(processes, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        rows = []
        for done, found in enumerate(pool.imap(partial(_write_one, path, seed), range(count), chunksize=20), start=1):
            rows.append(found)
            if done % 1000 == 0:
                print(f"{done} of {count} pictures", flush=True)
    np.save(folder / _BOXES, np.concatenate(rows))


def _write_one(path: Path, seed: int, number: int) -> Array:
    """Render one picture into its place; its rows (m, 6): number, class, xyxy in 0..1."""
    picture = render(seed, number)
    height, width = picture.pixels.shape[:2]
    # Both ways of making it smaller occur in use: Lookout's own is linear, and photographs were smoothed before.
    way = cv2.INTER_LINEAR if number % 2 else cv2.INTER_AREA
    pictures = np.load(path, mmap_mode="r+")
    pictures[number] = cv2.resize(picture.pixels, (SIDE, SIDE), interpolation=way)
    boxes = picture.boxes_xyxy / np.array([width, height] * 2, np.float32)
    first = np.full((len(boxes), 1), number, np.float32)
    return np.concatenate([first, picture.class_ids[:, None].astype(np.float32), boxes], axis=1)


def main() -> None:
    """Render what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    parser.add_argument("--seed", type=int, default=TRAINING_SEED)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    write(arguments.out, arguments.seed, arguments.count, arguments.processes)


if __name__ == "__main__":
    main()
