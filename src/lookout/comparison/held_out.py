"""How wrong predictions are: each point predicted by models that never saw it. Pure.

A point is a network and a memory: all that was measured of an execution there is held out together. What lies between
the points that were left is interpolated; what lies outside of them, in round trip, bandwidth or memory, is
extrapolated, and told apart, since it is the harder half of the promise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from lookout.comparison.prediction import PROTOCOLS, Condition, Observation, fit, predict

# What a point lies high or low on; what is the same for all points is no scale.
_SCALES: tuple[Callable[[Condition], float], ...] = (
    lambda condition: condition.rtt_ms,
    lambda condition: condition.up_ms_per_byte,
    lambda condition: condition.memory_mb or 0,
)
_FEWEST_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """A latency that was predicted, and then compared to what was measured."""

    condition: Condition
    measured_ms: float
    predicted_ms: float
    extrapolated: bool

    @property
    def error_percent(self) -> float:
        """How far off, in percent of what was measured; above zero where too much was predicted."""
        return 100 * (self.predicted_ms / self.measured_ms - 1)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """All pairs. ``unpredicted``: observations without one, as nothing else of their execution was measured."""

    pairs: tuple[Pair, ...]
    unpredicted: int = 0

    @property
    def mape_percent(self) -> float | None:
        """The mean absolute percentage error; None where nothing could be held out."""
        return _mape(self.pairs)

    def mape_of(self, execution: str | None = None, *, extrapolated: bool | None = None) -> float | None:
        """The same of some pairs: of one execution, and of those that were extrapolated, or interpolated."""
        return _mape(
            [
                pair
                for pair in self.pairs
                if execution in {None, pair.condition.execution} and extrapolated in {None, pair.extrapolated}
            ]
        )

    @property
    def worst(self) -> Pair | None:
        """The pair with the largest error."""
        return max(self.pairs, key=lambda pair: abs(pair.error_percent), default=None)


def held_out(observations: Sequence[Observation], folds: int | None = None, cores: int | None = None) -> HeldOut:
    """Predict every point of each execution from its others.

    ``folds``: in how many parts the points are divided, in their order by turns, each part predicted from the others;
    None is a part for each point, and 2 has models that know but half. ``cores`` as in ``fit``. Raises ``ValueError``
    for fewer than two parts.
    """
    if folds is not None and folds < 2:
        raise ValueError(f"{folds} parts: what is held out is predicted from another part, so there are two or more")
    executions = dict.fromkeys(observation.condition.execution for observation in observations)
    pairs = tuple(
        pair
        for execution in executions
        for part in _parts([each for each in observations if each.condition.execution == execution], folds)
        for pair in _pairs(*part, cores)
    )
    return HeldOut(pairs, len(observations) - len(pairs))


def held_out_ends(observations: Sequence[Observation], cores: int | None = None) -> HeldOut:
    """Predict the ends of each scale from the rest of it: all with the longest round trip, all with the shortest, ...

    The scales are round trip, bandwidth and memory, where an execution knows them and three or more were measured. A
    point at the ends of two is predicted twice. All of it is extrapolated.
    """
    pairs: list[Pair] = []
    for execution in dict.fromkeys(observation.condition.execution for observation in observations):
        mine = [observation for observation in observations if observation.condition.execution == execution]
        for scale in _SCALES if PROTOCOLS[execution].sent_share else ():
            levels = sorted({scale(observation.condition) for observation in mine})
            for end in (levels[0], levels[-1]) if len(levels) >= _FEWEST_LEVELS else ():
                known = [observation for observation in mine if scale(observation.condition) != end]
                away = [observation for observation in mine if scale(observation.condition) == end]
                pairs.extend(_pairs(known, away, cores))
    return HeldOut(tuple(pairs))


def _parts(
    observations: Sequence[Observation], folds: int | None
) -> Iterator[tuple[list[Observation], list[Observation]]]:
    """What is known and what is held out, part by part; nothing where there is but one point."""
    points = sorted({_point(observation) for observation in observations})
    count = min(folds or len(points), len(points))
    if count < 2:
        return
    for number in range(count):
        away = set(points[number::count])
        yield (
            [observation for observation in observations if _point(observation) not in away],
            [observation for observation in observations if _point(observation) in away],
        )


def _pairs(known: Sequence[Observation], away: Sequence[Observation], cores: int | None) -> Iterator[Pair]:
    model = fit(known, cores)
    for observation in away:
        found = predict(model, observation.condition)
        yield Pair(observation.condition, observation.latency_ms, found.latency_ms, found.extrapolated)


def _point(observation: Observation) -> tuple[float, float, float, int]:
    """What a point is known by, in an order in which neighbours are alike."""
    condition = observation.condition
    network = condition.network
    figures = (network.rtt_ms, network.up_mbit_s, network.down_mbit_s) if network else (0.0, math.inf, math.inf)
    return (*figures, condition.memory_mb or 0)


def _mape(pairs: Sequence[Pair]) -> float | None:
    return fmean(abs(pair.error_percent) for pair in pairs) if pairs else None
