"""One sandbox: a process that holds a function's handler, and takes one invocation after another.

Its life is a stream of events, from the runtime client (``runtime_api``) and from the process's end, and the
thread that invokes waits for the next of them or for the time limit. A sandbox that broke a limit is killed
and never used again; ``usable`` tells.

It has a folder of its own for temporary files, as ``/tmp`` is on Lambda: named by ``TMPDIR``, kept from one invocation
to the next, removed with the sandbox. Its size is not limited.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from lookout.cloud.emulator import isolation, launcher, report
from lookout.cloud.emulator.function import FunctionConfig, sandbox_environment
from lookout.cloud.emulator.log_pipe import LogPipe
from lookout.cloud.emulator.quotas import Limiter
from lookout.cloud.emulator.report import Outcome
from lookout.cloud.emulator.runtime_api import Answered, ApiEvent, InitFailed, Ready, RuntimeApi, Work

_KIB_PER_MIB = 1024
# What a program that runs another adds to the number of the signal that ended it.
_SIGNALLED = 128


@dataclass(frozen=True, slots=True)
class _Exited:
    """The process ended."""

    returncode: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Init:
    """What came of init: ``failure`` is None where it went well."""

    failure: Outcome | None
    elapsed_ms: float
    log_lines: list[str]


class Sandbox:
    """A sandbox whose process has been started; it begins its init at once.

    ``spawner`` has one thread that outlives the sandbox: on Linux the process is killed when the thread that
    started it ends. ``isolated``: see ``isolation``. ``folder`` is where it has its folder for temporary files; None,
    in the system's. Raises ``OSError`` when the process or its limits can't be made.
    """

    def __init__(
        self,
        function: FunctionConfig,
        limiter: Limiter,
        spawner: Executor,
        *,
        isolated: bool = False,
        folder: Path | None = None,
    ) -> None:
        self.function = function
        self._id = uuid.uuid4().hex
        self._events: queue.SimpleQueue[ApiEvent | _Exited] = queue.SimpleQueue()
        self._killed = threading.Event()
        self._exited = threading.Event()
        self.used_mb = 0
        self._isolated = isolated
        self._relay: isolation.Relay | None = None
        self._api: RuntimeApi | None = None
        with ExitStack() as parts:
            self._temporary = tempfile.TemporaryDirectory(prefix="tmp-", dir=folder, ignore_cleanup_errors=True)
            parts.callback(self._temporary.cleanup)
            self._limits = limiter.limit(self._id[:12], function.memory_mb)
            parts.callback(self._limits.close)
            self._logs = LogPipe()
            parts.callback(self._logs.close)
            parts.callback(self._close_servers)
            self._started_s = time.monotonic()
            self._start(spawner)
            parts.pop_all()  # all is well: nothing is closed yet
        self._logs.started()
        self._limits.watch(self._process.pid)
        self._waiter = threading.Thread(target=self._await_exit, name="sandbox-exit", daemon=True)
        self._waiter.start()

    @property
    def usable(self) -> bool:
        """Whether it can take another invocation."""
        return not (self._killed.is_set() or self._exited.is_set())

    def initialise(self, request_id: str, limit_s: float) -> Init:
        """Wait for init, which began with the process; the CPU quota begins when it is over."""
        event = self._next_event(limit_s - (time.monotonic() - self._started_s))
        elapsed_ms = ((event.at_s if event else time.monotonic()) - self._started_s) * 1000
        self._measure_memory()
        match event:
            case Ready():
                self._limits.start_cpu_quota()
                return Init(None, elapsed_ms, self._logs.drain())
            case InitFailed(body):
                outcome = report.init_failed(body)
            case _Exited(returncode):
                outcome = self._ended(request_id, returncode, 0.0)
            case _:
                outcome = report.timed_out(request_id, limit_s, 0.0)
        self.kill()
        return Init(outcome, elapsed_ms, self._logs.drain())

    def run(self, payload: bytes, request_id: str, timeout_s: float) -> tuple[Outcome, list[str]]:
        """Run the handler, after init, and give what came of it and what it logged. One at a time."""
        deadline_ms = int((time.time() + timeout_s) * 1000)
        began_s = time.monotonic()
        assert self._api is not None  # noqa: S101 - the sandbox has started
        self._api.offer(Work(request_id, payload, self.function.arn, deadline_ms))
        event = self._next_event(timeout_s)
        duration_ms = ((event.at_s if event else time.monotonic()) - began_s) * 1000
        self._measure_memory()
        match event:
            case Answered(body, failed):
                outcome = report.answered(body, duration_ms, failed=failed)
            case _Exited(returncode):
                outcome = self._ended(request_id, returncode, duration_ms)
            case _:
                self.kill()
                outcome = report.timed_out(request_id, self.function.timeout_s, timeout_s * 1000)
        return outcome, self._logs.drain()

    def kill(self) -> None:
        """Kill the process and its children; don't wait."""
        self._killed.set()
        if not self._exited.is_set():
            self._kill_group()

    def close(self) -> None:
        """Kill the process, wait for its end, and remove what belongs to it."""
        self.kill()
        self._waiter.join()
        self._logs.close()

    def _next_event(self, timeout_s: float) -> ApiEvent | _Exited | None:
        """What happens next; None when nothing does in time."""
        with suppress(queue.Empty):
            return self._events.get(timeout=max(0.0, timeout_s))
        return None

    def _ended(self, request_id: str, returncode: int, duration_ms: float) -> Outcome:
        if returncode == -signal.SIGKILL and not self._killed.is_set():
            self.used_mb = self.function.memory_mb  # nothing else kills it but the memory limit
        return report.exited(request_id, returncode, duration_ms)

    def _measure_memory(self) -> None:
        """Note the most memory that the process had; ended processes no longer tell.

        Not ``ru_maxrss``, which a process inherits from the one that started it.
        """
        pid = isolation.innermost(self._process.pid) if self._isolated else self._process.pid
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.used_mb = int(line.split()[1]) // _KIB_PER_MIB

    def _start(self, spawner: Executor) -> None:
        """Start the process, and the servers that it speaks to."""
        if not self._isolated:
            self._api = RuntimeApi(self._events.put)
            self._process = spawner.submit(self._start_process, self._api.address).result()
            return
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                address = f"127.0.0.1:{isolation.RUNTIME_API_PORT}"
                self._process = spawner.submit(self._start_process, address, theirs.fileno()).result()
            try:
                listener, endpoint_listener = isolation.receive_listeners(ours)
            except OSError:
                self._kill_group()
                self._process.wait()
                raise
        self._relay = isolation.Relay(endpoint_listener, self.function.endpoint)
        self._api = RuntimeApi(self._events.put, listener)

    def _start_process(self, runtime_api: str, channel: int | None = None) -> subprocess.Popen[bytes]:
        function, admission = self.function, self._limits.admission
        # -P: else Python would offer the launcher's folder to imports. -S: no packages that are installed.
        flags = ["-P"] if function.client_folder is None else ["-P", "-S"]
        settings = {
            "handler": function.handler,
            "task_root": str(function.task_root),
            "parent_pid": os.getpid(),
            "procs_files": [str(file) for file in admission.procs_files],
            "data_limit_bytes": admission.data_limit_bytes,
            "client_folder": None if function.client_folder is None else str(function.client_folder),
            "isolation": None
            if channel is None
            else {
                "wrapper": isolation.wrapper(function, Path(self._temporary.name)),
                "ports": isolation.ports(function),
                "channel": channel,
                "flags": flags,
            },
        }
        temporary = Path(self._temporary.name) if channel is None else isolation.TEMPORARY
        log_stream = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{function.version}]{self._id}"
        return subprocess.Popen(
            [function.python, *flags, launcher.__file__, json.dumps(settings)],
            env=sandbox_environment(function, runtime_api, log_stream, temporary),
            cwd=function.task_root,
            stdin=subprocess.DEVNULL,
            stdout=self._logs.write_end,
            stderr=self._logs.write_end,
            start_new_session=True,
            pass_fds=() if channel is None else (channel,),
        )

    def _await_exit(self) -> None:
        if hasattr(os, "waitid"):
            # Until it is reaped its number belongs to no other process, so that signals can't go astray.
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        else:  # macOS before Python 3.13
            self._process.wait()
        self._kill_group()
        self._limits.close()
        returncode = self._process.wait()
        if self._isolated and returncode > _SIGNALLED:  # what bubblewrap makes of a signal
            returncode = _SIGNALLED - returncode
        self._exited.set()
        self._events.put(_Exited(returncode, time.monotonic()))
        self._close_servers()
        self._temporary.cleanup()

    def _kill_group(self) -> None:
        # macOS refuses to signal a group of ended processes.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _close_servers(self) -> None:
        if self._api is not None:
            self._api.close()
        if self._relay is not None:
            self._relay.close()
