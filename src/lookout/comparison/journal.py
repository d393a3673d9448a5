"""What is kept of a run that may be interrupted, so that it can be resumed, and nothing is paid for twice.

A file of JSON lines, appended to and never changed::

    {"kind": "journal", "version": 1, "settings": {...}}
    {"kind": "place", "image": "/photos/a.jpg", "size": 81234, "mtime_ns": ..., "place": "images/7c.../a.jpg"}
    {"kind": "answer", "image": ..., "started": ..., "answer": {...}}
    {"kind": "failure", "image": ..., "started": ..., "error": "...", "error_kind": "ImageError", "final": true,
     "lost": false, ...}

``place`` is where an image is about to be uploaded to: written before, so that what was uploaded when the run was
killed is looked for there, and not uploaded again. An image is known by its path, its size and when it was changed;
of several lines of one image the last holds. A failure that is ``final`` is the image's own, and would come again.
Others are tried again: where the image was uploaded to, unless it got ``lost`` there.

Each line is one write to a file opened for appending: a process that is killed loses none that it wrote, and leaves
at most its last line torn, which is cut off by the next run. The disk is told to keep them (fsync) once a second and
at the end: a machine that loses its power may lose what was written since, and what is lost is sent again, or
fetched where its place is known.

Memory: 16 bytes a line of earlier runs, and nothing for the run's own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lookout.comparison.samples import Sample, objects_json
from lookout.core.detections import Detection
from lookout.errors import ImageError, ImageGoneError, ImageMemoryError, OutputError, ResultLostError, UsageError
from lookout.executions.protocol import Answer, Earlier

Numbers = npt.NDArray[np.uint64]

VERSION = 1
_BEGINNING = b'{"kind":"journal",'
_SYNC_S = 1.0
# What is wrong with the image itself stays wrong.
_FINAL = frozenset({ImageError.__name__})
# What was uploaded came to nothing.
_LOST = frozenset({ImageGoneError.__name__, ImageMemoryError.__name__, ResultLostError.__name__})


@dataclass(frozen=True, slots=True)
class Identity:
    """Which image it is: a file that was changed is another."""

    image: str
    size: int
    mtime_ns: int

    @staticmethod
    def of(path: Path) -> Identity | None:
        """The identity of a file; None where there is none to be had, or no file: a pipe can't be read again."""
        try:
            told = path.stat()
        except OSError:  # it fails when it is read, with its reason
            return None
        return Identity(str(path.absolute()), told.st_size, told.st_mtime_ns) if path.is_file() else None

    def to_json(self) -> dict[str, Any]:
        """Its members in a line."""
        return {"image": self.image, "size": self.size, "mtime_ns": self.mtime_ns}

    @property
    def digest(self) -> int:
        """A number of 64 bits for it."""
        text = json.dumps([self.image, self.size, self.mtime_ns]).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier runs came to with an image: its ``sample``, or what an upload was ``earlier`` told."""

    sample: Sample | None = None
    earlier: Earlier | None = None


class Journal:
    """A journal, for many threads at once.

    ``settings`` are what the outcomes depend on. Raises ``UsageError`` where the file can't be written, is no journal,
    was begun with other settings, or is another run's that is still going on.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._clock, self._synced_s = clock, clock()
        self._broken: OutputError | None = None
        self._file = _open(path)
        try:
            self._digests, self._offsets = self._read(json.loads(json.dumps(settings)))
        except BaseException:
            os.close(self._file)
            raise

    def known(self, identity: Identity, path: Path) -> Known:
        """What earlier runs came to with an image, which is called ``path`` in this one."""
        at = int(np.searchsorted(self._digests, np.uint64(identity.digest)))
        if at == len(self._digests) or self._digests[at] != identity.digest:
            return Known()
        line = self._line_at(int(self._offsets[at]))
        if {name: line.get(name) for name in identity.to_json()} != identity.to_json():
            return Known()  # two images of one digest
        if line["kind"] == "answer" or line.get("final"):
            return Known(sample=_sample(line, path))
        place = line.get("place")
        return Known(earlier=Earlier(place, bool(line.get("lost"))) if place else None)

    def note_place(self, identity: Identity, place: str) -> None:
        """An image is about to be uploaded. Raises ``OutputError``."""
        self._append({"kind": "place", **identity.to_json(), "place": place})

    def note_outcome(self, identity: Identity, sample: Sample, place: str | None = None) -> None:
        """What an image came to, and where it was uploaded. Raises ``OutputError``."""
        line = {**identity.to_json(), "execution": sample.execution, "started": sample.started, "place": place}
        if sample.answer is None:
            kind = sample.error_kind
            failure = {"error": sample.error, "error_kind": kind, "final": kind in _FINAL, "lost": kind in _LOST}
            self._append({"kind": "failure", **line, **failure, "retries": sample.failed_retries})
        else:
            self._append({"kind": "answer", **line, "answer": _answer_json(sample.answer)})

    def close(self) -> None:
        """Let the disk keep all of it. Raises ``OutputError``."""
        with self._lock:
            try:
                self._sync()
            finally:
                os.close(self._file)

    def _read(self, settings: Mapping[str, Any]) -> tuple[Numbers, Numbers]:
        """Check the file, or begin it; the digests of its images, sorted, and where the last line of each begins."""
        size = _without_torn_line(self._file)
        if size == 0:
            self._append({"kind": "journal", "version": VERSION, "settings": settings})
            self._sync()
            return np.empty(0, np.uint64), np.empty(0, np.uint64)
        digests, offsets = array("Q"), array("Q")
        with open(self._file, "rb", closefd=False) as file:
            file.seek(0)
            self._check(file.readline(), settings)
            offset = file.tell()
            for number, line in enumerate(file, 2):
                digests.append(self._identity(line, number).digest)
                offsets.append(offset)
                offset += len(line)
        return _last_of_each(np.frombuffer(digests, np.uint64), np.frombuffer(offsets, np.uint64))

    def _check(self, first: bytes, settings: Mapping[str, Any]) -> None:
        try:
            document = json.loads(first)
            ours = document["kind"] == "journal"
        except (ValueError, KeyError, TypeError):
            ours = False
        if not ours:
            raise UsageError(f"{self._path} is no journal of lookout send: name another file with --resume")
        if document.get("version") != VERSION:
            raise UsageError(
                f"{self._path} is a journal of another version of Lookout: name another file with --resume"
            )
        begun = document.get("settings", {})
        for name in sorted({*begun, *settings}):
            if begun.get(name) != settings.get(name):
                raise UsageError(
                    f"{self._path} was begun with {name} {begun.get(name)}, and this run has {settings.get(name)}: "
                    "give it the same, or name another file with --resume"
                )

    def _identity(self, line: bytes, number: int) -> Identity:
        try:
            document = json.loads(line)
            return Identity(document["image"], document["size"], document["mtime_ns"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{self._path} is damaged in line {number}: name another file with --resume, or remove that line"
            ) from error

    def _line_at(self, offset: int) -> dict[str, Any]:
        read, size = b"", 4096
        while b"\n" not in read:  # which ends: every line does
            read += os.pread(self._file, size, offset + len(read))
            size *= 2
        document: dict[str, Any] = json.loads(read.partition(b"\n")[0])
        return document

    def _append(self, document: Mapping[str, Any]) -> None:
        data = (json.dumps(document, separators=(",", ":")) + "\n").encode()
        with self._lock:
            if self._broken:  # what is written after half a line can't be read
                raise self._broken
            try:
                if os.write(self._file, data) < len(data):
                    raise OSError(None, "the disk is full")
            except OSError as error:
                self._broken = OutputError(f"{self._path} can't be written: {error.strerror}")
                raise self._broken from error
            if self._clock() - self._synced_s >= _SYNC_S:
                self._sync()

    def _sync(self) -> None:
        self._synced_s = self._clock()
        try:
            os.fsync(self._file)
        except OSError as error:
            raise OutputError(f"{self._path} can't be kept: {error.strerror}") from error


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another file with --resume") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise UsageError(f"{path} is in use by another run: wait for its end, or name another with --resume") from error
    return file


def _without_torn_line(file: int) -> int:
    """Cut off what follows the last line's end, which a killed run left; the size then."""
    size = end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - 65536)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end == size or not _begins_a_journal(os.pread(file, len(_BEGINNING), 0)):  # somebody else's is left as it is
        return size
    os.ftruncate(file, end)
    return end


def _begins_a_journal(beginning: bytes) -> bool:
    return _BEGINNING.startswith(beginning) or beginning.startswith(_BEGINNING)


def _last_of_each(digests: Numbers, offsets: Numbers) -> tuple[Numbers, Numbers]:
    """The digests, each once and sorted, and the last offset of each."""
    order = np.argsort(digests, kind="stable")  # lines of one image stay in their order
    digests, offsets = digests[order], offsets[order]
    last = np.append(digests[1:] != digests[:-1], True)[: len(digests)]
    return digests[last], offsets[last]


def _sample(line: Mapping[str, Any], path: Path) -> Sample:
    about = (str(line["execution"]), str(path), float(line["started"]))
    if line["kind"] == "answer":
        return Sample(*about, _read_answer(line["answer"]))
    return Sample(*about, error=line["error"], error_kind=line["error_kind"], failed_retries=line["retries"])


def _answer_json(answer: Answer) -> dict[str, Any]:
    return {
        "objects": objects_json(answer.objects),
        "inference_ms": answer.inference_ms,
        "elapsed_ms": answer.elapsed_ms,
        "timings_ms": dict(answer.timings_ms),
        "upload_ms": answer.upload_ms,
        "request_id": answer.request_id,
        "retries": answer.retries,
        "fetched": answer.fetched,
    }


def _read_answer(document: Mapping[str, Any]) -> Answer:
    objects = tuple(Detection.from_json(entry) for entry in document["objects"])
    return Answer(**{**document, "objects": objects})
