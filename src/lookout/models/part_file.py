"""The beginning of a file that is being fetched: one process's at a time, and kept for the next where it is cut off.

A part is its own lock (``flock``, which the system gives up for a process that dies), so that no lock file stays
behind, and no package is needed for it: whoever comes second waits until the part is given up. Where it became the
file by then, or was removed, the path names another part, or none, and opening starts anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path


class Part:
    """The beginning of a file, which nobody else writes to while it is open; beside it, what it is the beginning of."""

    def __init__(self, path: Path, file: BufferedRandom) -> None:
        self._path = path
        self._origin = path.with_name(path.name + ".json")
        self._file = file
        self._is_there = True

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return os.fstat(self._file.fileno()).st_size

    def append(self, data: bytes) -> None:
        """Add to its end."""
        self._file.write(data)
        self._file.flush()

    def clear(self) -> None:
        """Begin again with nothing."""
        self._file.truncate(0)

    def sha256(self) -> str:
        """SHA-256 of what is there."""
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def begins(self, url: str, etag: str | None) -> None:
        """Keep where it comes from, and which version it is; a weak ETag does not promise the same bytes."""
        strong = etag if etag and not etag.startswith("W/") else None
        self._origin.write_text(json.dumps({"url": url, "etag": strong}), "utf-8")

    def version(self, url: str) -> str | None:
        """The ETag that it began with at this address, where that is known."""
        try:
            origin = json.loads(self._origin.read_text("utf-8"))
            return str(origin["etag"]) if origin["url"] == url and origin["etag"] else None
        except (OSError, ValueError, KeyError, TypeError):  # unknown, then: the checksum decides
            return None

    def become(self, target: Path) -> None:
        """Move it into place."""
        self._origin.unlink(missing_ok=True)
        self._path.replace(target)
        self._is_there = False

    def discard(self) -> None:
        """Remove it."""
        if self._is_there:  # else the path may be somebody else's part by now
            self._origin.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
        self._is_there = False


@contextmanager
def own_part(target: Path, notify: Callable[[str], None]) -> Iterator[Part]:
    """The target's part, locked. An empty one does not stay behind, nor one that could not be written."""
    path = target.with_name(target.name + ".part")
    with _locked(path, notify) as file:
        part = Part(path, file)
        try:
            yield part
        except OSError:
            part.discard()
            raise
        finally:
            if part.size == 0:
                part.discard()


def _locked(path: Path, notify: Callable[[str], None]) -> BufferedRandom:
    """The file at a path, opened by nobody else; waits for another process, or thread, that has it."""
    while True:
        file = path.open("a+b")
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                notify(f"waiting for another process, which fetches {path.stem}")
                fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # moved into place, or removed, while this process waited


def _is_at(file: BufferedRandom, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
