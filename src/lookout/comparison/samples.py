"""One image through one execution, with all that is known of it: what a comparison is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lookout.cloud.reports import Invocation, Work
from lookout.core.detections import Detection
from lookout.errors import ExecutionError, LookoutError
from lookout.executions.protocol import Answer

# The executions whose images a function works on, which reports of each.
OFFLOADED = ("remote", "direct")
EMULATED = "emulated"


def called(execution: str, *, emulated: bool) -> str:
    """An execution's name, with what must not be forgotten of it.

    >>> called("remote", emulated=True), called("local", emulated=True)
    ('remote (emulated)', 'local')
    """
    return f"{execution} ({EMULATED})" if emulated and execution in OFFLOADED else execution


@dataclass(frozen=True, slots=True)
class Sample:
    """One image through one execution. ``image`` is its path, as it was given, and ``size_bytes`` what the file has.

    ``started`` and ``ended`` in seconds since the epoch; so is ``scheduled``, when an image of an open loop was to be
    sent. Either ``answer`` is there or ``error`` (with ``error_kind``, the name of its class) is. ``invocation`` is
    what Lambda reported of it. ``failed_retries``: how often an image that failed was sent again; that of an answer is
    in it. ``warm_up``: it was sent so that those that follow find everything loaded, and is in no figure of theirs.
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
    size_bytes: int | None = None
    warm_up: bool = False

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

    @property
    def is_classified(self) -> bool:
        """Whether it is known if it met a cold start: of an offloaded one Lambda must have reported."""
        return self.execution not in OFFLOADED or self.invocation is not None

    @property
    def is_warm(self) -> bool:
        """Whether it was answered, and nothing was loaded for it."""
        return self.answer is not None and self.is_classified and not self.cold and not self.warm_up

    def to_json(self) -> dict[str, Any]:
        """The sample's line; what Lambda reported of it has a line of its own."""
        document: dict[str, Any] = {
            "execution": self.execution,
            "image": self.image,
            "size_bytes": self.size_bytes,
            "warm_up": self.warm_up,
            "scheduled": _rounded(self.scheduled),
            "started": _rounded(self.started),
            "ended": _rounded(self.ended),
            "latency_ms": self.latency_ms,
            "retries": self.retries,
        }
        if self.answer is None:
            return {**document, "error": self.error, "error_kind": self.error_kind}
        return {
            **document,
            "elapsed_ms": self.answer.elapsed_ms,
            "encode_ms": self.answer.encode_ms,
            "upload_ms": self.answer.upload_ms,
            "inference_ms": self.answer.inference_ms,
            "timings_ms": dict(self.answer.timings_ms),
            "request_id": self.answer.request_id,
            "objects": objects_json(self.answer.objects),
        }

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Sample:
        """Read what ``to_json`` wrote. Raises ``KeyError``, ``TypeError`` or ``ValueError`` on anything else."""
        about = {
            name: document[name]
            for name in ("execution", "image", "size_bytes", "warm_up", "scheduled", "started", "ended")
        }
        if "objects" not in document:
            failure = {"error": str(document["error"]), "error_kind": document["error_kind"]}
            return Sample(**about, **failure, failed_retries=document["retries"])
        answer = Answer(
            objects=tuple(Detection.from_json(found) for found in document["objects"]),
            inference_ms=float(document["inference_ms"]),
            elapsed_ms=float(document["elapsed_ms"]),
            timings_ms={str(stage): float(ms) for stage, ms in document["timings_ms"].items()},
            upload_ms=document["upload_ms"],
            request_id=document["request_id"],
            retries=document["retries"],
            encode_ms=float(document["encode_ms"]),
        )
        return Sample(**about, answer=answer)


def objects_json(objects: tuple[Detection, ...]) -> list[dict[str, Any]]:
    """Objects as the contract has them: what two executions must agree on."""
    return [detection.to_json() for detection in objects]


def invocation_json(invocation: Invocation) -> dict[str, Any]:
    """What Lambda reported of a sample, for a line of its own: it is known only after the sample is."""
    return dataclasses.asdict(invocation)


def read_invocation(document: Mapping[str, Any]) -> Invocation:
    """Read what ``invocation_json`` wrote. Raises ``KeyError`` or ``TypeError`` on anything else."""
    known = {field.name: document[field.name] for field in dataclasses.fields(Invocation)}
    work = known.pop("work")
    return Invocation(**known, work=None if work is None else Work(**work))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
