"""What an emulator is told, and what its clients need to know of it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

# The control plane takes a 12-digit access key for the account, so that every ARN agrees.
ACCOUNT = "000000000000"
SECRET = "emulator"  # noqa: S105 - opens nothing


@dataclass(frozen=True, slots=True)
class EmulatorConfig:
    """One emulator. Port 0 takes a free one.

    ``concurrency``: the most invocations at once; beyond it they are throttled, and events wait. ``idle_s``: how
    long an unused sandbox is kept warm. ``init_limit_s``: the time a sandbox has to import the handler.
    ``cpu_limits``: give functions their share of CPU time, as Lambda does. ``retry_base_s``: how long an event waits
    whose function failed, and twice as long the next time; on Lambda it is a minute. ``data``: a folder that keeps
    what the emulator holds; None forgets it at the end. ``isolate``: let sandboxes see the machine read-only, and
    reach nothing but the emulator.
    """

    port: int = 4566
    region: str = "us-east-1"
    concurrency: int = 10
    idle_s: float = 300.0
    init_limit_s: float = 10.0
    cpu_limits: bool = True
    retry_base_s: float = 1.0
    data: Path | None = None
    isolate: bool = False


def environment(endpoint: str, region: str, account: str = ACCOUNT) -> dict[str, str]:
    """The environment variables that point AWS's clients at an emulator.

    >>> environment("http://127.0.0.1:4566", "us-east-1")["AWS_ACCESS_KEY_ID"]
    '000000000000'
    """
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }


def leave(status: int = 0) -> NoReturn:
    """End this process at once, with its output written.

    The control plane keeps worker threads that are no daemons and may sit in a long wait; Python's own exit
    would wait for them.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
