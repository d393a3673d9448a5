"""What ``lookout detect`` looks at, picture by picture: files, standard input, the frames of a video."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lookout import images
from lookout.core.detections import Detection
from lookout.detector import Detector, Result
from lookout.errors import ImageError, LookoutError, UsageError, VideoError
from lookout.video import Video

STANDARD_INPUT = "-"
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a picture: either ``result`` is there or ``error``.

    ``name``: the file's path, ``-`` for standard input. ``frame`` and ``time_s``: where in a video; None for an
    image, and for what went wrong with a video as a whole. ``elapsed_ms``: from its bytes to its objects.
    """

    name: str
    result: Result | None = None
    error: str | None = None
    elapsed_ms: float = 0.0
    frame: int | None = None
    time_s: float | None = None
    of_video: bool = False

    @property
    def objects(self) -> tuple[Detection, ...]:
        """What was found; nothing in a failure, so look at ``error`` first."""
        return self.result.objects if self.result else ()

    @property
    def stem(self) -> str:
        """What files that are made of it are called, without suffix: ``street``, ``stdin``, ``video_000120``."""
        stem = "stdin" if self.name == STANDARD_INPUT else Path(self.name).stem
        return stem if self.frame is None else f"{stem}_{self.frame:06d}"


def find(arguments: Iterable[str]) -> list[str]:
    """The names of the images that arguments stand for; ``-``, standard input, comes first.

    Raises ``NoImagesError``, and ``UsageError`` where standard input is a terminal.
    """
    named = list(arguments)
    paths = [Path(name) for name in named if name != STANDARD_INPUT]
    found = [str(path) for path in images.find(paths)] if paths else []
    # A file of that name is told apart by its folder, also where it was named so.
    found = [f"./{name}" if name == STANDARD_INPUT else name for name in found]
    if STANDARD_INPUT not in named:
        return found
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("standard input is not a pipe: send an image into it, as in lookout detect - < street.jpg")
    return [STANDARD_INPUT, *found]


def look_at_images(detector: Detector, names: Iterable[str]) -> Iterator[Outcome]:
    """Detect in one image after the other; one that fails is an outcome too."""
    for name in names:
        try:
            data = _read_standard_input() if name == STANDARD_INPUT else images.read(Path(name))
            start = time.perf_counter()
            result = detector.detect(data)
            yield Outcome(name, result, elapsed_ms=_ms_since(start))
        except LookoutError as error:  # the boundary: here an error becomes a row
            hint = "; a video is named with --video" if Path(name).suffix.lower() in VIDEO_SUFFIXES else ""
            yield Outcome(name, error=f"{error}{hint}")


def look_at_video(detector: Detector, video: Video, every: int) -> Iterator[Outcome]:
    """Detect in a video's frames; where it breaks off, the last outcome is that failure.

    The stage ``decode`` is of the frame and of those before it that were passed over.
    """
    name = str(video.path)
    try:
        start = time.perf_counter()
        for frame in video.read(every):
            decode_ms = _ms_since(start)
            result = detector.detect(frame.image_bgr)
            result = dataclasses.replace(result, timings={"decode": decode_ms, **result.timings})
            yield Outcome(name, result, None, _ms_since(start), frame.number, frame.time_s, of_video=True)
            start = time.perf_counter()
    except VideoError as error:
        yield Outcome(name, error=str(error), of_video=True)


def _read_standard_input() -> bytes:
    """All of it. Raises ``ImageError`` as soon as it is more than an image may have."""
    data = sys.stdin.buffer.read(images.MAX_BYTES + 1)
    if len(data) > images.MAX_BYTES:
        raise ImageError(f"standard input has more than the {images.MAX_BYTES:,} bytes that an image may have")
    return data


def _ms_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
