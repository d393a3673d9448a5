"""Runs functions as Lambda does: sandboxes that stay warm, as many as there are invocations at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from lookout.cloud.emulator import report
from lookout.cloud.emulator.cpu_room import CpuRoom
from lookout.cloud.emulator.function import FunctionConfig, Invocation, refusal
from lookout.cloud.emulator.limits import available_cores
from lookout.cloud.emulator.quotas import Limiter
from lookout.cloud.emulator.report import Outcome
from lookout.cloud.emulator.sandbox import Init, Sandbox

_log = logging.getLogger(__name__)

__all__ = ["FunctionConfig", "FunctionHost", "Invocation"]

_REAP_PAUSE_S = 1.0
_CLOSE_S = 2.0


@dataclass(slots=True)
class _Idle:
    sandbox: Sandbox
    since_s: float


@dataclass(slots=True)
class _Pool:
    """The sandboxes of one function: those idle, the last used at the end, and the number of busy ones."""

    function: FunctionConfig
    idle: list[_Idle] = field(default_factory=list)
    busy: int = 0


@dataclass(slots=True)
class _Start:
    """How a sandbox got ready for an invocation. ``spent_ms`` is init that counts as part of it."""

    log_lines: list[str] = field(default_factory=list)
    init_ms: float | None = None
    spent_ms: float = 0.0
    failure: Outcome | None = None


class FunctionHost:
    """Invokes functions in sandboxes under a limiter.

    How many invocations there may be at once is for the caller to say. A sandbox idle for ``idle_s`` is closed, and one
    whose function is no longer current: that was changed or deleted.
    ``clock`` gives seconds, ``isolated`` sandboxes see little of the machine: see ``isolation``. ``folder`` is where
    sandboxes have their temporary files; None, where the system has.
    """

    def __init__(
        self,
        limiter: Limiter,
        idle_s: float = 300.0,
        *,
        init_limit_s: float = 10.0,
        cores: int | None = None,
        isolated: bool = False,
        folder: Path | None = None,
        is_current: Callable[[FunctionConfig], bool] = lambda _: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limiter = limiter
        self._room = CpuRoom(cores or available_cores(), limited=limiter.limits_cpu)
        self._idle_s = idle_s
        self._isolated = isolated
        self._folder = folder
        self._init_limit_s = init_limit_s
        self._is_current = is_current
        self._clock = clock
        self._pools: dict[str, _Pool] = {}
        self._busy = 0
        self._sandboxes: set[Sandbox] = set()
        self._changed = threading.Condition()
        self._closed = threading.Event()
        # One thread for all processes, which lives as long as the host: see Sandbox.
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="sandbox-spawner")
        self._reaper = threading.Thread(target=self._reap_for_ever, name="sandbox-reaper", daemon=True)
        self._reaper.start()

    def invoke(self, function: FunctionConfig, payload: bytes, request_id: str) -> Invocation:
        """Invoke a function and wait for what comes of it; a failure is an ``Invocation`` with ``error``."""
        pool = self._enter(function)
        if pool is None:
            reason = "the emulator is shutting down"
            return refusal(function.version, function.memory_mb, request_id, "ServiceException", reason)
        sandbox = None
        try:
            sandbox = self._take_idle(pool)
            start = _Start()
            if sandbox is None:
                sandbox, start = self._start_cold(function, request_id)
            return self._run(sandbox, start, payload, request_id)
        except (OSError, RuntimeError) as error:  # RuntimeError: the spawner is shut down
            if sandbox is not None:
                sandbox.kill()
            if not self._closed.is_set():
                _log.error("no sandbox could be made for the function %s: %s", function.name, error)
            reason = f"no sandbox: {error}"
            return refusal(function.version, function.memory_mb, request_id, "Runtime.SandboxError", reason)
        finally:
            self._leave(pool, sandbox)

    def reap(self) -> None:
        """Close the sandboxes that have been idle for long, or whose function is another now, or gone."""
        with self._changed:
            functions = [pool.function for pool in self._pools.values()]
        outdated = [function for function in functions if not self._is_current(function)]
        oldest_s = self._clock() - self._idle_s
        with self._changed:
            expired = []
            for pool in list(self._pools.values()):
                retired = any(pool.function is function for function in outdated)
                if retired:
                    del self._pools[pool.function.arn]  # what runs still is closed when it ends
                kept = [] if retired else [idle for idle in pool.idle if idle.since_s > oldest_s]
                expired += [idle.sandbox for idle in pool.idle if idle not in kept]
                pool.idle = kept
                self._drop_if_empty(pool)
        self._close_all(expired)

    def close(self) -> None:
        """Kill all sandboxes; invocations in flight end with an error. Further calls do nothing."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
            sandboxes = list(self._sandboxes)
        self._room.close()
        self._close_all(sandboxes)
        with self._changed:  # those that were just starting, too
            self._changed.wait_for(lambda: not self._busy, _CLOSE_S)
        self._spawner.shutdown()
        self._reaper.join()

    def sandboxes(self) -> int:
        """How many there are, busy or idle."""
        with self._changed:
            return len(self._sandboxes)

    def _start_cold(self, function: FunctionConfig, request_id: str) -> tuple[Sandbox, _Start]:
        """A new sandbox, through with init.

        Where init fails or takes too long, it is done once more as a part of the invocation, within the function's own
        time-out, as Lambda does: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html.
        """
        sandbox, init = self._initialise(function, request_id, self._init_limit_s)
        if init.failure is None:
            return sandbox, _Start(init.log_lines, init_ms=init.elapsed_ms)
        lines = [*init.log_lines, report.init_report_line(init.failure, init.elapsed_ms, "init")]
        self._close_all([sandbox])
        sandbox, init = self._initialise(function, request_id, function.timeout_s)
        lines += init.log_lines
        if init.failure is not None:
            lines.append(report.init_report_line(init.failure, init.elapsed_ms, "invoke"))
        return sandbox, _Start(lines, spent_ms=init.elapsed_ms, failure=init.failure)

    def _initialise(self, function: FunctionConfig, request_id: str, limit_s: float) -> tuple[Sandbox, Init]:
        with self._room.init(function.memory_mb):
            sandbox = Sandbox(function, self._limiter, self._spawner, isolated=self._isolated, folder=self._folder)
            with self._changed:
                self._sandboxes.add(sandbox)
            if self._closed.is_set():  # close() may not have seen this one
                sandbox.kill()
            try:
                return sandbox, sandbox.initialise(request_id, limit_s)
            except OSError:  # its limits can't be set
                self._close_all([sandbox])
                raise

    def _run(self, sandbox: Sandbox, start: _Start, payload: bytes, request_id: str) -> Invocation:
        """Run the handler, unless init failed, and tell of it all as Lambda's log does."""
        function = sandbox.function
        lines = [*start.log_lines, report.start_line(request_id, function.version)]
        share = self._room.share(function.memory_mb)
        outcome = start.failure
        if outcome is None:
            with self._room.taken(share):
                timeout_s = max(0.0, function.timeout_s - start.spent_ms / 1000)
                outcome, logged = sandbox.run(payload, request_id, timeout_s)
            lines += logged
        outcome = replace(outcome, duration_ms=outcome.duration_ms + start.spent_ms)
        lines += [*outcome.notes, report.end_line(request_id)]
        if self._room.oversubscribes(share):
            lines.append(report.host_line(request_id, share, self._room.cores))
        used_mb = sandbox.used_mb
        lines.append(
            report.report_line(
                request_id, outcome, memory_mb=function.memory_mb, used_mb=used_mb, init_ms=start.init_ms
            )
        )
        return Invocation(outcome.payload, outcome.error, tuple(lines), outcome.duration_ms, start.init_ms, used_mb)

    def _enter(self, function: FunctionConfig) -> _Pool | None:
        """Count one more busy sandbox of a function; None when the host is closed."""
        with self._changed:
            if self._closed.is_set():
                return None
            pool, retired = self._pool(function)
            pool.busy += 1
            self._busy += 1
        self._close_all(retired)
        return pool

    def _pool(self, function: FunctionConfig) -> tuple[_Pool, list[Sandbox]]:
        """A function's pool, and the sandboxes of what the function was before."""
        pool = self._pools.setdefault(function.arn, _Pool(function))
        if pool.function == function:
            return pool, []
        retired = [idle.sandbox for idle in pool.idle]
        pool.function = function
        pool.idle.clear()
        return pool, retired

    def _take_idle(self, pool: _Pool) -> Sandbox | None:
        """The sandbox used last, so that those not needed can go."""
        dead: list[Sandbox] = []
        with self._changed:
            while pool.idle:
                sandbox = pool.idle.pop().sandbox
                if sandbox.usable:
                    break
                dead.append(sandbox)
            else:
                sandbox = None
        self._close_all(dead)
        return sandbox

    def _leave(self, pool: _Pool, sandbox: Sandbox | None) -> None:
        """Keep a sandbox that can be used again, and close another."""
        with self._changed:
            current = self._pools.get(pool.function.arn) is pool
            keep = current and sandbox is not None and sandbox.usable and sandbox.function == pool.function
            if sandbox is not None and keep and not self._closed.is_set():
                pool.idle.append(_Idle(sandbox, self._clock()))
                sandbox = None
        if sandbox is not None:
            self._close_all([sandbox])
        with self._changed:
            pool.busy -= 1
            self._busy -= 1
            self._drop_if_empty(pool)
            self._changed.notify_all()

    def _drop_if_empty(self, pool: _Pool) -> None:
        if not pool.idle and not pool.busy and self._pools.get(pool.function.arn) is pool:
            del self._pools[pool.function.arn]

    def _close_all(self, sandboxes: list[Sandbox]) -> None:
        for sandbox in sandboxes:
            sandbox.kill()
        for sandbox in sandboxes:
            sandbox.close()
        with self._changed:
            self._sandboxes.difference_update(sandboxes)

    def _reap_for_ever(self) -> None:
        while not self._closed.wait(min(_REAP_PAUSE_S, self._idle_s)):
            self.reap()
