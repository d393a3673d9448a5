"""The tables of the command line: on a terminal as many columns as fit, elsewhere all of them."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table

from lookout.apps.console import EMULATED, printable, put
from lookout.apps.reporting import WITHOUT_PLOTS

if TYPE_CHECKING:
    from pathlib import Path

    from lookout.comparison.findings import Findings, MemorySweep
    from lookout.comparison.report import Row
    from lookout.comparison.statistics import Summary
    from lookout.comparison.tally import Totals


def print_report(found: Findings) -> None:
    """The answer, the table of a run's first point, and all that a reader must know to read them rightly."""
    console = standard_output()
    with console.capture() as table:
        _print_table(console, found.report.rows)
        if found.memory:
            console.print(_memory_table(found.memory))
    before, after = (_wrapped(map(printable, lines), console.width) for lines in (found.answer, _footer(found)))
    put("\n".join([*before, table.get().rstrip("\n"), *after]))


def _memory_table(sweep: MemorySweep) -> Table:
    """The function at each memory; what is recommended is named beside it."""
    table = Table("Memory (MB)", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("Duration (ms)", "p95 (ms)", "Init (ms)", "$ per 1,000"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for point in sweep.points:
        goals = [goal for goal, memory_mb in sweep.recommended.items() if memory_mb == point.memory_mb]
        figures = (point.duration_ms, point.p95_ms, point.init_ms)
        told = ["-" if figure is None else f"{figure:.1f}" for figure in figures]
        dollars = "-" if point.dollars_per_thousand is None else f"{point.dollars_per_thousand:.5f}"
        table.add_row(str(point.memory_mb), *told, dollars, point.excluded or ", ".join(goals))
    return table


def print_written(files: Sequence[Path]) -> None:
    """Where a report is."""
    if not any(file.suffix == ".html" for file in files):
        put(WITHOUT_PLOTS)
    put(printable(f"Report: {', '.join(map(str, files))}"))


def _wrapped(sentences: Iterable[str], width: int) -> Iterable[str]:
    """Each sentence a paragraph no wider than a terminal, or than is good to read."""
    for sentence in sentences:
        yield from textwrap.wrap(sentence, min(width, _READABLE), subsequent_indent="  ")


_COLUMNS = {"Mean": "mean", "SD": "sd", "Min": "min", "Max": "max", "p50": "p50", "p95": "p95"}
# What a narrow terminal does without; --json and a pipe have all of it.
_SPARED = {"SD", "Min", "Max"}
_WIDE = 1000
_READABLE = 120


def _print_table(console: Console, rows: Sequence[Row]) -> None:
    """The whole table where it fits, else without the columns that can be spared; never with half a number."""
    fewer = {name: field for name, field in _COLUMNS.items() if name not in _SPARED}
    print_fitting(console, [_table(rows, _COLUMNS), _table(rows, fewer)])


def print_fitting(console: Console, tables: Sequence[Table]) -> None:
    """The first table that fits; where none does, the last in its full width, as a number is never cut."""
    widths = [console.measure(table, options=console.options.update(width=_WIDE)).maximum for table in tables]
    fitting = [at for at, width in enumerate(widths) if width <= console.width]
    at = fitting[0] if fitting else -1
    console.width = max(console.width, widths[at])
    console.print(tables[at])


def _table(rows: Iterable[Row], columns: Mapping[str, str]) -> Table:
    table = Table("Task", "Metric", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.task, f"{row.metric} ({row.unit})", *(_number(row, field) for field in columns.values()))
    return table


def _number(row: Row, field: str) -> str:
    if row.summary is None:
        return "-"
    return f"{getattr(row.summary, field):.2f}" if _is_known(row.summary, field) else ""


def _is_known(summary: Summary, field: str) -> bool:
    """One sample has a value, and nothing to say of how values spread."""
    return summary.n > 1 or field == "mean"


def _footer(found: Findings) -> Iterable[str]:
    run, report = found.run, found.report
    agreement, condition = report.agreement, run.points[0].condition
    if agreement.images:
        yield f"Identical objects from every execution: {agreement.identical} of {agreement.images} images."
    if report.cold_starts:
        yield f"Cold starts: {report.cold_starts}, in rows of their own."
    if report.unreported:
        yield f"Left out for want of a REPORT line: {report.unreported} offloaded samples."
    yield from run.warnings
    for precision in run.precisions:
        if precision.ap is not None:
            at = f"at a confidence of {run.description['confidence']}"
            yield f"Average precision of {precision.execution}, {at}: {precision.ap:.3f}."
    failed: dict[tuple[str, str], list[str]] = {}
    for failure in report.failures:
        failed.setdefault((failure.image, failure.error), []).append(failure.execution)
    for (image, error), executions in failed.items():
        yield f"Failed ({', '.join(executions)}): {image}: {error}"
    if run.emulated:
        yield EMULATED
    yield from found.added
    yield from found.memory.words if found.memory else ()
    yield condition.load.described()
    if condition.network:
        yield f"The network was this machine's own, made as slow as {condition.network.described()}."
    machine = run.machine
    yield f"Measured on {machine['cpu']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}."


def print_totals(totals: Totals) -> None:
    """What a run of ``lookout send`` ends with."""
    console = standard_output()
    with console.capture() as table:
        tables = [_times_table(totals, columns) for columns in (_TIMES, _FEWER_TIMES)]
        print_fitting(console, tables)
    put("\n".join([_counts(totals), *([table.get().rstrip("\n")] if totals.images else []), *_ends(totals)]))


_TIMES = {"n": "n", **_COLUMNS, "p99": "p99"}
_FEWER_TIMES = {name: field for name, field in _TIMES.items() if name not in _SPARED}


def _counts(totals: Totals) -> str:
    rate = "" if totals.images_per_second is None else f"{totals.images_per_second:.1f} images/s over "
    resumed = f" ({totals.resumed} by earlier runs)" if totals.resumed else ""
    counts = f"{totals.images} images answered, {totals.failed} failed{resumed}, {totals.retries} retries"
    return f"{counts}, {rate}{totals.seconds:.1f} s"


def _times_table(totals: Totals, columns: Mapping[str, str]) -> Table:
    table = Table("Time (ms)", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for name, summary in (
        ("Round trip", totals.round_trip),
        ("Inference", totals.inference_time),
        ("Transfer (upload)", totals.transfer_time),
    ):
        if summary:
            table.add_row(name, *(_figure(summary, field) for field in columns.values()))
    return table


def _figure(summary: Summary, field: str) -> str:
    return str(summary.n) if field == "n" else f"{getattr(summary, field):.1f}" if _is_known(summary, field) else ""


def _ends(totals: Totals) -> Iterable[str]:
    if totals.inference_time:
        yield f"Average inference time: {totals.inference_time.mean:.2f} ms"
    if totals.transfer_time:
        yield f"Average transfer (upload) time: {totals.transfer_time.mean:.2f} ms"
    for image, error in totals.failures:
        yield printable(f"Failed: {image}: {error}")
    if more := totals.failed - len(totals.failures):
        yield f"Failed: {more} more, each told on standard error as it happened."
    if totals.emulated:
        yield EMULATED
    if totals.interrupted:
        yield "Interrupted: this is what was done by then."


def print_models(documents: Iterable[Mapping[str, Any]]) -> None:
    """The table of ``lookout models list``: whole on a terminal of 80 columns, with fewer columns on a narrower one."""
    rows = [_model_row(document) for document in documents]
    tables = [_model_table(rows, _MODEL_SPARED[:count]) for count in range(len(_MODEL_SPARED) + 1)]
    console = standard_output()
    with console.capture() as table:
        print_fitting(console, tables)
    put(table.get().rstrip("\n"))


def _model_row(document: Mapping[str, Any]) -> tuple[str, ...]:
    accuracy = document["accuracy"] or {"ap": None, "ap50": None, "input_size": None}
    figures = (document["input_size"], accuracy["ap"], accuracy["ap50"], accuracy["input_size"])
    texts = ("-" if figure is None else str(figure) for figure in figures)
    return document["name"], f"{document['size'] / 1e6:.1f}", *texts, document["licence"], document["here"]


def _model_table(rows: Iterable[Sequence[str]], spared: Collection[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    kept = [name not in spared for name in _MODEL_COLUMNS]
    for name, justify in compress(_MODEL_COLUMNS.items(), kept):
        table.add_column(name, justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*compress(row, kept))
    return table


# What a narrow terminal does without, the least needed first.
_MODEL_SPARED = ("Licence", "at", "Input")

_MODEL_COLUMNS: dict[str, Literal["left", "right"]] = {
    "Name": "left",
    "MB": "right",
    "Input": "right",
    "AP": "right",
    "AP50": "right",
    "at": "right",
    "Licence": "left",
    "Here": "left",
}


def standard_output() -> Console:
    """Standard output; a pipe or file is as wide as the table needs."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)
