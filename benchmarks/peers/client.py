"""Asks a server over HTTP, and times it: as light as can be, in a process of its own, the same for every server.

    echo '{"port": 5001, "requests": ["0.http"], "order": [0, 0], "clients": 1}' | python client.py

It knows nothing of images or servers: a request is a file that holds all that is sent, head and body. Each client is a
thread with one connection, which it keeps as long as the server does. It runs on the standard library alone.

The plan, on standard input: ``order`` names requests by number. In a closed loop every client takes the next of them
when its last was answered, until there is none, or ``seconds`` have gone, and then from the start again until they
have. With ``rate`` (a second) they are an open loop: a Poisson process, seeded by ``seed``, and each time counts from
when its request was due.

What comes out, as JSON: ``samples`` of [request, begun, ended] in seconds from the start, begun when due in an open
loop; ``refused``, the number of requests that the server had too much to do for (503); ``cpu_s`` of this process
meanwhile; ``answers``, the body that each request was answered with first.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import accumulate, cycle
from pathlib import Path

_TIMEOUT_S = 120
_AT_ONCE = 1 << 16
_BLANK = b"\r\n\r\n"


class RefusedError(Exception):
    """The server has too much to do."""


class Connection:
    """One connection to a server, opened again where the server closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def open(self) -> socket.socket:
        """Open it, where it isn't."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), _TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def ask(self, request: bytes) -> bytes:
        """The body that answers. Raises ``RefusedError``, and ``OSError`` where none comes or one that is not good."""
        opened = self.open()
        opened.sendall(request)
        head, body = self._head(opened)
        status, lasts, length = read_head(head)
        body = self._chunks(opened, body) if length is None else self._rest(opened, body, length)
        if not lasts:
            self.close()
        if status == 503:
            raise RefusedError
        if status != 200:
            raise OSError(f"{status}: {body[:300]!r}")
        return body

    def close(self) -> None:
        """Close it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _head(self, opened: socket.socket) -> tuple[bytes, bytes]:
        received = b""
        while _BLANK not in received:
            received += self._more(opened)
        head, _, rest = received.partition(_BLANK)
        return head, rest

    def _rest(self, opened: socket.socket, received: bytes, length: int) -> bytes:
        parts, missing = [received], length - len(received)
        while missing > 0:
            parts.append(self._more(opened))
            missing -= len(parts[-1])
        return b"".join(parts)

    def _chunks(self, opened: socket.socket, received: bytes) -> bytes:
        """A body in chunks, each with its length before it; the last is empty."""
        parts = []
        while True:
            while b"\r\n" not in received:
                received += self._more(opened)
            size, _, received = received.partition(b"\r\n")
            length = int(size, 16) + 2
            if len(received) < length:
                received = self._rest(opened, received, length)
            if length == 2:
                return b"".join(parts)
            parts.append(received[: length - 2])
            received = received[length:]

    @staticmethod
    def _more(opened: socket.socket) -> bytes:
        received = opened.recv(_AT_ONCE)
        if not received:
            raise OSError("the connection ended before the answer did")
        return received


def read_head(head: bytes) -> tuple[int, bool, int | None]:
    """Of an answer's head: its status, whether the connection lasts, and the body's length, None of chunks.

    >>> read_head(b"HTTP/1.0 200 OK" + bytes([13, 10]) + b"Content-Length: 7")
    (200, False, 7)
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status = first.split()[:2]
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    kept = fields.get("connection", "keep-alive" if version == "HTTP/1.1" else "close").lower()
    length = fields.get("content-length")
    if length is None and fields.get("transfer-encoding", "").lower() != "chunked":
        raise OSError(f"an answer that doesn't tell its length: {head!r}")
    return int(status), kept != "close", None if length is None else int(length)


class Work:
    """What clients share: which request is next, and what came of those before."""

    def __init__(self, order: list[int], seconds: float | None, due_s: list[float] | None) -> None:
        self.samples: list[tuple[int, float, float]] = []
        self.answers: dict[int, str] = {}
        self.refused = 0
        self.failure: Exception | None = None
        self._lock = threading.Lock()
        self._seconds = seconds
        self._source = self._numbered(order, due_s)

    def start(self) -> None:
        """Now."""
        self._start_s = time.perf_counter()

    def clock(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start_s

    def next(self) -> tuple[int, float] | None:
        """The next request, and when it is due (0 in a closed loop); None where there is nothing left to do."""
        with self._lock:
            if self.failure or (self._seconds is not None and self.clock() > self._seconds):
                return None
            return next(self._source, None)

    def done(self, number: int, begun_s: float, ended_s: float, answer: bytes) -> None:
        """Keep what came of one."""
        self.samples.append((number, begun_s, ended_s))
        if number not in self.answers:
            self.answers[number] = answer.decode()

    def was_refused(self) -> None:
        """Count one that was not worked on."""
        with self._lock:
            self.refused += 1

    def _numbered(self, order: list[int], due_s: list[float] | None) -> Iterator[tuple[int, float]]:
        if due_s is not None:
            yield from zip(cycle(order), due_s, strict=False)
        elif self._seconds is not None:
            yield from ((number, 0.0) for number in cycle(order))
        else:
            yield from ((number, 0.0) for number in order)


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """When each request of an open loop is due."""
    chance = random.Random(seed)  # noqa: S311  no secret
    count = round(rate * seconds)
    return list(accumulate(chance.expovariate(rate) for _ in range(count)))


def serve(
    work: Work, prepare: Callable[[], object], ask: Callable[[int], bytes], ready: threading.Barrier, *, is_open: bool
) -> None:
    """One client's life: it begins when all are prepared."""
    try:
        prepare()
        ready.wait(_TIMEOUT_S)
        while task := work.next():
            number, due_s = task
            if is_open and (wait_s := due_s - work.clock()) > 0:
                time.sleep(wait_s)
            begun_s = due_s if is_open else work.clock()
            try:
                answer = ask(number)
            except RefusedError:
                work.was_refused()
            else:
                work.done(number, begun_s, work.clock(), answer)
    except (OSError, threading.BrokenBarrierError) as error:
        work.failure = work.failure or error
        ready.abort()


def run(plan: dict, requests: list[bytes]) -> dict:
    """Carry out a plan. Raises ``OSError`` where a request isn't answered well."""
    rate, seconds = plan.get("rate"), plan.get("seconds")
    due_s = poisson(rate, seconds, plan["seed"]) if rate else None
    work = Work(plan["order"], None if rate else seconds, due_s)
    ready = threading.Barrier(plan["clients"], action=work.start)
    connections = [Connection(plan["port"]) for _ in range(plan["clients"])]
    threads = [
        threading.Thread(target=_client, args=(work, connection, requests, ready), kwargs={"is_open": rate is not None})
        for connection in connections
    ]
    cpu_s = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu_s = time.process_time() - cpu_s
    for connection in connections:
        connection.close()
    if work.failure:
        raise OSError(f"a request failed: {work.failure}") from work.failure
    return {"samples": work.samples, "refused": work.refused, "cpu_s": cpu_s, "answers": work.answers}


def _client(
    work: Work, connection: Connection, requests: list[bytes], ready: threading.Barrier, *, is_open: bool
) -> None:
    def ask(number: int) -> bytes:
        return connection.ask(requests[number])

    # In a closed loop a first image, so that all on the other side are awake. Many at once would be a burst.
    serve(work, connection.open if is_open else lambda: ask(0), ask, ready, is_open=is_open)


def main() -> None:
    """Read a plan, and print what came of it."""
    plan = json.load(sys.stdin)
    requests = [Path(path).read_bytes() for path in plan["requests"]]
    json.dump(run(plan, requests), sys.stdout)


if __name__ == "__main__":
    main()
