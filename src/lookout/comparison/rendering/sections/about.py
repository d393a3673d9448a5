"""What belongs to the figures: memory, precision, pictures; how and where it was measured, and what to mind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lookout.comparison.findings import Findings
from lookout.comparison.rendering.document import Block, Column, Gallery, Plot, Section, Table, Words
from lookout.comparison.rendering.numbers import UNKNOWN, number
from lookout.comparison.rendering.plots.checks import draw_peaks
from lookout.comparison.rendering.sections.latency import emulates
from lookout.comparison.rendering.wording import execution_of
from lookout.comparison.results import Point
from lookout.comparison.samples import called
from lookout.comparison.words import capital
from lookout.core.detections import Detection


def peaks(findings: Findings) -> Section | None:
    """The most memory that each had."""
    found = findings.peaks
    if not found:
        return None
    plot = Plot(
        "peaks",
        "The most memory that each had",
        " ".join(f"{peak.of}: {number(peak.peak_mb)} MB." for peak in found),
        lambda layout: draw_peaks(found, layout),
        emulates(findings, (execution_of(peak.of) for peak in found)),
    )
    columns = (Column("Of", is_number=False), Column("Peak (MB)"))
    rows = tuple((peak.of, number(peak.peak_mb)) for peak in found)
    return Section("Memory", (plot, Table("Peak memory", columns, rows, folded=True)))


def accuracy(findings: Findings) -> Section | None:
    """How well each execution detects, where annotations were given."""
    found = findings.run.precisions
    if not found:
        return None
    columns = (Column("Execution", is_number=False), Column("AP"), Column("AP50"), Column("Images"))
    rows = tuple(
        (
            called(one.execution, emulated=findings.run.emulated),
            number(one.ap, 3),
            number(one.ap50, 3),
            f"{one.images:,}",
        )
        for one in found
    )
    same = len({(one.ap, one.ap50, one.images) for one in found}) == 1
    told = "All executions are equally precise, as they must be: they run the same detector."
    words = (
        (told,) if same else ("The executions are not equally precise, though they run the same detector: see why.",)
    )
    only = Words(words if len(found) > 1 else ())
    return Section("Accuracy", (only, Table("Average precision by COCO's rules", columns, rows)))


def pictures(findings: Findings) -> Section | None:
    """Some pictures, with what was found in them."""
    return Section("Pictures", (Gallery(findings.seen),)) if findings.seen else None


def objects_in_words(objects: Iterable[Detection]) -> str:
    """How many of what.

    >>> from lookout.core.detections import Box
    >>> objects_in_words([Detection("dog", 0.9, Box(0, 0, 1, 1))] * 2), objects_in_words([])
    ('2 dog', 'nothing found')
    """
    found = Counter(one.label for one in objects).most_common()
    return ", ".join(f"{n:,} {label}" for label, n in found) or "nothing found"


def method(findings: Findings) -> Section | None:
    """How it was measured."""
    blocks: list[Block] = [Words(findings.method)] if findings.method else []
    if findings.run.points:
        columns = (
            Column("Scenario", is_number=False),
            Column("Executions", is_number=False),
            Column("Load", is_number=False),
            Column("Network", is_number=False),
            Column("Memory (MB)"),
            Column("Samples"),
            Column("Failed"),
        )
        rows = tuple(_condition(point) for point in findings.run.points)
        blocks.append(Table("What was measured, in this order", columns, rows, folded=len(rows) > 3))
    return Section("Method", tuple(blocks)) if blocks else None


def _condition(point: Point) -> tuple[str, ...]:
    condition = point.condition
    return (
        condition.scenario,
        ", ".join(condition.executions),
        condition.load.described(),
        condition.network.described() if condition.network else "as it is",
        UNKNOWN if condition.memory_mb is None else f"{condition.memory_mb:,}",
        f"{sum(not sample.warm_up for sample in point.samples):,}",
        f"{sum(sample.error is not None for sample in point.samples):,}",
    )


def sources(findings: Findings) -> Section | None:
    """Whose figures are added to emulated ones."""
    return Section("Whose figures are added", (Words(findings.sources),)) if findings.sources else None


def environment(findings: Findings) -> Section | None:
    """What it was measured on."""
    run = findings.run
    columns = (Column("What", is_number=False), Column("Is", is_number=False))
    groups: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("What ran", {**{name: run.description[name] for name in run.description if name != "asked"}, "run": run.id}),
        ("The machine", run.machine),
        ("The cloud, emulated" if run.emulated else "The cloud", run.cloud or {}),
    )
    tables = tuple(Table(name, columns, tuple(_flat(members))) for name, members in groups if members)
    return Section("Environment", tables) if tables else None


_WORDS = {"cpu": "CPU", "iou": "IoU", "os": "OS", "mb": "(MB)", "ms": "(ms)", "s": "(s)"}


def _flat(members: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """What is nested in lines, each with its whole name."""
    for name, value in members.items():
        words = f"{before}: {name}" if before else _in_words(name)
        if isinstance(value, Mapping):
            yield from _flat(value, words)
        else:
            yield words, _told(value)


def _in_words(name: str) -> str:
    """A member's name, for people.

    >>> _in_words("memory_mb"), _in_words("cpu")
    ('Memory (MB)', 'CPU')
    """
    words = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return capital(words)


def _told(value: object) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_told, value)) or UNKNOWN
    return f"{value:,}" if isinstance(value, int) else str(value)


def caveats(findings: Findings) -> Section | None:
    """All that a reader must mind, and what was warned of while it was measured."""
    found = tuple(dict.fromkeys((*findings.caveats, *findings.run.warnings)))
    return Section("What to mind", (Words(found),)) if found else None
