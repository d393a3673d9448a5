"""The remote execution, seen from its client: upload, and wait for the item in the table."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.items import KEY, Outcome, from_item, image_url
from lookout.cloud.stack import Deployment
from lookout.errors import ImageError, ResultTimeoutError
from lookout.executions.protocol import Answer

# The table is asked often at first, then ever less: a look costs money on AWS, and time here.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _BACK_OFF = 0.005, 0.25, 1.25
_MAX_NAME_LENGTH = 200


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
        self._deployment = deployment
        self._timeout_s = timeout_s
        self._sleep = sleep

    def detect(self, name: str, data: bytes) -> Answer:
        """See ``Execution``. Raises ``ResultTimeoutError`` where no item came in time."""
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
        deadline = time.monotonic() + self._timeout_s
        pause_s = _FIRST_PAUSE_S
        while True:
            with aws_errors(f"looking for the result of {name}"):
                answer = self._dynamodb.get_item(
                    TableName=self._deployment.table, Key={KEY: {"S": url}}, ConsistentRead=True
                )
            if "Item" in answer:
                return from_item(answer["Item"])
            if time.monotonic() > deadline:
                raise ResultTimeoutError(
                    f"{name} was uploaded, and no result came within {self._timeout_s:g} s: "
                    f"see the log group {self._deployment.log_group}"
                )
            self._sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * _BACK_OFF)


def object_key(name: str) -> str:
    """A new key for an image of that name: ``images/<id>/<name>``, the name bounded, its end kept."""
    readable = name.encode("utf-8", "replace").decode("utf-8")[-_MAX_NAME_LENGTH:]
    return f"images/{uuid.uuid4()}/{readable}"
