"""A small network and small pictures, made by code: what tests run on where the shared ones are not there."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from helpers.darknet_weights import make_weights

# At this confidence the network "finds" a dozen things or more in every picture.
CONFIDENCE = 0.05

LABELS = ("square", "circle", "line")

CFG = """
[net]
width=64
height=64
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[maxpool]
size=2
stride=2

[convolutional]
batch_normalize=1
filters=16
size=3
stride=1
pad=1
activation=leaky

[convolutional]
filters=24
size=1
stride=1
pad=1
activation=linear

[yolo]
mask=0,1,2
anchors=8,8, 16,24, 32,20
classes=3
num=3
"""


def make_model(folder: Path, name: str = "tiny") -> Path:
    """Write ``<name>.cfg``, ``.weights`` and ``.names``; the path of the cfg."""
    folder.mkdir(parents=True, exist_ok=True)
    cfg = folder / f"{name}.cfg"
    cfg.write_text(CFG)
    cfg.with_suffix(".weights").write_bytes(make_weights(CFG))
    cfg.with_suffix(".names").write_text("\n".join(LABELS) + "\n")
    return cfg


def make_picture(seed: int, width: int = 160, height: int = 120) -> bytes:
    """A JPEG of coloured noise with a rectangle in it."""
    random = np.random.default_rng(seed)
    pixels = cv2.resize(random.integers(0, 255, (12, 16, 3), np.uint8), (width, height))
    cv2.rectangle(pixels, (20 + seed % 40, 20), (100, 90), (int(random.integers(255)), 40, 200), -1)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def make_pictures(folder: Path, count: int) -> Path:
    """Write ``0.jpg``, ``1.jpg``, ...; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(make_picture(number))
    return folder
