"""``lookout stack failures``, with queue and function in memory. Deployed: test_function_deployed.py."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from botocore.exceptions import ClientError

from lookout.apps.failures import Found, describe_retry, look, print_failures, retry
from lookout.cloud.failures import Failure
from lookout.errors import CloudError


def failure(number: int, condition: str | None = "RetriesExhausted", **changes: object) -> Failure:
    values = {
        "request_id": f"request-{number}",
        "condition": condition,
        "error_type": "UnfinishedError",
        "error_message": "the table is throttled",
        "invocations": 3,
        "event": {"number": number},
        "objects": (("pictures", f"{number}.jpg"),),
        "receipt": str(number),
        "at": "2026-11-25T10:00:00.000Z",
    }
    return Failure(**{**values, **changes})


class Queue:
    def __init__(self, *failures: Failure) -> None:
        self.failures = list(failures)
        self.closed = 0

    def read(self) -> Iterator[Failure]:
        try:
            yield from list(self.failures)
        finally:
            self.closed += 1

    def remove(self, failure: Failure) -> None:
        self.failures.remove(failure)


class Functions:
    """Takes events until it refuses."""

    def __init__(self, refuses_from: int = 10**6) -> None:
        self.events: list[dict] = []
        self.refuses_from = refuses_from

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803
        assert (FunctionName, InvocationType) == ("lookout", "Event")
        if len(self.events) >= self.refuses_from:
            raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "slow down"}}, "Invoke")
        self.events.append(json.loads(Payload))


@pytest.mark.parametrize(("limit", "more"), [(1, True), (4, True), (5, False), (1000, False)])
def test_no_more_are_read_than_were_asked_for_and_the_queue_is_let_go(limit: int, more: bool):
    queue = Queue(*map(failure, range(5)))
    found = look(queue, limit)
    assert (len(found.failures), found.more) == (min(limit, 5), more)
    assert queue.closed == 1


def test_events_are_sent_again_and_leave_the_queue_and_what_is_none_of_lambdas_stays():
    queue, functions = Queue(failure(1), failure(2, None, event=None), failure(3)), Functions()
    assert retry(look(queue, 10), queue, functions, "lookout") == 2
    assert functions.events == [{"number": 1}, {"number": 3}]
    assert [left.receipt for left in queue.failures] == ["2"]


def test_what_the_function_refuses_stays_in_the_queue():
    queue, functions = Queue(*map(failure, range(3))), Functions(refuses_from=1)
    with pytest.raises(CloudError, match="request-1 to lookout again: slow down"):
        retry(look(queue, 10), queue, functions, "lookout")
    assert [left.receipt for left in queue.failures] == ["1", "2"]


def test_each_failure_tells_when_which_what_and_how_often(capsys: pytest.CaptureFixture[str]):
    many = failure(2, objects=(("b", "1"), ("b", "2")), error_type="", error_message="", condition="EventAgeExceeded")
    strange = failure(3, None, objects=(), at="", error_type="", error_message="no message of Lambda's: [red]\x1b[2J")
    direct = failure(4, objects=())
    print_failures(Found([failure(1), many, strange, direct], more=True))
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-25T10:00:00.000Z  tried 3 times, request request-1",
        "  s3://pictures/1.jpg",
        "  UnfinishedError: the table is throttled",
        "2026-11-25T10:00:00.000Z  tried 3 times, request request-2",
        "  s3://b/1",
        "  s3://b/2",
        "  EventAgeExceeded",
        "at an unknown time  none of Lambda's messages, request request-3",
        r"  no message of Lambda's: [red]\x1b[2J",
        "2026-11-25T10:00:00.000Z  tried 3 times, request request-4",
        "  an event without objects",
        "  UnfinishedError: the table is throttled",
        "There are more: ask for them with --limit.",
    ]


@pytest.mark.parametrize(
    ("found", "retried", "words"),
    [
        (Found([], more=False), 0, "The failure queue is empty: there is nothing to send again."),
        (Found([failure(1)], more=False), 1, "Sent 1 of 1 events to the function again."),
        (
            Found([failure(1), failure(2, None)], more=True),
            1,
            "Sent 1 of 2 events to the function again.\nLeft in the queue, as Lambda did not write them: 1.\n"
            "There are more: send them with another --retry.",
        ),
    ],
)
def test_a_retry_says_what_it_did(found: Found, retried: int, words: str):
    assert describe_retry(found, retried, as_json=False) == words
    document = json.loads(describe_retry(found, retried, as_json=True))
    assert document == {"retried": retried, "left": len(found.failures) - retried, "more": found.more}


def test_json_has_all_of_it():
    document = json.loads(json.dumps(Found([failure(1)], more=False).to_json()))
    assert document == {
        "failures": [
            {
                "at": "2026-11-25T10:00:00.000Z",
                "request_id": "request-1",
                "condition": "RetriesExhausted",
                "error_type": "UnfinishedError",
                "error_message": "the table is throttled",
                "invocations": 3,
                "objects": [{"bucket": "pictures", "key": "1.jpg"}],
                "event": {"number": 1},
            }
        ],
        "more": False,
    }
