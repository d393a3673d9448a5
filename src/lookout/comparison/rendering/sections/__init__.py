"""A run's findings -> its chapter: what has nothing to show has no section. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from lookout.comparison.findings import Findings
from lookout.comparison.rendering.document import Chapter, Section
from lookout.comparison.rendering.numbers import count
from lookout.comparison.rendering.sections.about import accuracy, caveats, environment, method, peaks, pictures, sources
from lookout.comparison.rendering.sections.choices import costs, memory, network_map, prediction
from lookout.comparison.rendering.sections.latency import added, latencies, rates, stages, table

TITLE = "Here, or in the cloud?"
_EMULATED = (
    "The cloud of this run is emulated: its figures come from Lookout's emulator on this machine, not from AWS. "
    "Each of them is marked so."
)
_UNFINISHED = "This run did not come to its end: the report is of what was measured by then."

_SECTIONS: tuple[Callable[[Findings], Section | None], ...] = (
    table,
    added,
    latencies,
    stages,
    rates,
    costs,
    memory,
    network_map,
    prediction,
    peaks,
    accuracy,
    pictures,
    method,
    sources,
    environment,
    caveats,
)


def chapter(findings: Findings) -> Chapter:
    """All that a report says of a run."""
    run = findings.run
    notes = [_EMULATED] if run.emulated else []
    notes += [] if run.is_complete else [_UNFINISHED]
    made = (make(findings) for make in _SECTIONS)
    return Chapter(_title(findings), findings.answer, tuple(notes), tuple(section for section in made if section))


def introduction(findings: Sequence[Findings]) -> str:
    """What several runs have to do with each other; nothing to say of one."""
    if len(findings) < 2:
        return ""
    machines = {str(sorted(one.run.machine.items())) for one in findings}
    models = {str(one.run.description.get("model")) for one in findings}
    of = " and ".join(words for words, found in (("machines", machines), ("models", models)) if len(found) > 1)
    return (
        f"{count(len(findings), 'run')}{f' of different {of}' if of else ''}, each shown by itself: "
        "their samples are not pooled, and no figure is of more than one."
    )


def _title(findings: Findings) -> str:
    """Model, machine and time: what one run differs in from another."""
    run = findings.run
    model, cpu, cores = run.description.get("model", "a model"), run.machine.get("cpu"), run.machine.get("cores")
    machine = f" on {cpu}" if cpu else ""
    machine += f" ({count(cores, 'core')})" if isinstance(cores, int) else ""
    return f"{model}{machine}, {moment(run.started)}"


def moment(seconds: float) -> str:
    """A time as everybody reads it.

    >>> moment(0)
    '1970-01-01 00:00 UTC'
    """
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
