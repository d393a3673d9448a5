"""Videos, frame by frame: read, with what breaks off told, and written as MP4. OpenCV's FFmpeg does the work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import cv2
import numpy as np

from lookout.errors import OutputError, UsageError, VideoError
from lookout.images import MAX_PIXELS, ImageArray, size_wh

# MPEG-4 part 2: of the codecs that OpenCV's wheels can write into MP4 it is the quick one (4 ms a frame of 640 x 480;
# VP9 takes 300), and they have no H.264.
_CODEC = "mp4v"
_FPS_UNKNOWN = 25.0


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One picture of a video: its number, from 0, its time in seconds, and its pixels as ``images`` has them."""

    number: int
    time_s: float
    image_bgr: ImageArray


class Video:
    """A video file, open for reading.

    ``frames`` is how many it announces, None where it does not say; ``decoded`` how many were read so far.

    Raises ``UsageError`` where there is no such file, ``VideoError`` where it is no video.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _quiet_ffmpeg()
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise UsageError(f"{path} can't be read ({error.strerror}): name a video file") from error
        # By stream, not by name: FFmpeg would take some names for addresses or patterns, and OpenCV crashes on a name
        # that is no UTF-8.
        self._capture = cv2.VideoCapture(self._file, cv2.CAP_FFMPEG, [])  # type: ignore[call-overload]
        if not self._capture.isOpened():
            self.close()
            raise VideoError(f"{path} is no video that can be decoded, or one whose end is missing")
        self.width, self.height = (
            int(self._get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if self.width * self.height > MAX_PIXELS:
            self.close()
            raise VideoError(f"{path} has {self.width} x {self.height} pixels; at most {MAX_PIXELS:,} are taken")
        fps, frames = self._get(cv2.CAP_PROP_FPS), self._get(cv2.CAP_PROP_FRAME_COUNT)
        self.fps = fps if 0 < fps < 1e4 else _FPS_UNKNOWN
        self.frames = int(frames) if 0 < frames < 1e9 else None
        self.decoded = 0

    def read(self, every: int = 1) -> Iterator[VideoFrame]:
        """The frames, each ``every``-th of them from the first.

        Raises ``VideoError`` after the last where there are fewer than announced. Where a file only estimates their
        number, the time tells: then the last frame lies at the announced end.
        """
        time_s = 0.0
        while self._capture.grab():
            number, time_s = self.decoded, self._get(cv2.CAP_PROP_POS_MSEC) / 1000
            self.decoded += 1
            if number % every == 0:
                yield VideoFrame(number, time_s, self._retrieve(number))
        if not self.decoded:
            raise VideoError("the video has no frame that can be decoded")
        if self.frames and self.decoded < self.frames and time_s + 2 / self.fps < self.frames / self.fps:
            raise VideoError(f"the video breaks off: {self.decoded} of {self.frames} frames could be read")

    def close(self) -> None:
        """Close the file."""
        if hasattr(self, "_capture"):
            self._capture.release()
        self._file.close()

    def _retrieve(self, number: int) -> ImageArray:
        decoded, image_bgr = self._capture.retrieve()
        if not decoded or image_bgr is None or image_bgr.ndim != 3:
            raise VideoError(f"the video can't be decoded at frame {number}")
        pixels: ImageArray = image_bgr.astype(np.uint8, copy=False)
        return pixels

    def _get(self, key: int) -> float:
        return float(self._capture.get(key))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class VideoFile:
    """An MP4 that grows by a frame at a time; all have the first one's size, less an odd last row or column.

    It gets its name when it is whole. Raises ``UsageError`` where the folder can't be written, ``OutputError`` where
    the file turns out to lack frames, such as on a full disk.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self._fps, self._count = path, fps, 0
        self._partial = path.with_name(f".lookout-{os.getpid()}.partial.mp4")
        self._writer: cv2.VideoWriter | None = None

    def write(self, image_bgr: ImageArray) -> None:
        """Add a frame."""
        if self._writer is None:
            self._writer = self._open(size_wh(image_bgr))
        self._writer.write(image_bgr)
        self._count += 1

    def close(self) -> None:
        """Finish the file."""
        if self._writer is None:
            return
        self._writer.release()
        if _count_frames(self._partial) < self._count:
            self._partial.unlink(missing_ok=True)
            raise OutputError(f"{self.path} could not be written whole: see whether the disk is full")
        self._partial.replace(self.path)

    def discard(self) -> None:
        """Leave nothing behind of a file that was not finished."""
        if self._writer is not None:
            self._writer.release()
            self._partial.unlink(missing_ok=True)

    def _open(self, wh: tuple[int, int]) -> cv2.VideoWriter:
        _quiet_ffmpeg()
        try:
            str(self._partial).encode()  # OpenCV crashes on a name that is no UTF-8
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._partial.touch()
        except (OSError, UnicodeEncodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.reason
            raise UsageError(f"{self.path} can't be written ({reason}): name another folder") from error
        code = cv2.VideoWriter.fourcc(*_CODEC)
        writer = cv2.VideoWriter(str(self._partial), cv2.CAP_FFMPEG, code, self._fps, wh)
        if not writer.isOpened():
            raise OutputError(f"this OpenCV can't write {_CODEC} into {self.path}: install opencv-python-headless")
        return writer


def _count_frames(path: Path) -> int:
    try:
        with Video(path) as video:
            return video.frames or 0
    except VideoError:
        return 0


def _quiet_ffmpeg() -> None:
    """Keep FFmpeg's own remarks off standard error, which is for what went wrong, in words that people understand."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
