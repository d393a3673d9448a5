"""Samples -> the table that compares executions, and whether they agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from lookout.comparison.samples import OFFLOADED, Sample, objects_json
from lookout.comparison.statistics import Summary, summarise


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: ``task`` and ``metric`` say which; no ``summary`` where no sample had the value."""

    task: str
    metric: str
    unit: str
    summary: Summary | None

    def to_json(self) -> dict[str, Any]:
        """The row as data."""
        names = [field.name for field in dataclasses.fields(Summary)]
        numbers = dataclasses.asdict(self.summary) if self.summary else {**dict.fromkeys(names), "n": 0}
        return {"task": self.task, "metric": self.metric, "unit": self.unit, **numbers}


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the images that all executions answered, how many got the same objects from each."""

    images: int
    identical: int


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that an execution did not answer."""

    execution: str
    image: str
    error: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a point of a run has to say. ``unreported`` samples, of which Lambda has told nothing, are in no row."""

    rows: tuple[Row, ...]
    agreement: Agreement
    cold_starts: int
    failures: tuple[Failure, ...]
    unreported: int

    def to_json(self) -> dict[str, Any]:
        """The report as data."""
        return {
            "rows": [row.to_json() for row in self.rows],
            "agreement": dataclasses.asdict(self.agreement),
            "cold_starts": self.cold_starts,
            "failures": [dataclasses.asdict(failure) for failure in self.failures],
            "unreported": self.unreported,
        }

    @property
    def sound(self) -> bool:
        """Whether every image was answered and reported, and by every execution with the same objects."""
        return not self.failures and not self.unreported and self.agreement.identical == self.agreement.images


def make_report(samples: Sequence[Sample], executions: Collection[str]) -> Report:
    """The report of samples of these executions.

    An offloaded sample whose REPORT line is missing may have met a cold start: it is in no row, and counted as
    ``unreported``. Warm-ups are in the rows of cold starts, if at all; what fails of them is an image that is measured
    after them, and fails again.
    """
    offloaded = [sample for sample in samples if sample.execution in OFFLOADED and sample.answer]
    return Report(
        rows=tuple(_rows(samples, executions)),
        agreement=_agreement(samples, executions),
        cold_starts=sum(sample.cold for sample in offloaded),
        failures=tuple(
            Failure(s.execution, s.image, s.error) for s in samples if s.error is not None and not s.warm_up
        ),
        unreported=sum(sample.invocation is None for sample in offloaded),
    )


def _elapsed_ms(sample: Sample) -> float | None:
    """What its sender has waited, the file's reading and all; where only the execution was timed, what that took."""
    if sample.latency_ms is not None:
        return sample.latency_ms
    return sample.answer.elapsed_ms if sample.answer else None


def _upload_ms(sample: Sample) -> float | None:
    return sample.answer.upload_ms if sample.answer else None


def _duration_ms(sample: Sample) -> float | None:
    return sample.invocation.duration_ms if sample.invocation else None


def _init_ms(sample: Sample) -> float | None:
    return sample.invocation.init_ms if sample.invocation else None


def _used_mb(sample: Sample) -> float | None:
    return sample.invocation.used_mb if sample.invocation else None


_Pick = Callable[[Sample], float | None]

# Task, metric, unit; then of which samples (execution, cold) which value.
_ROWS: tuple[tuple[str, str, str, str, bool, _Pick], ...] = (
    ("In-process execution", "Duration", "ms", "in-process", False, _elapsed_ms),
    ("Local execution", "Duration", "ms", "local", False, _elapsed_ms),
    ("Remote image upload", "Duration", "ms", "remote", False, _upload_ms),
    ("Remote execution", "Duration", "ms", "remote", False, _duration_ms),
    ("Remote execution", "Memory used", "MB", "remote", False, _used_mb),
    ("Remote, end to end", "Duration", "ms", "remote", False, _elapsed_ms),
    ("Remote cold start", "Init duration", "ms", "remote", True, _init_ms),
    ("Remote cold start", "Duration", "ms", "remote", True, _duration_ms),
    ("Remote cold start", "End to end", "ms", "remote", True, _elapsed_ms),
    ("Direct execution", "Duration", "ms", "direct", False, _duration_ms),
    ("Direct execution", "Memory used", "MB", "direct", False, _used_mb),
    ("Direct, end to end", "Duration", "ms", "direct", False, _elapsed_ms),
    ("Direct cold start", "Init duration", "ms", "direct", True, _init_ms),
    ("Direct cold start", "Duration", "ms", "direct", True, _duration_ms),
    ("Direct cold start", "End to end", "ms", "direct", True, _elapsed_ms),
)


def _rows(samples: Sequence[Sample], executions: Collection[str]) -> Iterator[Row]:
    for task, metric, unit, execution, cold, pick in _ROWS:
        chosen = [s for s in samples if s.execution == execution and (s.answer and s.cold if cold else s.is_warm)]
        if execution in executions and (chosen or not cold):
            picked = map(pick, chosen)
            yield Row(task, metric, unit, summarise([value for value in picked if value is not None]))


def _agreement(samples: Sequence[Sample], executions: Collection[str]) -> Agreement:
    """How many images every execution answered, and for how many of those with equal objects.

    An execution alone agrees with nobody: then there are no such images.
    """
    if len(executions) < 2:
        return Agreement(0, 0)
    answers: dict[str, dict[str, list[list[dict[str, Any]]]]] = {}
    for sample in samples:
        if sample.answer:
            of_image = answers.setdefault(sample.image, {})
            of_image.setdefault(sample.execution, []).append(objects_json(sample.answer.objects))
    complete = [list(chain(*found.values())) for found in answers.values() if len(found) == len(executions)]
    return Agreement(len(complete), sum(all(one == found[0] for one in found) for found in complete))
