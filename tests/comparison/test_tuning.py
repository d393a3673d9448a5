"""Recommended memories, from sweeps whose best is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookout.comparison.tuning import MemoryPoint, candidates, recommend, same_duration
from lookout.errors import UsageError

DOLLARS_PER_GB_S = 0.0000166667


def point(memory_mb: int, duration_ms: float, *, spread: float = 0.02, n: int = 50, **more) -> MemoryPoint:
    dollars = 1000 * (0.0000002 + duration_ms / 1000 * memory_mb / 1024 * DOLLARS_PER_GB_S)
    return MemoryPoint(memory_mb, n, duration_ms, spread * duration_ms, duration_ms * (1 + 2 * spread), dollars, **more)


# Compute of 100 ms of a vCPU, and 20 that no CPU helps.
SWEEP = [point(memory, 20 + 100 * 1769 / memory) for memory in (128, 256, 512, 1024, 1769, 3008)]


def test_each_goal_has_its_memory():
    found = {goal: recommend(SWEEP, goal).point.memory_mb for goal in ("cheapest", "balanced", "fastest")}
    assert found == {"cheapest": 128, "balanced": 1024, "fastest": 3008}


def test_balanced_is_power_tunings():
    def value(each: MemoryPoint) -> float:
        most = max(other.dollars_per_thousand for other in SWEEP)
        return 0.5 * each.dollars_per_thousand / most + 0.5 * each.duration_ms / max(o.duration_ms for o in SWEEP)

    assert recommend(SWEEP, "balanced").point is min(SWEEP, key=value)


def test_more_memory_that_is_faster_by_luck_is_not_recommended():
    lucky = [*SWEEP[:-1], point(3008, 119.7)]
    found = recommend(lucky, "fastest")
    assert found.point.memory_mb == 1769
    assert "3008 MB are faster within the measurement's noise only" in found.sentence
    assert recommend([*SWEEP[:-1], point(3008, 110)], "fastest").point.memory_mb == 3008
    # The same gain, in measurements that say less, is noise.
    noisy = [point(1769, 120, spread=0.3, n=9), point(3008, 110, spread=0.3, n=9)]
    assert same_duration(*noisy)
    assert recommend(noisy, "fastest").point.memory_mb == 1769


def test_of_memories_that_cost_the_same_the_fastest_is_taken():
    # Compute alone: twice the memory takes half the time, and costs what the half did.
    flat = [point(memory, 100_000 / memory * (1.005 if memory > 512 else 1)) for memory in (256, 512, 1024)]
    found = recommend(flat, "cheapest")
    assert found.point.memory_mb == 1024
    assert found.sentence.startswith("1024 MB: 98 ms on average")
    # A handful of invocations that tell nothing don't make what costs a tenth more as cheap.
    vague = [point(256, 400, spread=1, n=3), point(512, 225, spread=1, n=3)]
    assert recommend(vague, "cheapest").point.memory_mb == 256


def test_a_deadline_is_kept_as_cheaply_as_can_be():
    found = recommend(SWEEP, deadline_ms=230)
    assert (found.point.memory_mb, found.goal) == (1024, "deadline 230 ms")
    assert found.point.p95_ms <= 230 < SWEEP[2].p95_ms
    none = recommend(SWEEP, deadline_ms=50)
    assert none.point is None
    assert none.sentence == "No memory keeps 50 ms: the nearest is 3008 MB with a p95 of 82 ms."


def test_what_failed_or_was_not_what_it_seems_is_left_out_with_the_reason():
    spoiled = [
        replace(SWEEP[0], n=0, failed=50, failure="out of memory", duration_ms=math.nan),
        replace(SWEEP[1], failed=1, failure="time-out"),
        *SWEEP[2:5],
        replace(SWEEP[5], oversubscribed=True),
    ]
    found = recommend(spoiled, "cheapest")
    assert found.point.memory_mb == 512
    assert found.excluded == (
        (128, "50 of 50 images failed: out of memory"),
        (256, "1 of 51 images failed: time-out"),
        (3008, "this machine can't give it its share of CPU"),
    )
    nothing = recommend([spoiled[0]], "fastest")
    assert (nothing.point, nothing.sentence) == (None, "No memory can be recommended: none did all images.")
    assert recommend([], "balanced").point is None
    assert recommend([replace(SWEEP[0], p95_ms=math.nan)]).excluded == ((128, "its figures are incomplete"),)


@settings(max_examples=40)
@given(
    st.lists(
        st.builds(point, st.integers(128, 10240), st.floats(1, 1e5), spread=st.floats(0, 1), n=st.integers(1, 100)),
        min_size=1,
        max_size=12,
        unique_by=lambda each: each.memory_mb,
    ),
    st.randoms(use_true_random=False),
)
def test_a_recommendation_is_of_what_was_measured_whatever_its_order(points: list[MemoryPoint], random):
    shuffled = random.sample(points, len(points))
    for goal in ("cheapest", "fastest", "balanced"):
        found = recommend(points, goal)
        assert found.point in points
        assert recommend(shuffled, goal).point == found.point
        assert str(found.point.memory_mb) in found.sentence
        assert json.dumps(found.sentence)
    cheapest, fastest = (recommend(points, goal).point for goal in ("cheapest", "fastest"))
    assert cheapest.dollars_per_thousand <= 1.05 * min(each.dollars_per_thousand for each in points) + 1e-12
    assert not [e for e in points if e.duration_ms < fastest.duration_ms and not same_duration(e, fastest)]


def test_candidates_are_what_the_machine_can_emulate():
    assert candidates() == candidates(10240)
    assert (candidates()[0], candidates()[-1]) == (128, 10240)
    assert candidates(1024) == (128, 256, 384, 512, 768, 1024)
    assert max(candidates(cores=2)) == 3008  # 3361 MB are what of two cores is promised
    assert max(candidates(cores=1)) == 1408
    assert max(candidates(cores=8, free_mb=600)) == 512


@pytest.mark.parametrize("most_mb", [0, 127, 10241])
def test_what_is_no_memory_is_refused(most_mb: int):
    with pytest.raises(UsageError, match="128 to 10240 MB"):
        candidates(most_mb)


def test_a_machine_without_memory_is_told_so():
    with pytest.raises(UsageError, match="it has 100 MB of memory free"):
        candidates(free_mb=100)


@pytest.mark.parametrize("deadline_ms", [0, -1, math.inf, math.nan])
def test_what_is_no_deadline_is_refused(deadline_ms: float):
    with pytest.raises(UsageError, match="deadline"):
        recommend(SWEEP, deadline_ms=deadline_ms)
