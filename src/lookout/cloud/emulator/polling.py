"""Limits without control groups: a thread that measures a sandbox, and stops and continues it.

CPU time is a token bucket: tokens, in CPU seconds, come in at the sandbox's share of wall time and go out
with the CPU time it was measured to use. When they are used up the process group is stopped (SIGSTOP) until
one period's worth is there again, and what it used too much while nobody looked is paid back by a longer
stop. So the average is right even where a busy machine wakes this thread late.

Memory is resident memory, measured, with SIGKILL over the limit; allocations are refused only far above it,
since libraries reserve much that they never touch (and RLIMIT_AS would count every mapped file).

Only the sandbox's own process is measured, not children that it starts.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

from lookout.cloud.emulator.quotas import MIB, PERIOD_US, Admission, cpu_share

_PERIOD_S = PERIOD_US / 1e6
_SHORTEST_PAUSE_S = 0.0005
_LONGEST_PAUSE_S = 0.01

# A late wake-up of the thread must not cost the sandbox tokens.
_CAPACITY_PERIODS = 2

# Over the memory limit a sandbox is killed within milliseconds; this catches what grows faster than that.
_DATA_LIMIT_FACTOR = 2

_CPUCLOCK_SCHED = 2


class TokenBucket:
    """How much CPU time may be used now.

    >>> bucket = TokenBucket(0.5, now_s=0.0, used_s=0.0)
    >>> round(bucket.balance_s(now_s=0.010, used_s=0.010), 4)  # it began with a period's worth, 0.010
    0.005
    """

    def __init__(self, share: float, *, now_s: float, used_s: float) -> None:
        self.share = share
        self.refill_s = share * _PERIOD_S
        self._balance_s = self.refill_s
        self._now_s = now_s
        self._used_s = used_s

    def balance_s(self, *, now_s: float, used_s: float) -> float:
        """The CPU seconds left; below zero they are owed."""
        earned_s = (now_s - self._now_s) * self.share
        full_s = self.refill_s * _CAPACITY_PERIODS
        self._balance_s = min(self._balance_s + earned_s, full_s) - (used_s - self._used_s)
        self._now_s, self._used_s = now_s, used_s
        return self._balance_s

    def pause_s(self, balance_s: float) -> float:
        """How long to stop a process that has used up its tokens."""
        return (self.refill_s - balance_s) / self.share


class PollingLimiter:
    """Watches every sandbox with a thread."""

    def __init__(self, cores: int, *, throttle: bool) -> None:
        self._cores = cores
        self._throttle = throttle
        self.name = "sigstop" if throttle else "none"
        self.limits_cpu = throttle

    def limit(self, sandbox_id: str, memory_mb: int) -> PollingLimits:  # noqa: ARG002 - the protocol's
        """The limits of a new sandbox."""
        share = cpu_share(memory_mb, self._cores) if self._throttle else None
        return PollingLimits(memory_mb * MIB, share, self._cores)


class PollingLimits:
    """One sandbox under watch."""

    def __init__(self, memory_bytes: int, share: float | None, cores: int) -> None:
        self._memory_bytes = memory_bytes
        self._share = share
        self._cores = cores
        self._seen_s = 0.0
        self._quota_started = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def admission(self) -> Admission:
        """The launcher caps its own allocations."""
        return Admission(data_limit_bytes=self._memory_bytes * _DATA_LIMIT_FACTOR)

    def watch(self, pid: int) -> None:
        """Start the thread, where there is something that it can measure."""
        if resident_bytes(pid) is not None:
            self._thread = threading.Thread(target=self._run, args=(pid,), name="sandbox-limits", daemon=True)
            self._thread.start()

    def start_cpu_quota(self) -> None:
        """Begin to count CPU time."""
        self._quota_started.set()

    def close(self) -> None:
        """Stop the thread; it sends no signal after this."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, pid: int) -> None:
        with suppress(OSError):  # the process has ended
            while not self._closed.wait(_LONGEST_PAUSE_S) and not self._quota_is_on():
                self._look(pid)
            if self._share is not None:
                self._throttle(pid, TokenBucket(self._share, now_s=time.monotonic(), used_s=cpu_seconds(pid)))

    def _quota_is_on(self) -> bool:
        return self._share is not None and self._quota_started.is_set()

    def _throttle(self, pid: int, bucket: TokenBucket) -> None:
        pause_s = 0.0
        balance_s = bucket.refill_s
        while not self._closed.wait(pause_s):
            used_s = self._look(pid)
            before_s, balance_s = balance_s, bucket.balance_s(now_s=time.monotonic(), used_s=used_s)
            if balance_s <= 0:
                os.killpg(pid, signal.SIGSTOP)
                self._closed.wait(bucket.pause_s(balance_s))
                os.killpg(pid, signal.SIGCONT)
                pause_s = _SHORTEST_PAUSE_S
            elif balance_s >= before_s:  # it is waiting for something, mostly
                pause_s = _LONGEST_PAUSE_S
            else:  # look again when the tokens may be used up, at the earliest
                pause_s = min(max(balance_s / self._cores, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)

    def _look(self, pid: int) -> float:
        """The CPU time used. Kill the process if it has too much memory, which can't have grown without."""
        used_s = cpu_seconds(pid)
        if used_s != self._seen_s:
            self._seen_s = used_s
            if (resident_bytes(pid) or 0) > self._memory_bytes:
                os.killpg(pid, signal.SIGKILL)
        return used_s


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process, all its threads together, those that ended too. Linux only.

    Every process has a clock of its own, whose number is made of its pid: clock_getcpuclockid(3), which
    Python doesn't offer. Raises ``OSError`` when the process is gone.
    """
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def resident_bytes(pid: int) -> int | None:
    """The memory that a process has in use; None where it can't be told."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
