"""How much of this machine's CPU time is promised to what runs in sandboxes.

A function's duration means something only while the machine can keep what it promised. So the shares of all that run at
once stay a little below the machine's cores; the rest is for the control plane and the client. What comes later waits,
first come, first served, and that waiting is no part of its duration. A share that is larger than the room gets it
alone, and is told to be oversubscribed.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from lookout.cloud.emulator.quotas import MB_PER_VCPU

# Of every core this much is promised to nobody.
_KEPT_BACK = 0.05

# Init has a whole CPU, as on Lambda.
_INIT_SHARE = 1.0


class CpuRoom:
    """The room of a machine with this many cores; without limit where sandboxes' CPU time is not limited."""

    def __init__(self, cores: int, *, limited: bool) -> None:
        self.cores = cores
        self._most = cores * (1 - _KEPT_BACK) if limited else math.inf
        self._taken = 0.0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def share(self, memory_mb: int) -> float:
        """The CPUs that Lambda gives a function of this memory."""
        return memory_mb / MB_PER_VCPU

    def oversubscribes(self, share: float) -> bool:
        """Whether a share is more than there is."""
        return share > self._most

    @contextmanager
    def init(self, memory_mb: int) -> Iterator[None]:
        """Room for a function's init."""
        with self.taken(max(_INIT_SHARE, self.share(memory_mb))):
            yield

    @contextmanager
    def taken(self, share: float) -> Iterator[None]:
        """Wait for room, then take it for as long as the block runs. When the room is closed nothing waits."""
        taken = self._enter(min(share, self._most))
        try:
            yield
        finally:
            with self._changed:
                self._taken -= taken
                self._changed.notify_all()

    def close(self) -> None:
        """Let in all who wait: nothing is measured any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _enter(self, share: float) -> float:
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            self._changed.wait_for(lambda: self._closed or (self._waiting[0] is turn and self._fits(share)))
            self._waiting.remove(turn)
            self._taken += share
            self._changed.notify_all()  # the next may fit as well
        return share

    def _fits(self, share: float) -> bool:
        return self._taken + share <= self._most + 1e-9
