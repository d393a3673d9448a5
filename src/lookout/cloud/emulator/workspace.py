"""The emulator's folder of temporary files, told apart by its process so that it can be swept; and who is who."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PREFIX = "lookout-emulator-"


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{mark(os.getpid())}-") as folder:
        yield Path(folder)


def sweep_folders() -> None:
    """Remove the folders of emulators that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*-*"):
        if is_stale(folder.name.removeprefix(_PREFIX)):
            shutil.rmtree(folder, ignore_errors=True)  # another user's stays


def mark(pid: int) -> str | None:
    """A name for a process that no other has, of two parts with a hyphen between; None where it is not there."""
    process = identity(pid)
    return None if process is None else f"{pid}-{re.sub('[^0-9A-Za-z]', '', process['began'])}"


def is_stale(name: str) -> bool:
    """Whether a name begins with the mark of a process that has ended. What has no mark isn't ours, and not stale."""
    pid, _, rest = name.partition("-")
    began, hyphen, _ = rest.partition("-")
    return pid.isdigit() and bool(began and hyphen) and mark(int(pid)) != f"{pid}-{began}"


def identity(pid: int) -> dict[str, Any] | None:
    """A process, told from others that had or will have its number; None where it is not there.

    One that has ended, and was not waited for, has its number still, and is not there.
    """
    try:
        # What is before the bracket is the program's name, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        state, began = fields[0], fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        command = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
        same_for_all = {"LC_ALL": "C", "TZ": "UTC"}  # whoever asks, the time is written in one way
        told = subprocess.run(command, capture_output=True, text=True, check=False, env=same_for_all)
        fields = told.stdout.split(maxsplit=1)
        if len(fields) < 2:
            return None
        state, began = fields[0], fields[1].strip()
    return None if state.startswith("Z") else {"pid": pid, "began": began}
