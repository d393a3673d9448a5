"""The failure queue: the events that the function could not deal with, however often Lambda tried.

Lambda puts each there as a message of its own form, with the event and the last error in it. SQS shows messages by
hiding them for a while from everybody else; whoever looks on here shows them again when done.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lookout.cloud.account import aws_errors
from lookout.cloud.events import read_record, records_of
from lookout.errors import UsageError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

# The most messages that SQS gives, and takes back, at a time.
_PAGE = 10
# SQS asks all its servers when it may wait; without, it may show nothing of what is there.
_WAIT_S = 1
# For how long a message is hidden should whoever looks at it be killed.
_HIDDEN_S = 60
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that the function could not deal with, and the last error.

    ``condition`` is Lambda's: ``RetriesExhausted`` or ``EventAgeExceeded``; None for a message that Lambda did not
    write, whose beginning is in ``error_message``. ``invocations`` counts how often the function was tried.
    ``objects``: bucket and key of each object that the event tells of. ``receipt`` is what SQS removes it by.
    ``at`` is when it was given up (ISO 8601).
    """

    request_id: str
    condition: str | None
    error_type: str
    error_message: str
    invocations: int
    event: Any
    objects: tuple[tuple[str, str], ...]
    receipt: str
    at: str = ""


class FailureQueue:
    """The failure queue at a URL."""

    def __init__(self, queues: SQSClient, url: str) -> None:
        self._queues = queues
        self._url = url

    def read(self) -> Generator[Failure, None, None]:
        """Look at all failures, page by page, and leave them there. Raises ``CloudError``.

        While one is looked at it is hidden from others; all are shown again at the end, also where the reader stops
        before it (close the generator, or let it go).
        """
        receipts: dict[str, str] = {}
        try:
            while messages := self._unseen(receipts):
                yield from map(read_message, messages)
        finally:
            self._show(list(receipts.values()))

    def remove(self, failure: Failure) -> None:
        """Take a failure out of the queue. Raises ``CloudError``."""
        with aws_errors("removing a failure from its queue"):
            self._queues.delete_message(QueueUrl=self._url, ReceiptHandle=failure.receipt)

    def _unseen(self, receipts: dict[str, str]) -> list[MessageTypeDef]:
        """The next messages, none at the end; notes their receipts."""
        with aws_errors("reading the failure queue"):
            messages = self._queues.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_PAGE,
                WaitTimeSeconds=_WAIT_S,
                VisibilityTimeout=_HIDDEN_S,
            ).get("Messages", [])
        # A message may come twice: SQS delivers at least once, and a slow reader sees what was hidden come back.
        unseen = [message for message in messages if message["MessageId"] not in receipts]
        receipts.update({message["MessageId"]: message["ReceiptHandle"] for message in messages})
        return unseen

    def _show(self, receipts: Sequence[str]) -> None:
        """Show messages to others again; those that were removed meanwhile are told of as failed, and are."""
        with aws_errors("showing the failure queue's messages again"):
            for start in range(0, len(receipts), _PAGE):
                entries = [
                    {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for number, receipt in enumerate(receipts[start : start + _PAGE])
                ]
                self._queues.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]


def read_message(message: MessageTypeDef) -> Failure:
    """What a message of the queue tells; of one that Lambda did not write, its beginning."""
    try:
        return _read_lambdas(json.loads(message["Body"]), message["ReceiptHandle"])
    except (KeyError, TypeError, ValueError, AttributeError):
        shown = message.get("Body", "")[:_SHOWN_CHARACTERS]
        return Failure("", None, "", f"no message of Lambda's: {shown}", 0, None, (), message["ReceiptHandle"])


def _read_lambdas(document: Mapping[str, Any], receipt: str) -> Failure:
    context, event = document["requestContext"], document["requestPayload"]
    error = document.get("responsePayload")
    if not isinstance(error, Mapping):  # an event that grew too old has none
        error = {}
    return Failure(
        request_id=str(context.get("requestId", "")),
        condition=str(context["condition"]),
        error_type=str(error.get("errorType", "")),
        error_message=str(error.get("errorMessage", "")),
        invocations=int(context.get("approximateInvokeCount", 0)),
        event=event,
        objects=_objects(event),
        receipt=receipt,
        at=str(document.get("timestamp", "")),
    )


def _objects(event: object) -> tuple[tuple[str, str], ...]:
    found = []
    for record in records_of(event) or []:
        with suppress(UsageError):  # another service's: the event is shown as it is
            if created := read_record(record):
                found.append((created.bucket, created.key))
    return tuple(found)
