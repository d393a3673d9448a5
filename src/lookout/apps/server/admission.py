"""Who is worked for, and when: so many at once, so many more waiting, first come, first served, none for too long.

Everybody's work goes to the threads at once, in order, and can be taken back until one of them begins with it. So a
thread that is done finds its next piece there, and needs not sleep until the event loop has handed it over.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, TypeVar

Answer = TypeVar("Answer")

# How fast the estimate of the service time follows: of a new time this much, of what was known the rest.
_NEW = 0.1


class QueueFullError(Exception):
    """As many wait already as may."""


class WaitedTooLongError(Exception):
    """Its turn did not come in time."""


class ClientGoneError(Exception):
    """Whoever asked has hung up."""


class _Task:
    """Work for a thread, and who waits for it: taken out once, by the thread that begins or by who takes it back.

    The threads' queue keeps what was taken back until its turn, so that nothing may be left in it.
    """

    __slots__ = ("content", "ticket")

    def __init__(self, work: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        self.content = [(work, answer)]
        self.ticket: Future[None] = Future()  # of the threads' queue


class Lane:
    """``slots`` threads and a line of at most ``queue`` before them; closed until ``open``.

    All of it is called in one event loop, so that it needs no locks: nothing changes but at an ``await``. Threads only
    note in a dictionary what they begin with.
    """

    def __init__(
        self,
        threads: Executor,
        slots: int,
        queue: int,
        max_wait_s: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.threads = threads
        self._slots = slots
        self._queue = queue
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._open_slots = 0
        # What was asked for, in the order in which it came, and of it what a thread has begun with, and when.
        self._tasks: dict[asyncio.Future[Any], _Task] = {}
        self._begun: dict[asyncio.Future[Any], float] = {}
        self._service_s = 0.0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._tasks) - self.busy

    @property
    def busy(self) -> int:
        """How many are worked for."""
        return min(len(self._tasks), self._open_slots)

    @property
    def full(self) -> bool:
        """Whether nobody more may come now."""
        return len(self._tasks) >= self._open_slots + self._queue

    @property
    def retry_after_s(self) -> int:
        """When the line as it is will be worked off, by what requests took lately: whole seconds, at least 1."""
        return max(1, math.ceil(len(self._tasks) * self._service_s / self._slots))

    @property
    def longest_s(self) -> float:
        """For how long what is at work the longest has been so."""
        now_s = self._clock()
        return now_s - min(self._begun.values(), default=now_s)

    def open(self) -> None:
        """Work from now on. To be called in the event loop's thread."""
        self._open_slots = self._slots
        for task in self._tasks.values():
            self._submit(task)

    async def do(self, work: Callable[[], Answer], gone: Callable[[], Awaitable[None]]) -> Answer:
        """What ``work`` gives, in a thread. ``gone`` ends when the client has hung up: nothing is begun for it then.

        What was begun holds its place until it is done, also where nobody waits for it any more.
        Raises ``QueueFullError``, ``WaitedTooLongError``, ``ClientGoneError``, and what ``work`` raises.
        """
        if self.full:
            raise QueueFullError
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        must_wait = len(self._tasks) >= self._open_slots
        task = self._tasks[answer] = _Task(work, answer)
        if self._open_slots:
            self._submit(task)
        try:
            return await (self._watched(answer, gone) if must_wait else answer)
        except asyncio.CancelledError:
            self._take_back(answer)
            raise

    async def _watched(self, answer: asyncio.Future[Answer], gone: Callable[[], Awaitable[None]]) -> Answer:
        watch = asyncio.ensure_future(gone())
        watch.add_done_callback(lambda _: self._give_up(answer, ClientGoneError()))
        late = asyncio.get_running_loop().call_later(self._max_wait_s, self._give_up, answer, WaitedTooLongError())
        try:
            return await answer
        finally:
            late.cancel()
            watch.cancel()

    def _submit(self, task: _Task) -> None:
        task.ticket = self.threads.submit(self._run, task, asyncio.get_running_loop())

    def _run(self, task: _Task, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread."""
        work, answer = task.content.pop()
        self._begun[answer] = self._clock()
        try:
            settle = partial(answer.set_result, work())
        except BaseException as error:  # noqa: BLE001  it is raised where the answer is awaited
            settle = partial(answer.set_exception, error)
        loop.call_soon_threadsafe(self._end, answer, settle)

    def _end(self, answer: asyncio.Future[Answer], settle: Callable[[], None]) -> None:
        service_s = self._clock() - self._begun.pop(answer)
        self._service_s += _NEW * (service_s - self._service_s) if self._service_s else service_s
        del self._tasks[answer]
        if not answer.done():
            settle()

    def _give_up(self, answer: asyncio.Future[Answer], reason: Exception) -> None:
        if not answer.done() and self._take_back(answer):
            answer.set_exception(reason)

    def _take_back(self, answer: asyncio.Future[Any]) -> bool:
        """Whether it is taken out of the line: not what was begun."""
        task = self._tasks.get(answer)
        if task is None or not task.ticket.cancel():
            return False
        del self._tasks[answer]
        task.content.clear()
        return True
