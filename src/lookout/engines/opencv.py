"""OpenCV's own network runner: always there, since OpenCV decodes the images too."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np

from lookout.core.detections import FloatArray
from lookout.errors import EngineError


class OpenCvEngine:
    """OpenCV 5's ``dnn`` module."""

    name = "opencv"

    def __init__(self, network: Path, threads: int) -> None:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what it has to say comes back as exceptions
        cv2.setNumThreads(threads)  # OpenCV knows one number of threads for the whole process
        try:
            self._net: cv2.dnn.Net | None = cv2.dnn.readNetFromONNX(str(network))
            self._outputs = self._net.getUnconnectedOutLayersNames()
        except cv2.error as error:
            raise EngineError(f"OpenCV can't load the network: {_first_line(error)}; another engine may") from error
        self._lock = threading.Lock()  # a cv2.dnn.Net keeps its input: one inference at a time

    def infer(self, blob: FloatArray) -> list[FloatArray]:
        """See ``Engine``."""
        try:
            with self._lock:
                if self._net is None:
                    raise EngineError("the engine is closed: open another")
                self._net.setInput(blob)
                outputs = self._net.forward(self._outputs)
        except cv2.error as error:
            raise EngineError(f"OpenCV can't run the network: {_first_line(error)}; another engine may") from error
        return [np.asarray(output, np.float32) for output in outputs]

    def close(self) -> None:
        """See ``Engine``."""
        with self._lock:
            self._net = None


def _first_line(error: cv2.error) -> str:
    """What is wrong; the lines after it are OpenCV's own source."""
    lines = [line.lstrip("> ").rstrip(", ") for line in str(error.err or error).splitlines()]
    return next((line.removesuffix(", where") for line in lines if line), "it does not say why")
