"""How exact is the shaping proxy? Round trips and bandwidth as a client measures them, beside what was asked for.

    .venv/bin/python benchmarks/shaping.py

The proxy runs in a process of its own, as in a comparison. A round trip is the median of 15 exchanges of one byte; a
bandwidth is that of an upload, or a download, of about a second, its round trip taken off.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from lookout.comparison.machine import describe_machine
from lookout.comparison.network import Network
from lookout.comparison.shaping import run

RTT_MS = (0.0, 5.0, 40.0, 170.0, 600.0)
MBIT_S = (0.128, 1.0, 10.0, 50.0, 200.0)
# What it is held to: a round trip within 10 % or 2 ms, a bandwidth within 10 %.
MOST_PART, MOST_MS = 0.10, 2.0
_LEAST_BYTES = 20_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rtt", type=float, nargs="+", default=RTT_MS, help="round trips in ms")
    parser.add_argument("--mbit", type=float, nargs="+", default=MBIT_S, help="bandwidths in Mbit/s, both ways")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a transfer takes, about")
    arguments = parser.parse_args()
    print(f"{'asked for':>24}{'round trip':>20}{'up':>20}{'down':>20}")
    worst = [
        measure(Network("", rtt, rate, rate), arguments.seconds) for rtt in arguments.rtt for rate in arguments.mbit
    ]
    machine = describe_machine()
    print(f"within bounds: {sum(worst)} of {len(worst)}; measured on {machine['cpu']}, {machine['cores']} cores")


def measure(network: Network, seconds: float) -> bool:
    """Measure a network, print a line; whether all of it is within bounds."""
    size = max(_LEAST_BYTES, int(network.up_mbit_s * 1e6 / 8 * seconds))
    with peer() as target, proxy(target, network) as port:
        rtt_ms = (
            statistics.median(timed(port, b"p", 0, 1) for _ in range(15)) - network.rtt_ms
        )  # a new connection's own
        up_ms = timed(port, b"u", size, 1) - 2 * network.rtt_ms
        down_ms = timed(port, b"d" + size.to_bytes(8), 0, size) - 2 * network.rtt_ms
    up, down = (size * 8e-3 / taken_ms for taken_ms in (up_ms, down_ms))
    good = (
        abs(rtt_ms - network.rtt_ms) <= max(MOST_MS, MOST_PART * network.rtt_ms),
        *(abs(rate / network.up_mbit_s - 1) <= MOST_PART for rate in (up, down)),
    )
    marks = ["" if one else " !" for one in good]
    print(
        f"{network.rtt_ms:9g} ms {network.up_mbit_s:6g} Mbit/s{rtt_ms:15.2f} ms{marks[0]:2}"
        f"{up:13.3f} Mbit/s{marks[1]:2}{down:11.3f} Mbit/s{marks[2]:2}"
    )
    return all(good)


def exchanges_ms(port: int) -> list[float]:
    """How long each of some exchanges of a byte takes over one connection."""
    times_ms = []
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(15):
            start = time.perf_counter()
            client.sendall(b"p")
            client.recv(1)
            times_ms.append((time.perf_counter() - start) * 1000)
    return times_ms[1:]  # the first waits for the connection, too


def timed(port: int, begins: bytes, more: int, answer: int) -> float:
    """How long a request takes over a new connection, in ms."""
    start = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(begins)
        if more:
            client.sendall(bytes(more))
        if more:
            client.shutdown(socket.SHUT_WR)
        left = answer
        while left:
            left -= len(client.recv(min(left, 1 << 18)))
    return (time.perf_counter() - start) * 1000


@contextmanager
def peer() -> Iterator[tuple[str, int]]:
    """What is asked: it answers a byte, takes what comes and answers a byte, or sends as much as is asked for."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                answer(client)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def answer(client: socket.socket) -> None:
    """One request."""
    kind = client.recv(1)
    if kind == b"d":
        client.sendall(bytes(int.from_bytes(client.recv(8, socket.MSG_WAITALL))))
    elif kind == b"u":
        while client.recv(1 << 18):
            pass
        client.sendall(b"x")
    while kind == b"p":
        client.sendall(b"x")
        kind = client.recv(1)


@contextmanager
def proxy(target: tuple[str, int], network: Network) -> Iterator[int]:
    """The proxy in a process of its own; its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=be_proxy, args=(target, network, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def be_proxy(target: tuple[str, int], network: Network, told: Connection) -> None:
    """The other process."""
    run(target, network, told.send)


if __name__ == "__main__":
    main()
