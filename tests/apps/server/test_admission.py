"""The line before the detector: who may work, who waits, who is sent away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookout.apps.server.admission import Admission, ClientGoneError, QueueFullError, WaitedTooLongError


async def never() -> None:
    await asyncio.Event().wait()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def let_others_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def queue_up(admission: Admission, count: int, gone: Callable[[], Awaitable[None]] = never) -> list[asyncio.Task[None]]:
    return [asyncio.ensure_future(admission.enter(gone)) for _ in range(count)]


def test_as_many_work_as_there_are_slots_and_the_others_wait_their_turn():
    async def test() -> None:
        admission = Admission(queue=3, max_wait_s=60)
        admission.open(2)
        tasks = queue_up(admission, 5)
        await let_others_run()
        assert [task.done() for task in tasks] == [True, True, False, False, False]
        assert (admission.busy, admission.waiting, admission.full) == (2, 3, True)
        for position in (2, 3, 4):
            admission.leave()
            await let_others_run()
            assert [task.done() for task in tasks] == [number <= position for number in range(5)]

    run(test)


def test_who_comes_when_the_queue_is_full_is_sent_away_at_once():
    async def test() -> None:
        admission = Admission(queue=1, max_wait_s=60)
        admission.open(1)
        queue_up(admission, 2)
        await let_others_run()
        with pytest.raises(QueueFullError):
            await admission.enter(never)
        admission.leave()
        await let_others_run()
        assert not admission.full

    run(test)


def test_until_it_opens_everybody_waits():
    async def test() -> None:
        admission = Admission(queue=4, max_wait_s=60)
        tasks = queue_up(admission, 3)
        await let_others_run()
        assert not any(task.done() for task in tasks)
        admission.open(2)
        await let_others_run()
        assert [task.done() for task in tasks] == [True, True, False]

    run(test)


def test_who_has_waited_too_long_is_sent_away_and_leaves_no_trace():
    async def test() -> None:
        admission = Admission(queue=2, max_wait_s=0.01)
        admission.open(1)
        await admission.enter(never)
        with pytest.raises(WaitedTooLongError):
            await admission.enter(never)
        assert admission.waiting == 0
        admission.leave()
        await admission.enter(never)

    run(test)


def test_who_hangs_up_is_forgotten():
    async def test() -> None:
        admission, left = Admission(queue=2, max_wait_s=60), asyncio.Event()
        admission.open(1)
        await admission.enter(never)
        leaver = queue_up(admission, 1, left.wait)[0]
        stayer = queue_up(admission, 1)[0]
        await let_others_run()
        left.set()
        with pytest.raises(ClientGoneError):
            await leaver
        admission.leave()
        await stayer
        assert (admission.busy, admission.waiting) == (1, 0)

    run(test)


def test_a_turn_that_comes_as_the_client_hangs_up_goes_to_the_next():
    async def test() -> None:
        admission, left = Admission(queue=2, max_wait_s=60), asyncio.Event()
        admission.open(1)
        await admission.enter(never)
        leaver = queue_up(admission, 1, left.wait)[0]
        stayer = queue_up(admission, 1)[0]
        await let_others_run()
        left.set()
        admission.leave()
        with pytest.raises(ClientGoneError):
            await leaver
        await stayer
        assert (admission.busy, admission.waiting) == (1, 0)

    run(test)


def test_a_cancelled_wait_leaves_no_trace():
    async def test() -> None:
        admission = Admission(queue=2, max_wait_s=60)
        admission.open(1)
        await admission.enter(never)
        waiting = queue_up(admission, 1)[0]
        await let_others_run()
        waiting.cancel()
        await let_others_run()
        assert admission.waiting == 0
        admission.leave()
        assert admission.busy == 0

    run(test)


def test_when_to_come_back_follows_from_the_line_and_what_requests_take():
    async def test() -> None:
        admission = Admission(queue=9, max_wait_s=60)
        admission.open(2)
        assert admission.retry_after_s == 1
        await admission.enter(never)
        admission.leave(service_s=4.0)
        queue_up(admission, 7)
        await let_others_run()
        assert admission.retry_after_s == 14  # 7 of 4 s each, two at a time

    run(test)


@given(
    st.lists(st.sampled_from(["come", "leave", "hang up", "give up"]), max_size=60),
    st.integers(1, 3),
    st.integers(0, 4),
)
def test_places_are_never_lost_nor_given_twice(steps: list[str], slots: int, queue: int):
    """Against a plain list: who works, and who waits in which order."""

    async def test() -> None:
        admission = Admission(queue, max_wait_s=60)
        admission.open(slots)
        working, waiting = 0, []
        for step in steps:
            if step == "come":
                left = asyncio.Event()
                task = queue_up(admission, 1, left.wait)[0]
                await let_others_run()
                if working < slots:
                    working += 1
                elif len(waiting) < queue:
                    waiting.append((task, left))
                else:
                    assert isinstance(task.exception(), QueueFullError)
            elif step == "leave" and working:
                admission.leave()
                working -= 1
                await let_others_run()
                if waiting:
                    assert waiting.pop(0)[0].done()
                    working += 1
            elif step == "hang up" and waiting:
                task, left = waiting.pop(len(waiting) // 2)
                left.set()
                await let_others_run()
                assert isinstance(task.exception(), ClientGoneError)
            elif step == "give up" and waiting:
                waiting.pop()[0].cancel()
                await let_others_run()
            assert (admission.busy, admission.waiting) == (working, len(waiting))
            assert not any(task.done() for task, _ in waiting)

    run(test)
