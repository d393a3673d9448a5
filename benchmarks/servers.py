"""Which server Flask stands behind: latency and throughput, alone and among idle and slow connections.

    python benchmarks/servers.py --model ../shared/models/yolo-fastest-1.1-xl.cfg --picture street.jpg

All run the same application. waitress, gunicorn's threads, gevent and granian run it by WSGI; those that are not
installed are left out (``pip install waitress gevent granian``). ``lookout`` is what ``lookout serve`` does.
Slow connections: half send their head drop by drop, half their body. The clients share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from helpers.program import wait_for
from helpers.traffic import crowd, nuisance, one_by_one

if TYPE_CHECKING:
    from flask import Flask

_MODEL = "LOOKOUT_BENCHMARK_MODEL"
_THREADS = "48"  # more than the queue's 32, so that the thirty-third can be told


def application() -> Flask:
    """What the WSGI servers run: the web application, and the detectors that ``lookout serve`` has."""
    from helpers.service import service_of
    from lookout.apps.server.app import create_app
    from lookout.apps.server.detectors import Detectors
    from lookout.engines import available_cores
    from lookout.loading import load

    detector = load(os.environ[_MODEL])
    service = service_of(detector)
    service.detectors = Detectors(detector.model, detector.engine.name, detector.selection, available_cores())
    service.detectors.warm_up()
    return create_app(service)


def _gunicorn(worker: str, *more: str) -> Callable[[int], list[str]]:
    options = ["--backlog", "2048", "--worker-connections", "3000", "--log-level", "error", *more]
    return lambda port: ["gunicorn", "servers:application()", "-b", f"127.0.0.1:{port}", "-k", worker, *options]


_WAITRESS = ["--threads", _THREADS, "--connection-limit", "3000", "--asyncore-use-poll"]
_GRANIAN = ["--interface", "wsgi", "--factory", "--backlog", "2048", "--no-log"]

# The module that must be there, and the command for a port.
SERVERS: dict[str, tuple[str, Callable[[int], list[str]]]] = {
    "waitress": (
        "waitress",
        lambda port: ["waitress-serve", f"--listen=127.0.0.1:{port}", *_WAITRESS, "--call", "servers:application"],
    ),
    "gunicorn, threads": ("gunicorn", _gunicorn("gthread", "--threads", _THREADS)),
    "gunicorn, gevent": ("gevent", _gunicorn("gevent")),
    "granian, 48 threads": (
        "granian",
        lambda port: ["granian", "servers:application", *_GRANIAN, "--port", str(port), "--blocking-threads", _THREADS],
    ),
    "granian, 1500 threads": (
        "granian",
        lambda port: ["granian", "servers:application", *_GRANIAN, "--port", str(port), "--blocking-threads", "1500"],
    ),
    "lookout": (
        "gunicorn",
        lambda port: ["lookout", "serve", "--model", os.environ[_MODEL], "--port", str(port), "--log-level", "error"],
    ),
}


@contextmanager
def _running(command: list[str], port: int) -> Iterator[str]:
    """A server that answers, and its URL."""
    script, *arguments = command
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        [sys.executable, str(Path(sys.executable).with_name(script)), *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: _answers(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _latency(url: str, picture: bytes, count: int) -> str:
    """The median in milliseconds, or that no answer came."""

    async def ask() -> list[float]:
        async with asyncio.timeout(20):
            await one_by_one(url, picture, 5)
            return await one_by_one(url, picture, count)

    try:
        return f"{statistics.median(asyncio.run(ask())) * 1000:.1f}"
    except TimeoutError:
        return "no answer"


def measure(command: list[str], port: int, picture: bytes, count: int, connections: int) -> list[str]:
    """Latency alone, images a second of eight clients, latency among idle and among slow connections."""
    with ExitStack() as stack:
        url = stack.enter_context(_running(command, port))
        alone = _latency(url, picture, count)
        seconds = count / 25
        tally = asyncio.run(crowd(url, picture, 8, seconds))
        figures = [alone, f"{len(tally.accepted) / seconds:.0f}"]
        for kinds in (["idle connections"], ["slow heads", "slow bodies"]):
            with ExitStack() as others:
                for kind in kinds:
                    others.enter_context(nuisance(url, kind, connections))
                figures.append(_latency(url, picture, count))
        return figures


def main() -> None:
    """Measure each server, and print a row of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a .cfg, an .onnx file or a name of the catalog")
    parser.add_argument("--picture", required=True, type=Path)
    parser.add_argument("--count", type=int, default=150, help="requests a measurement")
    parser.add_argument("--connections", type=int, default=1000, help="idle ones; as many slow ones")
    parser.add_argument("--servers", default=",".join(SERVERS), help="of: " + ", ".join(SERVERS))
    arguments = parser.parse_args()
    os.environ[_MODEL] = str(Path(arguments.model).resolve()) if Path(arguments.model).exists() else arguments.model
    heads = ["server", "alone (ms)", "8 clients (/s)", "among idle (ms)", "among slow (ms)"]
    print("| " + " | ".join(heads) + " |")
    print("|---" + "|---:" * (len(heads) - 1) + "|")
    for name, (module, command) in SERVERS.items():
        if name not in arguments.servers:
            continue
        if not find_spec(module):
            print(f"| {name} | not installed |")
            continue
        port = _free_port()
        picture = arguments.picture.read_bytes()
        figures = measure(command(port), port, picture, arguments.count, arguments.connections)
        print("| " + " | ".join([name, *figures]) + " |", flush=True)


if __name__ == "__main__":
    main()
