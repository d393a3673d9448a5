"""``lookout`` as a process of its own, the way a person or a script runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Self

TIMEOUT_S = 120


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "lookout", *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",  # file names may be any bytes
        timeout=TIMEOUT_S,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def run_into(output: int | BinaryIO, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose standard output is somewhere else."""
    command = [sys.executable, "-m", "lookout", *arguments]
    return subprocess.run(
        command,
        stdout=output,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def run_without_reader(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose standard output is a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    try:
        return run_into(write, *arguments)
    finally:
        os.close(write)


class Program:
    """A command that runs until it is told to stop."""

    def __init__(self, *arguments: str, stderr: Path | None = None, **environment: str) -> None:
        errors = stderr.open("wb") if stderr else subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lookout", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment},
        )
        if stderr:
            errors.close()

    def ready(self) -> dict[str, Any]:
        """The line of JSON that it prints once it is ready."""
        line = self.process.stdout.readline()
        assert line, self._errors()
        return json.loads(line)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Look until a condition holds; fail where it does not in time, or the program has ended."""

        def look() -> bool:
            assert self.process.poll() is None or condition(), self._errors()
            return condition()

        wait_for(look)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit status."""
        self.process.send_signal(signal_number)
        return self.process.wait(TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def _errors(self) -> str:
        return self.process.stderr.read().decode() if self.process.stderr else "see the file that it wrote to"


def wait_for(condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    """Look until a condition holds; fail where it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)
