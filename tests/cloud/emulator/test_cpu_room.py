"""Who may run at once, and who waits."""

from __future__ import annotations

import threading

import pytest

from helpers.program import wait_for
from lookout.cloud.emulator.cpu_room import CpuRoom


class Holder:
    """A thread that takes a share until it is told to give it back."""

    def __init__(self, room: CpuRoom, share: float, order: list[float]) -> None:
        self.has = threading.Event()
        self.give = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(room, share, order))
        self._thread.start()

    def _run(self, room: CpuRoom, share: float, order: list[float]) -> None:
        with room.taken(share):
            order.append(share)
            self.has.set()
            self.give.wait(60)

    def end(self) -> None:
        self.give.set()
        self._thread.join()


def test_shares_stay_below_the_cores():
    room, order = CpuRoom(2, limited=True), []
    holders = [Holder(room, 0.9, order) for _ in range(2)]
    wait_for(lambda: len(order) == 2)
    third = Holder(room, 0.2, order)
    assert not third.has.wait(0.2)
    holders[0].end()
    assert third.has.wait(60)
    third.end()
    holders[1].end()


def test_who_came_first_goes_first():
    room, order = CpuRoom(2, limited=True), []
    first = Holder(room, 1.5, order)
    assert first.has.wait(60)
    second = Holder(room, 1.0, order)
    wait_for(lambda: len(room._waiting) == 1)
    third = Holder(room, 0.1, order)  # it would fit, but is not to overtake
    assert not third.has.wait(0.2)
    first.end()
    assert third.has.wait(60)
    assert order == [1.5, 1.0, 0.1]
    second.end()
    third.end()


@pytest.mark.parametrize("share", [1.95, 5.8])
def test_a_share_that_is_larger_than_the_room_gets_it_alone(share: float):
    room, order = CpuRoom(2, limited=True), []
    assert room.oversubscribes(share)
    large = Holder(room, share, order)
    assert large.has.wait(60)
    small = Holder(room, 0.1, order)
    assert not small.has.wait(0.2)
    large.end()
    assert small.has.wait(60)
    small.end()


def test_without_limits_all_run():
    room, order = CpuRoom(1, limited=False), []
    holders = [Holder(room, 5.0, order) for _ in range(3)]
    wait_for(lambda: len(order) == 3)
    assert not room.oversubscribes(100)
    for holder in holders:
        holder.end()


def test_when_it_closes_nobody_waits():
    room, order = CpuRoom(1, limited=True), []
    first = Holder(room, 0.9, order)
    assert first.has.wait(60)
    second = Holder(room, 0.9, order)
    room.close()
    assert second.has.wait(60)
    first.end()
    second.end()
