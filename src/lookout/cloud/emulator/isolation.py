"""Sandboxes that see the machine read-only and reach nothing but the emulator, by bubblewrap.

A sandbox has namespaces of its own: files read-only but for an empty ``/tmp``, as on Lambda, no process but its own,
and a network with nothing in it. There the launcher opens two ports, of the Runtime API and of the emulator, and hands
the listening sockets out through a socket that it inherited: who accepts on them is the emulator, outside. So nothing
runs in the sandbox for the sake of its network, and its CPU time and memory are the function's alone.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from lookout.cloud.emulator.function import FunctionConfig
from lookout.cloud.emulator.quotas import Limiter
from lookout.errors import UsageError

# In a network of one's own any port is free; this one is Lambda's.
RUNTIME_API_PORT = 9001

_CHUNK_BYTES = 1 << 16
_OPENING_S = 30.0

_NAMESPACES = (
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),  # noqa: S108 - a private one
    *("--tmpfs", "/run"),  # where services have sockets that are files, which no namespace keeps from being used
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
    probe = subprocess.run([bubblewrap, *_NAMESPACES, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        raise UsageError(f"--isolate does not work here; bubblewrap says: {probe.stderr.strip()}")


def wrapper(function: FunctionConfig) -> list[str]:
    """The command that runs another in isolation: it sees the function's files although ``/tmp`` is private."""
    folders = [folder for folder in (function.task_root, function.client_folder) if folder is not None]
    seen = [argument for folder in folders for argument in ("--ro-bind", str(folder), str(folder))]
    return ["bwrap", *_NAMESPACES, *seen, "--chdir", str(function.task_root)]


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
