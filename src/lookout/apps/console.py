"""What the command line shows, and the one place where an error becomes an exit status."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import compress
from typing import TYPE_CHECKING, Any, Literal

import click
from rich import box
from rich.console import Console
from rich.table import Table

from lookout.apps.streams import Stream
from lookout.errors import LookoutError, MissingExtraError, OutputError

if TYPE_CHECKING:
    from lookout.comparison.report import Averages, Report, Row
    from lookout.comparison.samples import Sample
    from lookout.core.detections import Detection

INTERRUPTED = 130
# What a shell makes of a program that ends because nobody reads on.
PIPE_CLOSED = 128 + 13

# What a full disk says, or one that is broken, or a descriptor that is none.
_UNWRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}

_EMULATED = "Emulated: the figures of the cloud come from Lookout's emulator on this machine, not from AWS."


class Group(click.Group):
    """Commands whose errors end in one sentence on standard error, and the error's exit status."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """See ``click.Command``; here ``--help`` and ``--version`` are answered."""
        with _boundary():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """See ``click.Group``."""
        with _boundary():
            return super().invoke(ctx)


@contextmanager
def _boundary() -> Iterator[None]:
    try:
        yield
    except LookoutError as error:
        complain(error)
        raise click.exceptions.Exit(error.exit_status) from error
    except click.ClickException as error:
        error.message = _printable_lines(error.message)  # type: ignore[misc]  # click shows it, and it may name a file
        raise
    except BrokenPipeError as error:
        _drop_output()
        raise click.exceptions.Exit(PIPE_CLOSED) from error
    except OSError as error:  # of click's own writing; what Lookout writes has an error of its own
        if error.errno not in _UNWRITTEN:
            raise
        _drop_output()
        complain(OutputError(f"standard output can't be written: {error.strerror}"))
        raise click.exceptions.Exit(OutputError.exit_status) from error
    except KeyboardInterrupt as error:
        click.echo("Interrupted", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from error


def _drop_output() -> None:
    """Let what is still to be written go nowhere: the interpreter writes once more at its end, and would complain."""
    if sys.stdout is not None:
        with suppress(io.UnsupportedOperation):  # one that a program has put in its place
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(error: LookoutError) -> None:
    """Say on standard error what went wrong."""
    click.echo(f"Error: {_printable_lines(str(error))}", err=True)


def put(text: str) -> None:
    """Results, to standard output: a line or more. Raises ``OutputError`` where they can't be written."""
    Stream(None).write(f"{text}\n")


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


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


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
        put(json.dumps(_sample_document(sample)))
    elif sample.error is not None:
        click.echo(_sample_line(sample), err=True)
    else:
        put(_sample_line(sample))


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
        put(json.dumps({"summary": {**dataclasses.asdict(averages), "emulated": emulated}}))
        return
    put(f"{averages.images} images answered, {averages.failed} failed")
    for text, value in (
        ("Average inference time", averages.average_inference_time),
        ("Average round trip", averages.average_round_trip),
        ("Average transfer (upload) time", averages.average_transfer_time),
    ):
        if value is not None:
            put(f"{text}: {value:.2f} ms")
    if emulated:
        put(_EMULATED)


def print_report(report: Report) -> None:
    """The table, and under it all that a reader must know to read it rightly."""
    console = standard_output()
    with console.capture() as table:
        _print_table(console, report.rows)
    put("\n".join([table.get().rstrip("\n"), *map(printable, _footer(report))]))


_COLUMNS = {"Mean": "mean", "SD": "sd", "Min": "min", "Max": "max", "p50": "p50", "p95": "p95"}
# What a narrow terminal does without; --json and a pipe have all of it.
_SPARED = {"SD", "Min", "Max"}
_WIDE = 1000


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
