"""Waiting for CloudFormation: what it does with a stack, event by event, until the stack rests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from lookout.cloud.account import THROTTLED, Account, aws_errors, error_code
from lookout.cloud.lifecycle.stack_state import StackState, describe

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef

Answer = TypeVar("Answer")

# How often a stack that is at work is looked at, in seconds.
_POLL_EMULATED_S, _POLL_AWS_S = 0.1, 3.0
# For how long AWS may tell us to slow down, or give no answer, before the waiting is given up; the stack goes on.
PATIENCE_S = 600.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 30.0

_BUSY = {*THROTTLED, "ServiceUnavailable", "InternalFailure", "InternalError"}
# Of resources that failed for no fault of their own.
_CANCELLED = "cancelled"
_STACK = "AWS::CloudFormation::Stack"


@dataclass(frozen=True, slots=True)
class Event:
    """What CloudFormation did with a resource, or with the stack itself. ``kind`` is its type."""

    id: str
    at: datetime
    resource: str
    kind: str
    status: str
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether it tells of a failure."""
        return self.status.endswith("_FAILED")

    @property
    def of_stack(self) -> bool:
        """Whether it is about the whole stack."""
        return self.kind == _STACK


Tell = Callable[[Event], None]


def tell_nobody(_event: Event) -> None:
    """For who does not look on."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How AWS is asked again that has no time for us."""

    sleep: Callable[[float], None] = time.sleep
    patience_s: float = PATIENCE_S

    def ask(self, call: Callable[[], Answer]) -> Answer:
        """The answer to a question that changes nothing. Raises AWS's own errors."""
        waited_s, pause_s = 0.0, _FIRST_PAUSE_S
        while True:
            try:
                return call()
            except (ClientError, AwsConnectionError, HTTPClientError) as error:
                if waited_s >= self.patience_s or not _passes(error):
                    raise
            self.sleep(pause_s)
            waited_s, pause_s = waited_s + pause_s, min(2 * pause_s, _LONGEST_PAUSE_S)


def _passes(error: Exception) -> bool:
    """Whether an error is one that goes away by itself."""
    if not isinstance(error, ClientError):
        return True
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error_code(error) in _BUSY or status >= 500


class Follower:
    """Watches one stack. What happened before it was made, or before ``mark``, it does not tell."""

    def __init__(
        self, account: Account, stack_id: str, tell: Tell = tell_nobody, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = account.cloudformation
        self._poll_s = _POLL_EMULATED_S if account.emulated else _POLL_AWS_S
        self._id = stack_id
        self._name = stack_id.split("/")[1] if stack_id.startswith("arn:") else stack_id
        self._tell = tell
        self._sleep = sleep
        self._patience = Patience(sleep)
        self._last_seen = ""
        self.events: list[Event] = []

    def mark(self) -> None:
        """Take what has happened until now as known. Raises ``CloudError``."""
        with aws_errors(f"reading the events of the stack {self._name}"):
            self._last_seen = self._patience.ask(lambda: next((event.id for event in self._newest_first()), ""))

    def to_rest(self) -> StackState | None:
        """Wait until the stack rests, and tell its events. None where there is no such stack any more.

        Raises ``CloudError``; the stack goes on then, whatever becomes of us.
        """
        with aws_errors(f"waiting for the stack {self._name}, with which CloudFormation goes on meanwhile"):
            while True:
                state = self._patience.ask(lambda: describe(self._client, self._id))
                if state is not None:
                    self._tell_news()
                if state is None or not state.at_work:
                    return state
                self._sleep(self._poll_s)

    def first_failure(self) -> Event | None:
        """The resource that failed first; the others fail because it did. None where none did."""
        failures = [event for event in self.events if event.failed and _CANCELLED not in event.reason.lower()]
        return next((event for event in failures if not event.of_stack), failures[0] if failures else None)

    def _tell_news(self) -> None:
        for event in reversed(self._patience.ask(self._unseen)):
            self._last_seen = event.id
            self.events.append(event)
            self._tell(event)

    def _unseen(self) -> list[Event]:
        """Newest first."""
        news = []
        for event in self._newest_first():
            if event.id == self._last_seen:
                break
            news.append(event)
        return news

    def _newest_first(self) -> Iterator[Event]:
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=self._id)
        for page in pages:
            yield from map(_read, page["StackEvents"])


def _read(event: StackEventTypeDef) -> Event:
    return Event(
        id=event["EventId"],
        at=event["Timestamp"],
        resource=event.get("LogicalResourceId", ""),
        kind=event.get("ResourceType", ""),
        status=event.get("ResourceStatus", ""),
        reason=event.get("ResourceStatusReason", ""),
    )
