"""ONNX Runtime: the fastest of the small engines on most CPUs.

Its newer Linux builds (1.32 is one) report their use to Microsoft unless they are told not to. Detecting
objects is nobody else's business: it is switched off, unless the environment says otherwise.
"""

from __future__ import annotations

import os
from pathlib import Path

from lookout.core.detections import FloatArray
from lookout.errors import EngineError

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, when it is imported

import onnxruntime as ort

_SPIN_US = "100"


class OnnxRuntimeEngine:
    """ONNX Runtime on the CPU. One session runs as many inferences at once as it is asked for."""

    name = "onnxruntime"

    def __init__(self, network: Path, threads: int, at_once: int = 1) -> None:  # noqa: ARG002  the protocol's
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Between two parts of an inference its threads wait awake; between two inferences they need not, and by
        # themselves they do for long: a fifth of all CPU time of a client that sends one image after the other.
        options.add_session_config_entry("session.intra_op.spin_duration_us", _SPIN_US)
        options.log_severity_level = 4  # errors come back as exceptions with more to say
        try:
            self._session: ort.InferenceSession | None = ort.InferenceSession(
                str(network), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise EngineError(f"ONNX Runtime can't load the network: {error}") from error
        self._input = self._session.get_inputs()[0].name

    def infer(self, blob: FloatArray) -> list[FloatArray]:
        """See ``Engine``."""
        session = self._session
        if session is None:
            raise EngineError("the engine is closed: open another")
        try:
            outputs: list[FloatArray] = session.run(None, {self._input: blob})
        except Exception as error:
            raise EngineError(f"ONNX Runtime can't run the network: {error}") from error
        return outputs

    def close(self) -> None:
        """See ``Engine``."""
        self._session = None
