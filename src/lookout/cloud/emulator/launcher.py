"""The program of a sandbox: put this process under its limits, then become AWS's runtime client, or our own.

Run by its path, with one argument: JSON with ``handler``, ``task_root``, ``parent_pid``, ``procs_files``,
``data_limit_bytes``, ``client_folder`` and ``isolation``. With that (``wrapper``, ``ports`` and ``channel``: see
``isolation``) it runs itself once more within the wrapper, which inherits the limits. It imports nothing of Lookout's,
and little before the limits hold.
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
    isolation = settings["isolation"]
    if isolation is None or "wrapper" in isolation:
        die_with_parent(settings["parent_pid"])
        enter_limits(settings["procs_files"], settings["data_limit_bytes"])
    if isolation is not None:
        isolate(settings, isolation)
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


def isolate(settings: dict[str, Any], isolation: dict[str, Any]) -> None:
    """Go on within the wrapper; there, open the ports and hand them out."""
    if wrapper := isolation.pop("wrapper", None):
        own = [sys.executable, *isolation["flags"], __file__, json.dumps(settings)]
        os.execvp(wrapper[0], [*wrapper, *own])  # noqa: S606 - no shell is wanted
    import socket

    listeners = [socket.create_server(("127.0.0.1", port), backlog=128) for port in isolation["ports"]]
    with socket.socket(fileno=isolation["channel"]) as channel:
        socket.send_fds(channel, [b"."], [listener.fileno() for listener in listeners])
    for listener in listeners:
        listener.close()


def run_client(handler: str) -> None:
    """Serve invocations until the process is killed."""
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    try:
        from awslambdaric import bootstrap, lambda_runtime_client  # only under the limits
    except ImportError:  # it is published for Linux alone
        own_client().run(handler, address)
    if lambda_runtime_client.runtime_client is None:  # its part in C++ is missing
        own_client().run(handler, address)
    bootstrap.run(handler, lambda_runtime_client.LambdaRuntimeClient(address))


def own_client() -> Any:
    """The client beside this file, which is in no folder that imports are looked for in."""
    from importlib.util import module_from_spec, spec_from_file_location

    path = os.path.join(os.path.dirname(__file__), "portable_client.py")  # noqa: PTH118, PTH120 - pathlib costs init time
    spec = spec_from_file_location("lookout_portable_client", path)
    assert spec is not None  # noqa: S101 - the file is there
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
