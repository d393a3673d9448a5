"""What is kept of a run: one JSON line a sample, appended and never changed.

A line of kind ``run`` describes a run; the samples that follow it are its own, raw: nothing is trimmed or averaged,
and a failure is a sample with an ``error`` and without objects.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lookout.cloud.reports import Invocation
from lookout.core.detections import Detection
from lookout.errors import ExecutionError, LookoutError, UsageError
from lookout.executions.protocol import Answer

FORMAT = 2

# The executions whose images a function works on, which reports of each.
OFFLOADED = ("remote", "direct")


@dataclass(frozen=True, slots=True)
class Sample:
    """One image through one execution. ``image`` is its path, as it was given.

    ``started`` and ``ended`` in seconds since the epoch; so is ``scheduled``, when an image of an open loop was to be
    sent. Either ``answer`` is there or ``error`` (with ``error_kind``, the name of its class) is. ``invocation`` is
    what Lambda reported of it. ``failed_retries``: how often an image that failed was sent again; that of an answer is
    in it.
    """

    execution: str
    image: str
    started: float
    answer: Answer | None = None
    error: str | None = None
    error_kind: str | None = None
    invocation: Invocation | None = None
    failed_retries: int = 0
    ended: float | None = None
    scheduled: float | None = None

    @staticmethod
    def failed(execution: str, image: str, started: float, error: LookoutError) -> Sample:
        """The sample of an image that got no answer."""
        retries = error.retries if isinstance(error, ExecutionError) else 0
        kind = type(error).__name__
        return Sample(execution, image, started, error=str(error), error_kind=kind, failed_retries=retries)

    @property
    def retries(self) -> int:
        """How often the image was sent again."""
        return self.answer.retries if self.answer else self.failed_retries

    @property
    def latency_ms(self) -> float | None:
        """What who wanted the image looked at has waited, retries and all; from when it was scheduled, if it was."""
        begun = self.started if self.scheduled is None else self.scheduled
        return None if self.ended is None else (self.ended - begun) * 1000

    @property
    def cold(self) -> bool:
        """Whether it met a cold start."""
        return self.invocation is not None and self.invocation.init_ms is not None

    def to_json(self) -> dict[str, Any]:
        """The sample's line."""
        document: dict[str, Any] = {
            "kind": "sample",
            "execution": self.execution,
            "image": self.image,
            "started": round(self.started, 6),
            "scheduled": None if self.scheduled is None else round(self.scheduled, 6),
            "latency_ms": self.latency_ms,
        }
        if self.answer is None:
            return {**document, "error": self.error, "error_kind": self.error_kind}
        return {
            **document,
            "elapsed_ms": self.answer.elapsed_ms,
            "upload_ms": self.answer.upload_ms,
            "inference_ms": self.answer.inference_ms,
            "timings_ms": dict(self.answer.timings_ms),
            "cold": self.cold,
            "invocation": dataclasses.asdict(self.invocation) if self.invocation else None,
            "objects": objects_json(self.answer.objects),
        }


def objects_json(objects: tuple[Detection, ...]) -> list[dict[str, Any]]:
    """Objects as the contract has them: what two executions must agree on."""
    return [detection.to_json() for detection in objects]


class SampleLog:
    """The file that samples are appended to, a run after those that it holds already.

    Every line is written whole, as soon as it is known.

    Raises ``UsageError`` where the file can't be made.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} can't be written ({error.strerror}): name another folder with --out") from error
        self._write({"kind": "run", "format": FORMAT, **run})

    def append(self, sample: Sample) -> None:
        """Add a sample."""
        self._write(sample.to_json())

    def _write(self, document: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(document) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
