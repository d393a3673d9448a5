"""Intervals: against scipy's, and by how often they hold what they are to hold."""

from __future__ import annotations

from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookout.comparison.statistics import difference, interval, mean_of, percentile_of, summarise

scipy_stats = pytest.importorskip("scipy.stats")

LATENCIES = st.lists(st.floats(0.1, 1e4), min_size=2, max_size=200)


@given(LATENCIES)
def test_the_summary_is_scipys(values: list[float]):
    summary = summarise(values)
    assert (summary.mean, summary.sd) == pytest.approx((fmean(values), stdev(values)), rel=1e-6, abs=1e-9)
    quantiles = scipy_stats.mstats.mquantiles(values, [0.5, 0.9, 0.95, 0.99], alphap=1, betap=1)
    assert (summary.p50, summary.p90, summary.p95, summary.p99) == pytest.approx(tuple(quantiles))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("statistic", ["mean", "p90"])
def test_an_interval_is_scipys(seed: int, statistic: str):
    values = np.random.default_rng(seed).lognormal(3, 0.5, 120)
    ours = interval(list(values), mean_of if statistic == "mean" else percentile_of(90))
    whole = np.mean if statistic == "mean" else lambda rows, axis: np.percentile(rows, 90, axis=axis)
    theirs = scipy_stats.bootstrap((values,), whole, n_resamples=4000, method="BCa", rng=seed).confidence_interval
    width = theirs.high - theirs.low
    assert (ours.low, ours.high) == pytest.approx(
        (theirs.low, theirs.high), abs=(0.15 if statistic == "mean" else 0.4) * width
    )  # a percentile's draws lie on few values
    assert ours.low <= ours.value <= ours.high


@settings(max_examples=30)
@given(LATENCIES)
def test_an_interval_lies_within_the_values_and_is_the_same_again(values: list[float]):
    one = interval(values)
    assert one == interval(values)
    assert min(values) - 1e-6 <= one.low <= one.high <= max(values) + 1e-6


def test_of_a_single_value_nothing_is_sure():
    assert interval([1.0]) is None


def test_of_many_values_it_takes_no_more_memory_than_of_few():
    values = np.random.default_rng(1).exponential(10, 100_000)
    assert interval(list(values)).value == pytest.approx(10, rel=0.02)


def test_pairs_are_told_apart_where_their_spreads_hide_it():
    images = np.random.default_rng(2).lognormal(3, 1, 64)
    found = difference(list(images + 1), list(images))
    assert (found.low, found.value, found.high) == pytest.approx((1, 1, 1))
    with pytest.raises(ValueError, match="shorter"):
        difference([1.0, 2.0, 3.0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("name", "truth", "draw"),
    [
        ("mean of a normal", 50.0, lambda random: random.normal(50, 8, 100)),
        ("mean of a skewed one", float(np.exp(3 + 0.3**2 / 2)), lambda random: random.lognormal(3, 0.3, 100)),
        ("median", float(np.exp(3)), lambda random: random.lognormal(3, 0.5, 100)),
        ("p90", float(np.exp(3 + 0.5 * 1.2815515655446004)), lambda random: random.lognormal(3, 0.5, 200)),
    ],
)
def test_an_interval_holds_the_truth_as_often_as_it_says(name: str, truth: float, draw):
    statistic = {"median": percentile_of(50), "p90": percentile_of(90)}.get(name, mean_of)
    random = np.random.default_rng(7)
    runs = 250
    held = 0
    for _ in range(runs):
        found = interval(list(draw(random)), statistic)
        held += found.low <= truth <= found.high
    assert 0.93 <= held / runs <= 0.97, held / runs
