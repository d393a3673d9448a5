"""What the command line shows, and the one place where an error becomes an exit status."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import click
from rich import box
from rich.console import Console
from rich.table import Table

from lookout.errors import LookoutError, MissingExtraError

if TYPE_CHECKING:
    from lookout.comparison.report import Averages, Report, Row
    from lookout.comparison.samples import Sample
    from lookout.core.detections import Detection

INTERRUPTED = 130
# What a shell makes of a program that ends because nobody reads on.
PIPE_CLOSED = 128 + 13

_EMULATED = "Emulated: the figures of the cloud come from Lookout's emulator on this machine, not from AWS."


class Group(click.Group):
    """Commands whose errors end in one sentence on standard error, and the error's exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """See ``click.Group``."""
        try:
            return super().invoke(ctx)
        except LookoutError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_status)
        except BrokenPipeError:
            # The interpreter writes once more at its end, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(PIPE_CLOSED)
        except KeyboardInterrupt:
            click.echo("Interrupted", err=True)
            ctx.exit(INTERRUPTED)


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


def printable(text: str) -> str:
    """Text that does a terminal no harm: what is not printable, as in a file name, is written out.

    >>> printable("a\\nb\\x1b[2J\\udcff.jpg")
    'a\\\\nb\\\\x1b[2J\\\\udcff.jpg'
    """
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


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
    return f"{count}{printable(label)} ({', '.join(scores[:5])}{more})"


def print_sample(sample: Sample, *, as_json: bool) -> None:
    """A sample in one line; for people, that of a failure goes to standard error."""
    if as_json:
        click.echo(json.dumps(_sample_document(sample)))
    else:
        click.echo(_sample_line(sample), err=sample.error is not None)


def _sample_document(sample: Sample) -> dict[str, Any]:
    if sample.answer is None:
        return {"image": sample.image, "error": sample.error}
    document = {
        "image": sample.image,
        "objects": [detection.to_json() for detection in sample.answer.objects],
        "inference_time": sample.answer.inference_ms,
        "timings": dict(sample.answer.timings_ms),
        "round_trip": sample.answer.elapsed_ms,
    }
    upload_ms = sample.answer.upload_ms
    return document if upload_ms is None else {**document, "transfer_time": upload_ms}


def _sample_line(sample: Sample) -> str:
    if sample.answer is None:
        return failure_line(sample.image, sample.error)
    upload = "" if sample.answer.upload_ms is None else f", upload {sample.answer.upload_ms:.1f}"
    times = f"{sample.answer.elapsed_ms:.1f} ms (inference {sample.answer.inference_ms:.1f}{upload})"
    return f"{printable(sample.image)}: {describe_objects(sample.answer.objects)} in {times}"


def failure_line(image: str, error: str | None) -> str:
    """What is said of an image that failed."""
    return printable(f"{image}: failed: {error}")


def print_averages(averages: Averages, *, emulated: bool, as_json: bool) -> None:
    """What a run of ``lookout send`` ends with."""
    if as_json:
        click.echo(json.dumps({"summary": {**dataclasses.asdict(averages), "emulated": emulated}}))
        return
    click.echo(f"{averages.images} images answered, {averages.failed} failed")
    for text, value in (
        ("Average inference time", averages.average_inference_time),
        ("Average round trip", averages.average_round_trip),
        ("Average transfer (upload) time", averages.average_transfer_time),
    ):
        if value is not None:
            click.echo(f"{text}: {value:.2f} ms")
    if emulated:
        click.echo(_EMULATED)


def print_report(report: Report) -> None:
    """The table, and under it all that a reader must know to read it rightly."""
    console = standard_output()
    _print_table(console, report.rows)
    for line in _footer(report):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


_COLUMNS = {"Mean": "mean", "SD": "sd", "Min": "min", "Max": "max", "p50": "p50", "p95": "p95"}
# What a narrow terminal does without; --json and a pipe have all of it.
_SPARED = {"SD", "Min", "Max"}


def _print_table(console: Console, rows: Sequence[Row]) -> None:
    """The whole table where it fits, else without the columns that can be spared; never with half a number."""
    table = _table(rows, _COLUMNS)
    if console.measure(table, options=console.options.update(width=1000)).maximum > console.width:
        table = _table(rows, {name: field for name, field in _COLUMNS.items() if name not in _SPARED})
    console.print(table)


def _table(rows: Iterable[Row], columns: Mapping[str, str]) -> Table:
    table = Table("Task", "Metric", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.task, f"{row.metric} ({row.unit})", *(_number(row, field) for field in columns.values()))
    return table


def _number(row: Row, field: str) -> str:
    return f"{getattr(row.summary, field):.2f}" if row.summary else "-"


def _footer(report: Report) -> Iterable[str]:
    agreement = report.agreement
    if agreement.images:
        yield f"Identical objects from every execution: {agreement.identical} of {agreement.images} images."
    if report.cold_starts:
        yield f"Cold starts: {report.cold_starts}, in rows of their own."
    if report.unreported:
        yield f"Left out for want of a REPORT line: {report.unreported} remote samples."
    yield from report.warnings
    for failure in report.failures:
        yield f"Failed ({failure.execution}): {failure.image}: {failure.error}"
    if report.emulated:
        yield _EMULATED
    machine = report.machine
    yield f"Measured on {machine['cpu']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}."


def print_models(documents: Iterable[Mapping[str, Any]]) -> None:
    """The table of ``lookout models list``; narrow enough for a terminal of 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name, justify in _MODEL_COLUMNS.items():
        table.add_column(name, justify=justify, no_wrap=True)
    for document in documents:
        accuracy = document["accuracy"] or {"ap": None, "ap50": None, "input_size": None}
        figures = (document["input_size"], accuracy["ap"], accuracy["ap50"], accuracy["input_size"])
        texts = ("-" if figure is None else str(figure) for figure in figures)
        table.add_row(document["name"], f"{document['size'] / 1e6:.1f}", *texts, document["licence"], document["here"])
    standard_output().print(table)


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
    return console if console.is_terminal else Console(width=120)
