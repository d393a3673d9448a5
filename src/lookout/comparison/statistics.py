"""What a row of the table is computed from, and how sure it is. Pure: numbers in, numbers out.

Intervals are bootstrapped: the values are drawn again from themselves, with replacement, and what the statistic makes
of each draw shows how it spreads (Efron and Tibshirani, An Introduction to the Bootstrap, 1993). They are bias-
corrected and accelerated (BCa, chapter 14 there), since latencies are skewed to the right, which plain percentiles of
the draws understate. The draws are seeded: the same values have the same interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
# What is made of each row of a matrix of values: one number a row.
Statistic = Callable[[Values], Values]

CONFIDENCE = 0.95
# A p99 of fewer values is about the largest of them.
ENOUGH_FOR_P99 = 100
_DRAWS = 2000
_SEED = 20261125
# So many values are drawn at a time: 64 MB.
_MOST_AT_ONCE = 8_000_000
# Of more values than this every n-th is left out, in place of each by itself, to see how much one weighs.
_MOST_LEFT_OUT = 500


@dataclass(frozen=True, slots=True)
class Summary:
    """Of ``n`` values: mean, sample standard deviation (n - 1; 0 of a single value), extremes, percentiles.

    A percentile between two values is interpolated linearly (Hyndman and Fan's type 7, numpy's default).
    """

    n: int
    mean: float
    sd: float
    min: float
    max: float
    p50: float
    p90: float
    p95: float
    p99: float


def summarise(values: Sequence[float]) -> Summary | None:
    """The summary of some values; None where there are none, since no number would be true of them.

    >>> summarise([1.0, 2.0, 3.0])
    Summary(n=3, mean=2.0, sd=1.0, min=1.0, max=3.0, p50=2.0, p90=2.8, p95=2.9, p99=2.98)
    """
    if not values:
        return None
    sample = np.asarray(values, np.float64)
    p50, p90, p95, p99 = np.percentile(sample, [50, 90, 95, 99])
    return Summary(
        n=len(values),
        mean=float(sample.mean()),
        sd=float(sample.std(ddof=1)) if len(values) > 1 else 0.0,
        min=float(sample.min()),
        max=float(sample.max()),
        p50=float(p50),
        p90=float(p90),
        p95=float(p95),
        p99=float(p99),
    )


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a statistic of all that might have been measured lies, 95 times in 100; ``value`` is that of what was."""

    value: float
    low: float
    high: float


def mean_of(rows: Values) -> Values:
    """The mean of each row."""
    means: Values = rows.mean(axis=1)
    return means


def percentile_of(percent: float) -> Statistic:
    """What gives this percentile of each row."""

    def of(rows: Values) -> Values:
        percentiles: Values = np.percentile(rows, percent, axis=1)
        return percentiles

    return of


def interval(values: Sequence[float], statistic: Statistic = mean_of) -> Interval | None:
    """The interval of a statistic; None of fewer than two values, which say nothing of how they spread.

    Of a percentile it is as good as the values beyond it are many: that of p99 wants a thousand of them.

    >>> interval([1.0, 1.0, 1.0])
    Interval(value=1.0, low=1.0, high=1.0)
    """
    if len(values) < 2:
        return None
    sample = np.asarray(values, np.float64)
    value = float(statistic(sample[None])[0])
    drawn = np.sort(_drawn(sample, statistic))
    low, high = np.quantile(drawn, _levels(value, drawn, _leaving_out(sample, statistic)))
    return Interval(value, float(low), float(high))


def difference(one: Sequence[float], other: Sequence[float]) -> Interval | None:
    """The interval of ``one``'s mean less ``other``'s, where they pair up, such as by image; None of fewer than two.

    Raises ``ValueError`` where there are more of one than of the other.

    >>> difference([3.0, 5.0, 8.0], [1.0, 3.0, 6.0])
    Interval(value=2.0, low=2.0, high=2.0)
    """
    return interval([a - b for a, b in zip(one, other, strict=True)])


def _drawn(sample: Values, statistic: Statistic) -> Values:
    """What the statistic makes of each of many draws."""
    random = np.random.default_rng(_SEED)
    at_once = max(1, min(_DRAWS, _MOST_AT_ONCE // len(sample)))
    parts = [
        statistic(sample[random.integers(0, len(sample), (min(at_once, _DRAWS - begun), len(sample)))])
        for begun in range(0, _DRAWS, at_once)
    ]
    return np.concatenate(parts)


def _leaving_out(sample: Values, statistic: Statistic) -> Values:
    """What the statistic makes of the values without each of them, or without each of some groups (the jackknife)."""
    groups = min(len(sample), _MOST_LEFT_OUT)
    return np.array([statistic(np.delete(sample, np.s_[at::groups])[None])[0] for at in range(groups)])


def _levels(value: float, drawn: Values, without: Values) -> list[float]:
    """The quantiles of the draws that bound the interval: 2.5 and 97.5 %, less bias and skewness."""
    normal = NormalDist()
    below = (np.count_nonzero(drawn < value) + np.count_nonzero(drawn == value) / 2) / len(drawn)
    bias = normal.inv_cdf(min(max(below, 1 / len(drawn)), 1 - 1 / len(drawn)))
    deviations = without.mean() - without
    squares = float((deviations**2).sum())
    acceleration = float((deviations**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0

    def level(tail: float) -> float:
        moved = bias + normal.inv_cdf(tail)
        return normal.cdf(bias + moved / (1 - acceleration * moved))

    return [level((1 - CONFIDENCE) / 2), level((1 + CONFIDENCE) / 2)]
