"""The emulator as a process: bind, configure, serve, and end quickly."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable

from lookout.cloud.emulator import control_plane
from lookout.cloud.emulator.config import ACCOUNT, EmulatorConfig
from lookout.cloud.emulator.host import FunctionHost
from lookout.cloud.emulator.limits import choose_limiter
from lookout.cloud.emulator.workspace import workspace
from lookout.errors import PortInUseError

_BACKLOG = 128

# How long requests in progress may take to end, and then the server itself.
_GRACE_S = 0.5
_END_S = 1.5


def run(config: EmulatorConfig, on_ready: Callable[[str], None]) -> None:
    """See ``lookout.cloud.emulator.serve``."""
    control_plane.check_installed()
    with _bound(config.port) as listener, workspace() as folder:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        control_plane.configure(os.environ, endpoint, config.region)
        limiter = choose_limiter(cpu_limits=config.cpu_limits)
        host = FunctionHost(limiter, config.concurrency, config.idle_s, init_limit_s=config.init_limit_s)
        try:
            runner = control_plane.FunctionRunner(host, folder, endpoint, config.region)
            about = {"limiter": limiter.name, "region": config.region, "account": ACCOUNT}
            app = control_plane.application(runner, about)
            _run_until_stopped(app, listener, host, lambda: on_ready(endpoint))
        finally:
            host.close()


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
    app: control_plane.App, listener: socket.socket, host: FunctionHost, on_ready: Callable[[], None]
) -> None:
    # Not asyncio.run, which waits for ministack's worker threads at the end.
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_serve(app, listener, host, on_ready))


async def _serve(
    app: control_plane.App, listener: socket.socket, host: FunctionHost, on_ready: Callable[[], None]
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
        host.close()  # ends the requests that wait for functions

    server = asyncio.create_task(serve(app, config, shutdown_trigger=until_stopped))  # type: ignore[arg-type]
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({server, stopping}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({server}, timeout=_END_S)
    if server.done():
        server.result()
