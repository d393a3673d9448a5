"""Engines run an ONNX network on this machine, behind one protocol.

with_engine = open_engine("onnxruntime", path, threads=2)
outputs = with_engine.infer(blob)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from lookout.core.detections import FloatArray
from lookout.errors import MissingExtraError, UnknownEngineError, UsageError


class Engine(Protocol):
    """A network that is loaded and ready. ``infer`` may be called from many threads; beyond ``at_once`` they queue."""

    @property
    def name(self) -> str:
        """The engine's name, as ``--engine`` takes it."""
        ...

    def infer(self, blob: FloatArray) -> list[FloatArray]:
        """The network's outputs, in its order, for one input (1, 3, height, width)."""
        ...

    def close(self) -> None:
        """Give the network's memory back; ``infer`` raises ``EngineError`` afterwards."""
        ...


_MOST_THREADS = 1024

NAMES = ("onnxruntime", "opencv", "openvino")


def choose(name: str | None = None) -> str:
    """The engine that a name stands for; without one, ONNX Runtime where it is installed, else OpenCV.

    Raises ``UnknownEngineError`` and ``MissingExtraError``.
    """
    if name is None:
        return "onnxruntime" if find_spec("onnxruntime") else "opencv"
    if name not in NAMES:
        raise UnknownEngineError(f"there is no engine {name!r}: choose one of {', '.join(NAMES)}")
    if name != "opencv" and find_spec(name) is None:
        raise MissingExtraError(name, f"the engine {name}")
    return name


def open_engine(name: str | None, network: Path, threads: int | None = None, at_once: int = 1) -> Engine:
    """Load the network into the engine of that name (see ``choose``).

    ``threads``: how many cores one inference may use; None for all that this process may run on. ``at_once``: how
    many inferences must be able to run beside each other; OpenCV holds the network that many times.
    Raises ``EngineError`` where the engine refuses the network.
    """
    if threads is not None and not 1 <= threads <= _MOST_THREADS:
        raise UsageError(f"threads is {threads}: give a number from 1 to {_MOST_THREADS}, or none for all cores")
    return _opener(choose(name))(network, threads or available_cores(), at_once)


def available_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _opener(name: str) -> Callable[[Path, int, int], Engine]:
    # Each engine is imported only when it is used: they are heavy, and two of them optional.
    if name == "onnxruntime":
        from lookout.engines.onnx_runtime import OnnxRuntimeEngine

        return OnnxRuntimeEngine
    if name == "openvino":
        from lookout.engines.openvino import OpenVinoEngine

        return OpenVinoEngine
    from lookout.engines.opencv import OpenCvEngine

    return OpenCvEngine
