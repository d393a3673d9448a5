"""Which way of limiting sandboxes this machine allows.

===========  =========================================  ============================================
name         CPU time                                   memory
===========  =========================================  ============================================
cgroup v2    the kernel's quota                         the kernel's limit
cgroup v1    the kernel's quota                         the kernel's limit
sigstop      measured; SIGSTOP and SIGCONT              measured; SIGKILL
none         no limit                                   measured; SIGKILL (Linux)
===========  =========================================  ============================================
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from lookout.cloud.emulator.cgroups import usable_cgroups
from lookout.cloud.emulator.polling import PollingLimiter
from lookout.cloud.emulator.quotas import Limiter


def available_cores() -> int:
    """The cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_limiters() -> Iterator[Limiter]:
    """Every way that works on this machine for this user, the best first; the last limits no CPU time."""
    cores = available_cores()
    cgroups = usable_cgroups(cores)
    if cgroups is not None:
        yield cgroups
    if sys.platform == "linux":
        yield PollingLimiter(cores, throttle=True)
    yield PollingLimiter(cores, throttle=False)


def choose_limiter(*, cpu_limits: bool = True) -> Limiter:
    """The best way that works here; ``cpu_limits=False`` asks for none of CPU time."""
    if not cpu_limits:
        return PollingLimiter(available_cores(), throttle=False)
    return next(usable_limiters())
