"""What a row of the table is computed from. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


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
    p95: float
    p99: float


def summarise(values: Sequence[float]) -> Summary | None:
    """The summary of some values; None where there are none, since no number would be true of them.

    >>> summarise([1.0, 2.0, 3.0])
    Summary(n=3, mean=2.0, sd=1.0, min=1.0, max=3.0, p50=2.0, p95=2.9, p99=2.98)
    """
    if not values:
        return None
    sample = np.asarray(values, np.float64)
    p50, p95, p99 = np.percentile(sample, [50, 95, 99])
    return Summary(
        n=len(values),
        mean=float(sample.mean()),
        sd=float(sample.std(ddof=1)) if len(values) > 1 else 0.0,
        min=float(sample.min()),
        max=float(sample.max()),
        p50=float(p50),
        p95=float(p95),
        p99=float(p99),
    )
