"""The folder that keeps what an emulator holds: one emulator at a time.

::

    DIR/lock          held by the emulator that runs; the address where it answers
    DIR/log           what it says, where it runs in the background
    DIR/state/        the control plane's, a file for each service
    DIR/state.draft/  the next state, as far as it is written
    DIR/state.next/   the next state, whole; its files take the place of those in state/
    DIR/objects/      the objects in buckets
    DIR/events.db     events that wait for their functions: see ``journal``
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lookout.errors import FolderInUseError, UsageError

# An emulator that was just killed takes a moment to be gone.
_PATIENCE_S = 2.0
_PAUSE_S = 0.05


@contextmanager
def locked(folder: Path | None) -> Iterator[Path | None]:
    """Have a folder for this process, made where it is missing; nothing to do for None.

    Raises ``FolderInUseError`` where another emulator has it, ``UsageError`` where it can't be used.
    """
    if folder is None:
        yield None
        return
    folder = folder.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{folder} can't keep the emulator's data: {error.strerror}") from error
    try:
        _lock(descriptor, folder)
        yield folder
    finally:
        os.close(descriptor)


def prepare(folder: Path, endpoint: str) -> None:
    """Note in a locked folder where its emulator answers, and make what it keeps ready. Raises ``UsageError``."""
    try:
        (folder / "lock").write_text(endpoint)
        settle_state(folder)
        damaged = [file for file in (folder / "state").glob("*.json") if not _is_whole(file)]
    except OSError as error:
        raise UsageError(f"{folder} can't keep the emulator's data: {error.strerror}") from error
    if damaged:  # the control plane would begin with nothing in its place, and save that
        raise UsageError(f"{damaged[0]} is damaged: put a whole one in its place, or remove it and what it held")


def _is_whole(file: Path) -> bool:
    """Whether a file begins and ends as one of JSON does: one that was cut off doesn't."""
    text = file.read_bytes().strip()
    return text.startswith(b"{") and text.endswith(b"}")


def told_endpoint(folder: Path) -> str | None:
    """Where the emulator answers, or answered, that has a folder; None where there was none."""
    try:
        return (folder / "lock").read_text() or None
    except OSError:
        return None


def events_file(folder: Path | None) -> Path | None:
    """Where events are kept in a data folder; None, in memory."""
    return None if folder is None else folder / "events.db"


def keep_state(folder: Path, documents: Iterable[tuple[str, str]]) -> None:
    """Let these texts, by their service, be the state: all of them, or where this is cut off at any point, none.

    What is kept of other services stays. Raises ``OSError``.
    """
    draft = folder / "state.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        for service, text in documents:
            (draft / f"{service}.json").write_text(text)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)  # the disk may be full
        raise
    settle_state(folder)
    draft.rename(folder / "state.next")
    settle_state(folder)


def settle_state(folder: Path) -> None:
    """Go on with what an emulator may have begun and not ended: to put a state that is whole in its place."""
    following = folder / "state.next"
    if following.is_dir():
        (folder / "state").mkdir(exist_ok=True)
        for file in following.iterdir():
            file.replace(folder / "state" / file.name)
        following.rmdir()


def _lock(descriptor: int, folder: Path) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline_s:
                raise FolderInUseError(
                    f"another emulator keeps its data in {folder}: stop it, or choose another folder with --data"
                ) from error
            time.sleep(_PAUSE_S)
        else:
            return
