"""Small videos, made by code."""

from __future__ import annotations

from pathlib import Path

import cv2

from helpers.tiny import make_picture
from lookout.images import decode

FPS = 10
SIZE_WH = (160, 120)


def make_video(path: Path, frames: int) -> Path:
    """Write a video (Motion JPEG in AVI) of that many pictures; its path."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE_WH)
    assert writer.isOpened()
    for number in range(frames):
        writer.write(decode(make_picture(number)))
    writer.release()
    return path


def break_off(path: Path, whole: Path) -> Path:
    """A copy of a video without its second half."""
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path
