"""A function as the host runs it, the environment that it sees, and what an invocation gives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lookout.cloud.emulator import report
from lookout.cloud.emulator.config import environment

# What a function sees of this machine. Never the whole environment: it may hold real keys.
_INHERITED = ("PATH", "HOME", "LD_LIBRARY_PATH", "XDG_CACHE_HOME")


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """One version of a function.

    ``handler`` is ``module.function``, found below ``task_root`` or where ``python`` finds modules.
    ``endpoint`` is where AWS's clients in the function turn to. ``revision`` tells apart deployments that are
    alike in all else. With ``client_folder`` the function finds its own files, the standard library and what that
    folder holds (AWS's runtime client), and no package that is installed here: as a zip does on Lambda.
    """

    name: str
    arn: str
    handler: str
    memory_mb: int
    timeout_s: float
    environment: Mapping[str, str]
    task_root: Path
    python: str
    region: str
    endpoint: str
    version: str = "$LATEST"
    log_group: str = ""
    revision: str = ""
    client_folder: Path | None = None

    @property
    def account(self) -> str:
        """The account that the function belongs to."""
        return self.arn.split(":")[4]


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came of an invocation.

    ``payload`` is JSON: the handler's result, or with ``error`` an object with ``errorType`` and
    ``errorMessage``. ``init_ms`` is None on a warm start. ``host_fault`` tells that the function is not to blame: it
    could not be run.
    """

    payload: bytes
    error: bool
    log_lines: tuple[str, ...]
    duration_ms: float = 0.0
    init_ms: float | None = None
    memory_mb: int = 0
    host_fault: bool = False


def refusal(
    version: str, memory_mb: int, request_id: str, error_type: str, reason: str, *, host_fault: bool = True
) -> Invocation:
    """An invocation that did not reach a sandbox, and what the function's log tells of it."""
    outcome = report.refused(request_id, error_type, reason)
    lines = (
        report.start_line(request_id, version),
        *outcome.notes,
        report.end_line(request_id),
        report.report_line(request_id, outcome, memory_mb=memory_mb, used_mb=0, init_ms=None),
    )
    return Invocation(outcome.payload, outcome.error, lines, host_fault=host_fault)


def sandbox_environment(
    function: FunctionConfig,
    runtime_api: str,
    log_stream: str,
    temporary: Path,
    inherited: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """All the environment variables of a sandbox; the function's own come last, so they win.

    ``temporary`` is the folder for temporary files that it has alone.
    """
    return {
        **{name: inherited[name] for name in _INHERITED if name in inherited},
        **environment(function.endpoint, function.region, function.account),
        # Without these AWS's clients would look into the home folder, and ask the metadata service.
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "TMPDIR": str(temporary),
        "_HANDLER": function.handler,
        "LAMBDA_TASK_ROOT": str(function.task_root),
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group or f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        **function.environment,
    }
