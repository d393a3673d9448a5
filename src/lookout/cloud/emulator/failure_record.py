"""What Lambda tells of an event that a function could not process: to a destination, and to a dead-letter queue.

See https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from lookout.cloud.emulator.journal import Event

_THROTTLED = {"errorType": "TooManyRequestsException", "errorMessage": "Rate Exceeded."}


class Condition(StrEnum):
    """Why an event was given up."""

    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a queue: its body, and its attributes by name, each a type and a text."""

    body: str
    attributes: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def record(event: Event, condition: Condition, now_s: float) -> Message:
    """The record for a destination. An event that never reached its function is told as throttled."""
    document = {
        "version": "1.0",
        "timestamp": datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": event.function if _qualifier(event) else f"{event.function}:$LATEST",
            "condition": condition.value,
            "approximateInvokeCount": event.errors,
        },
        "requestPayload": _json(event.payload),
        "responseContext": {
            "statusCode": 200 if event.errors else 429,
            "executedVersion": _qualifier(event) or "$LATEST",
            "functionError": "Unhandled" if event.errors else _THROTTLED["errorType"],
        },
        "responsePayload": _response(event),
    }
    return Message(json.dumps(document))


def dead_letter(event: Event, condition: Condition) -> Message:
    """The message for a dead-letter queue: the event itself, and why in the attributes."""
    error = _response(event)
    reason = error.get("errorMessage", condition.value) if isinstance(error, dict) else condition.value
    return Message(
        event.payload.decode(),
        {
            "RequestID": ("String", event.request_id),
            "ErrorCode": ("Number", "200" if event.errors else "429"),
            "ErrorMessage": ("String", str(reason)[:1024] or condition.value),
        },
    )


def _response(event: Event) -> Any:
    return _json(event.last_error) if event.errors else _THROTTLED


def _qualifier(event: Event) -> str:
    """The version or alias at the end of the function's ARN, which has seven parts without one."""
    return ":".join(event.function.split(":")[7:])


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")
