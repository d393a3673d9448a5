"""OpenVINO: often the fastest on Intel's CPUs, with a larger install."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino

from lookout.core.detections import FloatArray
from lookout.engines.lending import Lending
from lookout.errors import EngineError


class OpenVinoEngine:
    """OpenVINO on the CPU, in full float32."""

    name = "openvino"

    def __init__(self, network: Path, threads: int, at_once: int = 1) -> None:
        settings = {
            "INFERENCE_NUM_THREADS": threads * at_once,
            "NUM_STREAMS": at_once,
            "PERFORMANCE_HINT": "LATENCY",
            # Newer CPUs would compute in bfloat16 by themselves, and find other boxes than the other engines.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            # Resolved: it refuses weights that a link leads to, out of the network's folder.
            compiled = openvino.Core().compile_model(str(network.resolve()), "CPU", settings)
            # A request holds an input of its own.
            self._requests = Lending([compiled.create_infer_request() for _ in range(at_once)])
        except RuntimeError as error:
            raise EngineError(f"OpenVINO can't load the network: {_last_line(error)}") from error

    def infer(self, blob: FloatArray) -> list[FloatArray]:
        """See ``Engine``."""
        try:
            with self._requests.lend() as request:
                results = request.infer([blob])
                return [np.array(results[port], np.float32) for port in request.model_outputs]
        except RuntimeError as error:
            raise EngineError(f"OpenVINO can't run the network: {_last_line(error)}") from error

    def close(self) -> None:
        """See ``Engine``."""
        self._requests.close()


def _last_line(error: RuntimeError) -> str:
    """What is wrong; the lines before it say where in OpenVINO's own source."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), "it does not say why")
