"""Clients of a server on loopback, by the hundred: well-behaved ones, and others. All are bounded in count and time."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PATH = "/object-detection"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response, and how many seconds it took from the first byte that was sent."""

    status: int
    headers: dict[str, str]
    body: bytes
    elapsed_s: float

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One HTTP/1.1 connection that stays open."""

    def __init__(self, url: str) -> None:
        self._host, self._port = urlsplit(url).hostname, urlsplit(url).port

    async def __aenter__(self) -> Connection:
        self.reader, self.writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()  # what was not sent yet goes nowhere
        with suppress(OSError):
            await self.writer.wait_closed()

    async def post(self, body: bytes, path: str = PATH, **headers: str) -> Reply:
        """Send an image, and read the answer."""
        start = time.perf_counter()
        self.writer.write(head(len(body), path, **headers) + body)
        return await self.read(start)

    async def read(self, start: float) -> Reply:
        """Read an answer. Raises ``asyncio.IncompleteReadError`` where the connection ends before."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(int(lines[0].split()[1]), headers, body, time.perf_counter() - start)


def head(length: int, path: str = PATH, **headers: str) -> bytes:
    """A request's head, for a JPEG of that length."""
    fields = {"Host": "lookout", "Content-Type": "image/jpeg", "Content-Length": str(length), **headers}
    return "\r\n".join([f"POST {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items()), "", ""]).encode()


@dataclass(slots=True)
class Tally:
    """What many clients met."""

    accepted: list[Reply] = field(default_factory=list)
    refused: list[Reply] = field(default_factory=list)
    others: list[Reply] = field(default_factory=list)
    lost: list[Exception] = field(default_factory=list)

    def add(self, reply: Reply) -> None:
        {200: self.accepted, 503: self.refused}.get(reply.status, self.others).append(reply)

    def percentile_s(self, percent: float) -> float:
        """Of what accepted requests took."""
        times = sorted(reply.elapsed_s for reply in self.accepted)
        return times[min(len(times) - 1, int(len(times) * percent / 100))]


async def crowd(url: str, picture: bytes, clients: int, seconds: float, pause_s: float = 0.1) -> Tally:
    """So many clients, each asking as fast as it is answered; one that is refused comes again after a pause."""
    tally, end = Tally(), time.monotonic() + seconds

    async def ask() -> None:
        async with Connection(url) as connection:
            while time.monotonic() < end:
                reply = await connection.post(picture)
                tally.add(reply)
                if reply.status == 503:
                    await asyncio.sleep(pause_s)

    for outcome in await asyncio.gather(*(ask() for _ in range(clients)), return_exceptions=True):
        if isinstance(outcome, Exception):
            tally.lost.append(outcome)
    return tally


async def one_by_one(url: str, picture: bytes, count: int) -> list[float]:
    """The seconds that each of some requests takes, one after the other."""
    async with Connection(url) as connection:
        return [(await _answered(connection, picture)).elapsed_s for _ in range(count)]


async def _answered(connection: Connection, picture: bytes) -> Reply:
    reply = await connection.post(picture)
    assert reply.status == 200, reply
    return reply


# Clients that nobody wants, in a process of their own, so that what they cost is the server's cost and not the test's.

HALF_A_HEAD = b"POST /object-detection HTTP/1.1\r\nHost: lookout\r\n"
_HEAVY_BYTES = 100_000_000
_MOST_SECONDS = 120


async def _connect(url: str, count: int, said: bytes) -> list[asyncio.StreamWriter]:
    """Connections that say so much, and then nothing."""
    address = urlsplit(url).hostname, urlsplit(url).port
    writers = [(await asyncio.open_connection(*address))[1] for _ in range(count)]
    for writer in writers:
        writer.write(said)
    return writers


async def _drip(url: str, count: int, said: bytes, drop: bytes) -> None:
    """Say a little on each connection, again and again."""
    writers = await _connect(url, count, said)
    print("ready", flush=True)  # noqa: T201  to the test
    while True:
        await asyncio.sleep(0.5)
        for writer in writers:
            writer.write(drop)


async def _pour(url: str) -> None:
    """Send bodies that are too large, one after the other."""
    print("ready", flush=True)  # noqa: T201  to the test
    while True:
        async with Connection(url) as connection:
            connection.writer.write(head(_HEAVY_BYTES))
            for _ in range(_HEAVY_BYTES // 1_000_000):
                connection.writer.write(bytes(1_000_000))
                await connection.writer.drain()
            assert (await connection.read(0)).status == 413


NUISANCES: dict[str, Callable[[str, int], Coroutine[Any, Any, None]]] = {
    "idle connections": lambda url, count: _drip(url, count, b"", b""),
    "slow heads": lambda url, count: _drip(url, count // 2, HALF_A_HEAD, b"X-A: b\r\n"),
    "slow bodies": lambda url, count: _drip(url, count // 2, head(100_000), b"x"),
    "half bodies": lambda url, count: _drip(url, count // 2, head(100_000) + bytes(50_000), b""),
    "bodies of 100 MB": lambda url, _: _pour(url),
}


@contextmanager
def nuisance(url: str, kind: str, count: int) -> Iterator[None]:
    """Have such clients about while the block runs. Raises ``AssertionError`` where they ended by themselves."""
    command = [sys.executable, __file__, url, kind, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
            yield
            assert process.poll() is None, process.stderr.read()
        finally:
            process.kill()


async def _be_a_nuisance(url: str, kind: str, count: str) -> None:
    async with asyncio.timeout(_MOST_SECONDS):
        await NUISANCES[kind](url, int(count))


if __name__ == "__main__":
    asyncio.run(_be_a_nuisance(*sys.argv[1:]))
