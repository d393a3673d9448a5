"""The emulator as a process: bind, configure, serve, and end quickly."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from lookout.cloud.emulator import control_plane, data_folder
from lookout.cloud.emulator.checkpoints import Checkpoints
from lookout.cloud.emulator.config import ACCOUNT, EmulatorConfig
from lookout.cloud.emulator.event_queue import EventQueue
from lookout.cloud.emulator.function_runner import FunctionRunner
from lookout.cloud.emulator.host import FunctionHost
from lookout.cloud.emulator.isolation import check_isolation
from lookout.cloud.emulator.journal import Journal
from lookout.cloud.emulator.limits import choose_limiter
from lookout.cloud.emulator.ministack_functions import MinistackFunctions
from lookout.cloud.emulator.workspace import identity as identity_of
from lookout.cloud.emulator.workspace import workspace
from lookout.errors import PortInUseError, UsageError

_BACKLOG = 128

# How long requests in progress may take to end, and then the server itself.
_GRACE_S = 0.5
_END_S = 1.0


def run(config: EmulatorConfig, on_ready: Callable[[str, str], None]) -> None:
    """See ``lookout.cloud.emulator.serve``."""
    control_plane.check_installed()
    with ExitStack() as parts:
        data = parts.enter_context(data_folder.locked(config.data))
        listener = parts.enter_context(_bound(config.port))
        folder = parts.enter_context(workspace())
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if data:
            data_folder.prepare(data, endpoint)
        control_plane.configure(os.environ, endpoint, config)
        identity = identity_of(os.getpid())
        limiter = choose_limiter(cpu_limits=config.cpu_limits)
        if config.isolate:
            check_isolation(limiter)
        journal = parts.enter_context(closing(_journal(data)))
        checkpoints = Checkpoints(partial(control_plane.save_state, data), journal) if data else None
        if checkpoints:
            parts.callback(checkpoints.close)
        host = FunctionHost(
            limiter,
            config.idle_s,
            init_limit_s=config.init_limit_s,
            isolated=config.isolate,
            folder=folder,
            is_current=MinistackFunctions.is_current,
        )
        changed = checkpoints.changed if checkpoints else _nothing
        runner = FunctionRunner(host, folder, endpoint, config.region)
        functions = MinistackFunctions(runner, changed)
        events = EventQueue(journal, functions, config.concurrency, config.retry_base_s)
        parts.callback(events.join)
        parts.callback(host.close)
        parts.callback(events.close)

        def about() -> dict[str, object]:
            settings = {
                "limiter": limiter.name,
                "region": config.region,
                "account": ACCOUNT,
                "isolated": config.isolate,
            }
            now = {"sandboxes": host.sandboxes(), "events": journal.pending()}
            return {**settings, "data": data and str(data), "process": identity, **now}

        app = control_plane.application(functions, events, about, changed)

        def ready() -> None:
            events.start()  # what waited is given to functions that find the services there
            if checkpoints:
                checkpoints.start()
            on_ready(endpoint, limiter.name)

        def stop() -> None:
            events.close()
            host.close()  # ends the requests that wait for functions

        _run_until_stopped(app, listener, ready, stop)


def _journal(data: Path | None) -> Journal:
    try:
        return Journal(data_folder.events_file(data))
    except sqlite3.Error as error:
        raise UsageError(f"{data_folder.events_file(data)} can't keep the emulator's events: {error}") from error


def _nothing() -> None:
    pass


def _bound(port: int) -> socket.socket:
    """Listen on a port of the loopback address; bound here, so that port 0 gives one that stays ours."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PortInUseError(
            f"port {port} can't be listened on ({error.strerror}): choose another with --port; 0 takes a free one"
        ) from error
    return listener


def _run_until_stopped(
    app: control_plane.App, listener: socket.socket, on_ready: Callable[[], None], stop: Callable[[], None]
) -> None:
    # Not asyncio.run, which waits for ministack's worker threads at the end.
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_serve(app, listener, on_ready, stop))


async def _serve(
    app: control_plane.App, listener: socket.socket, on_ready: Callable[[], None], stop: Callable[[], None]
) -> None:
    from hypercorn.asyncio import serve  # ministack patches it on import
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = _GRACE_S
    config.keep_alive_timeout = 75
    config.loglevel = "ERROR"
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)

    async def until_stopped() -> None:
        """Hypercorn waits for this to end the server, and only when it answers."""
        await asyncio.to_thread(on_ready)
        await stopped.wait()
        await asyncio.to_thread(stop)

    server = asyncio.create_task(serve(app, config, shutdown_trigger=until_stopped))  # type: ignore[arg-type]
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({server, stopping}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({server}, timeout=_END_S)
    if server.done():
        server.result()
