"""Waiting: where formulas are exact against those, elsewhere against a simulation of the queue, image by image."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookout.comparison.queueing import (
    Station,
    erlang_c,
    latency_percentile_ms,
    most_within_per_s,
    shared_line_ms,
    wait,
)

IMAGES = 120_000


def simulated_waits_ms(services_ms: np.ndarray, servers: int, rate_per_s: float, random: np.random.Generator):
    """The waits of images that take these services, one after the other, each of the server that is free first."""
    arrivals = np.cumsum(random.exponential(1000 / rate_per_s, len(services_ms)))
    free = [0.0] * servers
    waits = np.empty(len(services_ms))
    for at, (arrival, service) in enumerate(zip(arrivals.tolist(), services_ms.tolist(), strict=True)):
        begun = max(arrival, free[0])
        heapq.heapreplace(free, begun + service)
        waits[at] = begun - arrival
    return waits


SHAPES = {
    "constant": lambda random: np.full(2000, 20.0),
    "as images are": lambda random: random.lognormal(3, 0.35, 2000),
    "exponential": lambda random: random.exponential(20, 2000),
    "a few slow ones": lambda random: np.where(random.random(2000) < 0.05, 150.0, 15.0),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.3), (1, 0.85), (2, 0.6), (4, 0.8), (8, 0.9)])
def test_waits_and_the_99th_percentile_are_the_simulations(shape: str, servers: int, utilisation: float):
    random = np.random.default_rng(5)
    measured = SHAPES[shape](random)
    station = Station(servers, tuple(measured))
    rate_per_s = utilisation * station.most_per_s
    services = random.choice(measured, IMAGES)
    waits = simulated_waits_ms(services, servers, rate_per_s, random)
    found = wait(station, rate_per_s)
    p99 = latency_percentile_ms(found, measured, 99)
    # Of the 5 and 10 % that the module states a part is the simulation's own noise.
    tolerance = 0.1 if shape == "a few slow ones" else 0.05
    assert found.mean_ms == pytest.approx(waits.mean(), rel=tolerance)
    assert p99 == pytest.approx(float(np.percentile(waits + services, 99)), rel=tolerance)
    assert found.probability == pytest.approx((waits > 0).mean(), abs=0.03)


@pytest.mark.parametrize("utilisation", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("spread", [0.3, 1.2])  # less than an exponential's, and more
def test_one_server_waits_as_pollaczek_and_khinchine_say(utilisation: float, spread: float):
    services = np.random.default_rng(2).lognormal(3, spread, 500)
    station = Station(1, tuple(services))
    rate_per_ms = utilisation / services.mean()
    exact_ms = rate_per_ms * (services**2).mean() / 2 / (1 - utilisation)
    found = wait(station, rate_per_ms * 1000)
    assert found.mean_ms == pytest.approx(exact_ms)
    assert found.probability == pytest.approx(utilisation)


def test_exponential_services_have_the_textbooks_wait():
    # M/M/3 at 2 images in service on average: C(3, 2) = 4/9, so that one waits 4/9 of a service.
    assert erlang_c(3, 2 / 3) == pytest.approx(4 / 9)
    services = -10 * np.log(1 - (np.arange(20_000) + 0.5) / 20_000)  # an exponential's own quantiles, mean 10 ms
    found = wait(Station(3, tuple(services)), rate_per_s=200)
    assert found.mean_ms == pytest.approx(40 / 9, rel=0.01)
    # Waits of M/M/c decay at the rate at which servers are free: 3/10 less 2/10 a ms.
    assert found.decay_per_ms == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("rate_per_s", [100.0, 1e6])
def test_what_is_offered_too_much_waits_for_ever_and_is_said_to(rate_per_s: float):
    station = Station(1, (10.0,))
    found = wait(station, rate_per_s)
    assert not found.stable
    assert (found.mean_ms, found.probability) == (math.inf, 1.0)
    assert found.beyond(np.array([1e9])).tolist() == [1.0]
    assert latency_percentile_ms(found, [10.0], 99) == math.inf


def test_without_images_nobody_waits():
    found = wait(Station(1, (10.0, 30.0)), 0)
    assert found.stable
    assert found.beyond(np.array([-1.0, 0.0, 5.0])).tolist() == [1.0, 0.0, 0.0]
    assert latency_percentile_ms(found, [10.0, 30.0], 50) == 20


def test_a_capacity_that_was_measured_counts_and_not_the_lone_images_time():
    # Alone an image has both cores for 12 ms; two at a time take 20: a hundred a second, not 167.
    alone, measured = Station(2, (12.0,)), Station(2, (12.0,), capacity_per_s=100)
    assert (round(alone.most_per_s), measured.most_per_s) == (167, 100)
    assert measured.occupied_ms().tolist() == [20.0]
    assert wait(measured, 90).mean_ms > 3 * wait(alone, 90).mean_ms
    assert not wait(measured, 100).stable


services_ms = st.lists(st.floats(0.5, 500), min_size=1, max_size=50).map(tuple)


@settings(max_examples=40)
@given(services_ms, st.integers(1, 16), st.floats(0.01, 0.97), st.floats(0.001, 0.02))
def test_more_images_wait_longer_and_no_more_of_them_than_all(services, servers: int, utilisation: float, more: float):
    station = Station(servers, services)
    one, other = (wait(station, share * station.most_per_s) for share in (utilisation, utilisation + more))
    assert 0 <= one.mean_ms <= other.mean_ms < math.inf
    assert 0 < one.probability <= other.probability < 1
    tail = one.beyond(np.linspace(0, 20 * max(services), 50))
    assert (np.diff(tail) <= 1e-12).all()
    assert 0 <= tail[-1] <= tail[0] <= one.probability + 1e-9
    p50, p99 = (latency_percentile_ms(one, services, percent) for percent in (50, 99))
    assert min(services) <= p50 <= p99 < math.inf
    assert latency_percentile_ms(other, services, 99) >= p99 * (1 - 1e-6)


@settings(max_examples=40)
@given(services_ms, st.floats(0.01, 0.95))
def test_the_tail_has_the_waits_mean(services, utilisation: float):
    station = Station(1, services)
    found = wait(station, utilisation * station.most_per_s)
    times = np.linspace(0, 40 / found.decay_per_ms, 40_001)
    tail = found.beyond(times)
    area = float((tail[1:] + tail[:-1]).sum() / 2 * times[1])
    assert area == pytest.approx(found.mean_ms, rel=0.01)


@settings(max_examples=12, deadline=None)
@given(services_ms, st.integers(1, 4), st.floats(1.05, 20))
def test_the_highest_rate_within_a_bound_keeps_it_and_a_higher_one_does_not(services, servers: int, slack: float):
    station, bound_ms = Station(servers, services), slack * max(services)
    most = most_within_per_s(station, services, bound_ms)
    assert 0 < most < station.most_per_s
    assert latency_percentile_ms(wait(station, most), services, 99) <= bound_ms
    assert latency_percentile_ms(wait(station, most * 1.01), services, 99) >= bound_ms * (1 - 1e-6)


def test_no_rate_keeps_a_bound_that_lone_images_break():
    assert most_within_per_s(Station(1, (10.0,)), [10.0], bound_ms=9) == 0


def test_a_shared_line_slows_as_it_fills():
    assert shared_line_ms(100, 0) == 100
    assert shared_line_ms(100, 0.8) == pytest.approx(500)
    assert shared_line_ms(100, 1) == math.inf


@pytest.mark.parametrize(
    "make",
    [
        lambda: Station(0, (1.0,)),
        lambda: Station(1, ()),
        lambda: Station(1, (0.0,)),
        lambda: Station(1, (math.nan,)),
        lambda: Station(1, (1.0,), capacity_per_s=0),
        lambda: wait(Station(1, (1.0,)), -1),
        lambda: wait(Station(1, (1.0,)), math.nan),
    ],
)
def test_what_is_no_queue_is_refused(make):
    with pytest.raises(ValueError, match=r"station|servers|rate"):
        make()
