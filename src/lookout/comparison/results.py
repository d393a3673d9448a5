"""What is kept of comparisons: ``samples.jsonl``, lines of JSON that are appended and never changed.

::

    {"kind": "run", "format": 3, "run": ..., "model": ..., "machine": {...}, "cloud": {...}, ...}
    {"kind": "point", "run": ..., "point": ..., "scenario": ..., "load": {...}, "network": ..., "memory_mb": ...}
    {"kind": "sample", "point": ..., "execution": ..., "image": ..., "latency_ms": ..., "stages_ms": {...}, ...}
    {"kind": "invocation", "point": ..., "request_id": ..., "duration_ms": ..., "cold": ..., "stages_ms": {...}, ...}
    {"kind": "peak", "point": ..., "execution": ..., "peak_mb": ...}
    {"kind": "picture", "run": ..., "image": ..., "file": "pictures/1.jpg", "size_wh": [..., ...]}
    {"kind": "precision", "run": ..., "execution": ..., "ap": ..., "ap50": ..., "images": ...}
    {"kind": "warning", "run": ..., "text": ...}
    {"kind": "end", "run": ...}

A run is one machine with one model; a point of it one condition, under which samples were taken. Everything is raw:
nothing is trimmed or averaged, and a failure is a sample with an ``error`` and without objects. What Lambda reports of
a sample comes later than the sample, and has a line of its own, with its request id; so have the sample's stages then,
which are computed from both.

Each line is written whole as soon as it is known, so that a run that is killed leaves all samples by then, and at most
its last line torn. A run without its ``end`` was not finished.
"""

from __future__ import annotations

import dataclasses
import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lookout.cloud.reports import Invocation
from lookout.comparison.conditions import Condition
from lookout.comparison.samples import Sample, invocation_json, read_invocation
from lookout.comparison.stages import stages_ms
from lookout.errors import UsageError

FORMAT = 3
SAMPLES_FILE = "samples.jsonl"
# What a run's line has beside its description.
_RUN_MEMBERS = ("kind", "format", "run", "started", "emulated", "machine", "cloud")
_RUN_BEGINS = b'{"kind": "run"'


@dataclass(frozen=True, slots=True)
class Point:
    """A condition, and the samples that were taken under it. ``peaks_mb``: an execution's peak of memory."""

    id: str
    condition: Condition
    samples: tuple[Sample, ...]
    peaks_mb: Mapping[str, float] = field(default_factory=dict)

    def of(self, execution: str) -> tuple[Sample, ...]:
        """One execution's samples."""
        return tuple(sample for sample in self.samples if sample.execution == execution)


@dataclass(frozen=True, slots=True)
class Picture:
    """A small copy of an image of a run, beside its samples: ``file`` below their folder, the image's own size."""

    image: str
    file: str
    size_wh: tuple[int, int]


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """How well an execution detects, by a run's annotations (COCO's, 0..1; see ``accuracy``)."""

    execution: str
    ap: float | None
    ap50: float | None
    images: int


@dataclass(frozen=True, slots=True)
class Run:
    """A machine with a model, and what was measured on it.

    ``description``: model, its digest, engine, thresholds, executions, number of images and what else was asked for.
    ``is_complete``: it came to its end. ``folder``: of the file that it was read from; its pictures lie there.
    """

    id: str
    started: float
    description: Mapping[str, Any]
    machine: Mapping[str, Any]
    cloud: Mapping[str, Any] | None
    emulated: bool
    points: tuple[Point, ...]
    pictures: tuple[Picture, ...] = ()
    precisions: tuple[AveragePrecision, ...] = ()
    warnings: tuple[str, ...] = ()
    is_complete: bool = True
    folder: Path | None = field(default=None, compare=False)


class ResultsLog:
    """The file that a run is appended to, behind those that it holds already.

    Raises ``UsageError`` where the file can't be made.
    """

    def __init__(self, path: Path, run: Mapping[str, Any], started: float) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} can't be written ({error.strerror}): name another folder with --out") from error
        self.run, self._points = uuid.uuid4().hex[:12], 0
        if self._file.tell():  # the line before may be torn, and an empty one is none
            self._file.write("\n")
        self._write("run", format=FORMAT, run=self.run, started=round(started, 3), **run)

    def begin(self, condition: Condition) -> str:
        """A new point; its id."""
        self._points += 1
        point = f"{self.run}-{self._points}"
        self._write("point", run=self.run, point=point, **condition.to_json())
        return point

    def add_sample(self, point: str, sample: Sample) -> None:
        """A sample of a point, as soon as it is there."""
        self._write("sample", point=point, **sample.to_json(), stages_ms=_rounded(stages_ms(sample)))

    def add_invocation(self, point: str, sample: Sample) -> None:
        """What Lambda reported of one of a point's samples, once that is known."""
        if sample.invocation is not None:
            told = {**invocation_json(sample.invocation), "cold": sample.cold}
            self._write("invocation", point=point, **told, stages_ms=_rounded(stages_ms(sample)))

    def add_peak(self, point: str, execution: str, peak_mb: float) -> None:
        """The memory that an execution's processes had at most, by the end of a point."""
        self._write("peak", point=point, execution=execution, peak_mb=round(peak_mb, 1))

    def add_picture(self, picture: Picture) -> None:
        """A small copy of one of the images."""
        self._write("picture", run=self.run, **dataclasses.asdict(picture))

    def add_precision(self, precision: AveragePrecision) -> None:
        """How well an execution detects."""
        self._write("precision", run=self.run, **dataclasses.asdict(precision))

    def warn(self, text: str) -> None:
        """What a reader of the run must mind."""
        self._write("warning", run=self.run, text=text)

    def end(self) -> None:
        """The run came to its end."""
        self._write("end", run=self.run)

    def _write(self, kind: str, **members: Any) -> None:
        self._file.write(json.dumps({"kind": kind, **members}) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def check_folder(folder: Path) -> None:
    """Before anything is measured: whether a run can be kept in a folder, behind those that are there.

    Raises ``UsageError`` where the folder can't be written, or holds samples that can't be read together with new ones.
    """
    file = folder / SAMPLES_FILE
    try:
        if file.exists():
            _Reading(file).runs()
        nearest = next(place for place in (file, *file.parents) if place.exists())
    except OSError as error:
        raise UsageError(f"{file} can't be written ({error.strerror}): name another folder with --out") from error
    if not os.access(nearest, os.W_OK) or not (nearest == file or nearest.is_dir()):
        raise UsageError(f"{file} can't be written: name another folder with --out")


def read_runs(paths: Iterable[Path]) -> tuple[Run, ...]:
    """The runs in some files, in their order; one that several files hold is there once.

    A folder stands for the ``samples.jsonl`` in it. A torn line, as a run leaves that was killed, is left out. Raises
    ``UsageError`` for a file that can't be read, is of another version, or damaged elsewhere.
    """
    runs: dict[str, Run] = {}
    for path in paths:
        file = path / SAMPLES_FILE if path.is_dir() else path
        for run in _Reading(file).runs():
            runs.setdefault(run.id, run)
    if not runs:
        raise UsageError("no run is in what was given: name a samples.jsonl, or a folder that lookout compare made")
    return tuple(runs.values())


class _Reading:
    """One file on its way to runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._runs: dict[str, dict[str, Any]] = {}
        self._points: dict[str, dict[str, Any]] = {}
        self._samples: dict[str, list[Sample]] = {}
        self._invocations: dict[str, dict[str, Invocation]] = {}
        self._more: dict[str, list[dict[str, Any]]] = {}

    def runs(self) -> list[Run]:
        try:
            lines = self._path.read_bytes().split(b"\n")
        except OSError as error:
            raise UsageError(f"{self._path} can't be read: {error.strerror}") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            document = _object(line)
            if document is not None:
                self._take(document, number)
            elif not _may_be_torn(lines[number:]):
                raise self._damaged(number)
        return [self._run(document) for document in self._runs.values()]

    def _take(self, document: dict[str, Any], number: int) -> None:
        try:
            match document["kind"]:
                case "run":
                    if document["format"] != FORMAT:
                        raise UsageError(
                            f"{self._path} was written by another version of Lookout (format {document['format']}, and "
                            f"this one reads {FORMAT}): make its report with that version, or measure anew"
                        )
                    self._runs[document["run"]] = document
                case "point":
                    self._points[document["point"]] = document
                case "sample":
                    self._samples.setdefault(document["point"], []).append(Sample.from_json(document))
                case "invocation":
                    invocation = read_invocation(document)
                    self._invocations.setdefault(document["point"], {})[invocation.request_id] = invocation
                case _:  # of a run, or of a point of it
                    self._more.setdefault(document.get("run") or document["point"], []).append(document)
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(number) from error

    def _damaged(self, number: int) -> UsageError:
        return UsageError(f"{self._path} is damaged in line {number}: remove that line, or measure anew")

    def _run(self, document: Mapping[str, Any]) -> Run:
        run, more = document["run"], self._more.get(document["run"], [])
        precisions = [_members(entry, AveragePrecision) for entry in more if entry["kind"] == "precision"]
        pictures = [_members(entry, Picture) for entry in more if entry["kind"] == "picture"]
        return Run(
            id=run,
            started=document["started"],
            description={name: value for name, value in document.items() if name not in _RUN_MEMBERS},
            machine=document["machine"],
            cloud=document["cloud"],
            emulated=document["emulated"],
            points=tuple(self._point(point) for point in self._points.values() if point["run"] == run),
            pictures=tuple(Picture(**{**entry, "size_wh": tuple(entry["size_wh"])}) for entry in pictures),
            precisions=tuple(AveragePrecision(**entry) for entry in precisions),
            warnings=tuple(entry["text"] for entry in more if entry["kind"] == "warning"),
            is_complete=any(entry["kind"] == "end" for entry in more),
            folder=self._path.parent,
        )

    def _point(self, document: Mapping[str, Any]) -> Point:
        point = document["point"]
        invocations = self._invocations.get(point, {})
        samples = tuple(with_invocation(sample, invocations) for sample in self._samples.get(point, []))
        peaks_mb = {e["execution"]: e["peak_mb"] for e in self._more.get(point, []) if e["kind"] == "peak"}
        return Point(point, Condition.from_json(document), samples, peaks_mb)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _may_be_torn(following: Sequence[bytes]) -> bool:
    """Whether a line before these is where its run was killed: at the end, or before another run's first line."""
    return next(filter(None, following), _RUN_BEGINS).startswith(_RUN_BEGINS)


def with_invocation(sample: Sample, invocations: Mapping[str, Invocation]) -> Sample:
    """A sample with what Lambda reported of it, where that is known."""
    request_id = sample.answer.request_id if sample.answer else None
    return dataclasses.replace(sample, invocation=invocations.get(request_id)) if request_id else sample


def _rounded(stages: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if stages is None else {stage: round(ms, 3) for stage, ms in stages.items()}


def _members(document: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    return {one.name: document[one.name] for one in dataclasses.fields(kind)}
