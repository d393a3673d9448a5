"""What the command line says, and the one place where an error becomes an exit status; tables are in ``tables.py``."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lookout.apps.streams import Stream
from lookout.errors import LookoutError, MissingExtraError, OutputError

if TYPE_CHECKING:
    from lookout.core.detections import Detection

INTERRUPTED = 130
# What a shell makes of a program that ends because nobody reads on.
PIPE_CLOSED = 128 + 13

# What a full disk says, or one that is broken, or a descriptor that is none.
_UNWRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}

EMULATED = "Emulated: the figures of the cloud come from Lookout's emulator on this machine, not from AWS."


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


def leave(status: int) -> NoReturn:
    """End this process at once, with what it has said written.

    Threads that are within a library still can't be waited for, and OpenCV aborts where the interpreter ends under one.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


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


def failure_line(image: str, error: str | None) -> str:
    """What is said of an image that failed."""
    return printable(f"{image}: failed: {error}")
