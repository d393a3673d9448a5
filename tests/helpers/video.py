"""Small videos, made by code."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from helpers.tiny import make_picture

FPS = 10
SIZE_WH = (160, 120)


def pixels(seed: int) -> np.ndarray:
    """The pixels of ``make_picture``."""
    return cv2.imdecode(np.frombuffer(make_picture(seed), np.uint8), cv2.IMREAD_COLOR)


def make_video(path: Path, frames: int) -> Path:
    """Write a video (Motion JPEG in AVI) of that many pictures; its path."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE_WH)
    assert writer.isOpened()
    for number in range(frames):
        writer.write(pixels(number))
    writer.release()
    return path


def break_off(path: Path, whole: Path) -> Path:
    """A copy of a video without its second half."""
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path
