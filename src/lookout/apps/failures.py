"""What ``lookout stack failures`` shows of the failure queue, and sends again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from lookout.apps.console import printable, put
from lookout.cloud.account import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from lookout.cloud.failures import Failure, FailureQueue


@dataclass(frozen=True, slots=True)
class Found:
    """Failures of a queue, and whether it holds more."""

    failures: Sequence[Failure]
    more: bool

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"failures": [_to_json(failure) for failure in self.failures], "more": self.more}


def look(queue: FailureQueue, limit: int) -> Found:
    """The first failures of a queue, at most ``limit``."""
    with closing(queue.read()) as failures:
        found = list(islice(failures, limit + 1))
    return Found(found[:limit], more=len(found) > limit)


def retry(found: Found, queue: FailureQueue, functions: LambdaClient, function: str) -> int:
    """Send the events to the function again, as S3 did; how many. What is none of Lambda's stays.

    An event leaves the queue once Lambda has taken it: cut off in between it is there twice, which changes nothing.
    """
    events = [failure for failure in found.failures if failure.condition is not None]
    for failure in events:
        with aws_errors(f"sending the event of request {failure.request_id} to {function} again"):
            functions.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(failure.event).encode())
        queue.remove(failure)
    return len(events)


def describe_retry(found: Found, retried: int, *, as_json: bool) -> str:
    """What a retry did, for programs or in words."""
    left = len(found.failures) - retried
    if as_json:
        return json.dumps({"retried": retried, "left": left, "more": found.more})
    if not found.failures:
        return "The failure queue is empty: there is nothing to send again."
    lines = [f"Sent {retried} of {len(found.failures)} events to the function again."]
    if left:
        lines.append(f"Left in the queue, as Lambda did not write them: {left}.")
    if found.more:
        lines.append("There are more: send them with another --retry.")
    return "\n".join(lines)


def print_failures(found: Found) -> None:
    """Each failure in some lines: when and how often it was tried, its objects, and its error."""
    for failure in found.failures:
        tried = f"tried {failure.invocations} times" if failure.condition else "none of Lambda's messages"
        put(printable(f"{failure.at or 'at an unknown time'}  {tried}, request {failure.request_id or 'unknown'}"))
        for line in (*_objects(failure), _error(failure)):
            put(printable(f"  {line}"))
    if found.more:
        put("There are more: ask for them with --limit.")


def _objects(failure: Failure) -> list[str]:
    if failure.condition is not None and not failure.objects:
        return ["an event without objects"]
    return [f"s3://{bucket}/{key}" for bucket, key in failure.objects]


def _error(failure: Failure) -> str:
    return ": ".join(filter(None, (failure.error_type, failure.error_message))) or failure.condition or ""


def _to_json(failure: Failure) -> dict[str, Any]:
    return {
        "at": failure.at,
        "request_id": failure.request_id,
        "condition": failure.condition,
        "error_type": failure.error_type,
        "error_message": failure.error_message,
        "invocations": failure.invocations,
        "objects": [{"bucket": bucket, "key": key} for bucket, key in failure.objects],
        "event": failure.event,
    }
