"""Where it turns: held to a search among rates, which knows nothing of bends and steps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookout.comparison.break_even import (
    BreakEven,
    Offloading,
    break_even,
    describe,
    rates_to_draw,
)
from lookout.comparison.costs import Workload
from lookout.comparison.own_machine import SECONDS_A_MONTH, OwnMachine
from lookout.comparison.prices import Prices
from lookout.errors import UsageError

REMOTE = Offloading(Workload(1, 512, 370))
DIRECT = Offloading(Workload(1, 512, 370, execution="direct"))
# A dollar for 1,000 images and nothing else, and a machine of 2,628 dollars a month: a dollar for 1,000 s.
SIMPLE = Offloading(
    Workload(1, execution="direct", duration_ms=0, log_bytes=0, answer_bytes=0),
    prices=Prices(million_invocations=1000, free_invocations=0, alarm_month=0),
)
DOLLAR_FOR_1000_S = 3.6


def turns(images_per_s: float, offloading: Offloading = SIMPLE) -> BreakEven:
    return break_even(offloading, OwnMachine(DOLLAR_FOR_1000_S, images_per_s))


def test_it_turns_where_images_cost_what_the_machine_does():
    found = turns(images_per_s=100)
    assert found == BreakEven(pytest.approx(1), pytest.approx(1))
    assert found.images_per_month == pytest.approx(2_628_000)


def test_a_machine_that_is_never_worth_it():
    assert turns(images_per_s=0.5) == BreakEven(None, None)
    assert BreakEven(None, None).images_per_month is None


def test_a_second_machine_that_nearly_idles_is_dearer_for_a_while():
    # Above 1.5 images/s there are two machines, which cost what 2 images/s do; a third above 3 costs nothing more.
    assert turns(images_per_s=1.5) == BreakEven(pytest.approx(1), pytest.approx(2))
    # Machines that are a tenth cheaper when they are busy: the tenth of them is paid for before it is needed.
    assert turns(images_per_s=1.1).settled_images_per_s == pytest.approx(10, rel=0.11)


def test_a_machine_that_costs_nothing_is_cheaper_from_the_first_image_on():
    assert break_even(REMOTE, OwnMachine(0, 0.001)) == BreakEven(0.0, 0.0)
    less_than_the_alarm = OwnMachine(0.0001, 0.01)
    assert break_even(REMOTE, less_than_the_alarm) == BreakEven(0.0, None)


def test_what_is_free_lets_it_turn_later():
    machine = OwnMachine(0.10, 25)
    for offloading in (REMOTE, DIRECT):
        paid, free = (break_even(offloading, machine, after_free=free).images_per_s for free in (False, True))
        assert paid < free
        month = free * SECONDS_A_MONTH
        assert offloading.month_dollars(month, after_free=True) == pytest.approx(machine.dollars_per_month)


def test_bends_are_where_something_is_no_longer_free():
    bends = REMOTE.bends()
    assert bends == tuple(sorted(bends))
    assert bends[:2] == (1_000_000, pytest.approx(400_000 / 0.185))
    for bend in bends:
        before, at, after = (REMOTE.month_dollars(bend * place, after_free=True) for place in (0.999, 1, 1.001))
        assert after - at > (at - before) * (1 + 1e-6)


@settings(deadline=None, max_examples=150)
@given(
    memory_mb=st.sampled_from([128, 512, 1769, 10_240]),
    duration_ms=st.floats(1, 5000),
    execution=st.sampled_from(["remote", "direct"]),
    dollars_exponent=st.floats(-6, 2),
    throughput_exponent=st.floats(-2, 3),
    after_free=st.booleans(),
    rates=st.lists(st.floats(-4, 4), min_size=10, max_size=10),
)
def test_at_no_rate_is_the_other_cheaper(
    memory_mb, duration_ms, execution, dollars_exponent, throughput_exponent, after_free, rates
):
    offloading = Offloading(Workload(1, memory_mb, duration_ms, execution=execution))
    machine = OwnMachine(10**dollars_exponent, 10**throughput_exponent)
    found = break_even(offloading, machine, after_free=after_free)
    turn, settled = found.images_per_s, found.settled_images_per_s
    places = [place * side for place in (turn, settled) if place for side in (1 - 1e-6, 1 + 1e-6)]
    for rate in [*(10**exponent for exponent in rates), *places]:
        offloaded = offloading.month_dollars(rate * SECONDS_A_MONTH, after_free=after_free)
        own = machine.month_dollars(rate)
        if turn is None or rate < turn * (1 - 1e-9):
            assert offloaded <= own * (1 + 1e-9)
        elif settled is not None and rate > settled * (1 + 1e-9):
            assert offloaded >= own * (1 - 1e-9)


def test_the_curves_meet_where_it_turns():
    machine = OwnMachine(0.10, 25)
    rate = break_even(DIRECT, machine).images_per_s
    assert DIRECT.per_thousand(rate / 2) < machine.per_thousand(rate / 2)
    assert DIRECT.per_thousand(rate) == pytest.approx(machine.per_thousand(rate))
    assert DIRECT.per_thousand(rate * 2) > machine.per_thousand(rate * 2)
    assert all(DIRECT.per_thousand(at, after_free=True) <= DIRECT.per_thousand(at) for at in (rate / 2, rate, rate * 2))


def test_rates_to_draw_hold_their_ends_and_both_sides_of_each_step():
    machine = OwnMachine(0.10, 30)
    rates = rates_to_draw(0.01, 100, machine)
    assert (rates[0], rates[-1]) == (pytest.approx(0.01), 100)
    assert rates == tuple(sorted(set(rates)))
    for step in (30, 60, 90):
        place = rates.index(step)
        assert (machine.count(rates[place]), machine.count(rates[place + 1])) == (step // 30, step // 30 + 1)


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan])
def test_there_is_no_cost_of_images_at_no_rate(rate: float):
    with pytest.raises(UsageError, match="give a rate above zero"):
        REMOTE.per_thousand(rate)
    with pytest.raises(UsageError, match="give a rate above zero"):
        OwnMachine(0.1, 1).per_thousand(rate)


@pytest.mark.parametrize(
    ("dollars", "images_per_s", "words"),
    [(-1, 1, "-1 dollars an hour"), (math.inf, 1, "inf dollars"), (1, 0, "0 images/s"), (1, math.nan, "nan images/s")],
)
def test_a_machine_that_can_not_be_is_refused(dollars: float, images_per_s: float, words: str):
    with pytest.raises(UsageError, match=words):
        OwnMachine(dollars, images_per_s)


MACHINE = OwnMachine(0.10, 13)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (BreakEven(None, None), "remote is cheaper than a machine of $0.10 an hour at every rate"),
        (BreakEven(0.0, 0.0), "a machine of $0.10 an hour is cheaper than remote from the first image on"),
        (
            BreakEven(7.44, 14.9),
            "below 7.44 images/s (19.6 million a month) remote is cheaper than a machine of $0.10 an hour, above it "
            "the machine is, unless a further one nearly idles, and from 14.9 images/s on in any case",
        ),
        (
            BreakEven(0.0123, None),
            "below 0.0123 images/s (32,324 a month) remote is cheaper than a machine of $0.10 an hour, above it the "
            "machine is, unless a further one nearly idles",
        ),
    ],
)
def test_it_is_told_in_words(found: BreakEven, words: str):
    assert describe(found, "remote", MACHINE) == words


def test_a_cheap_machine_does_not_look_like_one_for_nothing():
    assert "$0.0002 an hour" in describe(BreakEven(None, None), "direct", OwnMachine(0.0002, 1))
