"""What the command line shows, and the one place where an error becomes an exit status."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click
from rich import box, progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from lookout.errors import LookoutError, MissingExtraError

if TYPE_CHECKING:
    from lookout.comparison.report import Report, Row
    from lookout.comparison.samples import Sample
    from lookout.core.detections import Detection

INTERRUPTED = 130


class Group(click.Group):
    """Commands whose errors end in one sentence on standard error, and the error's exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """See ``click.Group``."""
        try:
            return super().invoke(ctx)
        except LookoutError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_status)
        except KeyboardInterrupt:
            click.echo("Interrupted", err=True)
            ctx.exit(INTERRUPTED)


class Progress:
    """How far a comparison is: a bar on a terminal, a line a step elsewhere; always on standard error."""

    def __init__(self, total: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._console = Console(stderr=True)
        self._bar = progress.Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("starting", total=total)

    def notify(self, news: str | Sample) -> None:
        """Take a step in words, or a sample."""
        if not isinstance(news, str):
            self._bar.update(self._task, advance=1, description=f"{news.execution} {news.image}")
        elif self._console.is_terminal:
            self._bar.update(self._task, description=news)
        else:
            click.echo(f"{news} ...", err=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()


def require(extra: str, purpose: str, *modules: str) -> None:
    """Raise ``MissingExtraError`` where a module of an extra is not installed."""
    if any(find_spec(module) is None for module in modules):
        raise MissingExtraError(extra, purpose)


def end_with_signal(status: int = 128 + signal.SIGTERM) -> None:
    """Let SIGTERM unwind the program, so that what it started is stopped, rather than cut it off."""

    def leave(_signal: int, _frame: object) -> None:
        raise SystemExit(status)

    signal.signal(signal.SIGTERM, leave)


def stop_on_eof() -> None:
    """End this process, as SIGTERM would, once its standard input is closed: whoever started it has gone."""

    def watch() -> None:
        while sys.stdin.buffer.read(1 << 16):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="stop-on-eof").start()


def describe_objects(objects: Sequence[Detection]) -> str:
    """Objects in one line: ``2 person (0.98, 0.71), dog (0.66)``; of many of a label, the five best."""
    if not objects:
        return "no objects"
    scores: dict[str, list[str]] = {}
    for detection in objects:
        scores.setdefault(detection.label, []).append(f"{detection.confidence:.2f}")
    return ", ".join(_describe_label(label, found) for label, found in scores.items())


def _describe_label(label: str, scores: Sequence[str]) -> str:
    count = f"{len(scores)} " if len(scores) > 1 else ""
    more = ", ..." if len(scores) > 5 else ""
    return f"{count}{label} ({', '.join(scores[:5])}{more})"


def describe_sample(sample: Sample) -> str:
    """A sample in one line."""
    if sample.answer is None:
        return f"{sample.image}: failed: {sample.error}"
    upload = "" if sample.answer.upload_ms is None else f", upload {sample.answer.upload_ms:.1f}"
    times = f"{sample.answer.elapsed_ms:.1f} ms (inference {sample.answer.inference_ms:.1f}{upload})"
    return f"{sample.image}: {describe_objects(sample.answer.objects)} in {times}"


def print_report(report: Report) -> None:
    """The table, and under it all that a reader must know to read it rightly."""
    console = _console()
    console.print(_table(report.rows))
    for line in _footer(report):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _table(rows: Iterable[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("Task")
    table.add_column("Metric")
    for heading in ("Mean", "SD", "Min", "Max", "p50", "p95"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.task, f"{row.metric} ({row.unit})", *_numbers(row))
    return table


def _numbers(row: Row) -> list[str]:
    if row.summary is None:
        return ["-"] * 6
    summary = row.summary
    values = (summary.mean, summary.sd, summary.min, summary.max, summary.p50, summary.p95)
    return [f"{value:.2f}" for value in values]


def _footer(report: Report) -> Iterable[str]:
    agreement = report.agreement
    if agreement.images:
        yield f"Identical objects from every execution: {agreement.identical} of {agreement.images} images."
    if report.cold_starts:
        yield f"Cold starts: {report.cold_starts}, in rows of their own."
    if report.unreported:
        yield f"Left out for want of a REPORT line: {report.unreported} remote samples."
    for failure in report.failures:
        yield f"Failed ({failure.execution}): {failure.image}: {failure.error}"
    if report.emulated:
        yield "Emulated: the remote figures come from Lookout's emulator on this machine, not from AWS."
    machine = report.machine
    yield f"Measured on {machine['cpu']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}."


def _console() -> Console:
    """Standard output; a pipe or file is as wide as the table needs."""
    console = Console()
    return console if console.is_terminal else Console(width=120)
