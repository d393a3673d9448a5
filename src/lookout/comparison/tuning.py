"""How much memory a function should have: a recommendation from a sweep. Pure.

More memory is more CPU, and costs more for each ms. The goals are those of AWS Lambda Power Tuning
(https://github.com/alexcasalboni/aws-lambda-power-tuning, ``lambda/analyzer.js``):

- *cheapest*: the lowest cost; of those that cost the same, the fastest.
- *fastest*: the shortest mean duration; of those that are as fast, the least memory.
- *balanced*: the lowest sum of cost and duration, each as a share of the sweep's highest, with equal weight.
- a *deadline*: the cheapest of those whose 95th percentile keeps it.

What is the same or as fast goes by the measurement's noise, since in it a larger memory is faster by luck: two means
differ where their difference is more than twice its standard error. What failed for an image is not recommended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lookout.errors import UsageError

Goal = Literal["cheapest", "fastest", "balanced"]

LEAST_MB, MOST_MB = 128, 10240

# Twofold steps and some between; a vCPU and its multiples; 3008 is where a third is first seen.
_LADDER_MB = (128, 256, 384, 512, 768, 1024, 1408, 1769, 3008, 3538, 5307, 7076, 8845, 10240)
_MB_PER_VCPU = 1769
# Of its cores the emulator promises so much to functions; beyond it their durations are not Lambda's.
_PROMISED = 0.95

# So many standard errors are noise; but no cost that is higher by this much is the same, however few images there are.
_NOISE, _SAME_COST = 2.0, 0.05


@dataclass(frozen=True, slots=True)
class MemoryPoint:
    """What a function did at a memory: ``n`` warm invocations, their mean, standard deviation and 95th percentile.

    ``failed`` counts those that did not answer, ``failure`` says why, such as for want of memory. ``oversubscribed``:
    the machine could not give it its share of CPU. Without any answer the figures are not a number.
    """

    memory_mb: int
    n: int
    duration_ms: float
    sd_ms: float
    p95_ms: float
    dollars_per_thousand: float
    failed: int = 0
    failure: str | None = None
    oversubscribed: bool = False
    init_ms: float | None = None

    @property
    def error_ms(self) -> float:
        """The mean's standard error."""
        return self.sd_ms / math.sqrt(self.n)

    @property
    def unfit(self) -> str | None:
        """Why it can't be recommended; None where it can."""
        if self.failed or not self.n:
            why = f": {self.failure}" if self.failure else ""
            return f"{self.failed} of {self.failed + self.n} images failed{why}"
        if self.oversubscribed:
            return "this machine can't give it its share of CPU"
        if not all(map(math.isfinite, (self.duration_ms, self.sd_ms, self.p95_ms, self.dollars_per_thousand))):
            return "its figures are incomplete"
        return None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The memory for a goal, and why in words; ``point`` is None where none reaches it.

    ``excluded``: the memories that were measured and can't be recommended, with the reason.
    """

    goal: str
    point: MemoryPoint | None
    sentence: str
    excluded: tuple[tuple[int, str], ...]


def candidates(most_mb: int = MOST_MB, *, cores: int | None = None, free_mb: int | None = None) -> tuple[int, ...]:
    """The memories to try, up to ``most_mb``.

    Of a machine with so many ``cores`` and so much memory free those that it can emulate; None: as on AWS. Raises
    ``UsageError`` where there is none.

    >>> candidates(cores=2, free_mb=4000)
    (128, 256, 384, 512, 768, 1024, 1408, 1769, 3008)
    """
    if not LEAST_MB <= most_mb <= MOST_MB:
        raise UsageError(f"a function's memory is {LEAST_MB} to {MOST_MB} MB, and {most_mb} is none of them")
    by_cpu = math.inf if cores is None else cores * _PROMISED * _MB_PER_VCPU
    by_memory = math.inf if free_mb is None else free_mb
    found = tuple(memory for memory in _LADDER_MB if memory <= min(most_mb, by_cpu, by_memory))
    if not found:
        raise UsageError(f"this machine can't emulate a function of {LEAST_MB} MB: it has {free_mb} MB of memory free")
    return found


def recommend(
    points: Sequence[MemoryPoint], goal: Goal = "balanced", *, deadline_ms: float | None = None
) -> Recommendation:
    """The memory for a goal, or for a deadline where one is given. Raises ``UsageError`` for what is no deadline."""
    if deadline_ms is not None and not 0 < deadline_ms < math.inf:
        raise UsageError(f"a deadline of {deadline_ms:g} ms can't be kept: give milliseconds above zero")
    fit = sorted((point for point in points if point.unfit is None), key=lambda point: point.memory_mb)
    excluded = tuple((point.memory_mb, point.unfit) for point in points if point.unfit is not None)
    named = goal if deadline_ms is None else f"deadline {deadline_ms:g} ms"
    if not fit:
        return Recommendation(named, None, "No memory can be recommended: none did all images.", excluded)
    point, why = _GOALS[goal](fit) if deadline_ms is None else _within(fit, deadline_ms)
    sentence = why if point is None else f"{point.memory_mb} MB: {_figures(point)}; {why}."
    return Recommendation(named, point, sentence, excluded)


def same_duration(one: MemoryPoint, other: MemoryPoint) -> bool:
    """Whether their means differ by no more than noise."""
    return abs(one.duration_ms - other.duration_ms) <= _NOISE * math.hypot(one.error_ms, other.error_ms)


def _cheapest(fit: Sequence[MemoryPoint]) -> tuple[MemoryPoint, str]:
    least = min(fit, key=lambda point: point.dollars_per_thousand)
    same = [point for point in fit if _same_cost(point, least)]
    found = min(same, key=lambda point: (point.duration_ms, point.memory_mb))
    if found is least:
        return found, "no other costs less"
    return found, f"the fastest of {len(same)} whose costs differ by no more than the measurement's noise"


def _fastest(fit: Sequence[MemoryPoint]) -> tuple[MemoryPoint, str]:
    first = min(fit, key=lambda point: point.duration_ms)
    found = next(point for point in fit if same_duration(point, first))  # from the least memory up
    if found is first:
        return found, "no other is faster"
    return found, f"{first.memory_mb} MB are faster within the measurement's noise only"


def _balanced(fit: Sequence[MemoryPoint]) -> tuple[MemoryPoint, str]:
    most_dollars = max(point.dollars_per_thousand for point in fit) or 1.0
    longest_ms = max(point.duration_ms for point in fit)

    def score(point: MemoryPoint) -> float:
        return (point.dollars_per_thousand / most_dollars + point.duration_ms / longest_ms) / 2

    found = min(fit, key=lambda point: (score(point), point.memory_mb))
    return found, "the best balance of cost and duration, with equal weight"


def _within(fit: Sequence[MemoryPoint], deadline_ms: float) -> tuple[MemoryPoint | None, str]:
    keeping = [point for point in fit if point.p95_ms <= deadline_ms]
    if not keeping:
        nearest = min(fit, key=lambda point: point.p95_ms)
        return None, (
            f"No memory keeps {deadline_ms:g} ms: the nearest is {nearest.memory_mb} MB with a p95 of "
            f"{nearest.p95_ms:.0f} ms."
        )
    found, _ = _cheapest(keeping)
    return found, f"the cheapest of {len(keeping)} whose p95 keeps {deadline_ms:g} ms"


_GOALS: dict[Goal, Callable[[Sequence[MemoryPoint]], tuple[MemoryPoint, str]]] = {
    "cheapest": _cheapest,
    "fastest": _fastest,
    "balanced": _balanced,
}


def _same_cost(point: MemoryPoint, least: MemoryPoint) -> bool:
    """Whether it costs more than the cheapest by no more than noise, which a cost has from its duration."""
    noise = _NOISE * math.hypot(point.error_ms / point.duration_ms, least.error_ms / least.duration_ms)
    return point.dollars_per_thousand <= least.dollars_per_thousand * (1 + min(noise, _SAME_COST))


def _figures(point: MemoryPoint) -> str:
    return (
        f"{point.duration_ms:.0f} ms on average (p95 {point.p95_ms:.0f}), "
        f"${point.dollars_per_thousand:.3g} per 1,000 images"
    )
