"""The processes: one that listens and watches, one that works.

gunicorn is the first. It holds the listening socket, starts the second, starts another where it dies or no longer
gives a sign of life, and on SIGTERM closes the door and waits until what was accepted is answered. While no worker is
there, clients wait in the socket's backlog. The second runs uvicorn (HTTP), the door and the network. One worker is
enough, since engines let go of Python's lock while they compute: it has all cores for one image or for many, and one
copy of the network. Networks are opened after the fork, as their threads would not come through it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from gunicorn import glogging
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from uvicorn_worker import UvicornWorker

from lookout.apps import console
from lookout.apps.server import logs
from lookout.apps.server.app import create_app
from lookout.apps.server.config import ServerConfig
from lookout.apps.server.connections import Connection
from lookout.apps.server.detectors import Detectors
from lookout.apps.server.door import Door
from lookout.apps.server.exchange import Receive, Scope, Send
from lookout.apps.server.offloading import Offloading
from lookout.apps.server.service import Service
from lookout.errors import LookoutError, PortInUseError

_BACKLOG = 2048
# Longer than this without a sign of life, and a worker hangs.
_HANGS_S = 30
# Longer than this over one image, and its thread hangs, somewhere below Python.
_STUCK_S = 120
_LOOK_S = 5
# Every connection is a file, and many may be open.
_FILES = 65536


def serve(
    service: Service, on_ready: Callable[[str], None], open_offloading: Callable[[], Offloading] | None = None
) -> None:
    """Serve until SIGTERM or SIGINT; ``on_ready`` is told the URL once the network has warmed up, the first time.

    ``open_offloading`` is called in each worker: a connection to AWS must not be shared by two processes.
    Raises ``PortInUseError``; ends the program with 1 where the engine refuses the network, and says why.
    """
    config = service.config
    logs.configure(config.log_format, config.log_level)
    listener = _listen(config.host, config.port)
    url = f"http://{f'[{config.host}]' if ':' in config.host else config.host}:{listener.getsockname()[1]}"
    _allow_files()
    try:
        _Arbiter(_Application(service, listener, lambda: on_ready(url), open_offloading)).run()
    except SystemExit as end:
        sys.exit(1 if end.code else 0)


class _Arbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's watcher, for which Ctrl-C, too, means to end in order; pressed again, at once."""

    handle_int = Arbiter.handle_term


class _Application(BaseApplication):  # type: ignore[misc]
    """gunicorn's idea of a program: its settings, and what a worker runs."""

    def __init__(
        self,
        service: Service,
        listener: socket.socket,
        announce: Callable[[], None],
        open_offloading: Callable[[], Offloading] | None,
    ) -> None:
        self._service = service
        self._listener = listener
        self._open_offloading = open_offloading
        self._announce: Callable[[], None] | None = announce
        # Its writing end is open for as long as the arbiter lives: a worker must not outlive it.
        self._alive, self._arbiter_alive = os.pipe()
        super().__init__()

    def load_config(self) -> None:
        """Settle gunicorn's settings."""
        config = self._service.config
        self._connection: type[Connection] = type("Connection", (Connection,), {"idle_s": config.idle_s})
        settings = {
            "bind": f"fd://{self._listener.detach()}",  # gunicorn's from here on
            "backlog": _BACKLOG,
            "worker_class": _worker_class(config, self._connection),
            "logger_class": _Log,
            "timeout": _HANGS_S,
            "graceful_timeout": config.grace_s,
            "keepalive": config.idle_s,
            "control_socket_disable": True,
            "post_fork": self._forked,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """What a worker runs."""
        logging.getLogger("uvicorn.error").propagate = True
        if self._open_offloading:
            self._service.offloading = self._open_offloading()
        work = _Work(self._service, self._alive, self._announce)
        self._connection.refuse = work.door.refuse_malformed
        return work

    def _forked(self, _arbiter: Arbiter, worker: UvicornWorker) -> None:
        os.close(self._arbiter_alive)
        if worker.age > 1:  # it takes the place of another
            self._announce = None


class _Work:
    """The worker's ASGI application: opens the network, while the door is there already."""

    def __init__(self, service: Service, arbiter: int, announce: Callable[[], None] | None) -> None:
        self._service = service
        self._arbiter = arbiter
        self._announce = announce
        self.door = Door(create_app(service), service)
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self.door(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        asyncio.get_running_loop().add_reader(self._arbiter, self._end)
        self._tasks = [asyncio.create_task(self._open()), asyncio.create_task(self._watch())]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _end(self) -> None:
        """The arbiter is gone."""
        asyncio.get_running_loop().remove_reader(self._arbiter)
        os.kill(os.getpid(), signal.SIGTERM)

    async def _open(self) -> None:
        try:
            self._service.detectors = await asyncio.to_thread(_open_detectors, self._service)
        except BaseException as error:  # noqa: BLE001  also what nobody foresaw
            # Nobody waits for this task: the arbiter is told by the exit status, which makes it end, too.
            _complain(error)
            os._exit(Arbiter.WORKER_BOOT_ERROR)
        self.door.open()
        if self._announce:
            self._announce()

    async def _watch(self) -> None:
        """End this process where a detection hangs: no thread can be ended, and another worker takes its place."""
        while self.door.longest_s < _STUCK_S:
            await asyncio.sleep(_LOOK_S)
        logs.logger(__name__).critical("a detection hangs, and the worker ends", seconds=_STUCK_S)
        os._exit(1)


def _open_detectors(service: Service) -> Detectors:
    detectors = Detectors(service.model, service.engine, service.selection, service.config.cores)
    detectors.warm_up()
    return detectors


def _complain(error: BaseException) -> None:
    if isinstance(error, LookoutError):
        console.complain(error)
    else:
        logs.logger(__name__).critical("the network can't be opened", exc_info=error)


def _worker_class(config: ServerConfig, connection: type[Connection]) -> type[UvicornWorker]:
    settings = {
        "http": connection,
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "on",
        "server_header": False,
        "proxy_headers": False,  # the log names who is really there
        "timeout_graceful_shutdown": config.grace_s,
    }
    return type("Worker", (UvicornWorker,), {"CONFIG_KWARGS": settings})


class _Log(glogging.Logger):  # type: ignore[misc]
    """gunicorn's own log, among the others."""

    def setup(self, _config: object) -> None:
        """Leave all to the root logger."""
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)


def _allow_files() -> None:
    """As many open files as the system lets this user have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise PortInUseError(
            f"{host}:{port} can't be listened on ({error.strerror}): choose another address with --host and --port"
        ) from error
