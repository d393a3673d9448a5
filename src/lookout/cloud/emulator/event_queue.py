"""Asynchronous invocations, as Lambda treats them.

An event whose function fails is given to it again, by default twice, after one and then two base pauses (on Lambda a
minute, then two; https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html). One that could
not be given to it, since the function is throttled or no sandbox could be made, waits and uses up no attempt. When the
attempts are used up, or the event is too old, Lambda's record of it goes to the function's destination for failures,
and the bare event to its dead-letter queue.

Events live in a ``Journal``. One thread hands those that are due to a few that run them, so that a thousand that wait
cost no thread each. A function that was throttled is passed over until any event is done with, or for a short pause
that grows.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from lookout.cloud.emulator import failure_record
from lookout.cloud.emulator.failure_record import Condition
from lookout.cloud.emulator.journal import Event, Journal

_log = logging.getLogger(__name__)

# How long a function that is throttled is passed over, at first and at most.
_FIRST_HOLD_S, _LONGEST_HOLD_S = 0.05, 1.0
# After a fault of the host: it grows to what Lambda's does, in base pauses.
_LONGEST_FAULT_PAUSES = 30


class Verdict(Enum):
    """What came of an attempt: ``FAULT`` where the host could not run the function."""

    DONE = 1
    FAILED = 2
    THROTTLED = 3
    FAULT = 4


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to run a function; ``error`` is its JSON answer where it ``FAILED``."""

    verdict: Verdict
    error: bytes = b""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done with a function's failed events. ARNs are empty where nothing is to be told."""

    most_retries: int = 2
    most_age_s: float = 21_600
    on_failure: str = ""
    dead_letter: str = ""


class Functions(Protocol):
    """Where functions run, and where it is told that they failed."""

    def policy(self, function: str) -> Policy | None:
        """A function's policy, None where there is no such function."""

    def attempt(self, event: Event) -> Attempt:
        """Give an event to its function, and wait for what comes of it."""

    def send(self, event: Event, destination: str, message: failure_record.Message) -> None:
        """Send a message to a destination, an ARN. Raises ``LookupError`` where it is not there."""


class EventQueue:
    """The events of all functions.

    ``threads`` is the most that run at once; ``base_s`` the pause before the first retry.
    """

    def __init__(
        self,
        journal: Journal,
        functions: Functions,
        threads: int,
        base_s: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal = journal
        self._functions = functions
        self._threads = threads
        self._base_s = base_s
        self._clock = clock
        self._changed = threading.Condition()
        self._closed = False
        self._running = 0
        self._held_until_s: dict[str, float] = {}
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="event")
        self._dispatcher = threading.Thread(target=self._dispatch_for_ever, name="events", daemon=True)

    def start(self) -> None:
        """Begin to hand out events."""
        self._dispatcher.start()

    def put(self, function: str, payload: bytes) -> str:
        """Keep an event for a function; it is in the journal when this returns. The request id of its invocations."""
        request_id = self._journal.put(function, payload, self._clock())
        with self._changed:
            self._changed.notify_all()
        return request_id

    def wake(self) -> None:
        """Look again: something may be due, or a function that was throttled may have room."""
        with self._changed:
            self._held_until_s.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out no more. What runs still and fails from here on stays in the journal, as if it had not begun."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._dispatcher.ident is not None:
            self._dispatcher.join()

    def join(self) -> None:
        """Wait for what runs still, after ``close`` and when functions have been told to end."""
        self._workers.shutdown()

    def _dispatch_for_ever(self) -> None:
        while not self._closed:
            try:
                while (event := self._next()) is not None:
                    self._workers.submit(self._run, event)
            except sqlite3.Error:
                _log.exception("the events can't be read; they are looked for again")
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, self._base_s)

    def _next(self) -> Event | None:
        """Wait for an event that is due, and for a thread that is free; None when the queue is closed."""
        with self._changed:
            while not self._closed:
                now_s = self._clock()
                held = [function for function, until_s in self._held_until_s.items() if until_s > now_s]
                event = self._journal.take(now_s, held) if self._running < self._threads else None
                if event is not None:
                    self._running += 1
                    return event
                self._changed.wait(self._pause_s(now_s, held))
        return None

    def _pause_s(self, now_s: float, held: list[str]) -> float | None:
        """How long nothing can happen, unless somebody wakes this; None for ever."""
        if self._running >= self._threads:
            return None
        due_s = self._journal.next_due_s(held)
        times_s = [self._held_until_s[function] for function in held] + ([] if due_s is None else [due_s])
        return max(0.0, min(times_s) - now_s) if times_s else None

    def _run(self, event: Event) -> None:
        try:
            self._handle(event)
        except Exception:  # noqa: BLE001 - whatever went wrong, an event must not be lost
            _log.exception("the event %s could not be given to %s; it is tried again", event.request_id, event.function)
            try:
                self._put_back_after_fault(event)
            except sqlite3.Error:
                _log.exception("the event %s can't be put back; it is tried again after a restart", event.request_id)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _handle(self, event: Event) -> None:
        policy = self._functions.policy(event.function)
        if policy is None:  # it was deleted; Lambda drops its events then
            self._journal.finish(event)
            return
        if self._clock() - event.queued_s > policy.most_age_s:
            self._give_up(event, policy, Condition.EVENT_AGE_EXCEEDED)
            return
        attempt = self._functions.attempt(event)
        match attempt.verdict:
            case Verdict.DONE:
                self._journal.finish(event)
                self.wake()
            case Verdict.FAILED:
                self._after_error(replace(event, errors=event.errors + 1, faults=0, last_error=attempt.error), policy)
                self.wake()
            case Verdict.THROTTLED:
                self._hold(event)
            case Verdict.FAULT:
                self._put_back_after_fault(event)

    def _after_error(self, event: Event, policy: Policy) -> None:
        if self._closed:  # sandboxes are killed at the end: that is no failure of the function
            return
        if event.errors > policy.most_retries:
            self._give_up(event, policy, Condition.RETRIES_EXHAUSTED)
            return
        due_s = self._clock() + self._base_s * 2 ** (event.errors - 1)
        if due_s - event.queued_s > policy.most_age_s:
            self._give_up(event, policy, Condition.EVENT_AGE_EXCEEDED)
        else:
            self._journal.put_back(event, due_s)

    def _hold(self, event: Event) -> None:
        """Pass its function over for a while. The event keeps its place: it is due since it came."""
        now_s = self._clock()
        with self._changed:
            self._held_until_s[event.function] = now_s + min(_FIRST_HOLD_S * 2**event.faults, _LONGEST_HOLD_S)
        self._journal.put_back(replace(event, faults=min(event.faults + 1, 10)), event.queued_s)

    def _put_back_after_fault(self, event: Event) -> None:
        pauses = min(2**event.faults, _LONGEST_FAULT_PAUSES)
        self._journal.put_back(replace(event, faults=min(event.faults + 1, 10)), self._clock() + self._base_s * pauses)

    def _give_up(self, event: Event, policy: Policy, condition: Condition) -> None:
        """Tell the function's destinations, and be done with the event."""
        messages = (
            (policy.on_failure, failure_record.record(event, condition, self._clock())),
            (policy.dead_letter, failure_record.dead_letter(event, condition)),
        )
        for destination, message in messages:
            if destination:
                try:
                    self._functions.send(event, destination, message)
                except LookupError as error:
                    _log.error("what failed of %s can't be told to %s: %s", event.function, destination, error)
        self._journal.finish(event)
