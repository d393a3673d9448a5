"""OpenVINO: often the fastest on Intel's CPUs, with a larger install."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import openvino

from lookout.core.detections import FloatArray
from lookout.errors import EngineError


class OpenVinoEngine:
    """OpenVINO on the CPU, in full float32."""

    name = "openvino"

    def __init__(self, network: Path, threads: int) -> None:
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Newer CPUs would compute in bfloat16 by themselves, and find other boxes than the other engines.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            self._request: openvino.InferRequest | None = (
                openvino.Core().compile_model(str(network), "CPU", settings).create_infer_request()
            )
        except RuntimeError as error:
            raise EngineError(f"OpenVINO can't load the network: {_last_line(error)}") from error
        self._lock = threading.Lock()  # one request holds one input

    def infer(self, blob: FloatArray) -> list[FloatArray]:
        """See ``Engine``."""
        try:
            with self._lock:
                if self._request is None:
                    raise EngineError("the engine is closed: open another")
                results = self._request.infer([blob])
                return [np.array(results[port], np.float32) for port in self._request.model_outputs]
        except RuntimeError as error:
            raise EngineError(f"OpenVINO can't run the network: {_last_line(error)}") from error

    def close(self) -> None:
        """See ``Engine``."""
        with self._lock:
            self._request = None


def _last_line(error: RuntimeError) -> str:
    """What is wrong; the lines before it say where in OpenVINO's own source."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), "it does not say why")
