"""Events and their retries, with functions that do as they are told and a clock that is turned by hand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.program import wait_for
from lookout.cloud.emulator.event_queue import Attempt, EventQueue, Policy, Verdict
from lookout.cloud.emulator.failure_record import Condition, Message, dead_letter, record
from lookout.cloud.emulator.journal import Event, Journal

ARN = "arn:aws:lambda:eu-north-1:000000000000:function:f"
DONE, THROTTLED, FAULT = Attempt(Verdict.DONE), Attempt(Verdict.THROTTLED), Attempt(Verdict.FAULT)
FAILED = Attempt(Verdict.FAILED, b'{"errorType": "ValueError", "errorMessage": "no"}')


class Scripted:
    """Functions that answer what the script says, and DONE from there on."""

    def __init__(self, *script: Attempt, policy: Policy | None = None) -> None:
        self.script = list(script)
        self.rules = policy or Policy(on_failure="queue")
        self.seen: list[Event] = []
        self.sent: list[tuple[str, Message]] = []
        self.missing = False

    def policy(self, function: str) -> Policy | None:
        return None if self.missing else self.rules

    def attempt(self, event: Event) -> Attempt:
        self.seen.append(event)
        return self.script.pop(0) if self.script else DONE

    def send(self, event: Event, destination: str, message: Message) -> None:
        if destination == "nowhere":
            raise LookupError("no such queue")
        self.sent.append((destination, message))


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Bench:
    """A queue, what it works on, and its hands on the clock."""

    def __init__(self, functions: Scripted, journal: Journal | None = None, threads: int = 2) -> None:
        self.functions = functions
        self.journal = journal or Journal()
        self.clock = Clock()
        self.queue = EventQueue(self.journal, functions, threads, base_s=1.0, clock=self.clock)

    def turn(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.queue.wake()

    def waits_for(self, attempts: int) -> None:
        wait_for(lambda: len(self.functions.seen) >= attempts and self.journal_rests())

    def journal_rests(self) -> bool:
        """Whether nothing is under way: every event is finished, or waits for a later time."""
        due_s = self.journal.next_due_s()
        return self.journal.pending() == 0 or (due_s is not None and due_s > self.clock.now_s)


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(functions: Scripted, **options: object) -> Bench:
        made.append(Bench(functions, **options))
        made[-1].queue.start()
        return made[-1]

    yield make
    for each in made:
        each.queue.close()
        each.queue.join()
        each.journal.close()


def test_an_event_that_succeeds_is_done(bench):
    here = bench(Scripted())
    request_id = here.queue.put(ARN, b'{"a": 1}')
    here.waits_for(1)
    assert [(event.request_id, event.payload) for event in here.functions.seen] == [(request_id, b'{"a": 1}')]
    assert here.journal.pending() == 0


def test_errors_are_retried_after_one_and_two_pauses_then_told(bench):
    here = bench(Scripted(FAILED, FAILED, FAILED))
    request_id = here.queue.put(ARN, b"7")
    here.waits_for(1)
    assert here.journal.next_due_s() == 1001
    here.turn(1)
    here.waits_for(2)
    assert here.journal.next_due_s() == 1003
    here.turn(2)
    here.waits_for(3)
    assert {event.request_id for event in here.functions.seen} == {request_id}
    ((destination, message),) = here.functions.sent
    told = json.loads(message.body)
    assert destination == "queue"
    assert told["requestContext"] == {
        "requestId": request_id,
        "functionArn": f"{ARN}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert told["requestPayload"] == 7
    assert told["responsePayload"] == {"errorType": "ValueError", "errorMessage": "no"}
    assert here.journal.pending() == 0


def test_an_error_then_success_tells_nobody(bench):
    here = bench(Scripted(FAILED))
    here.queue.put(ARN, b"7")
    here.waits_for(1)
    here.turn(1)
    here.waits_for(2)
    assert here.functions.sent == []
    assert here.journal.pending() == 0


def test_no_retries_where_none_are_wanted(bench):
    here = bench(Scripted(FAILED, policy=Policy(most_retries=0, dead_letter="letters")))
    here.queue.put(ARN, b"7")
    here.waits_for(1)
    ((destination, message),) = here.functions.sent
    assert (destination, message.body) == ("letters", "7")
    assert message.attributes["ErrorMessage"] == ("String", "no")


def test_throttles_and_faults_use_up_no_attempt(bench):
    here = bench(Scripted(THROTTLED, FAULT, THROTTLED, FAILED, FAULT, FAILED, FAILED))
    here.queue.put(ARN, b"7")

    def told() -> bool:
        here.turn(1)
        return bool(here.functions.sent)

    wait_for(told)
    assert [event.errors for event in here.functions.seen] == [0, 0, 0, 0, 1, 1, 2]


def test_an_event_that_is_too_old_is_told(bench):
    here = bench(Scripted(FAULT, FAULT, policy=Policy(most_age_s=60, on_failure="queue")))
    here.queue.put(ARN, b"7")
    here.waits_for(1)
    here.turn(61)
    wait_for(lambda: bool(here.functions.sent))
    told = json.loads(here.functions.sent[0][1].body)
    assert told["requestContext"]["condition"] == "EventAgeExceeded"
    assert told["requestContext"]["approximateInvokeCount"] == 0
    assert told["responseContext"]["statusCode"] == 429
    assert len(here.functions.seen) == 1


def test_a_retry_that_would_come_too_late_is_not_waited_for(bench):
    here = bench(Scripted(FAILED, policy=Policy(most_age_s=0.5, on_failure="queue")))
    here.queue.put(ARN, b"7")
    wait_for(lambda: bool(here.functions.sent))
    told = json.loads(here.functions.sent[0][1].body)
    assert told["requestContext"]["condition"] == "EventAgeExceeded"
    assert told["responsePayload"]["errorType"] == "ValueError"


def test_events_of_a_deleted_function_are_dropped(bench):
    functions = Scripted()
    functions.missing = True
    here = bench(functions)
    here.queue.put(ARN, b"7")
    wait_for(lambda: here.journal.pending() == 0)
    assert functions.seen == []


def test_a_destination_that_is_missing_is_told_on_standard_error(bench, caplog):
    here = bench(Scripted(FAILED, policy=Policy(most_retries=0, on_failure="nowhere", dead_letter="letters")))
    here.queue.put(ARN, b"7")
    wait_for(lambda: bool(here.functions.sent))
    assert "nowhere" in caplog.text
    assert here.functions.sent[0][0] == "letters"


def test_what_breaks_loses_no_event(bench, caplog):
    class Breaking(Scripted):
        def attempt(self, event: Event) -> Attempt:
            if not self.seen:
                self.seen.append(event)
                raise OSError("no more files")
            return super().attempt(event)

    here = bench(Breaking())
    here.queue.put(ARN, b"7")
    here.waits_for(1)
    here.turn(1)
    here.waits_for(2)
    assert here.journal.pending() == 0
    assert "no more files" in caplog.text


def test_a_thousand_events_take_few_threads(bench):
    gate = threading.Event()

    class Gated(Scripted):
        def attempt(self, event: Event) -> Attempt:
            gate.wait(60)
            return super().attempt(event)

    here = bench(Gated(), threads=4)
    before = threading.active_count()
    for number in range(1000):
        here.queue.put(ARN, str(number).encode())
    assert threading.active_count() <= before + 4
    gate.set()
    wait_for(lambda: here.journal.pending() == 0)
    assert sorted(int(event.payload) for event in here.functions.seen) == list(range(1000))


def test_one_function_that_is_throttled_holds_up_no_other(bench):
    class OneThrottled(Scripted):
        def attempt(self, event: Event) -> Attempt:
            super().attempt(event)
            return THROTTLED if event.function == ARN else DONE

    here = bench(OneThrottled())
    here.queue.put(ARN, b"1")
    for _ in range(10):
        here.queue.put(f"{ARN}2", b"2")
    wait_for(lambda: sum(event.function != ARN for event in here.functions.seen) == 10)
    assert here.journal.pending() == 1


def test_events_outlive_the_queue(tmp_path: Path):
    path = tmp_path / "events.db"
    here = Bench(Scripted(FAILED), Journal(path))
    here.queue.start()
    here.queue.put(ARN, b"1")
    here.waits_for(1)
    here.queue.close()
    here.queue.join()
    here.queue.put(ARN, b"2")  # nobody takes it
    here.journal.close()
    again = Bench(Scripted(), Journal(path))
    again.clock.now_s = 2000
    again.queue.start()
    wait_for(lambda: again.journal.pending() == 0)
    assert [(event.payload, event.errors) for event in again.functions.seen] == [(b"2", 0), (b"1", 1)]
    again.queue.close()
    again.queue.join()
    again.journal.close()


def test_what_fails_while_the_queue_is_closed_did_not_begin(tmp_path: Path):
    begun, gate = threading.Event(), threading.Event()

    class Gated(Scripted):
        def attempt(self, event: Event) -> Attempt:
            begun.set()
            gate.wait(60)
            return super().attempt(event)

    here = Bench(Gated(FAILED, policy=Policy(most_retries=0, on_failure="queue")), Journal(tmp_path / "events.db"))
    here.queue.start()
    here.queue.put(ARN, b"7")
    begun.wait(60)
    here.queue.close()
    gate.set()
    here.queue.join()
    assert here.functions.sent == []
    here.journal.close()
    again = Journal(tmp_path / "events.db")
    event = again.take(5000.0)
    assert event is not None
    assert event.errors == 0
    again.close()


def test_finished_events_come_again_unless_they_were_forgotten(tmp_path: Path):
    path = tmp_path / "events.db"
    journal = Journal(path)
    for payload in (b"1", b"2"):
        journal.put(ARN, payload, 0.0)
    first, second = journal.take(1.0), journal.take(1.0)
    assert first
    assert second
    journal.finish(first)
    journal.forget(journal.finished())
    journal.finish(second)
    assert journal.pending() == 0
    journal.close()  # as if it had been killed: nobody forgot the second
    again = Journal(path)
    event = again.take(1.0)
    assert event is not None
    assert (event.payload, event.request_id) == (b"2", second.request_id)
    again.close()


def test_records_name_the_version_and_stand_what_is_no_json():
    event = Event(1, "id", f"{ARN}:3", b'{"a": 1}', 0.0, errors=1, last_error=b"not JSON")
    told = json.loads(record(event, Condition.RETRIES_EXHAUSTED, 0.5).body)
    assert told["requestContext"]["functionArn"] == f"{ARN}:3"
    assert told["responseContext"]["executedVersion"] == "3"
    assert told["responsePayload"] == "not JSON"
    assert told["timestamp"] == "1970-01-01T00:00:00.500Z"
    assert dead_letter(event, Condition.RETRIES_EXHAUSTED).attributes["ErrorMessage"] == ("String", "RetriesExhausted")
