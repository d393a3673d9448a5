"""A proxy that makes loopback as slow as another network: delay and bandwidth, applied for real to every byte.

Theory of operation. The network has one line a direction, which all connections share. Bytes go over it in pieces, in
the order in which they came: a piece begins when the line is free, takes its size divided by the line's bandwidth, and
arrives half a round trip later. The times are reckoned, not waited for one after the other, so that a proxy that is
woken late sends late once and falls no further behind. A line takes no more than the network holds on its way and a
little (``_QUEUE_S``): who sends more waits, as before a full socket.

A new connection waits for a round trip before its first byte is sent on, since on loopback TCP's handshake costs none.
What a real network has beyond that is not here: slow start, loss, jitter, TLS's handshakes.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from lookout.comparison.network import Network

# A piece takes the line for so long: the finest that bandwidth is divided among connections.
_PIECE_S = 0.002
_LEAST_PIECE, _LARGEST_PIECE = 1460, 64 * 1024
# What may wait before the line: as much as it carries in this time.
_QUEUE_S = 0.05


@dataclass(slots=True)
class _Line:
    """One direction of the network. ``free_s``: when all that it has taken is through, by the loop's clock."""

    bytes_per_s: float
    delay_s: float
    free_s: float = 0.0

    @property
    def piece_bytes(self) -> int:
        """The most that goes at a time."""
        return int(min(_LARGEST_PIECE, max(_LEAST_PIECE, self.bytes_per_s * _PIECE_S)))

    def take(self, size: int, now_s: float) -> float:
        """When a piece that comes now arrives at the other end."""
        self.free_s = max(self.free_s, now_s) + size / self.bytes_per_s
        return self.free_s + self.delay_s

    def full_for_s(self, now_s: float) -> float:
        """For how long it takes no more."""
        return max(0.0, self.free_s - now_s - _QUEUE_S)


@dataclass(slots=True)
class _OnItsWay:
    """The pieces of one direction of a connection, and when they arrive; None is its end."""

    pieces: deque[tuple[float, bytes | None]] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, arrives_s: float, piece: bytes | None) -> None:
        self.pieces.append((arrives_s, piece))
        self.changed.set()

    async def next(self) -> tuple[float, bytes | None]:
        while not self.pieces:
            self.changed.clear()
            await self.changed.wait()
        return self.pieces.popleft()


class ShapingProxy:
    """Connections to ``port`` go to ``target`` as over a network. Use within one event loop, ``start`` to ``close``."""

    def __init__(self, target: tuple[str, int], network: Network) -> None:
        self._target = target
        self._round_trip_s = network.rtt_ms / 1000
        self._up, self._down = (
            _Line(mbit_s * 1e6 / 8, self._round_trip_s / 2) for mbit_s in (network.up_mbit_s, network.down_mbit_s)
        )
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> int:
        """Listen on loopback; the port."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", port)
        name: tuple[str, int] = self._server.sockets[0].getsockname()
        return name[1]

    async def close(self) -> None:
        """Take no more connections, and end those that are open."""
        if self._server:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        ends = [writer]
        try:
            await asyncio.sleep(self._round_trip_s)
            there_reader, there_writer = await asyncio.open_connection(*self._target)
            ends.append(there_writer)
            await _both(self._carry(reader, there_writer, self._up), self._carry(there_reader, writer, self._down))
        except OSError:  # nobody is there, or no longer: the client sees its connection end, as behind a router
            pass
        finally:
            for end in ends:
                end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: _Line) -> None:
        """One direction of a connection, to its end."""
        _without_nagle(writer)
        way = _OnItsWay()
        await _both(_take_in(reader, line, way), _hand_out(way, writer))


async def _take_in(reader: asyncio.StreamReader, line: _Line, way: _OnItsWay) -> None:
    now_s = asyncio.get_running_loop().time
    while True:
        piece = await reader.read(line.piece_bytes)
        if not piece:
            way.put(now_s() + line.delay_s, None)
            return
        way.put(line.take(len(piece), now_s()), piece)
        if (wait_s := line.full_for_s(now_s())) > 0:
            await asyncio.sleep(wait_s)


async def _hand_out(way: _OnItsWay, writer: asyncio.StreamWriter) -> None:
    now_s = asyncio.get_running_loop().time
    while True:
        arrives_s, piece = await way.next()
        if (wait_s := arrives_s - now_s()) > 0:
            await asyncio.sleep(wait_s)
        if piece is None:
            with suppress(OSError):
                writer.write_eof()
            return
        writer.write(piece)
        await writer.drain()


async def _both(one: Awaitable[None], other: Awaitable[None]) -> None:
    """Both to their ends; where one fails the other is ended."""
    tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _without_nagle(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def run(target: tuple[str, int], network: Network, ready: Callable[[int], None]) -> None:
    """Be such a proxy until this process is ended; ``ready`` is told the port."""

    async def be() -> None:
        proxy = ShapingProxy(target, network)
        ready(await proxy.start())
        await asyncio.Event().wait()

    # By select, since epoll waits in whole milliseconds: each piece would come up to one late.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(be())
