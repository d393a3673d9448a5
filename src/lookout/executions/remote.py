"""The remote execution, seen from its client: upload, and wait for the item in the table."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.items import KEY, Outcome, from_item, image_url
from lookout.cloud.stack import Deployment
from lookout.errors import ImageError, ResultTimeoutError, UnreachableError
from lookout.executions.protocol import Answer

# The table is asked often at first, then ever less: a look costs money on AWS, and time here.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _BACK_OFF = 0.005, 0.25, 1.25
_MAX_NAME_LENGTH = 200
# After this long a function that has never answered is asked for its reasons.
_PATIENCE_S = 10


class RemoteExecution:
    """Offloads images to a stack."""

    name = "remote"

    def __init__(
        self,
        account: Account,
        deployment: Deployment,
        timeout_s: float = 60,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._s3 = account.s3
        self._dynamodb = account.dynamodb
        self._logs = account.logs
        self._deployment = deployment
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._answered = False

    def detect(self, data: bytes, name: str = "image") -> Answer:
        """See ``Execution``.

        Raises ``ResultTimeoutError`` where no item came in time, ``UnreachableError`` where the function has
        answered nothing yet and its log tells of errors: then it would not answer the next image either.
        """
        key = object_key(name)
        start = time.perf_counter()
        with aws_errors(f"uploading {name}"):
            self._s3.put_object(Bucket=self._deployment.bucket, Key=key, Body=data)
        upload_ms = (time.perf_counter() - start) * 1000
        outcome = self._wait(name, image_url(self._deployment.bucket, key))
        elapsed_ms = (time.perf_counter() - start) * 1000
        if outcome.error:
            raise ImageError(outcome.error)
        return Answer(
            outcome.objects,
            outcome.inference_ms,
            elapsed_ms,
            outcome.timings_ms or {},
            upload_ms,
            outcome.request_id,
        )

    def close(self) -> None:
        """See ``Execution``."""
        self._s3.close()
        self._dynamodb.close()

    def _wait(self, name: str, url: str) -> Outcome:
        start, since_ms = time.monotonic(), int(time.time() * 1000) - 1000
        pause_s, looked_into_log = _FIRST_PAUSE_S, False
        while True:
            with aws_errors(f"looking for the result of {name}"):
                answer = self._dynamodb.get_item(
                    TableName=self._deployment.table, Key={KEY: {"S": url}}, ConsistentRead=True
                )
            if "Item" in answer:
                self._answered = True
                return from_item(answer["Item"])
            waited_s = time.monotonic() - start
            if not looked_into_log and not self._answered and waited_s > _PATIENCE_S:
                looked_into_log = True
                if complaint := self._complaint(since_ms):
                    raise UnreachableError(f"the function does not answer; its log says: {complaint}")
            if waited_s > self._timeout_s:
                reason = self._complaint(since_ms) or "nothing"
                raise ResultTimeoutError(
                    f"{name} was uploaded, and no result came within {self._timeout_s:g} s; "
                    f"the log group {self._deployment.log_group} tells of this error since: {reason}"
                )
            self._sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * _BACK_OFF)

    def _complaint(self, since_ms: int) -> str | None:
        """The last line in the function's log that tells of an error, None where there is none."""
        log_group = self._deployment.log_group
        with aws_errors(f"reading the log group {log_group}"):
            events = self._logs.filter_log_events(logGroupName=log_group, startTime=since_ms)["events"]
        lines = [line for event in events for line in event["message"].splitlines()[:1]]
        complaints = [line for line in lines if line.startswith("[ERROR]")] or [
            line for line in lines if "Status: error" in line or "Status: timeout" in line
        ]
        return " ".join(complaints[-1].split()) if complaints else None


def object_key(name: str) -> str:
    """A new key for an image of that name: ``images/<id>/<name>``, the name bounded, its end kept."""
    readable = name.encode("utf-8", "replace").decode("utf-8")[-_MAX_NAME_LENGTH:]
    return f"images/{uuid.uuid4()}/{readable}"
