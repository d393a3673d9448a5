"""The program of a sandbox: put this process under its limits, then become AWS's runtime client.

Run by its path, with one argument: JSON with ``handler``, ``task_root``, ``parent_pid``, ``procs_files``,
``data_limit_bytes`` and ``client_folder``. It imports nothing of Lookout's, and little before the limits hold.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the runtime client."""
    settings = json.loads(sys.argv[1])
    die_with_parent(settings["parent_pid"])
    enter_limits(settings["procs_files"], settings["data_limit_bytes"])
    sys.argv[1:] = [settings["handler"]]
    sys.path.insert(0, settings["task_root"])
    if settings["client_folder"]:
        sys.path.append(settings["client_folder"])
    run_client(settings["handler"])


def die_with_parent(parent_pid: int) -> None:
    """End with the emulator, even when it is killed.

    The kernel does it on Linux: when the parent's thread ends that started this process. Elsewhere the
    runtime client ends by itself when it can't reach the Runtime API, at its next call.
    """
    if sys.platform == "linux":
        import ctypes  # not on other systems
        import signal

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before we asked
        os._exit(1)


def enter_limits(procs_files: list[str], data_limit_bytes: int | None) -> None:
    """Join the control groups and set the resource limits."""
    import resource  # it isn't on every system

    for file in procs_files:
        descriptor = os.open(file, os.O_WRONLY)
        os.write(descriptor, b"0")
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if data_limit_bytes is not None:
        # Not RLIMIT_AS: OpenCV and ONNX Runtime reserve far more address space than they use.
        resource.setrlimit(resource.RLIMIT_DATA, (data_limit_bytes, data_limit_bytes))


def run_client(handler: str) -> None:
    """Serve invocations until the process is killed."""
    from awslambdaric import bootstrap, lambda_runtime_client  # only under the limits

    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    if lambda_runtime_client.runtime_client is None:
        lambda_runtime_client.runtime_client = PortableClient(address)
    bootstrap.run(handler, lambda_runtime_client.LambdaRuntimeClient(address))


class PortableClient:
    """What awslambdaric has in C++, and publishes for Linux with glibc only, in Python."""

    def __init__(self, address: str) -> None:
        self._address = address

    def next(self) -> tuple[bytes, dict[str, Any]]:
        """Wait for the next invocation: its payload and headers."""
        body, headers = self._call("GET", "next")
        # The C++ client hands over a number.
        deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])
        return body, {**headers, "Lambda-Runtime-Deadline-Ms": deadline_ms}

    def post_invocation_result(self, request_id: str, body: bytes, content_type: str, *_: object) -> None:
        """Tell the handler's result."""
        self._call("POST", f"{request_id}/response", body, {"Content-Type": content_type})

    def post_error(self, request_id: str, body: str, *_: object) -> None:
        """Tell the handler's error."""
        self._call("POST", f"{request_id}/error", body.encode())

    def _call(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[bytes, dict[str, str]]:
        import http.client  # where the C++ client is there, nothing needs it

        connection = http.client.HTTPConnection(self._address)
        connection.request(method, f"/2018-06-01/runtime/invocation/{path}", body, headers or {})
        with connection.getresponse() as response:
            answer = response.read(), dict(response.getheaders())
        connection.close()
        return answer


if __name__ == "__main__":
    main()
