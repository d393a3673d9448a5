"""The execution without a server: the detector, here."""

from __future__ import annotations

import time

from lookout.detector import Detector
from lookout.executions.protocol import Answer


class InProcessExecution:
    """Runs a detector in this process."""

    name = "in-process"

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def detect(self, data: bytes, name: str = "image") -> Answer:  # noqa: ARG002  the protocol's
        """See ``Execution``."""
        start = time.perf_counter()
        result = self._detector.detect(data)
        elapsed_ms = (time.perf_counter() - start) * 1000
        return Answer(result.objects, result.timings["inference"], elapsed_ms, result.timings)

    def close(self) -> None:
        """See ``Execution``."""
        self._detector.close()
