"""Servers and emulators as child processes: started, waited for until they are ready, and always ended.

A child speaks of itself in one line of JSON on its standard output once it is ready. Its standard input is a
pipe that nobody writes to: when this process ends, however it ends, the pipe closes, and the child ends too
(``--stop-on-eof``).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any, Self

from lookout.errors import ExecutionError

_STOP_TIMEOUT_S = 10
# -P: else Python would offer the folder that it is started in to imports.
_LOOKOUT = (sys.executable, "-P", "-m", "lookout")


class Processes:
    """Child processes that end with the block they were started in."""

    def __init__(self) -> None:
        self._running: list[Process] = []

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], if_killed: Sequence[str] = ()) -> Process:
        """Start ``lookout`` with these arguments. It is ready once ``Process.ready`` returns.

        ``if_killed``: the arguments of another ``lookout`` that cleans up, where the child could not.
        """
        log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process, in __exit__
        process = subprocess.Popen(
            [*_LOOKOUT, *arguments, "--json", "--stop-on-eof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=dict(environment),
            start_new_session=True,  # Ctrl-C is for this process, which ends its children in order
        )
        self._running.append(Process(arguments[0], process, log, if_killed))
        return self._running[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An impatient second Ctrl-C must not leave anything behind.
        previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for process in self._running:
                process.terminate()
            for process in reversed(self._running):
                process.end()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


class Process:
    """A child process that was started."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: IO[bytes], if_killed: Sequence[str]) -> None:
        self._name = name
        self._process = process
        self._log = log
        self._if_killed = if_killed

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ready(self) -> dict[str, Any]:
        """What the child says once it is ready. Raises ``ExecutionError`` where it ended instead."""
        assert self._process.stdout is not None  # noqa: S101  it was started with a pipe
        line = self._process.stdout.readline()
        if not line:
            raise ExecutionError(f"lookout {self._name} did not start: {self.last_words()}")
        document: dict[str, Any] = json.loads(line)
        return document

    def last_words(self) -> str:
        """The last line that the child wrote to its standard error."""
        self._process.wait(_STOP_TIMEOUT_S)
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def terminate(self) -> None:
        """Ask the child to end."""
        self._process.terminate()

    def end(self) -> None:
        """Wait until the child has ended, and clean up after one that was killed."""
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.returncode < 0 and self._if_killed:
            subprocess.run([*_LOOKOUT, *self._if_killed], stdin=subprocess.DEVNULL, check=False)
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without AWS's variables: real keys never reach a child."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}
