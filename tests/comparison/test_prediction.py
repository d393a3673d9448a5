"""Predicted latencies: against executions that are simulated trip by trip, on networks that the fit has not seen."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookout.comparison.function_memory import ComputeModel
from lookout.comparison.held_out import HeldOut, held_out, held_out_ends
from lookout.comparison.network import Network
from lookout.comparison.prediction import Condition, Observation, fit, predict
from lookout.comparison.queueing import Station, wait
from lookout.comparison.winners import turning_mbit_s, winner_map
from lookout.executions.pace import Pace

EXECUTIONS = ("in-process", "local", "remote", "direct")
RTTS_MS, MBIT_S = (2, 10, 25, 60, 150, 400), (1, 5, 20, 100)
NETWORKS = [Network(f"{rtt},{up}", rtt, up, 2.5 * up) for rtt in RTTS_MS for up in MBIT_S]
IMAGES = 24
CPU_MS = {"in-process": 12.0, "local": 13.0, "remote": 50.0, "direct": 45.0}


class Simulated:
    """An execution on a network, as ``shaping`` and the clients make it; each image's time and its compute's."""

    def __init__(self, network: Network, random: np.random.Generator) -> None:
        self.network = network
        self.random = random
        self.pace = Pace()

    def trip_ms(self, sent_bytes: float, answered_bytes: float) -> float:
        return self.network.transfer_ms(int(sent_bytes), int(answered_bytes)) + self.random.exponential(0.5)

    def image(self, execution: str, size_bytes: float) -> tuple[float, float]:
        compute_ms = CPU_MS[execution] * self.random.lognormal(0, 0.15)
        if execution == "in-process":
            return compute_ms, compute_ms
        if execution == "local":
            return self.trip_ms(size_bytes + 300, 1500) + 4 + compute_ms, compute_ms
        if execution == "direct":
            return self.trip_ms(size_bytes * 4 / 3 + 1200, 6000) + 8 + compute_ms, compute_ms
        upload_ms = self.trip_ms(900, 25) + self.trip_ms(size_bytes, 400) + 4
        return upload_ms + self.noticed_ms(compute_ms + 6), compute_ms

    def noticed_ms(self, ready_ms: float) -> float:
        """From the upload's end to the look that finds the item, by the pace of ``remote``'s own reader.

        The item is there ``ready_ms`` after the image was, and the image was there half a trip before its sender knew.
        """
        ready_ms -= self.network.rtt_ms / 2
        look_ms, looks = self.pace.first_look_s() * 1000, 0
        while look_ms + self.network.rtt_ms / 2 < ready_ms:
            looks += 1
            look_ms += self.trip_ms(800, 300) + self.pace.pause_s(looks) * 1000
        seen_ms = look_ms + self.trip_ms(800, 2000)
        self.pace.learn((ready_ms - 6) / 1000, seen_ms / 1000)
        return seen_ms


def observed(execution: str, network: Network, seed: int = 1, middle=fmean) -> Observation:
    random = np.random.default_rng([seed, EXECUTIONS.index(execution), int(network.rtt_ms), int(network.up_mbit_s)])
    sizes = random.lognormal(11.9, 0.4, IMAGES)
    execution_there = Simulated(network, random)
    latencies, computes = zip(*(execution_there.image(execution, size) for size in sizes), strict=True)
    memory_mb = 512 if execution in {"remote", "direct"} else None
    condition = Condition(execution, network, memory_mb, None, middle(sizes))
    stages = {"upload": 1e6, "fetch": 0.2 * middle(computes), "inference": 0.8 * middle(computes), "notice": 1e6}
    return Observation(condition, middle(latencies), stages, IMAGES)


OBSERVATIONS = [observed(execution, network) for network in NETWORKS for execution in EXECUTIONS]


def of(execution: str) -> list[Observation]:
    return [each for each in OBSERVATIONS if each.condition.execution == execution]


@pytest.mark.parametrize("folds", [None, 2, 5])
def test_networks_that_were_held_out_are_foretold_within_ten_percent(folds: int | None):
    found = held_out(OBSERVATIONS, folds)
    assert (len(found.pairs), found.unpredicted) == (len(OBSERVATIONS), 0)
    for execution in EXECUTIONS:
        assert found.mape_of(execution) < 10, execution
    assert found.mape_percent < 7


def test_networks_beyond_all_that_were_measured_are_foretold_and_said_to_be():
    far = {network for network in NETWORKS if network.rtt_ms == 400 or network.up_mbit_s == 1}
    for execution in ("local", "remote", "direct"):
        model = fit([each for each in of(execution) if each.condition.network not in far])
        errors = []
        for each in of(execution):
            found = predict(model, each.condition)
            assert found.extrapolated == (each.condition.network in far)
            if found.extrapolated:
                errors.append(abs(found.latency_ms / each.latency_ms - 1))
        assert fmean(errors) < 0.10, execution


def test_the_ends_of_each_scale_are_held_out_whole():
    found = held_out_ends(OBSERVATIONS)
    assert all(pair.extrapolated for pair in found.pairs)
    ends = [network for network in NETWORKS if network.rtt_ms in {2, 400}]
    ends += [network for network in NETWORKS if network.up_mbit_s in {1, 100}]
    local = [pair.condition.network for pair in found.pairs if pair.condition.execution == "local"]
    assert sorted(local, key=repr) == sorted(ends, key=repr)  # a corner twice: as an end of either scale
    assert not [pair for pair in found.pairs if pair.condition.execution == "in-process"]  # which knows no networks
    for execution in ("local", "remote", "direct"):
        assert found.mape_of(execution) < 10, execution


def test_memories_are_held_out_too():
    network = Network("", 20, 10, 10)
    observations = [
        Observation(
            Condition("direct", network, memory_mb, None, 100_000),
            20 + 107 + 10 + ComputeModel(25).compute_ms(memory_mb),
            {"inference": ComputeModel(25).compute_ms(memory_mb)},
            10,
        )
        for memory_mb in (256, 512, 1024, 1769)
    ]
    assert held_out(observations).mape_percent < 2
    ends = held_out_ends(observations)
    assert [pair.condition.memory_mb for pair in ends.pairs] == [256, 1769]
    assert ends.mape_percent < 5


def test_medians_are_foretold_from_medians():
    found = held_out([observed(e, network, middle=median) for network in NETWORKS for e in EXECUTIONS])
    assert found.mape_percent < 10


def test_round_trips_and_the_answers_bytes_are_found_out():
    local, remote, direct = (fit(of(execution)) for execution in ("local", "remote", "direct"))
    assert local.round_trips == pytest.approx(1, abs=0.05)
    assert direct.round_trips == pytest.approx(1, abs=0.05)
    assert 2.5 < remote.round_trips < 3.1  # on slow networks a part of the compute is hidden behind a trip
    assert direct.answer_bytes > 2000
    assert local.fitted == ("overhead_ms", "round_trips", "answer_bytes")


def test_few_networks_leave_the_rest_to_the_protocol():
    slow, fast = Network("", 100, 10, 10), Network("", 10, 50, 50)
    for networks, fitted in (([slow], 1), ([slow, fast], 1), ([slow, fast, Network("", 40, 5, 5)], 2)):
        model = fit([observed("remote", network) for network in networks])
        assert len(model.fitted) == fitted
        there = observed("remote", Network("", 200, 4, 8))
        assert predict(model, there.condition).latency_ms == pytest.approx(there.latency_ms, rel=0.1)
    assert fit([observed("in-process", slow)]).round_trips == 0


def test_a_point_is_held_out_with_all_that_was_measured_of_it():
    network = NETWORKS[5]
    twice = [observed("local", network, seed) for seed in (1, 2)]
    alone = held_out(twice)
    assert (alone.pairs, alone.mape_percent, alone.worst, alone.unpredicted) == ((), None, None, 2)
    spoiled = [*of("local"), *(replace(each, latency_ms=1e5) for each in twice)]
    others = [each for each in of("local") if each.condition.network != network]
    found = [pair for pair in held_out(spoiled).pairs if pair.condition.network == network]
    assert len(found) == 3
    for pair in found:
        assert pair.predicted_ms == predict(fit(others), pair.condition).latency_ms


def test_errors_are_told_by_execution_and_by_how_far_from_the_rest():
    cross = [
        each for each in OBSERVATIONS if 60 in {each.condition.network.rtt_ms, 3 * each.condition.network.up_mbit_s}
    ]
    found = held_out(cross)
    within, beyond = (found.mape_of(extrapolated=which) for which in (False, True))
    count = sum(pair.extrapolated for pair in found.pairs)
    assert 0 < count < len(found.pairs)
    mean = (within * (len(found.pairs) - count) + beyond * count) / len(found.pairs)
    assert found.mape_percent == pytest.approx(mean)
    assert HeldOut(()).mape_of("local") is None
    assert abs(found.worst.error_percent) == max(abs(pair.error_percent) for pair in found.pairs)
    with pytest.raises(ValueError, match="two or more"):
        held_out(OBSERVATIONS, 1)


@settings(max_examples=40)
@given(st.floats(0, 500), st.floats(0.2, 200), st.floats(1e3, 1e6))
def test_parts_add_up_and_slower_networks_take_longer(rtt_ms: float, mbit_s: float, sent_bytes: float):
    model = fit(of("remote"))
    here = Condition("remote", Network("", rtt_ms, mbit_s, mbit_s), 512, None, sent_bytes)
    slower = replace(here, network=Network("", rtt_ms + 1, mbit_s * 0.9, mbit_s * 0.9))
    found = predict(model, here)
    assert found.latency_ms == pytest.approx(math.fsum(found.parts_ms.values()))
    assert all(part >= 0 for part in found.parts_ms.values())
    assert predict(model, slower).latency_ms > found.latency_ms
    assert predict(model, replace(here, memory_mb=1024)).latency_ms < found.latency_ms
    assert predict(model, replace(here, network=None)).latency_ms < found.latency_ms


def test_at_a_rate_images_wait_for_a_server_and_share_the_line():
    model, network = fit(of("local")), Network("", 10, 8, 100)
    alone = predict(model, Condition("local", network, None, None, 100_000))
    station = Station(1, (13.0,))
    busy = predict(model, Condition("local", network, None, 5.0, 100_000), station)
    assert alone.parts_ms["sending"] == pytest.approx(100)
    assert busy.parts_ms["sending"] == pytest.approx(200)  # half of the line's time
    assert busy.parts_ms["waiting"] == wait(station, 5.0).mean_ms > 0
    assert predict(model, Condition("local", network, None, 10.0, 100_000), station).latency_ms == math.inf
    assert predict(model, Condition("local", None, None, 80.0, 100_000), station).latency_ms == math.inf
    assert predict(model, Condition("local", None, None, 80.0, 100_000)).latency_ms < 100  # room for all


@pytest.mark.parametrize(
    ("observations", "told"),
    [
        ([], "of one execution"),
        ([of("local")[0], of("direct")[0]], "of one execution"),
        ([replace(of("local")[0], n=0)], "one image or more"),
        ([replace(of("local")[0], latency_ms=math.nan)], "above zero"),
        ([replace(of("local")[0], condition=replace(of("local")[0].condition, rate_per_s=1.0))], "one at a time"),
        ([replace(of("local")[0], condition=replace(of("local")[0].condition, execution="by post"))], "no execution"),
        (
            [of("remote")[0], replace(of("remote")[1], condition=replace(of("remote")[1].condition, memory_mb=None))],
            "some have none",
        ),
    ],
)
def test_what_fits_no_model_is_refused(observations: list[Observation], told: str):
    with pytest.raises(ValueError, match=told):
        fit(observations)


def test_a_model_speaks_for_its_execution_alone():
    with pytest.raises(ValueError, match="says nothing of direct"):
        predict(fit(of("local")), of("direct")[0].condition)


MODELS = {execution: fit(of(execution)) for execution in ("local", "remote", "direct")}


def test_the_map_says_who_wins_and_what_of_it_was_measured():
    seen = [replace(of("direct")[0], latency_ms=1.0)]
    at = seen[0].condition
    rows = winner_map(
        MODELS, [2, 1000], [1, 50], sent_bytes=at.sent_bytes, memory_mb=512, down_per_up=2.5, measured=seen
    )
    assert [[cell.winner for cell in row] for row in rows] == [["direct", "local"], ["local", "local"]]
    assert (rows[0][0].measured, rows[0][0].latency_ms["direct"]) == ({"direct"}, 1.0)
    assert not rows[1][1].measured
    assert [[bool(cell.extrapolated) for cell in row] for row in rows] == [[False, True], [False, True]]
    cell = rows[1][0]
    assert cell.latency_ms["local"] == pytest.approx(
        predict(
            MODELS["local"],
            replace(of("local")[0].condition, network=Network("", 2, 50, 125), sent_bytes=at.sent_bytes),
        ).latency_ms
    )
    assert cell.sure(1)
    assert not cell.sure(60)
    with pytest.raises(ValueError, match="one execution or more"):
        winner_map({}, [1], [1], sent_bytes=1, memory_mb=512)


def test_where_it_turns_both_take_as_long():
    # A function of much memory, whose compute is short, against a server that is slow: by bytes direct loses.
    slow = replace(MODELS["local"], compute=replace(MODELS["local"].compute, cpu_ms=250))
    at = Condition("local", Network("", 20, 20, 20), 1769, None, 150_000)
    mbit_s = turning_mbit_s(slow, MODELS["direct"], at)
    network = Network("", 20, mbit_s, mbit_s)
    one, two = (
        predict(each, replace(at, execution=each.execution, network=network, memory_mb=memory)).latency_ms
        for each, memory in ((slow, None), (MODELS["direct"], 1769))
    )
    assert one == pytest.approx(two)
    assert turning_mbit_s(slow, slow, at) is None
    with pytest.raises(ValueError, match="loopback"):
        turning_mbit_s(slow, slow, replace(at, network=None))
