"""The emulator's folder of temporary files, told apart by its process so that it can be swept; and who is who."""

from __future__ import annotations

import os
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
    sweep_folders()
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder:
        yield Path(folder)


def sweep_folders() -> None:
    """Remove the folders of emulators that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)  # another user's stays


def is_alive(pid: int) -> bool:
    """Whether a process of that number runs, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return identity(pid) is not None  # one that has ended, and was not waited for, has its number still


def identity(pid: int) -> dict[str, Any] | None:
    """A process, told from others that had or will have its number; None where it is not there."""
    try:
        # What is before the bracket is the program's name, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        state, began = fields[0], fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        command = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split(maxsplit=1)
        if len(told) < 2:
            return None
        state, began = told[0], told[1].strip()
    return None if state.startswith("Z") else {"pid": pid, "began": began}
