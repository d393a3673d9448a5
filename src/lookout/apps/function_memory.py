"""How much memory the function has left for an image, once its network is loaded."""

from __future__ import annotations

import sys
from pathlib import Path

_MIB = 1 << 20

# What is not an image's: AWS's clients with their buffers, the runtime client, and what malloc can't give back.
_RESERVE_BYTES = 32 * _MIB


def free_bytes(memory_mb: int) -> int:
    """What is left of a function's memory above the most that this process has used so far, and a reserve."""
    return memory_mb * _MIB - peak_bytes() - _RESERVE_BYTES


def peak_bytes() -> int:
    """The most memory that this process has had in RAM at a time."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage's figure is that of the parent process, where that had more
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
