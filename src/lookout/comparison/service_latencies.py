"""What AWS's services take that an emulator on loopback does not: a dated table, each figure with its source. Pure.

An emulated sample has the emulator's own handling, some milliseconds, where AWS has its services: a bucket that keeps
three copies, a queue between bucket and function, a table across a network. What others measured of those is added to
emulated samples, apart and on request, and never to real ones. Nothing here is ours, and nothing is guessed: where we
know no public figure that says what it measured, there is none, and ``lower_bound`` says what is lacking.

The way from a client to the region is none of it: see ``network.py``. The sum of medians is near the median of the sum,
and of the p99 above it. Added to what the emulator took they count its own milliseconds twice; against a second that
S3 takes they are few.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lookout.errors import UsageError


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that AWS takes time for: in which executions and stage (``stages.py``), and whether only when cold."""

    what: str
    executions: tuple[str, ...]
    stage: str
    cold_only: bool = False

    def applies(self, execution: str, *, cold: bool) -> bool:
        """Whether a sample has it."""
        return execution in self.executions and (cold or not self.cold_only)


KINDS: Mapping[str, Kind] = {
    "notification": Kind(
        "S3 stores the upload, tells Lambda, and Lambda starts the function for it", ("remote",), "waiting"
    ),
    "invoke": Kind("Lambda takes an invocation to the function and its answer back", ("direct",), "waiting"),
    "sandbox": Kind(
        "Lambda makes a sandbox and loads the function's package, before its initialisation",
        ("remote", "direct"),
        "init",
        cold_only=True,
    ),
    "fetch": Kind("S3 answers the function", ("remote",), "fetch"),
    "store": Kind("DynamoDB takes the item", ("remote",), "store"),
    "notice": Kind("DynamoDB answers the look that finds the item", ("remote",), "notice"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """How long one of them takes, as somebody published it. ``measured`` is a date; a p99 may not be known."""

    p50_ms: float
    p99_ms: float | None
    source: str
    measured: str


@dataclass(frozen=True, slots=True)
class Added:
    """What is added to an emulated sample for one of them."""

    kind: str
    what: str
    stage: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class ServiceLatencies:
    """Figures by the name of their kind, and whose they are. Without any, nothing is added."""

    figures: Mapping[str, Figure] = field(default_factory=dict)

    def added(self, execution: str, *, cold: bool) -> tuple[Added, ...]:
        """What is added to a sample of this execution, in the order in which it happens.

        >>> [part.kind for part in PUBLISHED.added("remote", cold=False)]
        ['notification', 'fetch', 'store', 'notice']
        """
        return tuple(
            Added(name, kind.what, kind.stage, self.figures[name])
            for name, kind in KINDS.items()
            if name in self.figures and kind.applies(execution, cold=cold)
        )

    def added_ms(self, execution: str, *, cold: bool) -> Mapping[str, float]:
        """The medians of what is added, by stage.

        >>> PUBLISHED.added_ms("remote", cold=False)
        {'waiting': 1345.0, 'fetch': 17.66, 'store': 5.57, 'notice': 3.83}
        >>> PUBLISHED.added_ms("in-process", cold=False)
        {}
        """
        return {part.stage: part.figure.p50_ms for part in self.added(execution, cold=cold)}

    def lacking(self, execution: str, *, cold: bool) -> tuple[str, ...]:
        """What an emulated sample lacks, and is not added for want of a figure."""
        return tuple(
            kind.what for name, kind in KINDS.items() if name not in self.figures and kind.applies(execution, cold=cold)
        )

    def lower_bound(self, execution: str, *, cold: bool) -> str | None:
        """What to say of an emulated figure that lacks something; None where it lacks nothing.

        >>> PUBLISHED.lower_bound("direct", cold=False)
        'a lower bound: not in it is the time in which Lambda takes an invocation to the function and its answer back'
        """
        lacking = self.lacking(execution, cold=cold)
        return f"a lower bound: not in it is the time in which {', and '.join(lacking)}" if lacking else None

    def to_json(self) -> dict[str, Any]:
        """For programs, and to be kept with what it was added to; ``read_service_latencies`` takes it again."""
        return {
            name: {
                "p50_ms": figure.p50_ms,
                "p99_ms": figure.p99_ms,
                "source": figure.source,
                "measured": figure.measured,
            }
            for name, figure in self.figures.items()
        }


# Nothing is added: what an emulator takes, as it is.
NOTHING = ServiceLatencies()

_TRIGGERBENCH = (
    "TriggerBench (Scheuner et al., IC2E 2022, doi 10.1109/IC2E55432.2022.00018), AWS storage trigger, warm: "
    "https://github.com/joe4dev/trigger-bench/blob/388a9b2160cab8aabaa88bef6266a7ee1eea6cd0/data-analysis/"
    "df_agg_offsets.csv"
)
_SKYRISE = (
    "Skyrise (Bodner et al., arXiv 2501.07771), 100,000 requests of 1 KB, {} by 10 functions of 7,076 MB: "
    "https://github.com/hpides/skyrise/blob/197088f319b91fa0d991174626878963682e7bac/resources/benchmark/measurement/"
    "storage_latency/{}"
)
_S3_FILE, _DYNAMODB_FILE = "s3/s3s_latency_1a.json", "dynamodb/ddb_latency_1a.json"

# The first is from before the upload to the function's first line: S3's PUT is in it, and so is not added by itself.
PUBLISHED = ServiceLatencies(
    {
        "notification": Figure(1345.0, 2215.75, _TRIGGERBENCH, "2022-04"),
        "fetch": Figure(17.66, 82.11, _SKYRISE.format("GetObject", _S3_FILE), "2024-04-18"),
        "store": Figure(5.57, 11.65, _SKYRISE.format("PutItem", _DYNAMODB_FILE), "2024-04-19"),
        "notice": Figure(3.83, 9.71, _SKYRISE.format("GetItem", _DYNAMODB_FILE), "2024-04-19"),
    }
)


def read_service_latencies(document: object, source: str) -> ServiceLatencies:
    """The published figures with those that a document names in their place; null takes one away.

    Raises ``UsageError`` for what is no figure.

    >>> mine = {"invoke": {"p50_ms": 12, "source": "our own, eu-central-1", "measured": "2026-11"}, "store": None}
    >>> read_service_latencies(mine, "a file").added_ms("direct", cold=False)
    {'waiting': 12.0}
    """
    if not isinstance(document, Mapping):
        raise UsageError(f"{source} must hold latencies by name, such as notification")
    if unknown := [str(name) for name in document if name not in KINDS]:
        raise UsageError(f"{source} names {', '.join(unknown)}, and the latencies are {', '.join(KINDS)}")
    figures = dict(PUBLISHED.figures)
    for name, value in document.items():
        figures.pop(name, None)
        if value is not None:
            figures[name] = _figure(value, f"{source}: {name}")
    return ServiceLatencies({name: figures[name] for name in KINDS if name in figures})


def _figure(value: object, place: str) -> Figure:
    members = ("p50_ms", "p99_ms", "source", "measured")
    if not isinstance(value, Mapping) or not {"p50_ms", "source", "measured"} <= value.keys() <= set(members):
        raise UsageError(f"{place} must have p50_ms, source and measured (a date), and may have p99_ms")
    p50_ms = _milliseconds(value["p50_ms"], f"{place}.p50_ms")
    p99_ms = None if value.get("p99_ms") is None else _milliseconds(value["p99_ms"], f"{place}.p99_ms")
    if p99_ms is not None and p99_ms < p50_ms:
        raise UsageError(f"{place}.p99_ms is {p99_ms:g}, below its p50_ms of {p50_ms:g}")
    for name in ("source", "measured"):
        if not isinstance(value[name], str) or not value[name]:
            raise UsageError(f"{place}.{name} must be a text")
    return Figure(p50_ms, p99_ms, value["source"], value["measured"])


def _milliseconds(value: object, place: str) -> float:
    # True is a number to Python.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise UsageError(f"{place} must be a number of milliseconds, not below zero")
    return float(value)
