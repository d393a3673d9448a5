"""Saves what the control plane holds while it runs, so that an emulator that is killed loses little.

The control plane's own saving goes over all that it holds, which would stop it for as long. So a child process does it:
made by fork, it has a copy of everything as it was at one moment, and whoever is served meanwhile waits for the fork
alone. It ends with the emulator, even when that is killed, and holds neither its port nor its folder: the next one can
start at once. Objects in buckets and events are on disk at once, without this.

Events that are finished are forgotten only after a checkpoint that began later, so that what their functions did is on
disk as well, or they come again.
"""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lookout.cloud.emulator.journal import Journal
from lookout.cloud.emulator.launcher import die_with_parent

_log = logging.getLogger(__name__)

_SHORTEST_PAUSE_S = 2.0
# Saving may take this part of the time, not more: it takes CPU from what is measured.
_LARGEST_PART = 0.05
_LONGEST_SAVE_S = 60.0
_POLL_S = 0.01
_STANDARD_ERROR = 2


class Checkpoints:
    """Calls ``save`` in child processes when something ``changed``. Where forking is not safe, at the end alone."""

    def __init__(self, save: Callable[[], None], journal: Journal, shortest_pause_s: float = _SHORTEST_PAUSE_S) -> None:
        self._save = save
        self._journal = journal
        self._shortest_pause_s = shortest_pause_s
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)

    def start(self) -> None:
        """Begin, where this system can fork a process with threads."""
        if sys.platform == "linux":
            import ctypes  # noqa: F401 - so that a child need not

            self._thread.start()

    def changed(self) -> None:
        """Something is to be saved."""
        self._changed.set()

    def close(self) -> None:
        """Save for the last time, here; nothing may change any more."""
        self._closed.set()
        self._changed.set()
        if self._thread.ident is not None:
            self._thread.join()
        finished = self._journal.finished()
        try:
            self._save()
        except OSError as error:
            _log.error("the emulator's last state could not be saved: %s", error)
        else:
            self._journal.forget(finished)

    def _run(self) -> None:
        pause_s = self._shortest_pause_s
        while not self._closed.wait(pause_s):
            self._changed.wait()
            if self._closed.is_set():
                return
            self._changed.clear()
            began_s = time.monotonic()
            if not self._save_and_forget() and not self._closed.is_set():
                _log.error("the emulator's state could not be saved; it is tried again")
                self._changed.set()
            pause_s = max(self._shortest_pause_s, (time.monotonic() - began_s) / _LARGEST_PART)

    def _save_and_forget(self) -> bool:
        try:
            finished = self._journal.finished()
            if saved := self._save_in_child():
                self._journal.forget(finished)
        except (OSError, sqlite3.Error) as error:  # there may be too many processes
            _log.error("%s", error)
            return False
        return saved

    def _save_in_child(self) -> bool:
        parent_pid = os.getpid()
        with warnings.catch_warnings():
            # Python warns of locks that other threads hold: the child takes none of ours, and Python's own are reset.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            status = 1
            try:
                _come_off(parent_pid)
                self._save()
                status = 0
            except OSError as error:
                _log.error("%s", error)
            except Exception:  # noqa: BLE001 - whatever it is, nobody else tells of it
                _log.exception("the emulator's state can't be written")
            finally:
                os._exit(status)
        return _wait(pid, self._closed)


def _come_off(parent_pid: int) -> None:
    """In a child: end with the parent, and have nothing of it open but where it says what is wrong."""
    die_with_parent(parent_pid)
    signal.set_wakeup_fd(-1)  # what wakes the parent
    for each in list(Path("/proc/self/fd").iterdir()):  # not all numbers there can be, which are often very many
        if int(each.name) > _STANDARD_ERROR:
            with suppress(OSError):
                os.close(int(each.name))


def _wait(pid: int, closed: threading.Event) -> bool:
    """Whether a child ended well. One that takes too long is killed, or when nobody waits for it any more."""
    deadline_s = time.monotonic() + _LONGEST_SAVE_S
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        if time.monotonic() > deadline_s or closed.is_set():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False
        time.sleep(_POLL_S)
