"""What a function's compute takes at another memory: by its share of CPU. Pure.

Theory of operation. Lambda gives a function memory / 1769 MB of a vCPU, dealt out as so many ms of every 20: who has
used up its part of a period stands still until the next begins. So work of ``cpu_ms`` does not take ``cpu_ms / share``:
it begins with a whole part in hand, and does not stand still after its last one, which is much of work that is only a
few periods long. (At 512 MB 18 ms of CPU time take 47 ms, and not 62.) Where in a period work begins is chance, so a
mean over all places is taken; images differ too, so it is one over a spread of ``cpu_ms``.

From one vCPU on there is no quota to meet, and of more of them only the engine makes use, with a thread each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MB_PER_VCPU = 1769

# The period is measured, not documented: see the emulator's quotas, which deals out CPU time by it.
_PERIOD_MS = 20.0
# Of inference this much gains by a second thread: 0.94 of Yolo-Fastest-1.1-xl's, all of YOLOv3-tiny's (measured, ONNX
# Runtime: 17 to 9 ms, 74 to 35).
_PARALLEL = 0.95

_PHASES = (np.arange(64) + 0.5) / 64
_SPREAD = np.linspace(0.75, 1.25, 11)

# With fewer memories than this nothing is said of a part that takes no CPU: whatever is measured is explained by CPU.
_MEMORIES_FOR_FIXED = 3
_GRID, _REFINED = 240, 41

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ComputeModel:
    """Compute that takes ``cpu_ms`` of one vCPU, and ``fixed_ms`` however many there are.

    ``parallel`` is the share of it that more vCPUs divide among them, of which there are no more than ``cores``.
    ``memories_mb``: the least and the most that it was fitted on; None for what runs in no function.
    """

    cpu_ms: float
    fixed_ms: float = 0.0
    parallel: float = 0.0
    cores: int | None = None
    memories_mb: tuple[int, int] | None = None

    def compute_ms(self, memory_mb: int | None) -> float:
        """The mean at this memory; of what runs in no function the mean that there is.

        >>> round(ComputeModel(18).compute_ms(512), 1), ComputeModel(18).compute_ms(1769)
        (47.4, 18.0)
        """
        if memory_mb is None:
            return self.cpu_ms + self.fixed_ms
        cpu_ms = np.array([self.cpu_ms])
        return self.fixed_ms + float(_wall_ms(cpu_ms, memory_mb, self.parallel, self.cores)[0])


def fit_compute(
    compute_ms: Mapping[int, float], inference_share: float = 0.0, cores: int | None = None
) -> ComputeModel:
    """The model of what was measured: the compute's mean by memory in MB. Raises ``ValueError`` where there is nothing.

    ``inference_share``: how much of the compute is the engine's; ``cores``: of the machine, where it is an emulated
    function. The sum of squared relative errors is smallest, found on a grid, since the quota makes steps.

    >>> model = fit_compute({512: 47.4})
    >>> round(model.cpu_ms), model.fixed_ms
    (18, 0.0)
    """
    if not compute_ms or not all(measured > 0 for measured in compute_ms.values()):
        raise ValueError("compute is fitted on one memory or more, and each takes more than nothing")
    memories, measured = list(compute_ms), np.array(list(compute_ms.values()))
    parallel = _PARALLEL * inference_share
    low, high = 1e-3 * measured.min(), 2 * max(measured.max(), 1.0)
    for count in (_GRID, _REFINED, _REFINED):
        grid = np.geomspace(low, high, count)
        walls = np.array([_wall_ms(grid, memory, parallel, cores) for memory in memories])
        fixed = _fixed_ms(walls, measured) if len(memories) >= _MEMORIES_FOR_FIXED else np.zeros(count)
        errors = (((walls + fixed) / measured[:, None] - 1) ** 2).sum(axis=0)
        best = int(errors.argmin())
        low, high = grid[max(0, best - 1)], grid[min(count - 1, best + 1)]
    return ComputeModel(float(grid[best]), float(fixed[best]), parallel, cores, (min(memories), max(memories)))


def _fixed_ms(walls: Values, measured: Values) -> Values:
    """For each column of walls the constant, not below zero, that with them comes nearest to what was measured."""
    weights = 1 / measured[:, None] ** 2
    fixed: Values = np.maximum(0, ((measured[:, None] - walls) * weights).sum(axis=0) / weights.sum())
    return fixed


def _wall_ms(cpu_ms: Values, memory_mb: int, parallel: float, cores: int | None) -> Values:
    """How long each of these takes at a memory, on average."""
    share = memory_mb / MB_PER_VCPU
    if share < 1:
        spread = cpu_ms[:, None, None] * _SPREAD[:, None]
        walls: Values = _under_quota_ms(spread, _PHASES * _PERIOD_MS, share * _PERIOD_MS).mean(axis=(1, 2))
        return walls
    threads = min(int(share), cores or int(share))
    return cpu_ms * (1 - parallel + parallel / threads)


def _under_quota_ms(cpu_ms: Values, left_ms: Values, quota_ms: float) -> Values:
    """How long work takes that begins so long before its period ends, and may run for the quota in each."""
    later_ms = cpu_ms - np.minimum(quota_ms, left_ms)
    periods = np.maximum(0, np.ceil(later_ms / quota_ms) - 1)
    return np.where(later_ms <= 0, cpu_ms, left_ms + periods * _PERIOD_MS + later_ms - periods * quota_ms)
