"""MLPerf's scenarios beyond a single stream: how much can it take? Pure.

*Server*: images come as a Poisson process does, and what counts is the highest rate at which the 99th percentile of
latencies keeps a bound (Reddi et al., MLPerf Inference Benchmark, 2020). That rate is searched: doubled until the bound
breaks, halved until it holds, then between the two, until they are no further apart than the resolution.

Few images say little of a 99th percentile: none late of a hundred may be luck. So a probe is judged as MLPerf's early
stopping judges a run: the bound is *kept* where so few late ones would be unlikely (1 in 100) if more than 1 % were
late, which takes 459 images of which none is late, 662 with one, and so on; it is *broken* where so many would be as
unlikely if no more than 1 % were. Between the two the probe is *unsure*: the search goes by what it saw, and says so.
An image that failed is a late one.

That takes images for independent, and those of one queue are not: who comes after a late one is likely late too. And a
queue that grows shows it only in time, by more than it swings anyhow. So a probe wants as many images as a rate that is
too high by the resolution needs to stand out (``Bound.images_wanted``); a shorter one is unsure where it would be kept.
Of simulated probes at a rate of twice the resolution too high 2 in 100 were called kept at a resolution of 10 %, and
10 in 100 at 20 % (``tests/comparison/test_scenarios.py``).

*Offline*: all images are there, and what counts is the throughput.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["kept", "broken", "unsure"]

# Why a search ended: as exact as was wanted; a bound of the search itself; no rate within its bounds keeps, or breaks.
Ending = Literal["resolution", "probes", "time", "lowest", "highest"]

# How many images come and how long they take swings as so much, in squares: a Poisson process by 1, the times of images
# of one network by a quarter at most. So many standard deviations of it are exceeded 1 in 100 times.
_SWING, _DEVIATIONS = 1.25, 2.33


@dataclass(frozen=True, slots=True)
class Rule:
    """What of latencies must keep a bound: so many percent, and how sure that has to be (0 to 1)."""

    percent: float = 99
    confidence: float = 0.99

    def verdict(self, images: int, late: int) -> Verdict:
        """Of so many images, of which these were late.

        >>> Rule().verdict(458, 0), Rule().verdict(459, 0), Rule().verdict(459, 12)
        ('unsure', 'kept', 'broken')
        """
        allowed, doubt = 1 - self.percent / 100, 1 - self.confidence
        if images and at_most(late, images, allowed) <= doubt:
            return "kept"
        if late and 1 - at_most(late - 1, images, allowed) <= doubt:
            return "broken"
        return "unsure"

    def images_for(self, late: int) -> int:
        """The fewest images of which so many may be late.

        >>> [Rule().images_for(late) for late in (0, 1)], Rule(confidence=0.95).images_for(0)
        ([459, 662], 299)
        """
        low, high = late, late + 1
        while self.verdict(high, late) != "kept":
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.verdict(middle, late) == "kept" else (middle, high)
        return high


MLPERF = Rule()


def at_most(late: int, images: int, share: float) -> float:
    """The probability that of so many images no more are late, if each is with this probability (binomial)."""
    if share <= 0 or late >= images:
        return 1.0
    logs = [
        math.lgamma(images + 1)
        - math.lgamma(count + 1)
        - math.lgamma(images - count + 1)
        + count * math.log(share)
        + (images - count) * math.log1p(-share)
        for count in range(late + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, logs)))


@dataclass(frozen=True, slots=True)
class Probe:
    """Images at a rate: the latencies of those that were answered, from when each was due, and how many failed."""

    rate_per_s: float
    latencies_ms: tuple[float, ...]
    failed: int = 0

    @property
    def images(self) -> int:
        """How many there were."""
        return len(self.latencies_ms) + self.failed

    def late(self, bound_ms: float) -> int:
        """How many of them did not keep the bound."""
        return self.failed + sum(latency > bound_ms for latency in self.latencies_ms)


@dataclass(frozen=True, slots=True)
class Bound:
    """What is searched: the highest rate whose latencies keep ``bound_ms`` by the rule, to a ``resolution``.

    A resolution of 0.1 is 10 %.
    """

    bound_ms: float
    rule: Rule = MLPERF
    resolution: float = 0.1

    def images_wanted(self, rate_per_s: float) -> int:
        """How many images a probe needs, so that it can say that the bound is kept.

        After n images a queue that gets too many by the resolution r is longer by r x n, give or take the root of what
        they swing by; that has to be as many images as come in the time of the bound.

        >>> Bound(100).images_wanted(20), Bound(1000).images_wanted(100), Bound(1000, resolution=0.2).images_wanted(100)
        (719, 2231, 889)
        """
        swing = _DEVIATIONS**2 * _SWING
        root = math.sqrt(swing) + math.sqrt(swing + 4 * self.resolution * rate_per_s * self.bound_ms / 1000)
        return max(self.rule.images_for(0), math.ceil((root / (2 * self.resolution)) ** 2))

    def judge(self, probe: Probe) -> Judged:
        """What a probe says of the bound."""
        late = probe.late(self.bound_ms)
        verdict = self.rule.verdict(probe.images, late)
        if verdict == "kept" and probe.images < self.images_wanted(probe.rate_per_s):
            verdict = "unsure"
        seems_kept = probe.images > 0 and late <= (1 - self.rule.percent / 100) * probe.images
        return Judged(probe, late, verdict, seems_kept if verdict == "unsure" else verdict == "kept")

    def described(self) -> str:
        """In words."""
        return f"a p{self.rule.percent:g} of {self.bound_ms:g} ms"


@dataclass(frozen=True, slots=True)
class Judged:
    """A probe, and what it says of the bound. ``keeps``: how the search took it; where it is unsure that is a guess."""

    probe: Probe
    late: int
    verdict: Verdict
    keeps: bool


@dataclass(frozen=True, slots=True)
class ServerResult:
    """The highest rate that kept the bound; None where none did. ``broken_per_s``: the lowest that did not."""

    bound: Bound
    rate_per_s: float | None
    broken_per_s: float | None
    ended: Ending
    probes: tuple[Judged, ...]

    @property
    def sure(self) -> bool:
        """Whether both rates were judged without a guess."""
        ends = [judged for judged in self.probes if judged.probe.rate_per_s in {self.rate_per_s, self.broken_per_s}]
        return all(judged.verdict != "unsure" for judged in ends)

    def described(self) -> str:
        """In words."""
        doubt = "" if self.sure else "; with so few images that is a guess"
        if self.rate_per_s is None:
            return f"No rate down to {self.broken_per_s:.3g} images/s keeps {self.bound.described()}{doubt}."
        limit = "nothing higher was tried" if self.broken_per_s is None else f"{self.broken_per_s:.3g} do not"
        return f"{self.rate_per_s:.3g} images/s keep {self.bound.described()}, {limit}{doubt}."


def search(
    measure: Callable[[float], Probe],
    bound: Bound,
    start_per_s: float,
    *,
    rates_per_s: tuple[float, float] = (0.01, 10_000),
    most_probes: int = 16,
    most_s: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> ServerResult:
    """Search the highest rate within ``rates_per_s`` that keeps the bound.

    ``measure`` sends images at a rate: ``bound.images_wanted`` of them, or as many as there is time for. No probe is
    begun after ``most_s``. Raises ``ValueError`` for a search that could not end, and what ``measure`` raises.
    """
    lowest, highest = rates_per_s
    if not (0 < lowest <= start_per_s <= highest < math.inf and bound.resolution > 0 and most_probes > 0):
        raise ValueError(
            f"no search from {start_per_s} images/s within {rates_per_s} in {most_probes} probes to {bound}"
        )
    begun_s = clock()
    probes: list[Judged] = []
    kept: float | None = None
    broken: float | None = None
    following: float | Ending = start_per_s
    while not isinstance(following, str):
        judged = bound.judge(measure(following))
        probes.append(judged)
        kept, broken = (following, broken) if judged.keeps else (kept, following)
        following = next_rate(kept, broken, bound.resolution, rates_per_s)
        if not isinstance(following, str) and len(probes) >= most_probes:
            following = "probes"
        elif not isinstance(following, str) and clock() - begun_s >= most_s:
            following = "time"
    return ServerResult(bound, kept, broken, following, tuple(probes))


def next_rate(
    kept: float | None, broken: float | None, resolution: float, rates_per_s: tuple[float, float]
) -> float | Ending:
    """The rate to try when one is known to keep the bound and one to break it, or one of the two; or why none is.

    >>> next_rate(4, None, 0.1, (1, 100)), next_rate(None, 4, 0.1, (1, 100)), next_rate(4, 16, 0.1, (1, 100))
    (8, 2.0, 8.0)
    """
    lowest, highest = rates_per_s
    if kept is not None and broken is not None:
        return "resolution" if broken <= kept * (1 + resolution) else math.sqrt(kept * broken)
    if kept is not None:
        return "highest" if kept >= highest else min(highest, kept * 2)
    if broken is not None:
        return "lowest" if broken <= lowest else max(lowest, broken / 2)
    raise ValueError("nothing was measured yet")


def throughput_per_s(spans_s: Iterable[tuple[float, float]]) -> float | None:
    """Images a second, by when each that was answered was begun and ended; None where that says nothing.

    >>> throughput_per_s([(0.0, 1.0), (0.5, 2.0)])
    1.0
    """
    spans = list(spans_s)
    if not spans:
        return None
    lasted_s = max(ended for _, ended in spans) - min(begun for begun, _ in spans)
    return len(spans) / lasted_s if lasted_s > 0 else None


@dataclass(frozen=True, slots=True)
class Knee:
    """Where more images a second begin to cost more in latency than they bring."""

    rate_per_s: float
    latency_ms: float


def knee(curve: Sequence[tuple[float, float]]) -> Knee | None:
    """The knee of latency (ms) against rate (1/s): where rate / latency, the "power", is highest.

    That is Kleinrock's definition (Power and deterministic rules of thumb, ICC 1979): there a line from the origin
    touches the curve. None where it is at an end: then it lies elsewhere.

    >>> knee([(1, 10), (5, 12), (9, 40)])
    Knee(rate_per_s=5, latency_ms=12)
    """
    points = sorted(point for point in curve if math.isfinite(point[1]))
    beyond = any(not math.isfinite(latency) for _, latency in curve)
    if not points:
        return None
    at = max(range(len(points)), key=lambda number: points[number][0] / points[number][1])
    if at == 0 or (at == len(points) - 1 and not beyond):
        return None
    return Knee(*points[at])
