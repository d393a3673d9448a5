"""Where an image got lost that was to be offloaded: found out from the bucket, the failure queue and the log.

The function's log tells of an invocation in lines that begin with ``START``, ``END`` and ``REPORT``, each with its
request id; what the function itself writes of an image names the image's key and the request id, too. So an image
whose key the log names is followed by that id. One that the log doesn't name may have had any of the invocations
since it was uploaded: then the log says whether there were any, whether one is still running, and what the last one
complained of.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal
from urllib.parse import quote

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.failures import Failure, FailureQueue
from lookout.cloud.stack import Deployment

Stage = Literal["not uploaded", "not started", "given up", "failing", "running"]

# A log that has more to tell since an image was uploaded than this is of too much traffic to tell of one image.
_MOST_LINES = 20_000
# This machine's clock and AWS's differ a little.
_SKEW_MS = 2_000
# S3 tells of an object within seconds, sometimes after a minute or more; what was told of this long ago is lost.
_LATE_MS = 300_000
_MOST_FAILURES = 1_000
# As Lambda's lines have it, and as the function's own do; keys hold ids of the same form.
_REQUEST_ID = re.compile(r'(?:RequestId: |"request_id": ")([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})')
# Of a quoted key so much tells it from others: ``images/<id>/`` and a little; a long one is cut in the log.
_TELLING = 100
# So the function's own lines of an object have it; each names it.
_OF_AN_OBJECT = '"event": "object"'
_ERROR = "[ERROR]"
_BROKEN = "Status: error"
_BAD_ENDS = (_BROKEN, "Status: timeout")


@dataclass(frozen=True, slots=True)
class Lost:
    """How far an image came, and a sentence's end that says so, with what to do.

    ``for_good``: no result will come of it, unless it is sent again.
    """

    stage: Stage
    words: str
    for_good: bool = False


@dataclass(slots=True)
class _Invocations:
    """What a log tells of invocations, by their request ids."""

    started: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    broken_inits: int = 0
    complaints: list[str] = field(default_factory=list)
    complaint_of: dict[str, str] = field(default_factory=dict)


class Search:
    """Looks for images of a deployment."""

    def __init__(self, account: Account, deployment: Deployment, clock: Callable[[], float] = time.time) -> None:
        self._s3 = account.s3
        self._logs = account.logs
        self._failures = FailureQueue(account.queues, deployment.failure_queue)
        self._deployment = deployment
        self._clock = clock

    def now_ms(self) -> int:
        """The time, as logs have it."""
        return int(self._clock() * 1000)

    def is_uploaded(self, key: str) -> bool:
        """Whether the bucket holds it."""
        return self._uploaded_ms(key) is not None

    def where(self, key: str) -> Lost:
        """How far an image came that has no item in the table. Raises as AWS does."""
        uploaded_ms = self._uploaded_ms(key)
        if uploaded_ms is None:
            return Lost(
                "not uploaded",
                "it is not in the bucket: its upload was lost, or it was deleted; send it again",
                for_good=True,
            )
        if given_up := self._given_up(key):
            return given_up
        lost = self._by_log(_read(self._lines(uploaded_ms), key))
        late = lost.stage == "not started" and self.now_ms() - uploaded_ms > _LATE_MS
        return replace(lost, for_good=True) if late else lost

    def breakdown(self, since_ms: int) -> str | None:
        """What the function's log says, since then by this machine's clock, of why it answers nobody; else None.

        It can't where it can't even start, or where each of several invocations since then raised an error. One is no
        proof: what it met may pass, and Lambda tries again. Nor is one that took too long, or was killed: that may be
        its image's doing.
        """
        log = _read(self._lines(since_ms - _SKEW_MS), None)
        raised = {one for one, complaint in log.complaint_of.items() if complaint.startswith(_ERROR)}
        if (log.broken_inits or len(raised) > 1) and set(log.complaint_of) >= log.ended:
            return _telling(log.complaints)
        return None

    def _uploaded_ms(self, key: str) -> int | None:
        """When an image came into the bucket; None where it did not."""
        bucket = self._deployment.bucket
        with aws_errors(f"looking into the bucket {bucket}"):
            try:
                head = self._s3.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                    return None
                raise
        return int(head["LastModified"].timestamp() * 1000)

    def _given_up(self, key: str) -> Lost | None:
        place = (self._deployment.bucket, key)
        with closing(self._failures.read()) as failures:  # they are hidden from others until it is closed
            for failure in islice(failures, _MOST_FAILURES):
                if place in failure.objects:
                    return Lost(
                        "given up",
                        f"the function failed on it {failure.invocations} times, at last with {_reason(failure)}; "
                        "see lookout stack failures",
                        for_good=True,
                    )
        return None

    def _by_log(self, log: _Invocations) -> Lost:
        group = self._deployment.log_group
        # What tells of other images was of those; one that has told of none yet may be of this one.
        suspects = log.named or log.started - log.others
        if not log.started:
            return Lost(
                "not started",
                f"it is in the bucket, and the log group {group} tells of no invocation since: the function was not "
                "started yet (allow it more with --timeout), or the bucket notifies it no more (lookout stack up "
                "mends that)",
            )
        perhaps = "" if log.named else ", on this image or another"
        if running := suspects - log.ended:
            ids = ", ".join(sorted(running)[:3])
            return Lost(
                "running", f"the function is still running{perhaps} (request {ids}): allow it more with --timeout"
            )
        if complaint := _telling([log.complaint_of[one] for one in sorted(suspects) if one in log.complaint_of]):
            return Lost(
                "failing",
                f"the function failed{perhaps}, and Lambda may try again; the log group {group} says: {complaint}",
            )
        return Lost(
            "not started",
            f"it is in the bucket, and no invocation in the log group {group} was of it: "
            "its event is late or lost; allow it more with --timeout, or send it again",
        )

    def _lines(self, since_ms: int) -> Sequence[str]:
        log_group = self._deployment.log_group
        with aws_errors(f"reading the log group {log_group}"):
            pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=log_group, startTime=since_ms)
            return [event["message"] for event in islice((e for page in pages for e in page["events"]), _MOST_LINES)]


def _telling(complaints: Sequence[str]) -> str | None:
    """The last error of them; where there is none, the last line that tells that there was one."""
    errors = [complaint for complaint in complaints if complaint.startswith(_ERROR)] or complaints
    return errors[-1] if errors else None


def _reason(failure: Failure) -> str:
    """The last error; an event that grew too old has none but that."""
    return f"{failure.error_type}: {failure.error_message}" if failure.error_type else str(failure.condition)


def _read(lines: Iterable[str], key: str | None) -> _Invocations:
    """What a log's lines tell; ``named`` are the invocations that tell of the key, ``others`` those of other keys."""
    told = _Invocations()
    url_part = quote(key)[:_TELLING] if key else None
    current = None  # of the lines that name no request
    for line in lines:
        if line.startswith("INIT_REPORT ") and _BROKEN in line:  # one that takes too long is given another try
            told.broken_inits += 1
        found = _REQUEST_ID.search(line)
        request_id = found[1] if found else current
        if line.startswith("START ") and request_id:
            told.started.add(request_id)
            current = request_id
        if line.startswith("REPORT ") and request_id:
            told.ended.add(request_id)
        if url_part and request_id:
            if url_part in line:
                told.named.add(request_id)
            elif _OF_AN_OBJECT in line:
                told.others.add(request_id)
        if _ERROR in line or any(end in line for end in _BAD_ENDS):
            _complain(told, line, request_id)
    return told


def _complain(told: _Invocations, line: str, request_id: str | None) -> None:
    # The runtime client's own line may follow a library's remark without a break.
    complaint = " ".join(line[max(0, line.find(_ERROR)) :].splitlines()[0].split())
    known = told.complaint_of.get(request_id or "", "")
    if known.startswith(_ERROR) and not complaint.startswith(_ERROR):
        return  # the REPORT line says less than the error before it
    told.complaints.append(complaint)
    if request_id:
        told.complaint_of[request_id] = complaint
