"""Loads: who comes when, and what is counted of a system that stalls."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from helpers.tiny import make_pictures
from lookout.comparison.load import Load, Task, closed_loop, in_turns, open_loop, poisson
from lookout.errors import ExecutionError, UnreachableError
from lookout.executions.protocol import Answer

PATHS = [Path(f"{number}.jpg") for number in range(50)]


class Execution:
    """One that a test tells what to do."""

    def __init__(self, name: str = "local", does=lambda data, name: None) -> None:
        self.name, self._does = name, does

    def detect(self, data: bytes, name: str = "image") -> Answer:
        self._does(data, name)
        return Answer((), 1.0, 2.0)

    def close(self) -> None:
        pass


def test_each_image_goes_through_each_execution_once_in_an_order_of_the_seed():
    one, other = Execution("one"), Execution("other")
    tasks = in_turns([one, other], PATHS, seed=7)
    assert Counter((task.execution.name, task.path) for task in tasks) == {
        (name, path): 1 for name in ("one", "other") for path in PATHS
    }
    assert tasks == in_turns([one, other], PATHS, seed=7) != in_turns([one, other], PATHS, seed=8)
    # Image by image, and which goes first is nobody's right.
    pairs = [tasks[at : at + 2] for at in range(0, len(tasks), 2)]
    assert all(first.path == second.path for first, second in pairs)
    assert 5 < sum(first.execution is one for first, _ in pairs) < 45
    assert in_turns([one], PATHS) == [Task(one, path) for path in PATHS]


@pytest.mark.parametrize("rate_per_s", [0.5, 40])
def test_arrivals_are_those_of_a_poisson_process(rate_per_s: float):
    scipy_stats = pytest.importorskip("scipy.stats")
    tasks = [Task(Execution(), Path("a.jpg"))] * 3000
    times_s = np.array([task.at_s for task in poisson(tasks, rate_per_s, seed=3)])
    gaps_s = np.diff(times_s, prepend=0)
    assert scipy_stats.kstest(gaps_s, scipy_stats.expon(scale=1 / rate_per_s).cdf).pvalue > 0.01
    # Those of one interval and the next know nothing of each other.
    assert abs(np.corrcoef(gaps_s[1:], gaps_s[:-1])[0, 1]) < 0.05


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return sorted(make_pictures(tmp_path / "pictures", 1).iterdir())


class Clock:
    """A clock that every thread moves by sleeping: who sleeps for longer wakes later."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now_s += seconds


def test_a_stall_is_seen_by_all_who_came_during_it(pictures: list[Path]):
    clock, calls = Clock(), []

    def stall_at_the_tenth(data: bytes, name: str) -> None:
        calls.append(name)
        clock.sleep(1.0 if len(calls) == 10 else 0.001)

    tasks = [Task(Execution("local", stall_at_the_tenth), pictures[0], at_s=0.01 * number) for number in range(100)]
    # One at a time is what the system can do: the others wait, as behind a server that stalls.
    samples = list(open_loop(tasks, under_way=1, clock=clock, sleep=clock.sleep))
    assert [round(sample.scheduled - 1000, 3) for sample in samples] == [round(task.at_s, 3) for task in tasks]
    latencies_ms = [sample.latency_ms for sample in samples]
    assert np.percentile(latencies_ms, 99) > 900
    assert sum(latency_ms > 100 for latency_ms in latencies_ms) > 80
    calls.clear()
    closed_ms = [sample.latency_ms for sample in closed_loop(tasks, clock=clock)]
    assert sum(latency_ms > 100 for latency_ms in closed_ms) == 1  # which is what a closed loop hides


def test_an_image_begins_at_its_time_whatever_became_of_the_others(pictures: list[Path]):
    under_way = threading.Barrier(5)  # which only five that are there at once can pass
    tasks = [
        Task(Execution("local", lambda *_: under_way.wait(60)), pictures[0], at_s=0.001 * number) for number in range(5)
    ]
    assert len(list(open_loop(tasks, under_way=5))) == 5


def test_so_many_clients_send_at_once_and_no_more(pictures: list[Path]):
    at_once, most, lock = Counter(), [], threading.Lock()
    both = threading.Barrier(4)

    def count(data: bytes, name: str) -> None:
        with lock:
            at_once["now"] += 1
            most.append(at_once["now"])
        both.wait(60)
        with lock:
            at_once["now"] -= 1

    tasks = [Task(Execution("local", count), pictures[0])] * 16
    assert len(list(closed_loop(tasks, concurrency=4))) == 16
    assert max(most) == 4


@pytest.mark.parametrize(
    ("load", "in_turn", "scheduled"),
    [(Load(), True, False), (Load(concurrency=3), False, False), (Load(rate_per_s=1e4), False, True)],
)
def test_a_load_gives_each_execution_the_machine_unless_images_come_one_by_one(
    load: Load, in_turn: bool, scheduled: bool, tmp_path: Path
):
    paths = sorted(make_pictures(tmp_path / "pictures", 6).iterdir())
    samples = list(load.samples([Execution("one"), Execution("other")], paths))
    assert Counter((sample.execution, sample.image) for sample in samples) == {
        (name, str(path)): 1 for name in ("one", "other") for path in paths
    }
    names = [sample.execution for sample in samples]
    assert (names == ["one"] * 6 + ["other"] * 6) == (not in_turn)
    assert all((sample.scheduled is not None) == scheduled for sample in samples)


def test_what_fails_is_a_sample_and_what_is_unreachable_ends_the_loop(pictures: list[Path]):
    def fail(data: bytes, name: str) -> None:
        raise ExecutionError("no")

    def be_gone(data: bytes, name: str) -> None:
        raise UnreachableError("nobody is there")

    for loop in (closed_loop, open_loop):
        (sample,) = loop([Task(Execution("local", fail), pictures[0])])
        assert (sample.error, sample.latency_ms >= 0) == ("no", True)
        with pytest.raises(UnreachableError):
            list(loop([Task(Execution("local", be_gone), pictures[0])] * 3))
