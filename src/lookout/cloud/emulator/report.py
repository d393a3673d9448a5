"""Lambda's own words: the lines it adds to a function's log, and the errors it answers for it."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import dataclass

TIMED_OUT = "Sandbox.Timedout"
EXITED = "Runtime.ExitError"
TOO_LARGE = "Function.ResponseSizeTooLarge"

# What a synchronous invocation may answer: 6 MB, and some room for an envelope.
MOST_RESPONSE_BYTES = 6_291_556


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended.

    ``status`` is what the REPORT line says: "" where all went as the function meant it, a Python exception
    included; ``timeout``; or ``error`` where the sandbox broke down, with ``error_type``. ``notes`` are log
    lines on what went wrong.
    """

    payload: bytes
    error: bool
    duration_ms: float
    status: str = ""
    error_type: str = ""
    notes: tuple[str, ...] = ()


def start_line(request_id: str, version: str) -> str:
    """The line that begins an invocation's log."""
    return f"START RequestId: {request_id} Version: {version}"


def end_line(request_id: str) -> str:
    """The line after the function's own."""
    return f"END RequestId: {request_id}"


def report_line(request_id: str, outcome: Outcome, *, memory_mb: int, used_mb: int, init_ms: float | None) -> str:
    r"""The line that tells what an invocation cost.

    >>> outcome = Outcome(b"{}", error=False, duration_ms=12.3)
    >>> report_line("id", outcome, memory_mb=512, used_mb=40, init_ms=100.0).split("\t")[:3]
    ['REPORT RequestId: id', 'Duration: 12.30 ms', 'Billed Duration: 113 ms']
    """
    billed_ms = math.ceil(outcome.duration_ms + (init_ms or 0))
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {outcome.duration_ms:.2f} ms",
        f"Billed Duration: {billed_ms} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {used_mb} MB",
    ]
    if init_ms is not None:
        fields.append(f"Init Duration: {init_ms:.2f} ms")
    return "\t".join(fields + _status_fields(outcome))


def init_report_line(outcome: Outcome, init_ms: float, phase: str) -> str:
    """The line that tells of an init that failed, by itself (``init``) or within the first invocation (``invoke``)."""
    fields = [f"INIT_REPORT Init Duration: {init_ms:.2f} ms", f"Phase: {phase}"]
    return "\t".join(fields + _status_fields(outcome))


def host_line(request_id: str, share: float, cores: int) -> str:
    r"""Our own line, before REPORT: the invocation wanted more of this machine than it has, so that it took too long.

    >>> host_line("id", 5.788, 2)
    'LOOKOUT_HOST REPORT RequestId: id\tOversubscribed: 5.788 of 2 cores'
    """
    return f"LOOKOUT_HOST REPORT RequestId: {request_id}\tOversubscribed: {share:.3f} of {cores} cores"


def _status_fields(outcome: Outcome) -> list[str]:
    fields = [f"Status: {outcome.status}"] if outcome.status else []
    if outcome.status == "error":
        fields.append(f"Error Type: {outcome.error_type}")
    return fields


def timed_out(request_id: str, limit_s: float, duration_ms: float) -> Outcome:
    """The function didn't answer in time."""
    message = f"Task timed out after {limit_s:.2f} seconds"
    payload = _error(TIMED_OUT, f"RequestId: {request_id} Error: {message}")
    return _failure(payload, duration_ms, "timeout", TIMED_OUT, f"{request_id} {message}")


def exited(request_id: str, returncode: int, duration_ms: float) -> Outcome:
    """The function's process ended without an answer."""
    message = f"RequestId: {request_id} Error: {_how_it_exited(returncode)}"
    return _failure(_error(EXITED, message), duration_ms, "error", EXITED, message, EXITED)


def _how_it_exited(returncode: int) -> str:
    if returncode == 0:
        return "Runtime exited without providing a reason"
    if returncode == -signal.SIGKILL:
        return "Runtime exited with error: signal: killed"
    if returncode < 0:
        name = signal.strsignal(-returncode) or str(-returncode)
        return f"Runtime exited with error: signal: {name.lower()}"
    return f"Runtime exited with error: exit status {returncode}"


def init_failed(body: bytes) -> Outcome:
    """The handler could not be imported; ``body`` is the runtime client's reason."""
    return _failure(body, 0.0, "error", _error_type(body))


def refused(request_id: str, error_type: str, reason: str) -> Outcome:
    """The invocation did not reach a sandbox."""
    message = f"RequestId: {request_id} Error: {reason}"
    return _failure(_error(error_type, message), 0.0, "error", error_type, message)


def answered(body: bytes, duration_ms: float, *, failed: bool) -> Outcome:
    """The function answered, with a result or an exception."""
    if failed or len(body) <= MOST_RESPONSE_BYTES:
        return Outcome(body, failed, duration_ms)
    message = (
        f"Response payload size ({len(body)} bytes) exceeded maximum allowed payload size "
        f"({MOST_RESPONSE_BYTES} bytes)."
    )
    return _failure(_error(TOO_LARGE, message), duration_ms, "error", TOO_LARGE, message)


def _failure(payload: bytes, duration_ms: float, status: str, error_type: str, *notes: str) -> Outcome:
    return Outcome(payload, error=True, duration_ms=duration_ms, status=status, error_type=error_type, notes=notes)


def _error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def _error_type(body: bytes) -> str:
    try:
        return str(json.loads(body)["errorType"])
    except (ValueError, KeyError, TypeError):
        return "Runtime.Unknown"
