"""Sandboxes that see the machine read-only and reach nothing but the emulator, by bubblewrap.

A sandbox has namespaces of its own: files read-only but for a ``/tmp`` of its own, as on Lambda, no process but its
own, and a network with nothing in it. There the launcher opens two ports, of the Runtime API and of the emulator, and
hands the listening sockets out through a socket that it inherited: who accepts on them is the emulator, outside. So
nothing runs in the sandbox for the sake of its network, and its CPU time and memory are the function's alone.

Of this machine's ``/tmp`` and ``/run`` it sees what it can't do without: its own files, Python, Lookout, and files and
folders below ``/tmp`` that its variables name, such as a model's.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import lookout
from lookout.cloud.emulator.function import FunctionConfig
from lookout.cloud.emulator.quotas import Limiter
from lookout.errors import UsageError

# In a network of one's own any port is free; this one is Lambda's.
RUNTIME_API_PORT = 9001

_CHUNK_BYTES = 1 << 16
_OPENING_S = 30.0

# Functions have a folder of their own here.
TEMPORARY = Path("/tmp")  # noqa: S108 - in the sandbox
# Where services have sockets that are files, which no namespace keeps from being used.
_SERVICES = Path("/run")

_NAMESPACES = (
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", str(_SERVICES)),
    *("--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL", "--die-with-parent"),
)


def check_isolation(limiter: Limiter) -> None:
    """Raise ``UsageError`` where sandboxes can't be isolated."""
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise UsageError("--isolate needs bubblewrap: install it (apt install bubblewrap), or go without --isolate")
    if not limiter.name.startswith("cgroup"):
        raise UsageError(
            "--isolate needs control groups that this user may write, and --memory-cpu lambda: "
            "what a sandbox uses can't be measured from outside otherwise"
        )
    command = [bubblewrap, *_NAMESPACES, "--tmpfs", str(TEMPORARY), "true"]
    probe = subprocess.run(command, capture_output=True, text=True, check=False)
    if probe.returncode:
        raise UsageError(f"--isolate does not work here; bubblewrap says: {probe.stderr.strip()}")


def wrapper(function: FunctionConfig, scratch: Path) -> list[str]:
    """The command that runs another in isolation, with this folder as its ``/tmp``."""
    shown = [argument for path in shown_paths(function) for argument in ("--ro-bind", str(path), str(path))]
    return ["bwrap", *_NAMESPACES, "--bind", str(scratch), str(TEMPORARY), *shown, "--chdir", str(function.task_root)]


def shown_paths(function: FunctionConfig) -> list[Path]:
    """What lies in a hidden place and is shown all the same; none lies within another."""
    folders = [function.task_root, function.client_folder, sys.prefix, sys.base_prefix, Path(lookout.__file__).parent]
    found = _below((TEMPORARY, _SERVICES), filter(None, [*folders, *sys.path[not sys.flags.safe_path :]]))
    named = (part for value in function.environment.values() for part in value.split(os.pathsep))
    found |= {path for path in _below((TEMPORARY,), filter(os.path.isabs, named)) if not _is_socket_near(path)}
    return [path for path in sorted(found) if found.isdisjoint(path.parents)]


def _below(hidden: tuple[Path, ...], paths: Iterable[str | Path]) -> set[Path]:
    """Those that are there and lie below one of these folders, by the names given and by where links lead."""
    both = {Path(form(path)) for path in paths for form in (os.path.abspath, os.path.realpath)}
    return {path for path in both if not set(hidden).isdisjoint(path.parents) and _exists(path)}


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises where a name is too long to be one


def _is_socket_near(path: Path) -> bool:
    """Whether a path is no plain file or folder, or is a folder of sockets, as terminals and key agents have."""
    try:
        if path.is_dir():
            return any(each.is_socket() for each in path.iterdir())
        return not path.is_file()
    except OSError:  # it may not be looked into
        return True


def ports(function: FunctionConfig) -> list[int]:
    """The ports that the launcher opens, of the Runtime API and of the emulator."""
    return [RUNTIME_API_PORT, urlsplit(function.endpoint).port or 80]


def receive_listeners(channel: socket.socket) -> tuple[socket.socket, socket.socket]:
    """The listening sockets of the ports, from the launcher. Raises ``OSError``."""
    channel.settimeout(_OPENING_S)
    _, descriptors, _, _ = socket.recv_fds(channel, 1, 2)
    listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    if len(listeners) != 2:
        for listener in listeners:
            listener.close()
        raise OSError("the sandbox ended before it had opened its ports")
    return listeners[0], listeners[1]


class Relay:
    """Carries what connects to a listening socket to an address here, and back."""

    def __init__(self, listener: socket.socket, endpoint: str) -> None:
        self._listener = listener
        parts = urlsplit(endpoint)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def close(self) -> None:
        """Accept no more. What is connected ends when either side ends."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake who accepts
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                inside, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(inside,), name="relay", daemon=True).start()

    def _carry(self, inside: socket.socket) -> None:
        with inside, suppress(OSError), socket.create_connection(self._address) as outside:
            for connection in (inside, outside):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=_pump, args=(outside, inside), name="relay", daemon=True)
            back.start()
            _pump(inside, outside)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Carry one way, and then say that nothing more comes."""
    with suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def innermost(pid: int) -> int:
    """The process that bubblewrap runs: the last of those that each have one child."""
    with suppress(OSError, ValueError):
        while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            pid = int(children[0])
    return pid
