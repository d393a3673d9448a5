"""One network, opened twice: to be fast for one client, and to get most done for many."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2

from lookout.core.selection import Selection
from lookout.detector import Detector, Result, Source, open_detector
from lookout.models.model import Model

# So long after two images were worked on at once, more are expected.
_COMPANY_S = 0.1


class Detectors:
    """A detector that takes all ``cores`` for an image that is alone, and one core for each of several at once.

    Two cores finish two images sooner side by side than one after the other: a network is never split without loss.
    """

    def __init__(
        self,
        model: Model,
        engine: str,
        selection: Selection,
        cores: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # OpenCV keeps one number of threads for both: that of the last one opened.
        self._narrow = open_detector(model, engine, 1, selection, at_once=cores)
        self._wide = open_detector(model, engine, cores, selection) if cores > 1 else self._narrow
        if engine != "opencv":
            # It only frames pictures then, which one thread does as soon: its others would wait awake.
            cv2.setNumThreads(1)
        self._lock = threading.Lock()
        self._busy = 0
        self._clock = clock
        self._last_together = -math.inf

    def detect(self, image: Source, selection: Selection | None = None) -> Result:
        """See ``Detector.detect``."""
        with self._turn() as detector:
            return detector.detect(image, selection)

    def warm_up(self) -> None:
        """Run the network once each way, so that the first images don't pay for its set-up."""
        self._narrow.warm_up()
        self._wide.warm_up()

    def close(self) -> None:
        """Give the engines' memory back."""
        self._wide.close()
        self._narrow.close()

    @contextmanager
    def _turn(self) -> Iterator[Detector]:
        with self._lock:
            self._busy += 1
            detector = self._wide if self._is_alone() else self._narrow
        try:
            yield detector
        finally:
            with self._lock:
                self._busy -= 1

    def _is_alone(self) -> bool:
        """Whether this image has no company, and had none just before: of many clients one is always the first."""
        now = self._clock()
        if self._busy > 1:
            self._last_together = now
        return now - self._last_together > _COMPANY_S
