"""What a sandbox may use, as numbers, and the protocol of what holds it to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Lambda gives a function one vCPU at 1,769 MB and CPU time in proportion to its memory
# (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
MB_PER_VCPU = 1769

# How often the quota is dealt out is not documented. Measured from inside functions: under a busy loop at 128 MB the
# pauses are about 20, 40, 60, 80 or 100 ms long, and end at multiples of 20 ms (2025-03-01, the first timeline in
# https://github.com/pwrdrvr/lambda-throttling/blob/11ec13d90016e93eccc530d0771d1a61152c29b5/docs/index.html).
PERIOD_US = 20_000
_KERNEL_MINIMUM_QUOTA_US = 1_000

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Admission:
    """What a sandbox's launcher does to its own process, before it loads the function."""

    procs_files: tuple[Path, ...] = ()
    data_limit_bytes: int | None = None


class Limits(Protocol):
    """The limits of one sandbox."""

    @property
    def admission(self) -> Admission:
        """What the launcher must do to come under these limits."""

    def watch(self, pid: int) -> None:
        """Learn the sandbox's process, the leader of its own process group."""

    def start_cpu_quota(self) -> None:
        """From now on give the sandbox no more than its share; Lambda gives a full CPU during init."""

    def close(self) -> None:
        """Give up what the limits hold. Call it when the process has ended and before it is reaped."""


class Limiter(Protocol):
    """A way of limiting sandboxes on this machine."""

    @property
    def name(self) -> str:
        """The name that users see: ``cgroup v2``, ``cgroup v1``, ``sigstop`` or ``none``."""

    @property
    def limits_cpu(self) -> bool:
        """Whether sandboxes get their share of CPU time, and no more."""

    def limit(self, sandbox_id: str, memory_mb: int) -> Limits:
        """The limits of a new sandbox. Raises ``OSError``."""


def cpu_share(memory_mb: int, cores: int) -> float:
    """The CPUs that a function of this memory gets, no more than the machine has.

    >>> cpu_share(1769, cores=2), cpu_share(10240, cores=2)
    (1.0, 2)
    """
    return min(memory_mb / MB_PER_VCPU, cores)


def cfs_quota(share: float) -> tuple[int, int]:
    """The kernel's quota and period, in microseconds, that give this share of a CPU.

    The period is Lambda's, but longer where the quota would be under the least that the kernel takes.

    >>> cfs_quota(0.5), cfs_quota(0.01)
    ((10000, 20000), (1000, 100000))
    """
    quota_us = round(share * PERIOD_US)
    if quota_us >= _KERNEL_MINIMUM_QUOTA_US:
        return quota_us, PERIOD_US
    return _KERNEL_MINIMUM_QUOTA_US, math.ceil(_KERNEL_MINIMUM_QUOTA_US / share)
