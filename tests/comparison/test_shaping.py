"""The shaping proxy: never faster than its network, and no byte lost. How exact it is: benchmarks/shaping.py."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from helpers.scripted_server import ScriptedServer
from lookout.comparison.network import Network
from lookout.comparison.shaping import ShapingProxy, _Line


def over(network: Network, client: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> float:
    """Let a client speak over a network to somebody who says everything again; the seconds that it took."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def run() -> float:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        proxy = ShapingProxy(server.sockets[0].getsockname(), network)
        port = await proxy.start()
        start = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await client(reader, writer)
        took_s = time.perf_counter() - start
        writer.close()
        await proxy.close()
        server.close()
        return took_s

    return asyncio.run(run())


def test_a_round_trip_takes_its_time_and_a_connection_one_more():
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"

    assert over(Network("slow", 100, 100, 100), twice) >= 0.3


@pytest.mark.parametrize(("up", "down"), [(4, 1000), (1000, 4)])
def test_bytes_take_their_time_each_way_and_all_arrive(up: float, down: float):
    sent = bytes(range(256)) * 400

    async def all_of_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send() -> None:
            writer.write(sent)
            await writer.drain()
            writer.write_eof()

        _, received = await asyncio.gather(send(), reader.read(-1))
        assert received == sent

    assert over(Network("narrow", 0, up, down), all_of_it) >= len(sent) * 8 / 4e6


def test_connections_share_the_line():
    network, count = Network("narrow", 0, 8, 1000), 4
    sent = bytes(50_000)

    async def several(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("peername")[1]

        async def one() -> None:
            there = await asyncio.open_connection("127.0.0.1", port)
            there[1].write(sent)
            there[1].write_eof()
            assert len(await there[0].read(-1)) == len(sent)
            there[1].close()

        await asyncio.gather(*(one() for _ in range(count)))

    assert over(network, several) >= count * len(sent) / 1e6


@given(
    pieces=st.lists(st.tuples(st.integers(1, 65536), st.floats(0, 0.5)), min_size=1, max_size=50),
    bytes_per_s=st.floats(16_000, 25e6),
)
def test_a_line_is_never_faster_than_its_bandwidth_and_idle_only_when_nothing_comes(
    pieces: list[tuple[int, float]], bytes_per_s: float
):
    line, now_s, free_s = _Line(bytes_per_s, 0.1), 100.0, 0.0
    for size, pause_s in pieces:
        now_s += pause_s
        arrives_s = line.take(size, now_s)
        free_s = max(free_s, now_s) + size / bytes_per_s
        assert arrives_s == pytest.approx(free_s + 0.1)


@contextmanager
def proxied(target: tuple[str, int], network: Network) -> Iterator[int]:
    """A proxy in a thread of its own; its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    proxy = ShapingProxy(target, network)
    try:
        yield asyncio.run_coroutine_threadsafe(proxy.start(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(proxy.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_http_goes_through_with_its_errors():
    with ScriptedServer(lambda request, _: request) as server:
        pass  # it has ended: nobody listens
    host, port = server.url.removeprefix("http://").split(":")
    with proxied((host, int(port)), Network("n", 1, 10, 10)) as through, pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", f"http://127.0.0.1:{through}/", retries=False, timeout=30)
