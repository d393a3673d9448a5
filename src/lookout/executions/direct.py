"""The direct execution, seen from its client: the function, invoked with the image itself."""

from __future__ import annotations

import base64
import json
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from lookout.cloud.account import Account, aws_errors, missing
from lookout.cloud.reports import parse_report
from lookout.cloud.stack import Deployment
from lookout.errors import BusyError, ExecutionError, UsageError
from lookout.executions.contract import read_answer, request_document
from lookout.executions.protocol import Answer
from lookout.executions.retrying import Retries, retry_after_s
from lookout.executions.server_client import Refused, Reply, again, because

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

# Lambda's limit for a synchronous invocation's payload.
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024


class DirectExecution:
    """Invokes a stack's function and waits for its answer. May be used by many threads at once.

    ``retries``: how often a function is invoked again that has too much to do, or that AWS failed to invoke.
    """

    name = "direct"

    def __init__(
        self,
        account: Account,
        deployment: Deployment,
        retries: Retries | None = None,
        *,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        # Longer than the function may take, so that what fails is the function, and not the patience.
        self._timeout_s = max(60.0, 10 + float(deployment.parameters.get("Timeout", 0)))
        self._functions = account.functions_within(self._timeout_s)
        self._function = deployment.function
        self._retries = retries or Retries()
        self._clock, self._sleep, self._chance = clock, sleep, chance

    def detect(self, data: bytes, name: str = "image") -> Answer:
        """See ``Execution``. Raises ``UsageError`` for an image that is too large to be sent this way."""
        start = self._clock()
        payload = json.dumps(request_document(str(uuid.uuid4()), data)).encode()
        encode_ms = (self._clock() - start) * 1000
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise UsageError(
                f"the image makes a payload of {len(payload):,} bytes, and Lambda takes {MAX_PAYLOAD_BYTES:,}: "
                "use the execution remote, or send it smaller with --shrink"
            )
        attempt = partial(self._invoke, payload, name)
        reply = again(attempt, self._retries, self._clock, self._sleep, self._chance)
        answer, document = reply.document
        if "FunctionError" in answer:
            raise ExecutionError(f"the function failed on {name}: {document.get('errorMessage', document)}")
        found = read_answer(document, encode_ms + reply.elapsed_ms, f"the function {self._function}")
        return replace(found, request_id=_request_id(answer), retries=reply.retries, encode_ms=encode_ms)

    def _invoke(self, payload: bytes, name: str) -> Reply | Refused:
        start = self._clock()
        with aws_errors(f"invoking {self._function} with {name}"):
            try:
                answer = self._functions.invoke(FunctionName=self._function, Payload=payload, LogType="Tail")
                document = json.loads(answer["Payload"].read())
            except ClientError as error:
                return Refused(because(error, self._refusal(error)), retry_after_s(_header(error, "retry-after")))
            except ReadTimeoutError as error:  # to ask again would give it yet more to do
                raise ExecutionError(f"{name}: no answer within {self._timeout_s:g} s") from error
            except ConnectionClosedError as error:
                closed = ExecutionError(f"invoking {self._function} with {name}: the connection was lost ({error})")
                return Refused(because(error, closed))
        return Reply(answer["StatusCode"], (answer, document), (self._clock() - start) * 1000)

    def _refusal(self, error: ClientError) -> ExecutionError:
        """What another attempt may mend. Raises all else: ``UnreachableError`` where no image will get an answer."""
        code, status = error.response.get("Error", {}).get("Code"), error.response["ResponseMetadata"]["HTTPStatusCode"]
        if code == "ResourceNotFoundException":
            raise missing(f"function {self._function}") from error
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return BusyError(f"the function {self._function} is busy: send fewer at once, or give it more concurrency")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ExecutionError(f"{self._function} was not invoked: {error}")
        raise error

    def close(self) -> None:
        """See ``Execution``."""
        self._functions.close()


def _request_id(answer: InvocationResponseTypeDef) -> str:
    """The invocation's id, by the end of its log; by the answer's own on AWS, where that is the same."""
    report = parse_report(base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace"))
    return report.request_id if report else answer["ResponseMetadata"]["RequestId"]


def _header(error: ClientError, name: str) -> str | None:
    headers: dict[str, str] = error.response["ResponseMetadata"].get("HTTPHeaders", {})
    return headers.get(name)
