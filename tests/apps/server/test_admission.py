"""The line before the detector: who is worked for, who waits, who is sent away."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookout.apps.server.admission import ClientGoneError, Lane, QueueFullError, WaitedTooLongError


class Threads(Executor):
    """One that works when it is told to, on what came first."""

    def __init__(self) -> None:
        self.line: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        self.line.append((Future(), partial(work, *arguments)))
        return self.line[-1][0]

    def work(self) -> None:
        while self.line:
            future, work = self.line.popleft()
            if future.set_running_or_notify_cancel():
                work()
                break


async def never() -> None:
    await asyncio.Event().wait()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def let_others_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def nothing() -> None:
    """Work that takes no time."""


def line_up(lane: Lane, count: int, gone: Callable[[], Awaitable[None]] = never) -> list[asyncio.Task[None]]:
    return [asyncio.ensure_future(lane.do(nothing, gone)) for _ in range(count)]


def opened(threads: Executor, slots: int, queue: int, max_wait_s: float = 60, **settings: Any) -> Lane:
    lane = Lane(threads, slots, queue, max_wait_s, **settings)
    lane.open()
    return lane


def test_as_many_are_worked_for_as_there_are_threads_and_the_others_wait_their_turn():
    async def test() -> None:
        threads = Threads()
        lane = opened(threads, slots=2, queue=3)
        tasks = line_up(lane, 5)
        await let_others_run()
        assert (lane.busy, lane.waiting, lane.full) == (2, 3, True)
        for done in range(1, 6):
            threads.work()
            await let_others_run()
            assert [task.done() for task in tasks] == [number < done for number in range(5)]
            assert lane.busy + lane.waiting == 5 - done

    run(test)


def test_what_work_gives_or_raises_comes_back_from_its_thread():
    async def test() -> None:
        with ThreadPoolExecutor(2) as threads:
            lane = opened(threads, slots=2, queue=100)
            squares = await asyncio.gather(*(lane.do(lambda n=n: n * n, never) for n in range(50)))
            assert squares == [n * n for n in range(50)]
            with pytest.raises(ZeroDivisionError):
                await lane.do(lambda: 1 // 0, never)
            assert (lane.busy, lane.waiting, lane.longest_s) == (0, 0, 0.0)

    run(test)


def test_who_comes_when_the_queue_is_full_is_sent_away_at_once():
    async def test() -> None:
        threads = Threads()
        lane = opened(threads, slots=1, queue=1)
        line_up(lane, 2)
        await let_others_run()
        with pytest.raises(QueueFullError):
            await lane.do(nothing, never)
        threads.work()
        await let_others_run()
        assert not lane.full

    run(test)


def test_until_it_opens_everybody_waits():
    async def test() -> None:
        threads, left = Threads(), asyncio.Event()
        lane = Lane(threads, slots=2, queue=3, max_wait_s=60)
        first, leaver, last = [*line_up(lane, 1), *line_up(lane, 1, left.wait), *line_up(lane, 1)]
        await let_others_run()
        assert (lane.busy, lane.waiting, lane.full, len(threads.line)) == (0, 3, True, 0)
        left.set()
        await let_others_run()
        assert isinstance(leaver.exception(), ClientGoneError)
        lane.open()
        assert (lane.busy, lane.waiting, len(threads.line)) == (2, 0, 2)
        threads.work()
        threads.work()
        await asyncio.gather(first, last)

    run(test)


def test_who_has_waited_too_long_is_sent_away_and_leaves_no_trace():
    async def test() -> None:
        threads = Threads()
        lane = opened(threads, slots=1, queue=2, max_wait_s=0.01)
        (first,) = line_up(lane, 1)
        await let_others_run()
        with pytest.raises(WaitedTooLongError):
            await lane.do(nothing, never)
        assert (lane.busy, lane.waiting) == (1, 0)
        threads.work()
        await first
        threads.work()  # finds nothing to do
        assert lane.busy == 0

    run(test)


def test_who_hangs_up_is_forgotten():
    async def test() -> None:
        threads, left = Threads(), asyncio.Event()
        lane = opened(threads, slots=1, queue=2)
        first, leaver, stayer = [*line_up(lane, 1), *line_up(lane, 1, left.wait), *line_up(lane, 1)]
        await let_others_run()
        left.set()
        with pytest.raises(ClientGoneError):
            await leaver
        threads.work()
        threads.work()
        await asyncio.gather(first, stayer)
        assert (lane.busy, lane.waiting) == (0, 0)

    run(test)


@pytest.mark.parametrize("is_open", [True, False])
def test_of_who_left_nothing_stays_in_the_line(is_open: bool):
    """Nor what it brought: whoever comes and goes while all threads are busy must not fill the memory."""

    class Body:
        def read(self) -> None: ...

    async def test() -> None:
        lane, left = Lane(Threads(), slots=1, queue=9, max_wait_s=60), asyncio.Event()
        if is_open:
            lane.open()
        line_up(lane, 1)
        await let_others_run()
        bodies = [Body() for _ in range(4)]
        remembered = [weakref.ref(body) for body in bodies]
        tasks = [asyncio.ensure_future(lane.do(body.read, left.wait)) for body in bodies]
        await let_others_run()
        del bodies
        assert all(body() for body in remembered)
        tasks.pop().cancel()
        left.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        tasks.clear()
        await let_others_run()
        gc.collect()
        assert [body() for body in remembered] == [None] * 4

    run(test)


def test_what_was_begun_holds_its_place_to_its_end_whoever_leaves():
    async def test() -> None:
        threads, left, seen = Threads(), asyncio.Event(), []
        lane = opened(threads, slots=1, queue=2)

        def leave_meanwhile() -> None:
            left.set()
            cancelled.cancel()
            seen.append(lane.busy)

        cancelled = asyncio.ensure_future(lane.do(leave_meanwhile, never))
        (gone,) = line_up(lane, 1, left.wait)
        await let_others_run()
        threads.work()  # the first is cancelled while it is at work, the second's client leaves
        await let_others_run()
        assert (cancelled.cancelled(), isinstance(gone.exception(), ClientGoneError), seen) == (True, True, [1])
        assert (lane.busy, lane.waiting, lane.longest_s) == (0, 0, 0.0)

    run(test)


def test_a_cancelled_wait_leaves_no_trace():
    async def test() -> None:
        threads = Threads()
        lane = opened(threads, slots=1, queue=2)
        at_work, waiting = line_up(lane, 2)
        await let_others_run()
        waiting.cancel()
        await let_others_run()
        assert (lane.busy, lane.waiting) == (1, 0)
        threads.work()
        await at_work
        assert lane.busy == 0

    run(test)


def test_when_to_come_back_follows_from_the_line_and_what_work_takes():
    async def test() -> None:
        threads, now_s = Threads(), iter([0.0, 4.0])
        lane = opened(threads, slots=2, queue=9, clock=lambda: next(now_s))
        assert lane.retry_after_s == 1
        line_up(lane, 1)
        await let_others_run()
        threads.work()
        await let_others_run()
        line_up(lane, 7)
        await let_others_run()
        assert lane.retry_after_s == 14  # 7 of 4 s each, two at a time

    run(test)


@given(
    st.lists(st.sampled_from(["come", "work", "hang up", "give up"]), max_size=60),
    st.integers(1, 3),
    st.integers(0, 4),
)
def test_places_are_never_lost_nor_given_twice(steps: list[str], slots: int, queue: int):
    """Against a plain list of those who are there, in the order in which they came."""

    async def test() -> None:
        threads, there = Threads(), []
        lane = opened(threads, slots, queue)
        for step in steps:
            if step == "come":
                left = asyncio.Event()
                (task,) = line_up(lane, 1, left.wait)
                await let_others_run()
                if len(there) < slots + queue:
                    there.append((task, left))
                else:
                    assert isinstance(task.exception(), QueueFullError)
            elif step == "work" and there:
                threads.work()
                await let_others_run()
                assert there.pop(0)[0].result() is None
            elif step == "hang up" and len(there) > slots:
                task, left = there.pop()
                left.set()
                await let_others_run()
                assert isinstance(task.exception(), ClientGoneError)
            elif step == "give up" and there:
                task, _ = there.pop(len(there) // 2)
                task.cancel()
                await let_others_run()
                assert task.cancelled()
            assert (lane.busy, lane.waiting) == (min(len(there), slots), max(0, len(there) - slots))
            assert not any(task.done() for task, _ in there)

    run(test)
