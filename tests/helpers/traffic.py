"""Clients of a server on loopback, by the hundred: well-behaved ones, and others. All are bounded in count and time."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
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
