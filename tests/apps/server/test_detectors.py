"""Which network an image gets: that of all cores, or one of a single core."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

pytest.importorskip("gunicorn", reason="the extra server is not installed")

from lookout.apps.server import detectors
from lookout.apps.server.detectors import Detectors
from lookout.core.selection import Selection

CORES = 2


class Opened:
    """What stands in for a detector: an image is a call, and the answer tells whose it is."""

    def __init__(self, threads: int, at_once: int) -> None:
        self.threads, self.at_once = threads, at_once

    def detect(self, image: Any, _selection: Selection | None) -> int:
        image()
        return self.threads

    def warm_up(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    """The networks that were opened."""
    made: list[Opened] = []

    def open_detector(_model: Any, _engine: str, threads: int, _selection: Selection, at_once: int = 1) -> Opened:
        made.append(Opened(threads, at_once))
        return made[-1]

    monkeypatch.setattr(detectors, "open_detector", open_detector)
    return made


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def nothing() -> None:
    pass


def test_an_image_alone_gets_all_cores_and_of_several_each_gets_one(opened: list[Opened]):
    clock = Clock()
    pair = Detectors(None, "any", Selection(), CORES, clock)
    assert pair.detect(nothing) == CORES
    both_are_there = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        got = sorted(pool.map(pair.detect, [lambda: both_are_there.wait(60)] * 2))
    assert got == [1, CORES]  # the first could not know
    assert pair.detect(nothing) == 1  # more are expected
    clock.now_s += 1
    assert pair.detect(nothing) == CORES


def test_an_image_that_fails_is_not_counted_as_at_work_for_ever(opened: list[Opened]):
    pair = Detectors(None, "any", Selection(), CORES, Clock())
    with pytest.raises(ZeroDivisionError):
        pair.detect(lambda: 1 / 0)
    assert pair.detect(nothing) == CORES


def test_a_single_core_has_one_network(opened: list[Opened]):
    pair = Detectors(None, "any", Selection(), 1, Clock())
    assert pair.detect(nothing) == 1
    assert [(one.threads, one.at_once) for one in opened] == [(1, 1)]


def test_as_many_networks_of_one_core_are_there_as_cores(opened: list[Opened]):
    Detectors(None, "any", Selection(), CORES, Clock())
    assert [(one.threads, one.at_once) for one in opened] == [(1, CORES), (CORES, 1)]
