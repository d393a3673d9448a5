"""Text that leaves the program, to a file or to standard output, with nothing lost unnoticed."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import BinaryIO

from lookout.errors import OutputError, UsageError


class Stream:
    """Text to a file, or to standard output where there is no path: UTF-8, each piece written at once.

    A file name that is no UTF-8 leaves as the bytes that it came as. A ``whole`` file gets its name only when it is
    complete. Raises ``UsageError`` where the file can't be made, naming the ``option`` that names it, ``OutputError``
    where it can't be written.
    """

    def __init__(self, path: Path | None, *, whole: bool = False, option: str = "--out") -> None:
        self._name = str(path) if path else "standard output"
        self._path = path.resolve() if path else None  # what a link leads to is written, not the link
        beside = whole and self._path and (self._path.is_file() or not self._path.exists())  # but for a device
        self._partial = self._path.with_name(f".lookout-{os.getpid()}.partial") if self._path and beside else None
        if path and path.is_dir():
            raise UsageError(f"{path} is a folder: name a file with {option}")
        try:
            self._file = _open(self._partial or self._path)
        except OSError as error:
            raise UsageError(f"{self._name} can't be written ({error.strerror}): name another with {option}") from error

    def write(self, text: str) -> None:
        """Write a piece of text. A reader who has enough is no failure: ``BrokenPipeError`` passes."""
        data = memoryview(text.encode("utf-8", "surrogateescape"))
        try:
            while data:
                data = data[self._file.write(data) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Finish the file."""
        try:
            self._close()
            if self._path and self._partial:
                self._partial.replace(self._path)
        except OSError as error:
            raise self._error(error) from error

    def discard(self) -> None:
        """Close the file, and remove a whole one that was not finished."""
        self._close()
        if self._partial:
            self._partial.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._path:  # standard output is not ours to close
            self._file.close()

    def _error(self, error: OSError) -> OutputError:
        return OutputError(f"{self._name} can't be written: {error.strerror}")


def _open(path: Path | None) -> BinaryIO:
    """Unbuffered, so that nothing is left to be written, and to fail, when the interpreter ends."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb", 0)
    if sys.stdout is None:
        raise UsageError("there is no standard output to write to")
    sys.stdout.flush()
    try:
        return open(sys.stdout.fileno(), "wb", 0, closefd=False)
    except io.UnsupportedOperation:  # one that a program has put in its place
        return sys.stdout.buffer
