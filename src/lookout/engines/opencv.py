"""OpenCV's own network runner: always there, since OpenCV decodes the images too."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lookout.core.detections import FloatArray
from lookout.engines.lending import Lending
from lookout.errors import EngineError


class OpenCvEngine:
    """OpenCV 5's ``dnn`` module."""

    name = "opencv"

    def __init__(self, network: Path, threads: int, at_once: int = 1) -> None:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what it has to say comes back as exceptions
        # OpenCV knows one number of threads for the whole process. Of inferences that run at once the first takes
        # them all, and the others stay on the thread that they were called on.
        cv2.setNumThreads(threads)
        try:
            # A cv2.dnn.Net keeps its input, so that each runs one inference at a time.
            nets = [cv2.dnn.readNetFromONNX(str(network)) for _ in range(at_once)]
            self._outputs = nets[0].getUnconnectedOutLayersNames()
        except cv2.error as error:
            raise EngineError(f"OpenCV can't load the network: {_first_line(error)}; another engine may") from error
        self._nets = Lending(nets)

    def infer(self, blob: FloatArray) -> list[FloatArray]:
        """See ``Engine``."""
        try:
            with self._nets.lend() as net:
                net.setInput(blob)
                outputs = net.forward(self._outputs)
        except cv2.error as error:
            raise EngineError(f"OpenCV can't run the network: {_first_line(error)}; another engine may") from error
        return [np.asarray(output, np.float32) for output in outputs]

    def close(self) -> None:
        """See ``Engine``."""
        self._nets.close()


def _first_line(error: cv2.error) -> str:
    """What is wrong; the lines after it are OpenCV's own source."""
    lines = [line.lstrip("> ").rstrip(", ") for line in str(error.err or error).splitlines()]
    return next((line.removesuffix(", where") for line in lines if line), "it does not say why")
