"""The function at several memories, and the one to take. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev

import numpy as np

from lookout.comparison.analysis.pricing import dollars_of
from lookout.comparison.findings import MemoryPoint, MemorySweep
from lookout.comparison.prices import Prices
from lookout.comparison.results import Run
from lookout.comparison.samples import OFFLOADED, Sample
from lookout.comparison.tuning import Goal, Recommendation, recommend
from lookout.comparison.tuning import MemoryPoint as Measured
from lookout.comparison.words import capital

_GOALS: tuple[Goal, ...] = ("cheapest", "fastest", "balanced")


def memory_sweep(run: Run, prices: Prices, deadline_ms: float | None = None) -> MemorySweep | None:
    """The sweep of the execution that was measured at the most memories; None where none was at two."""
    by_execution = {name: _by_memory(run, name) for name in OFFLOADED}
    execution = max(by_execution, key=lambda name: len(by_execution[name]))
    groups = _of_the_same_images(by_execution[execution])
    if len(groups) < 2:
        return None
    measured = [_measured(memory_mb, samples, run, execution, prices) for memory_mb, samples in sorted(groups.items())]
    found = [recommend(measured, goal) for goal in _GOALS]
    if deadline_ms is not None:
        found.append(recommend(measured, deadline_ms=deadline_ms))
    return MemorySweep(
        execution,
        tuple(_point(one, groups[one.memory_mb]) for one in measured),
        {one.goal: one.point.memory_mb for one in found if one.point},
        (*map(_words, found), *_too_small(measured[0].memory_mb, groups[measured[0].memory_mb])),
    )


def _by_memory(run: Run, execution: str) -> dict[int, list[Sample]]:
    """An execution's samples, one image at a time over the run's own network, by the function's memory."""
    network = run.points[0].condition.network
    found: dict[int, list[Sample]] = {}
    for point in run.points:
        condition = point.condition
        if condition.scenario == "single-stream" and condition.network == network and point.of(execution):
            memories = {s.invocation.memory_mb for s in point.of(execution) if s.invocation}
            memory_mb = condition.memory_mb or (memories.pop() if len(memories) == 1 else None)
            if memory_mb is not None:
                found.setdefault(memory_mb, []).extend(point.of(execution))
    return found


def _of_the_same_images(groups: dict[int, list[Sample]]) -> dict[int, list[Sample]]:
    """Of each memory the images that all of them were given: else the memories differ by their images too."""
    images = [{sample.image for sample in samples if not sample.warm_up} for samples in groups.values()]
    common = set.intersection(*images) if images else set()
    return {
        memory_mb: [sample for sample in samples if sample.warm_up or sample.image in common]
        for memory_mb, samples in groups.items()
    }


def _measured(memory_mb: int, samples: Sequence[Sample], run: Run, execution: str, prices: Prices) -> Measured:
    warm = [s for s in samples if s.is_warm and s.invocation]
    failed = [s for s in samples if s.error is not None and not s.warm_up]
    durations = [s.invocation.duration_ms for s in warm if s.invocation]
    inits = [s.invocation.init_ms for s in samples if s.invocation and s.invocation.init_ms is not None]
    dollars = dollars_of(warm, run, execution, prices)
    return Measured(
        memory_mb,
        len(durations),
        duration_ms=fmean(durations) if durations else math.nan,
        sd_ms=stdev(durations) if len(durations) > 1 else 0.0,
        p95_ms=float(np.percentile(durations, 95)) if durations else math.nan,
        dollars_per_thousand=math.nan if dollars is None else dollars,
        failed=len(failed),
        failure=failed[0].error if failed else None,
        oversubscribed=any(s.invocation and s.invocation.oversubscribed for s in warm),
        init_ms=fmean(inits) if inits else None,
    )


def _point(one: Measured, samples: Sequence[Sample]) -> MemoryPoint:
    used = [s.invocation.used_mb for s in samples if s.invocation]
    return MemoryPoint(
        one.memory_mb,
        n=one.n,
        duration_ms=_known(one.duration_ms),
        p95_ms=_known(one.p95_ms),
        dollars_per_thousand=_known(one.dollars_per_thousand),
        init_ms=one.init_ms,
        used_mb=max(used) if used else None,
        excluded=one.unfit or "",
    )


def _too_small(least_mb: int, samples: Sequence[Sample]) -> Iterator[str]:
    """Why no smaller memory was tried, where that is why."""
    used_mb = max((s.invocation.used_mb for s in samples if s.invocation), default=0)
    if used_mb:
        yield f"At {least_mb} MB, the least that was measured, the function used {used_mb} MB."


def _words(one: Recommendation) -> str:
    return f"{capital(one.goal)}: {one.sentence}"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
