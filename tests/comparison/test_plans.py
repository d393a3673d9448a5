from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from helpers.runs import World
from lookout.comparison.bench import Subject
from lookout.comparison.conditions import Condition
from lookout.comparison.load import Load
from lookout.comparison.network import Network
from lookout.comparison.plans import Both, Full, Server, Single, Sweep, server_result, throughput_of
from lookout.comparison.results import Point

LOAD = Load(warm_up=2)
NETWORK = Network("x", 40, 10, 50)


def subject(*executions: str, cloud: str = "emulator") -> Subject:
    model = SimpleNamespace(name="tiny")
    return Subject(model, "onnxruntime", 0.25, 0.45, executions or ("local", "remote", "direct"), cloud=cloud)


class Bench:
    """Measures nothing: made-up samples, and a note of what was asked for."""

    def __init__(self, waiting_ms=lambda _: 0.0) -> None:
        self.asked: list[Condition] = []
        self._world = World()
        self._waiting_ms = waiting_ms

    def __call__(self, condition: Condition) -> Point:
        self.asked.append(condition)
        return self._world.point(condition, condition.images or 12, waiting_ms=self._waiting_ms(condition))

    def of(self, scenario: str) -> list[Condition]:
        return [condition for condition in self.asked if condition.scenario == scenario]


def test_one_condition_has_all_executions_and_images():
    bench = Bench()
    Single(subject(), LOAD, NETWORK)(bench)
    assert bench.asked == [Condition("single-stream", ("local", "remote", "direct"), LOAD, NETWORK, 512)]


def test_a_memory_is_ours_to_say_on_the_emulator_alone():
    for who in (subject("local"), subject("remote", cloud="aws")):
        bench = Bench()
        Single(who, LOAD, None)(bench)
        assert bench.asked[0].memory_mb is None


def test_a_whole_report_measures_its_table_first_and_then_all_else():
    bench = Bench()
    Full(subject("in-process", "local", "remote", "direct"), LOAD, None, cores=2)(bench)
    assert bench.asked[0] == Condition("single-stream", ("in-process", "local", "remote", "direct"), LOAD, None, 512)
    networks = {condition.network for condition in bench.asked if condition.network}
    assert len(networks) >= 8
    assert all("in-process" not in condition.executions for condition in bench.asked if condition.network)
    # 128 MB are too little for what was used, and 512 have been measured.
    assert [c.memory_mb for c in bench.asked if c.executions == ("direct",) and c.scenario == "single-stream"] == [
        256, 1024, 1769, 3008,
    ]  # fmt: skip
    assert {condition.executions for condition in bench.of("offline")} == {("local",), ("remote",), ("direct",)}
    rates = [condition.load.rate_per_s for condition in bench.of("open-loop") if condition.executions == ("local",)]
    capacity = throughput_of(Bench()(bench.of("offline")[0]), "local")
    assert rates == pytest.approx([share * capacity for share in (0.25, 0.5, 0.75, 0.9, 1.1)], rel=0.05)
    assert {condition.executions for condition in bench.of("burst")} == {("remote",), ("direct",)}


def test_a_whole_report_keeps_to_what_a_stack_on_aws_allows():
    bench = Bench()
    Full(subject("local", "remote", cloud="aws"), LOAD, None, cores=2)(bench)
    assert all(condition.network is None and condition.memory_mb is None for condition in bench.asked)
    assert not bench.of("burst")


def test_a_whole_report_of_one_core_tries_no_memory_that_it_can_not_emulate():
    bench = Bench()
    Full(subject(), LOAD, None, cores=1)(bench)
    assert max(condition.memory_mb or 0 for condition in bench.asked) == 1769


def test_a_sweep_ends_above_what_the_function_needs():
    bench = Bench()
    Sweep(subject("direct"), LOAD, (128, 256, 512, 1024), each=6)(bench)
    assert [(condition.memory_mb, condition.images) for condition in bench.asked] == [(1024, 6), (512, 6), (256, 6)]


def test_the_server_scenario_is_searched_up_to_where_its_bound_breaks():
    """Up to 30 images a second a made-up server keeps 60 ms."""
    bench = Bench(lambda condition: 500.0 if condition.load.rate_per_s > 30 else 0.0)
    Server(subject("in-process", "local"), LOAD, None, bound_ms=60)(bench)
    rates = [condition.load.rate_per_s for condition in bench.asked]
    assert {condition.executions for condition in bench.asked} == {("local",)}
    assert rates[:4] == [4, 8, 16, 32]
    assert 25 < max(rate for rate in rates if rate <= 30) <= 30


def test_a_search_comes_at_a_rate_whatever_else_is_asked_for():
    bench = Bench()
    Server(subject("local"), Load(burst=4, idle_s=9), None, bound_ms=60)(bench)
    assert {(condition.load.burst, condition.load.scenario) for condition in bench.asked} == {(None, "open-loop")}


def test_a_rate_above_one_that_breaks_the_bound_keeps_nothing():
    """By luck a higher rate may look better than a lower one."""
    bench = Bench(lambda condition: 500.0 if condition.load.rate_per_s == 20 else 0.0)
    points = [bench(Condition("server", ("local",), Load(rate_per_s=rate), None, None, 500)) for rate in (10, 20, 40)]
    found = server_result(points, "local", 60)
    assert (found.rate_per_s, found.broken_per_s) == (10, 20)


def test_what_a_whole_report_measures_at_rates_is_no_search():
    bench = Bench()
    Full(subject("local"), LOAD, None, cores=2)(bench)
    points = [Bench()(condition) for condition in bench.asked]
    assert server_result(points, "local", 60) is None


def test_one_plan_may_follow_another():
    bench = Bench()
    Both(Single(subject("local"), LOAD, None), Single(subject("local"), LOAD, NETWORK))(bench)
    assert [condition.network for condition in bench.asked] == [None, NETWORK]


def test_throughput_is_of_what_was_answered():
    point = Bench()(Condition("offline", ("local",), Load(8), None, None, 16))
    assert throughput_of(point, "local") > 1
    assert throughput_of(point, "remote") is None
    assert throughput_of(dataclasses.replace(point, samples=()), "local") is None
