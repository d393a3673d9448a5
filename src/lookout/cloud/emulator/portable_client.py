"""A small runtime client in Python alone, for systems that AWS's own (awslambdaric) is not published for.

It does what a function in Python can see of AWS's: imports the handler, gives it events and a context, answers or tells
errors in the same form. It has no JSON logging and no hooks. Loaded by its path: it imports nothing of Lookout's.

The protocol: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

from __future__ import annotations

import http.client
import importlib
import io
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn

_INVOCATION = "/2018-06-01/runtime/invocation"
_INIT_ERROR = "/2018-06-01/runtime/init/error"

# What AWS's client ends with when init fails.
_INIT_FAILED_STATUS = 1

Handler = Callable[[Any, "Context"], Any]


class Context:
    """What a handler is told of its invocation."""

    def __init__(self, request_id: str, arn: str, deadline_ms: int) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = arn
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity = None
        self.client_context = None
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """The milliseconds until the time-out."""
        return max(0, self._deadline_ms - int(time.time() * 1000))


class _BadHandlerError(Exception):
    """A handler that can't be found, with Lambda's name for why."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def run(handler_name: str, address: str) -> NoReturn:
    """Serve invocations until the process is killed, or the Runtime API is gone."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # the log is to be whole when the answer comes
    log_format = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(message)s"
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(stream=sys.stdout, format=log_format, datefmt="%Y-%m-%dT%H:%M:%S")
    handler = _initialise(handler_name, address)
    while True:
        body, headers = _call(address, "GET", f"{_INVOCATION}/next")
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        context = Context(request_id, arn, int(headers["Lambda-Runtime-Deadline-Ms"]))
        outcome, answer = _invoke(handler, body, context)
        _call(address, "POST", f"{_INVOCATION}/{request_id}/{outcome}", answer)


def _initialise(handler_name: str, address: str) -> Handler:
    try:
        return _find(handler_name)
    except _BadHandlerError as error:
        told = _error(error.error_type, str(error), [])
    except Exception as error:  # noqa: BLE001 - whatever a function raises is its error
        told = _error(type(error).__name__, str(error), _trace(error))
    _log(told)
    _call(address, "POST", _INIT_ERROR, json.dumps(told).encode())
    sys.exit(_INIT_FAILED_STATUS)


def _find(handler_name: str) -> Handler:
    """The handler of a name such as ``package.module.function``."""
    module_name, dot, name = handler_name.rpartition(".")
    if not dot:
        raise _BadHandlerError("Runtime.MalformedHandlerName", f"Bad handler '{handler_name}'")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise _BadHandlerError("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        raise _BadHandlerError("Runtime.UserCodeSyntaxError", message) from error
    if not hasattr(module, name):
        message = f"Handler '{name}' missing on module '{module_name}'"
        raise _BadHandlerError("Runtime.HandlerNotFound", message)
    handler: Handler = getattr(module, name)
    return handler


def _invoke(handler: Handler, body: bytes, context: Context) -> tuple[str, bytes]:
    """Where the answer goes, and the answer."""
    try:
        result = handler(json.loads(body or b"null"), context)
    except Exception as error:  # noqa: BLE001 - whatever a function raises is its error
        told = _error(type(error).__name__, str(error), _trace(error), context.aws_request_id)
    else:
        try:
            return "response", json.dumps(result, ensure_ascii=False, default=_plain).encode()
        except (TypeError, ValueError) as error:
            message = f"Unable to marshal response: {error}"
            told = _error("Runtime.MarshalError", message, [], context.aws_request_id)
    _log(told)
    return "error", json.dumps(told).encode()


def _plain(value: object) -> object:
    if isinstance(value, Decimal):  # as boto3 reads numbers from tables
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _error(error_type: str, message: str, trace: list[str], request_id: str = "") -> dict[str, Any]:
    return {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": trace}


def _trace(error: BaseException) -> list[str]:
    """Where it was raised, in the function's own files."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return traceback.format_list(frames)


def _log(told: dict[str, Any]) -> None:
    lines = [f"[ERROR] {told['errorType']}: {told['errorMessage']}", "Traceback (most recent call last):"]
    lines += [line.rstrip("\n") for entry in told["stackTrace"] for line in entry.split("\n")]
    # As one line of the log, as AWS's client has it.
    sys.stdout.write("\r".join(lines) + "\n")
    sys.stdout.flush()


def _call(address: str, method: str, path: str, body: bytes | None = None) -> tuple[bytes, dict[str, str]]:
    """Ask the Runtime API, and end where it is gone."""
    connection = http.client.HTTPConnection(address)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        with connection.getresponse() as response:
            return response.read(), dict(response.getheaders())
    except (OSError, http.client.HTTPException):
        os._exit(1)  # the emulator has ended
    finally:
        connection.close()
