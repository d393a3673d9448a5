"""Who may be worked for, and when: so many at once, so many more waiting, first come, first served, none for too long.

It lives in one event loop, so that it needs no locks: nothing changes but at an ``await``.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

# How fast the estimate of the service time follows: of a new time this much, of what was known the rest.
_NEW = 0.1


class QueueFullError(Exception):
    """As many wait already as may."""


class WaitedTooLongError(Exception):
    """Its turn did not come in time."""


class ClientGoneError(Exception):
    """Whoever asked has hung up."""


class Admission:
    """A counter with ``slots`` places and a line of at most ``queue`` before it; closed until ``open``."""

    def __init__(self, queue: int, max_wait_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._slots = 0
        self._busy = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._service_s = 0.0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._line)

    @property
    def busy(self) -> int:
        """How many are worked for."""
        return self._busy

    @property
    def full(self) -> bool:
        """Whether nobody more may come now."""
        return self._busy >= self._slots and len(self._line) >= self._queue

    @property
    def retry_after_s(self) -> int:
        """When the line as it is will be worked off, by what requests took lately: whole seconds, at least 1."""
        return max(1, math.ceil((len(self._line) + self._busy) * self._service_s / max(1, self._slots)))

    def open(self, slots: int) -> None:
        """Work for ``slots`` at once from now on."""
        self._slots = slots
        self._call_next()

    async def enter(self, gone: Callable[[], Awaitable[None]]) -> None:
        """Wait for one's turn; ``leave`` must follow. ``gone`` ends when the client has hung up.

        Raises ``QueueFullError``, ``WaitedTooLongError`` and ``ClientGoneError``.
        """
        if self._busy < self._slots:  # then nobody waits
            self._busy += 1
            return
        if self.full:
            raise QueueFullError
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._line.append(turn)
        watch = asyncio.ensure_future(gone())
        watch.add_done_callback(lambda _: _end(turn, ClientGoneError()))
        late = loop.call_later(self._max_wait_s, _end, turn, WaitedTooLongError())
        try:
            await turn
            if watch.done():  # in the same moment
                raise ClientGoneError
        except BaseException:
            self._give_up(turn)
            raise
        finally:
            late.cancel()
            watch.cancel()

    def leave(self, service_s: float | None = None) -> None:
        """Give the place to the next; ``service_s``: how long it was held."""
        if service_s is not None:
            self._service_s += _NEW * (service_s - self._service_s) if self._service_s else service_s
        self._busy -= 1
        self._call_next()

    def _call_next(self) -> None:
        while self._busy < self._slots and self._line:
            turn = self._line.popleft()
            if not turn.done():
                self._busy += 1
                turn.set_result(None)

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if turn.cancelled() or turn.exception():
            with suppress(ValueError):  # it was passed over already
                self._line.remove(turn)
        else:
            self.leave()


def _end(turn: asyncio.Future[None], reason: Exception) -> None:
    """Nobody waits for this turn any more."""
    if not turn.done():
        turn.set_exception(reason)
