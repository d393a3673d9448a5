"""Starting and ending a contender, and what it costs meanwhile: every process that it started counts as it."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers.client import Connection

_CLIENT = Path(__file__).with_name("client.py")
_START_S = 60.0
_END_S = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. ``ready_s``: from its start until it answered its first image.

    One that ``rests`` is held while nobody asks it.
    """

    process: subprocess.Popen[bytes]
    port: int
    ready_s: float
    rests: bool = False

    def cpu_s(self) -> float:
        """The CPU time that it and what it started have used."""
        return sum(cpu_s(pid) for pid in tree(self.process.pid))

    def memory_mb(self) -> float:
        """The memory that it has to itself, what several of its processes share counted once for each's part."""
        return sum(proportional_mb(pid) for pid in tree(self.process.pid))

    def rest(self) -> None:
        """Hold it, if it is one that rests."""
        if self.rests:
            send(signal.SIGSTOP, tree(self.process.pid))

    def wake(self) -> None:
        """Let it go on."""
        if self.rests:
            send(signal.SIGCONT, tree(self.process.pid))


@contextmanager
def running(
    command: Sequence[str | Path],
    port: int,
    first: bytes,
    variables: Mapping[str, str],
    log: Path,
    *,
    rests: bool = False,
) -> Iterator[Running]:
    """A server, from when it answered ``first`` well. Raises ``RuntimeError`` with its log's end where it doesn't."""
    begun_s = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **variables},
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_it_answers(process, port, first, log)
        server = Running(process, port, time.perf_counter() - begun_s, rests)
        server.rest()
        try:
            yield server
        finally:
            server.wake()
    finally:
        end(process)


def wait_until_it_answers(process: subprocess.Popen[bytes], port: int, first: bytes, log: Path) -> None:
    """Ask again and again, from when the port is open."""
    deadline_s = time.monotonic() + _START_S
    last: OSError | None = None
    while process.poll() is None and time.monotonic() < deadline_s:
        connection = Connection(port)
        try:
            connection.ask(first)
        except OSError as error:
            last = error
            time.sleep(0.005)
        else:
            return
        finally:
            connection.close()
    raise RuntimeError(f"{log.stem} does not answer ({last}): {log.read_text(errors='replace')[-2000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server and whatever it started, first by asking."""
    started = tree(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    deadline_s = time.monotonic() + _END_S
    while (left := [pid for pid in started if is_there(pid)]) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    send(signal.SIGKILL, left)


def send(signal_number: int, pids: Sequence[int]) -> None:
    """Send processes a signal; some may have ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def ask(python: str | Path, program: Path, plan: Mapping[str, object]) -> dict[str, Any]:
    """What a program makes of a plan: the client, or the bare detector. Raises ``RuntimeError`` where it fails.

    With ``others_cpu_s``, what anybody else on the machine used meanwhile, for ``wall_s``.
    """
    begun_s, busy_s, own_s = time.perf_counter(), machine_busy_s(), children_cpu_s()
    answer = subprocess.run(
        [python, program], input=json.dumps(plan), capture_output=True, text=True, timeout=300, check=False
    )
    if answer.returncode:
        raise RuntimeError(answer.stderr[-2000:])
    others_s = machine_busy_s() - busy_s - (children_cpu_s() - own_s)
    about = {"server_cpu_s": 0.0, "others_cpu_s": others_s, "wall_s": time.perf_counter() - begun_s}
    return {**json.loads(answer.stdout), **about}


def ask_server(server: Running, plan: Mapping[str, object]) -> dict[str, Any]:
    """The same of a plan of the client's, with the ``server_cpu_s`` that it took."""
    server.wake()
    before_s = server.cpu_s()
    found = ask(sys.executable, _CLIENT, {"port": server.port, **plan})
    server_s = server.cpu_s() - before_s
    server.rest()
    return {**found, "server_cpu_s": server_s, "others_cpu_s": found["others_cpu_s"] - server_s}


def machine_busy_s() -> float:
    """The CPU time that all of the machine has used so far, and what its host took from it."""
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = map(int, _read(Path("/proc/stat")).split()[1:9])
    return (user + nice + system + sum(interrupts_and_stolen)) / _TICKS


def children_cpu_s() -> float:
    """The CPU time of this process and of all that it started and that has ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def free_port() -> int:
    """A port that nobody listens on, and none of those that systems deal out: Ray takes dozens of them as it starts."""
    while True:
        port = random.randrange(15_000, 30_000)  # noqa: S311  no secret
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def tree(pid: int) -> list[int]:
    """A process and all that it started, and they."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(task).split():
            found += tree(int(child))
    return found


def is_there(pid: int) -> bool:
    """Whether the process runs still."""
    return bool(stat := _read(Path(f"/proc/{pid}/stat"))) and stat.rpartition(")")[2].split()[0] != "Z"


def cpu_s(pid: int) -> float:
    """The CPU time of a process so far; 0 where it has ended."""
    stat = _read(Path(f"/proc/{pid}/stat"))
    return sum(map(int, stat.rpartition(")")[2].split()[11:13])) / _TICKS if stat else 0.0


def proportional_mb(pid: int) -> float:
    """The memory of a process, of what it shares with others its part; 0 where it has ended."""
    lines = _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""
