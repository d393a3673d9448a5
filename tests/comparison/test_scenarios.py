"""The server scenario: searched on queues whose highest rate is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookout.comparison.queueing import Station, most_within_per_s
from lookout.comparison.scenarios import (
    MLPERF,
    Bound,
    Probe,
    Rule,
    at_most,
    knee,
    next_rate,
    search,
    throughput_per_s,
)

BOUND = Bound(200)


class Queue:
    """One server, and images that take 10 ms on average."""

    random = np.random.default_rng(2)
    alone_ms = random.lognormal(0, 0.35, 2000)
    alone_ms *= 10 / alone_ms.mean()

    def __init__(self, seed: int = 1, most_images: int = 1_000_000) -> None:
        self.random = np.random.default_rng(seed)
        self.most_images = most_images
        self.asked: list[float] = []

    def measure(self, rate_per_s: float, bound: Bound = BOUND) -> Probe:
        self.asked.append(rate_per_s)
        images = min(self.most_images, bound.images_wanted(rate_per_s))
        between_ms = self.random.exponential(1000 / rate_per_s, images)
        services_ms = self.random.choice(self.alone_ms, images)
        # Lindley: who comes waits for what is left of those before.
        steps = np.cumsum(np.concatenate([[0.0], services_ms[:-1] - between_ms[1:]]))
        waits_ms = steps - np.minimum.accumulate(steps)
        return Probe(rate_per_s, tuple((waits_ms + services_ms).tolist()))

    @classmethod
    def highest_per_s(cls, bound: Bound = BOUND) -> float:
        return most_within_per_s(Station(1, tuple(cls.alone_ms)), cls.alone_ms, bound.bound_ms)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("start_per_s", [1, 30, 300])
def test_the_highest_rate_is_found_from_below_and_above(seed: int, start_per_s: float):
    queue = Queue(seed)
    found = search(queue.measure, BOUND, start_per_s)
    assert found.ended == "resolution"
    assert found.broken_per_s <= found.rate_per_s * 1.1
    # The edge itself is unsure: a probe at it breaks the bound as often as not.
    assert found.rate_per_s == pytest.approx(queue.highest_per_s(), rel=0.2)
    assert [judged.probe.rate_per_s for judged in found.probes] == queue.asked
    assert len(queue.asked) <= 14


@pytest.mark.parametrize("bound_ms", [50, 200])
@pytest.mark.parametrize(("resolution", "wrong_share"), [(0.1, 0.02), (0.2, 0.1)])
def test_a_rate_of_twice_the_resolution_too_high_is_seldom_called_kept(
    bound_ms: float, resolution: float, wrong_share: float
):
    bound, queue, probes = Bound(bound_ms, resolution=resolution), Queue(), 100
    high, low = (queue.highest_per_s(bound) * (1 + sign * 2 * resolution) for sign in (1, -1))
    verdicts = [bound.judge(queue.measure(high, bound)).verdict for _ in range(probes)]
    # By a few more, for the simulation's own luck.
    assert verdicts.count("kept") / probes < wrong_share + 0.03
    verdicts = [bound.judge(queue.measure(low, bound)).verdict for _ in range(probes)]
    assert verdicts.count("broken") / probes < 0.02


def test_few_images_leave_a_guess_and_that_is_said():
    found = search(Queue(most_images=100).measure, BOUND, 20)
    assert not found.sure
    assert "guess" in found.described()
    assert found.rate_per_s == pytest.approx(Queue.highest_per_s(), rel=0.5)
    far = [judged for judged in found.probes if judged.verdict == "broken"]
    assert all(judged.late >= 5 for judged in far)


def test_a_short_probe_of_many_images_is_no_proof():
    images = (10.0,) * 1000
    slow, fast = Bound(1000).judge(Probe(10, images)), Bound(1000).judge(Probe(90, images))
    assert (slow.verdict, fast.verdict) == ("kept", "unsure")  # 100 s, and 11 s
    assert fast.keeps


def test_failures_are_late():
    answered = (10.0,) * 720
    assert BOUND.judge(Probe(1, answered)).verdict == "kept"
    failing = BOUND.judge(Probe(1, answered, failed=20))
    assert (failing.verdict, failing.late, failing.keeps) == ("broken", 20, False)
    nobody = BOUND.judge(Probe(1, (), failed=3))
    assert not nobody.keeps
    assert not BOUND.judge(Probe(1, ())).keeps


def test_where_no_rate_keeps_the_bound_there_is_none():
    found = search(lambda rate: Probe(rate, (1000.0,) * 600), BOUND, 10, rates_per_s=(1, 100))
    assert (found.rate_per_s, found.broken_per_s, found.ended) == (None, 1, "lowest")
    assert found.described() == "No rate down to 1 images/s keeps a p99 of 200 ms."


def test_where_every_rate_keeps_it_the_highest_is_told():
    found = search(lambda rate: Probe(rate, (1.0,) * 2000), BOUND, 10, rates_per_s=(1, 100))
    assert (found.rate_per_s, found.broken_per_s, found.ended) == (100, None, "highest")
    assert found.described() == "100 images/s keep a p99 of 200 ms, nothing higher was tried."


def test_a_search_ends_after_so_many_probes_or_so_much_time():
    assert search(Queue().measure, BOUND, 20, most_probes=3).ended == "probes"
    queue, ticks = Queue(), iter(range(0, 1000, 10))
    found = search(queue.measure, BOUND, 20, most_s=15, clock=lambda: next(ticks))
    assert (found.ended, len(found.probes)) == ("time", 2)


def test_what_a_measurement_raises_ends_the_search():
    def measure(rate: float) -> Probe:
        raise ConnectionError("nobody is there")

    with pytest.raises(ConnectionError):
        search(measure, BOUND, 1)


@pytest.mark.parametrize("start_per_s", [0, math.nan, 1e9])
def test_a_search_that_could_not_end_is_refused(start_per_s: float):
    with pytest.raises(ValueError, match="no search"):
        search(Queue().measure, BOUND, start_per_s)


@settings(max_examples=30)
@given(st.floats(0.02, 5000), st.floats(0.02, 5000), st.floats(0.01, 0.5))
def test_any_edge_is_enclosed_to_the_resolution(edge_per_s: float, start_per_s: float, resolution: float):
    def measure(rate: float) -> Probe:
        return Probe(rate, ((1.0 if rate <= edge_per_s else 1000.0),) * 600)

    found = search(measure, Bound(200, resolution=resolution), start_per_s, most_probes=100)
    assert found.rate_per_s <= edge_per_s < found.broken_per_s <= found.rate_per_s * (1 + resolution) * (1 + 1e-9)


def test_a_next_rate_needs_something_measured():
    with pytest.raises(ValueError, match="nothing was measured"):
        next_rate(None, None, 0.1, (1, 10))


def test_the_rule_is_mlperfs():
    # As LoadGen prints: "would need to run at least 459", "processed at least 662 queries".
    assert [MLPERF.images_for(late) for late in (0, 1)] == [459, 662]
    assert Rule(percent=90).images_for(0) == 44


@settings(max_examples=40)
@given(st.integers(1, 1000), st.data())
def test_probabilities_are_the_binomials(images: int, data: st.DataObject):
    stats = pytest.importorskip("scipy.stats")
    late, share = data.draw(st.integers(0, images)), data.draw(st.floats(0.001, 0.5))
    assert at_most(late, images, share) == pytest.approx(stats.binom.cdf(late, images, share), abs=1e-9)


def test_a_verdict_is_seldom_wrong():
    random = np.random.default_rng(3)
    at_the_edge = [MLPERF.verdict(700, int(late)) for late in random.binomial(700, 0.01, 4000)]
    assert at_the_edge.count("kept") / 4000 < 0.015
    assert at_the_edge.count("broken") / 4000 < 0.015


def test_throughput_is_of_all_that_were_answered():
    spans = [(0.0, 0.4), (0.0, 0.5), (0.4, 2.0)]
    assert throughput_per_s(spans) == 1.5
    assert throughput_per_s([]) is None
    assert throughput_per_s([(1.0, 1.0)]) is None


def test_the_knee_of_one_server_is_at_half_its_rate():
    curve = [(rate, 1000 / (100 - rate)) for rate in range(5, 100, 5)]
    assert knee(curve).rate_per_s == 50
    assert knee(curve[:8]) is None  # still rising: it lies beyond 40
    assert knee([*curve[:10], (60, math.inf)]).rate_per_s == 50
    assert knee([]) is None
