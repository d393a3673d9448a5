"""The failure queue, with SQS in memory. On the emulator it is read in tests/cloud/emulator and tests/test_stack.py."""

from __future__ import annotations

import json
from contextlib import closing
from itertools import islice

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from lookout.cloud.failures import FailureQueue

EVENT = {"Records": [{"s3": {"bucket": {"name": "pictures"}, "object": {"key": "a+b%2B%C3%BC.jpg"}}}]}


def message(event: object = EVENT, **changes: object) -> str:
    return json.dumps(
        {
            "version": "1.0",
            "timestamp": "2026-11-25T10:00:00.000Z",
            "requestContext": {
                "requestId": "request-1",
                "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:lookout:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": event,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorType": "UnfinishedError", "errorMessage": "the table is throttled"},
            **changes,
        }
    )


class Queue:
    """As much of SQS as is used: what was received is hidden until it is shown again."""

    def __init__(self, *bodies: str) -> None:
        self.bodies = {str(number): body for number, body in enumerate(bodies)}
        self.hidden: set[str] = set()

    def receive_message(self, *, MaxNumberOfMessages: int, VisibilityTimeout: int, **_: object) -> dict:  # noqa: N803
        assert VisibilityTimeout > 0
        shown = [name for name in self.bodies if name not in self.hidden][:MaxNumberOfMessages]
        self.hidden.update(shown)
        messages = [{"MessageId": n, "ReceiptHandle": f"receipt-{n}", "Body": self.bodies[n]} for n in shown]
        return {"Messages": messages} if messages else {}

    def change_message_visibility_batch(self, *, Entries: list, **_: object) -> dict:  # noqa: N803
        assert 0 < len(Entries) <= 10
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        self.hidden -= {entry["ReceiptHandle"].removeprefix("receipt-") for entry in Entries}
        return {}

    def delete_message(self, *, ReceiptHandle: str, **_: object) -> None:  # noqa: N803
        del self.bodies[ReceiptHandle.removeprefix("receipt-")]


def test_a_failure_tells_what_lambda_wrote():
    (failure,) = FailureQueue(Queue(message()), "url").read()
    assert failure.objects == (("pictures", "a b+ü.jpg"),)
    assert (failure.request_id, failure.condition, failure.invocations) == ("request-1", "RetriesExhausted", 3)
    assert (failure.error_type, failure.error_message) == ("UnfinishedError", "the table is throttled")
    assert failure.event == EVENT


def test_all_are_read_and_none_is_taken_away_or_stays_hidden():
    queue = Queue(*(message() for _ in range(47)))
    for _ in range(2):
        assert len(list(FailureQueue(queue, "url").read())) == 47
        assert (len(queue.bodies), queue.hidden) == (47, set())


def test_a_reader_that_stops_early_hides_none():
    queue = Queue(*(message() for _ in range(47)))
    with closing(FailureQueue(queue, "url").read()) as failures:
        assert len(list(islice(failures, 12))) == 12
    assert queue.hidden == set()


def test_what_is_removed_is_gone_and_the_rest_stays():
    queue = Queue(message(), message({"id": "7"}))
    failures = FailureQueue(queue, "url")
    failures.remove(next(failure for failure in failures.read() if not failure.objects))
    assert [failure.objects for failure in failures.read()] == [(("pictures", "a b+ü.jpg"),)]


def test_an_empty_queue_has_no_failures():
    assert list(FailureQueue(Queue(), "url").read()) == []


def test_an_event_that_grew_too_old_has_no_error():
    context = {"requestId": "r", "condition": "EventAgeExceeded", "approximateInvokeCount": 0}
    body = json.loads(message(requestContext=context))
    del body["responsePayload"], body["responseContext"]
    (failure,) = FailureQueue(Queue(json.dumps(body)), "url").read()
    assert (failure.condition, failure.error_type, failure.invocations) == ("EventAgeExceeded", "", 0)


@pytest.mark.parametrize("event", [None, 7, "text", [], {"Records": 3}, {"Records": [3, {"s3": None}, None]}])
def test_an_event_of_any_form_is_shown(event: object):
    (failure,) = FailureQueue(Queue(message(event)), "url").read()
    assert (failure.objects, failure.event, failure.condition) == ((), event, "RetriesExhausted")


@pytest.mark.parametrize(
    "body", ["", "hello", "[]", "7", "{}", '{"requestContext": 3, "requestPayload": 1}', "x" * 9999]
)
def test_a_message_that_lambda_did_not_write_is_shown_as_such(body: str):
    queue = Queue(body, message())
    first, second = FailureQueue(queue, "url").read()
    assert first.condition is None
    assert first.error_message.startswith(f"no message of Lambda's: {body[:100]}")
    assert len(first.error_message) < 300
    assert second.condition == "RetriesExhausted"
    assert len(queue.bodies) == 2
