"""Latencies of a run: how they spread, where they go, how they grow with the rate. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import fmean

import numpy as np

from lookout.comparison.findings import Difference, Distribution, Peak, RateCurve, RatePoint, StageBar
from lookout.comparison.function_memory import MB_PER_VCPU
from lookout.comparison.plans import throughput_of
from lookout.comparison.queueing import Station, latency_percentile_ms, wait
from lookout.comparison.results import Point, Run
from lookout.comparison.samples import OFFLOADED, Sample, called
from lookout.comparison.scenarios import knee
from lookout.comparison.stages import STAGES, stages_ms
from lookout.comparison.statistics import ENOUGH_FOR_P99, difference, interval, percentile_of


def distributions(point: Point) -> tuple[Distribution, ...]:
    """Each execution's latencies at a point; warm ones, and cold ones where there were any."""
    return tuple(_distributions(point))


def differences(point: Point) -> tuple[Difference, ...]:
    """Each two executions of a point against each other, the fastest first; by pairs of images, of two or more."""
    means = {name: fmean(values) for name in point.condition.executions if (values := warm(point, name))}
    ranked = sorted(means, key=means.__getitem__)
    return tuple(filter(None, (_difference(point, *pair) for pair in combinations(ranked, 2))))


def stage_bars(point: Point) -> tuple[StageBar, ...]:
    """Where each execution's latency goes, by the means of samples whose stages are known."""
    return tuple(_bars(point))


def rate_curves(run: Run) -> tuple[RateCurve, ...]:
    """Latency against rate, of each execution that was asked at two rates or more."""
    curves = (_rate_curve(run, execution) for execution in _executions(run))
    return tuple(curve for curve in curves if len(curve.points) > 1)


def peaks(run: Run) -> tuple[Peak, ...]:
    """The most memory that the server and the function had, the function's by its own memory."""
    return tuple(_peaks(run))


def warm(point: Point, execution: str) -> list[float]:
    """An execution's warm latencies in ms, in the order in which they were measured."""
    return [s.latency_ms for s in point.of(execution) if s.is_warm and s.latency_ms is not None]


def _difference(point: Point, faster: str, slower: str) -> Difference | None:
    mine, other = (
        {s.image: s.latency_ms for s in point.of(name) if s.is_warm and s.latency_ms is not None}
        for name in (faster, slower)
    )
    both = [image for image in mine if image in other]
    found = difference([other[image] for image in both], [mine[image] for image in both])
    return None if found is None else Difference(faster, slower, found, len(both))


def _distributions(point: Point) -> Iterator[Distribution]:
    for execution in point.condition.executions:
        for cold in (False, True):
            values = sorted(s.latency_ms for s in _group(point, execution, cold=cold) if s.latency_ms is not None)
            if values:
                yield Distribution(
                    execution,
                    cold,
                    tuple(values),
                    mean=interval(values),
                    p50=interval(values, percentile_of(50)),
                    p95=interval(values, percentile_of(95)),
                )


def _bars(point: Point) -> Iterator[StageBar]:
    for execution in point.condition.executions:
        for cold in (False, True):
            known = [
                (sample, stages) for sample in _group(point, execution, cold=cold) if (stages := stages_ms(sample))
            ]
            if not known:
                continue
            latency_ms = fmean(sample.latency_ms or 0.0 for sample, _ in known)
            means = {stage: fmean(stages.get(stage, 0.0) for _, stages in known) for stage in STAGES}
            means = {stage: ms for stage, ms in means.items() if ms > 0}
            left_ms = round(latency_ms - sum(means.values()), 6) or 0.0  # never -0.0
            yield StageBar(execution, cold, len(known), latency_ms, means, left_ms)


def _group(point: Point, execution: str, *, cold: bool) -> list[Sample]:
    """An execution's samples that were answered, cold ones or warm ones; a cold one may be a warm-up."""
    return [s for s in point.of(execution) if (s.answer and s.cold if cold else s.is_warm)]


def _rate_curve(run: Run, execution: str) -> RateCurve:
    found = sorted(
        (
            _rate_point(point, execution, rate_per_s)
            for point in run.points
            if (rate_per_s := point.condition.load.rate_per_s) and execution in point.condition.executions
        ),
        key=lambda point: point.rate_per_s,
    )
    known = [point for point in found if point.n > point.failed]
    turn = knee([(point.rate_per_s, point.p50_ms) for point in known])
    return RateCurve(execution, (*known, *_predicted(run, execution, known)), turn.rate_per_s if turn else None)


def _predicted(run: Run, execution: str, measured: Sequence[RatePoint]) -> Iterator[RatePoint]:
    """What a queue would have: of images that take what those took that came alone, at what was done at most."""
    offline = [point for point in run.points if point.condition.scenario == "offline"]
    capacity_per_s = next(filter(None, (throughput_of(point, execution) for point in offline)), None)
    alone_ms = warm(run.points[0], execution)
    servers = _servers(run, execution)
    if capacity_per_s is None or not alone_ms or servers is None:
        return
    station = Station(servers, tuple(alone_ms), capacity_per_s)
    for one in measured:
        waiting = wait(station, one.rate_per_s)
        if waiting.stable:
            p50_ms, p99_ms = (latency_percentile_ms(waiting, alone_ms, percent) for percent in (50, 99))
            yield RatePoint(one.rate_per_s, p50_ms, p99_ms, 0, 0, predicted=True)


def _servers(run: Run, execution: str) -> int | None:
    """How many images are worked on at once; None on AWS, which makes as many sandboxes as are wanted."""
    cores = run.machine.get("cores")
    if not isinstance(cores, int):
        return None
    if execution not in OFFLOADED:
        return cores
    memory_mb = run.points[0].condition.memory_mb
    return max(1, int(cores * MB_PER_VCPU / memory_mb)) if run.emulated and memory_mb else None


def _rate_point(point: Point, execution: str, rate_per_s: float) -> RatePoint:
    """Cold starts count: at a rate they are what scaling out costs."""
    measured = [sample for sample in point.of(execution) if not sample.warm_up]
    values = [sample.latency_ms for sample in measured if sample.answer and sample.latency_ms is not None]
    p50_ms, p99_ms = np.percentile(values, [50, 99]) if values else (0.0, 0.0)
    tail_ms = float(p99_ms) if len(values) >= ENOUGH_FOR_P99 else math.nan
    return RatePoint(rate_per_s, float(p50_ms), tail_ms, len(measured), len(measured) - len(values))


def _peaks(run: Run) -> Iterator[Peak]:
    servers = [point.peaks_mb["local"] for point in run.points if "local" in point.peaks_mb]
    if servers:
        yield Peak("local: the server's processes", max(servers))
    used: dict[int, tuple[str, float]] = {}
    for point in run.points:
        for sample in point.samples:
            if told := sample.invocation:
                name, used_mb = used.get(told.memory_mb, (sample.execution, 0.0))
                used[told.memory_mb] = (name, max(used_mb, told.used_mb))
    for memory_mb, (name, peak_mb) in sorted(used.items()):
        yield Peak(f"{called(name, emulated=run.emulated)}: the function at {memory_mb:,} MB", peak_mb)


def _executions(run: Run) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for point in run.points for name in point.condition.executions))
