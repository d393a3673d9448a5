"""The direct execution, seen from its client: the function, invoked with the image itself."""

from __future__ import annotations

import base64
import json
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.reports import parse_report
from lookout.cloud.stack import Deployment
from lookout.errors import ExecutionError, UsageError
from lookout.executions.contract import read_answer, request_document
from lookout.executions.protocol import Answer

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

# Lambda's limit for a synchronous invocation's payload.
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024


class DirectExecution:
    """Invokes a stack's function and waits for its answer."""

    name = "direct"

    def __init__(self, account: Account, deployment: Deployment) -> None:
        # Longer than the function may take, so that what fails is the function, and not the patience.
        timeout_s = max(60.0, 10 + float(deployment.parameters.get("Timeout", 0)))
        self._functions = account.functions_within(timeout_s)
        self._function = deployment.function

    def detect(self, data: bytes, name: str = "image") -> Answer:
        """See ``Execution``. Raises ``UsageError`` for an image that is too large to be sent this way."""
        start = time.perf_counter()
        payload = json.dumps(request_document(str(uuid.uuid4()), data)).encode()
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise UsageError(
                f"the image makes a payload of {len(payload):,} bytes, and Lambda takes {MAX_PAYLOAD_BYTES:,}: "
                "use the execution remote"
            )
        with aws_errors(f"invoking {self._function} with {name}"):
            answer = self._functions.invoke(FunctionName=self._function, Payload=payload, LogType="Tail")
            document = json.loads(answer["Payload"].read())
        elapsed_ms = (time.perf_counter() - start) * 1000
        if "FunctionError" in answer:
            raise ExecutionError(f"the function failed on {name}: {document.get('errorMessage', document)}")
        found = read_answer(document, elapsed_ms, f"the function {self._function}")
        return replace(found, request_id=_request_id(answer))

    def close(self) -> None:
        """See ``Execution``."""
        self._functions.close()


def _request_id(answer: InvocationResponseTypeDef) -> str:
    """The invocation's id, by the end of its log; by the answer's own on AWS, where that is the same."""
    report = parse_report(base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace"))
    return report.request_id if report else answer["ResponseMetadata"]["RequestId"]
