"""Which conditions a comparison measures: one, or all that a whole report wants. Pure but for what measures.

A whole report (``Full``) measures one image at a time first, which its table is of; then the executions over some
networks, the function at some memories, how many images a second come through at most, latency at rates up to that, and
a burst at sandboxes that are not there yet. Each of these takes as few images as tell it, so that all of it is done in
minutes; what lies between is predicted, and some of what is measured is kept out of the fit, to say how well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lookout.comparison.bench import Subject
from lookout.comparison.conditions import Condition, Measure
from lookout.comparison.load import Load
from lookout.comparison.network import Network
from lookout.comparison.results import Point
from lookout.comparison.samples import OFFLOADED
from lookout.comparison.scenarios import Bound, Probe, ServerResult, search, throughput_per_s
from lookout.comparison.statistics import ENOUGH_FOR_P99

# Corners and middles of what lies between a wire and a bad mobile network; ms, and Mbit/s up.
_NETWORKS = ((5, 50), (5, 5), (40, 20), (40, 2), (100, 10), (100, 50), (200, 2), (200, 50), (20, 10))
_DOWN_OVER_UP = 4
_MEMORIES_MB = (256, 512, 1024, 1769, 3008)
_NETWORK_IMAGES, _MEMORY_IMAGES, _BURST = 5, 8, 4
# A function's peak of memory must fit with room to spare; what it needs is not tried by running out of it.
_ROOM = 1.15
_RATES_OF_CAPACITY = (0.25, 0.5, 0.75, 0.9, 1.1)
# Long enough that a queue shows; short, since there are many.
_OFFLINE_S, _RATE_S = 5.0, 8.0
# A slow one longer, for a p99.
_LONGEST_RATE_S = 16.0
_FEWEST, _MOST = 16, 1000
# A search of the server scenario: as exact as its probes are long allows.
_RESOLUTION, _START_PER_S, _PROBES, _PROBE_S, _SEARCH_S = 0.2, 4.0, 10, 20.0, 180.0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Single:
    """One condition: all of a subject's executions, on all images."""

    subject: Subject
    load: Load
    network: Network | None

    def samples(self, images: int) -> int:
        """How many samples that takes, of so many images."""
        return (images + self.load.warm_ups) * len(self.subject.executions)

    def __call__(self, measure: Measure) -> None:
        """Measure it."""
        measure(condition_of(self.subject, self.load, self.network))


@dataclass(frozen=True, slots=True)
class Sweep:
    """The function at several memories: ``each`` images one at a time, the same at all of them.

    A memory that what the function used doesn't fit into is not tried: it would fail for every image, one by one.
    """

    subject: Subject
    load: Load
    memories_mb: tuple[int, ...]
    each: int

    def __call__(self, measure: Measure) -> None:
        """Measure each, from the largest down."""
        used_mb = 0.0
        for memory_mb in reversed(self.memories_mb):
            if used_mb * _ROOM > memory_mb:
                return
            condition = Condition("single-stream", self.subject.executions, self.load, None, memory_mb, self.each)
            used_mb = _used_mb(measure(condition)) or used_mb


@dataclass(frozen=True, slots=True)
class Both:
    """One plan, then another."""

    first: Callable[[Measure], object]
    second: Callable[[Measure], object]

    def __call__(self, measure: Measure) -> None:
        """Measure what both want."""
        self.first(measure)
        self.second(measure)


@dataclass(frozen=True, slots=True)
class Server:
    """MLPerf's server scenario of each execution: the highest rate whose 99th percentile keeps ``bound_ms``."""

    subject: Subject
    load: Load
    network: Network | None
    bound_ms: float

    def __call__(self, measure: Measure) -> None:
        """Search each; what was found is computed again from the points (``server_results``)."""
        for execution in self.subject.executions:
            if execution != "in-process":  # which nobody else can ask
                self._search(measure, execution)

    def _search(self, measure: Measure, execution: str) -> ServerResult:
        bound = Bound(self.bound_ms, resolution=_RESOLUTION)
        memory_mb = _memory_mb(self.subject) if execution in OFFLOADED else None

        def probe(rate_per_s: float) -> Probe:
            images = _bounded(min(bound.images_wanted(rate_per_s), rate_per_s * _PROBE_S))
            load = Load(rate_per_s=rate_per_s, seed=self.load.seed, warm_up=1)
            return probe_of(
                measure(Condition("server", (execution,), load, self.network, memory_mb, images)), execution
            )

        return search(probe, bound, _START_PER_S, most_probes=_PROBES, most_s=_SEARCH_S)


def server_result(points: Sequence[Point], execution: str, bound_ms: float) -> ServerResult | None:
    """What a search came to, by its points; None where the execution was asked at no rate."""
    bound = Bound(bound_ms, resolution=_RESOLUTION)
    asked = [point for point in points if point.condition.scenario == "server" and point.of(execution)]
    judged = [bound.judge(probe_of(point, execution)) for point in asked]
    if not judged:
        return None
    # A rate above one that breaks the bound does not keep it, whatever it looked like.
    above = min((one.probe.rate_per_s for one in judged if not one.keeps), default=None)
    keeping = [one.probe.rate_per_s for one in judged if one.keeps]
    kept = max((rate for rate in keeping if above is None or rate < above), default=None)
    return ServerResult(bound, kept, above, "resolution", tuple(judged))


def probe_of(point: Point, execution: str) -> Probe:
    """A point at a rate, as a search looks at it."""
    measured = [sample for sample in point.of(execution) if not sample.warm_up]
    latencies_ms = tuple(s.latency_ms for s in measured if s.answer and s.latency_ms is not None)
    return Probe(point.condition.load.rate_per_s or 0.0, latencies_ms, len(measured) - len(latencies_ms))


def condition_of(subject: Subject, load: Load, network: Network | None) -> Condition:
    """All of a subject's executions, on all images."""
    return Condition(load.scenario, subject.executions, load, network, _memory_mb(subject))


def _memory_mb(subject: Subject) -> int | None:
    """The function's memory, where it is ours to say; on AWS it is what is deployed."""
    return subject.memory_mb if subject.offloaded and subject.cloud == "emulator" else None


@dataclass(frozen=True, slots=True)
class Full:
    """All that a report wants. ``cores``: of this machine, which emulates a function's share of CPU."""

    subject: Subject
    load: Load
    network: Network | None
    cores: int

    def __call__(self, measure: Measure) -> None:
        """Measure it, point by point."""
        first = measure(condition_of(self.subject, self.load, self.network))
        if self.subject.cloud == "emulator":
            for condition in self.networks():
                measure(condition)
            for condition in self.memories(_used_mb(first)):
                measure(condition)
        for execution in self.subject.executions:
            if execution != "in-process":  # which nobody else can ask
                self._rates(measure, execution, first)
        for condition in self.bursts():
            measure(condition)

    def networks(self) -> tuple[Condition, ...]:
        """One image at a time over networks."""
        over = tuple(name for name in self.subject.executions if name != "in-process")
        if not over:
            return ()
        networks = (
            Network(f"{rtt:g},{up:g},{up * _DOWN_OVER_UP:g}", rtt, up, up * _DOWN_OVER_UP) for rtt, up in _NETWORKS
        )
        few = replace(self.load, warm_up=1)
        return tuple(
            Condition("single-stream", over, few, network, _memory_mb(self.subject), _NETWORK_IMAGES)
            for network in networks
        )

    def memories(self, used_mb: float | None) -> tuple[Condition, ...]:
        """One image at a time at other memories than the subject's, those that what was used fits into."""
        if not self.subject.offloaded or used_mb is None:
            return ()
        # Direct, where it is measured: what is asked is what the function takes.
        execution = "direct" if "direct" in self.subject.offloaded else self.subject.offloaded[0]
        few = replace(self.load, warm_up=1)
        return tuple(
            Condition("single-stream", (execution,), few, self.network, memory_mb, _MEMORY_IMAGES)
            for memory_mb in _MEMORIES_MB
            if memory_mb != self.subject.memory_mb and used_mb * _ROOM <= memory_mb <= self.cores * 1769
        )

    def bursts(self) -> tuple[Condition, ...]:
        """Images at once, at a function whose sandboxes are all busy or gone."""
        if not self.subject.offloaded or self.subject.cloud != "emulator":
            return ()
        load = Load(seed=self.load.seed, burst=_BURST)
        return tuple(
            Condition("burst", (execution,), load, self.network, self.subject.memory_mb, _BURST)
            for execution in self.subject.offloaded
        )

    def _rates(self, measure: Measure, execution: str, first: Point) -> None:
        """How many images a second come through, and latency at rates up to a little more."""
        alone_s = _mean_latency_ms(first, execution) / 1000
        images = _bounded(_OFFLINE_S * _AT_ONCE / alone_s / 2)
        offline = replace(self.load, concurrency=_AT_ONCE, warm_up=_AT_ONCE)
        memory_mb = _memory_mb(self.subject) if execution in OFFLOADED else None
        point = measure(Condition("offline", (execution,), offline, self.network, memory_mb, images))
        capacity_per_s = throughput_of(point, execution)
        if capacity_per_s is None:
            return
        for share in _RATES_OF_CAPACITY:
            rate_per_s = float(f"{share * capacity_per_s:.3g}")
            load = replace(self.load, rate_per_s=rate_per_s, warm_up=1)
            images = _bounded(max(rate_per_s * _RATE_S, min(ENOUGH_FOR_P99, rate_per_s * _LONGEST_RATE_S)))
            measure(Condition(load.scenario, (execution,), load, self.network, memory_mb, images))


def throughput_of(point: Point, execution: str) -> float | None:
    """How many of a point's images were answered in a second; None where none was."""
    answered = [sample for sample in point.of(execution) if sample.answer and not sample.warm_up]
    return throughput_per_s((sample.started, sample.ended) for sample in answered if sample.ended is not None)


def _used_mb(point: Point) -> float | None:
    used = [sample.invocation.used_mb for sample in point.samples if sample.invocation]
    return max(used) if used else None


def _mean_latency_ms(point: Point, execution: str) -> float:
    known = [sample.latency_ms for sample in point.of(execution) if sample.is_warm and sample.latency_ms]
    return sum(known) / len(known) if known else 1000.0


def _bounded(images: float) -> int:
    return int(min(max(images, _FEWEST), _MOST))
