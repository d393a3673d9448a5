"""Ends an emulator that runs somewhere on this machine.

Who is to be ended is asked of the emulator itself, so that no file with a number can grow old. Numbers of processes are
used again, and another container counts its own: so it also tells when its process began, and only a process here that
began then is told to end.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from lookout.cloud.account import describe_emulator
from lookout.cloud.emulator import data_folder
from lookout.cloud.emulator.workspace import identity
from lookout.errors import CloudError, UnreachableError

_LONGEST_END_S = 15.0
_PAUSE_S = 0.02


def stop(port: int, data: Path | None) -> str:
    """See ``lookout.cloud.emulator.stop``."""
    endpoint = _endpoint(port, data)
    about = _about(endpoint)
    process = about.get("process") or {}
    if data is not None and about.get("data") != str(data.resolve()):
        raise UnreachableError(f"no emulator runs that keeps its data in {data}")
    if not process or identity(process["pid"]) != process:
        raise CloudError(f"the emulator at {endpoint} is no process of this machine: stop it where it was started")
    try:
        os.kill(process["pid"], signal.SIGTERM)
    except PermissionError as error:
        raise CloudError(f"the emulator at {endpoint} is another user's: only that user can stop it") from error
    deadline_s = time.monotonic() + _LONGEST_END_S
    while identity(process["pid"]) == process:
        if time.monotonic() > deadline_s:
            raise CloudError(f"the emulator at {endpoint} was told to end and has not: its process is {process['pid']}")
        time.sleep(_PAUSE_S)
    return endpoint


def _endpoint(port: int, data: Path | None) -> str:
    if data is None:
        return f"http://127.0.0.1:{port}"
    endpoint = data_folder.told_endpoint(data)
    if endpoint is None:
        raise UnreachableError(f"no emulator runs that keeps its data in {data}")
    return endpoint


def _about(endpoint: str) -> dict[str, Any]:
    try:
        about = describe_emulator(endpoint)
    except UnreachableError as error:
        raise UnreachableError(f"no emulator runs at {endpoint}") from error
    if about is None:
        raise UnreachableError(f"what answers at {endpoint} is no emulator of Lookout's")
    return about
