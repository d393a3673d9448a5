"""The door: who is let in, and when; the web application behind it only sees requests that may be worked on.

Flask speaks WSGI, where a request holds a thread from its first byte to its last, cannot wait without one, and is not
told that its client has left. So the door is an ASGI application. It reads a request's head, and refuses what it can
by that: a wrong key, a body that is too large, a full queue. It reads the body, for so long and so much. It lets
detections queue, and forgets those whose client leaves or whose time is up. Then it calls Flask in a thread, of which
there are as many as cores. What is slow or idle costs a few objects in memory, and no thread.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from flask import Flask

from lookout.apps.server import keys, logs
from lookout.apps.server.admission import Admission, ClientGoneError, QueueFullError, WaitedTooLongError
from lookout.apps.server.config import ServerConfig
from lookout.apps.server.operations import LaneName, Operation, find_operation
from lookout.apps.server.problems import RefusalError, Reply, in_dialect
from lookout.apps.server.service import Service
from lookout.apps.server.wsgi import QUEUE_MS, REQUEST_ID, call, environ_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_DESK_THREADS, _DESK_QUEUE = 4, 256
_OFFLOAD_THREADS = 32
# What is answered at once takes no images.
_DESK_BODY_BYTES = 64 * 1024
# A client that sends too much is let finish, so that it reads the refusal, unless it is far too much.
_DRAINED_BODIES = 2
# A pause after each part of it, of some 64 KiB: others first.
_DRAIN_PAUSE_S = 0.002
_GOOD_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_CLIENT_CLOSED = 499  # nginx's, for logs: the client got no answer

_log = logs.logger(__name__)


@dataclass(slots=True)
class Lane:
    """A line, and the threads that work it off."""

    admission: Admission
    threads: ThreadPoolExecutor


@dataclass(slots=True)
class Exchange:
    """A request on its way: its head, what is known of it, and how the server hears from its client."""

    scope: Scope
    receive: Receive
    headers: Mapping[bytes, bytes]
    request_id: str
    started_s: float
    operation: Operation | None
    queue_s: float = 0.0

    def header(self, name: bytes) -> str:
        """A header's value; empty where it is not there."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def content_length(self) -> int:
        """What the body is said to measure; 0 where nothing is said."""
        text = self.header(b"content-length")
        return int(text) if text.isdigit() else 0

    @property
    def lane(self) -> LaneName:
        """Where it must queue."""
        if self.operation is None:
            return "desk"
        if self.operation.lane == "compute" and _execution(self.scope["query_string"]) != "local":
            return "offload"
        return self.operation.lane


class Door:
    """The ASGI application before ``app``."""

    def __init__(self, app: Flask, service: Service, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app = app
        self._service = service
        self._config = config = service.config
        self._clock = clock
        self._held = _Held(config.max_held_bytes)
        self._lanes: dict[LaneName, Lane] = {
            "compute": _lane(config.queue, config, config.cores),
            "offload": _lane(config.queue, config, _OFFLOAD_THREADS),
            "desk": _lane(_DESK_QUEUE, config, _DESK_THREADS),
        }
        self._lanes["offload"].admission.open(_OFFLOAD_THREADS)
        self._lanes["desk"].admission.open(_DESK_THREADS)
        compute = self._lanes["compute"].admission
        service.metrics.watch(lambda: compute.waiting, lambda: compute.busy)

    def open(self) -> None:
        """Let detections in: the network is there. To be called in the event loop's thread."""
        self._lanes["compute"].admission.open(self._config.cores)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        headers = dict(scope["headers"])
        operation = find_operation(self._app, scope["method"], scope["path"])
        exchange = Exchange(scope, receive, headers, _request_id(headers), self._clock(), operation)
        try:
            reply = await self._answer(exchange)
        except RefusalError as refusal:
            self._service.metrics.count_error(refusal.kind)
            reply = refusal.reply
        except ClientGoneError:
            self._service.metrics.count_error("ClientGone")
            self._note(exchange, _CLIENT_CLOSED)
            return
        self._note(exchange, reply.status)
        await _send(send, self._signed(exchange, in_dialect(reply, scope["path"])))

    async def _answer(self, exchange: Exchange) -> Reply:
        self._check_key(exchange)
        lane = self._lanes[exchange.lane]
        await self._check_length(exchange, _DESK_BODY_BYTES if exchange.lane == "desk" else self._config.max_body_bytes)
        if lane.admission.full:
            raise _busy("QueueFull", "the queue is full", lane)
        with self._held.share() as take:
            body = await self._read_body(exchange, take)
            await self._wait(exchange, lane)
            return await self._work(exchange, lane, body)

    def _check_key(self, exchange: Exchange) -> None:
        key, operation = self._config.api_key, exchange.operation
        if key is None or (operation and (operation.public or operation.key_in_form)):
            return
        given = keys.given_key(exchange.header(b"authorization"), exchange.header(b"x-api-key"))
        if not keys.key_is(given, key):
            raise RefusalError(401, "Unauthorized", keys.ADVICE, ("WWW-Authenticate", "Bearer"))

    async def _check_length(self, exchange: Exchange, limit: int) -> None:
        length = exchange.content_length
        if length <= limit:
            return
        if length <= _DRAINED_BODIES * self._config.max_body_bytes and b"expect" not in exchange.headers:
            await self._drain(exchange)
        raise _too_large(limit)

    async def _drain(self, exchange: Exchange) -> None:
        """Let a body go by: a client that is cut off while it sends never reads why."""
        try:
            async with asyncio.timeout(self._config.body_timeout_s):
                while (await _next_part(exchange)).get("more_body"):
                    await asyncio.sleep(_DRAIN_PAUSE_S)
        except TimeoutError:
            return

    async def _read_body(self, exchange: Exchange, take: Callable[[int], int]) -> bytes:
        limit = _DESK_BODY_BYTES if exchange.lane == "desk" else self._config.max_body_bytes
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._config.body_timeout_s):
                while True:
                    part = await _next_part(exchange)
                    if take(len(part.get("body", b""))) > limit:
                        raise _too_large(limit)
                    parts.append(part.get("body", b""))
                    if not part.get("more_body"):
                        return b"".join(parts)
        except TimeoutError as error:
            detail = f"the body did not come within {self._config.body_timeout_s:g} s: send it again"
            raise RefusalError(408, "BodyTimeout", detail, ("Connection", "close")) from error

    async def _wait(self, exchange: Exchange, lane: Lane) -> None:
        start = self._clock()
        try:
            await lane.admission.enter(lambda: _gone(exchange))
        except QueueFullError as error:
            raise _busy("QueueFull", "the queue is full", lane) from error
        except WaitedTooLongError as error:
            raise _busy("WaitedTooLong", f"no core was free within {self._config.max_wait_s:g} s", lane) from error
        exchange.queue_s = self._clock() - start

    async def _work(self, exchange: Exchange, lane: Lane, body: bytes) -> Reply:
        environ = environ_of(exchange.scope, body)
        environ[QUEUE_MS], environ[REQUEST_ID] = exchange.queue_s * 1000, exchange.request_id
        start = self._clock()
        work = asyncio.get_running_loop().run_in_executor(lane.threads, call, self._app.wsgi_app, environ)
        # What was begun holds its place until it is done, also where nobody waits for it any more.
        work.add_done_callback(lambda _: lane.admission.leave(self._clock() - start))
        return await asyncio.shield(work)

    def _signed(self, exchange: Exchange, reply: Reply) -> Reply:
        known = {name.lower() for name, _ in reply.headers}
        added = [("X-Request-ID", exchange.request_id), *_SECURITY.items()]
        return Reply(
            reply.status,
            (*reply.headers, *((name, value) for name, value in added if name.lower() not in known)),
            reply.body,
        )

    def _note(self, exchange: Exchange, status: int) -> None:
        elapsed_s = self._clock() - exchange.started_s
        if exchange.lane == "compute" and status == 200:
            self._service.metrics.observe({"queue": exchange.queue_s * 1000})
            self._service.metrics.observe_whole(elapsed_s)
        _log.info(
            "request",
            request_id=exchange.request_id,
            client=(exchange.scope.get("client") or ("", 0))[0],
            method=exchange.scope["method"],
            path=exchange.scope["path"],
            status=status,
            elapsed_ms=round(elapsed_s * 1000, 1),
            queue_ms=round(exchange.queue_s * 1000, 1),
        )


class _Held:
    """The bytes of bodies that are in memory: everybody's, and those of one request in a block."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], int]]:
        """How a request counts its bytes as they come, which gives their sum; forgotten at the block's end.

        Counting raises ``RefusalError`` where all requests hold too many together.
        """
        own = 0

        def take(size: int) -> int:
            nonlocal own
            own += size
            self._size += size
            if self._size > self._limit:
                retry = ("Retry-After", "1"), ("Connection", "close")
                detail = "the server holds as many images as it may: try again in 1 s"
                raise RefusalError(503, "TooManyBytes", detail, *retry)
            return own

        try:
            yield take
        finally:
            self._size -= own


_SECURITY = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def _lane(queue: int, config: ServerConfig, threads: int) -> Lane:
    return Lane(Admission(queue, config.max_wait_s), ThreadPoolExecutor(threads, thread_name_prefix="lookout"))


def _request_id(headers: Mapping[bytes, bytes]) -> str:
    """The client's own, where it can do no harm in a log, or a new one."""
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    return given if _GOOD_ID.fullmatch(given) else str(uuid.uuid4())


def _execution(query: bytes) -> str:
    return parse_qs(query.decode("latin-1")).get("execution", ["local"])[0] if b"execution" in query else "local"


def _busy(kind: str, reason: str, lane: Lane) -> RefusalError:
    seconds = lane.admission.retry_after_s
    return RefusalError(503, kind, f"{reason}: try again in {seconds} s", ("Retry-After", str(seconds)))


def _too_large(limit: int) -> RefusalError:
    return RefusalError(
        413, "BodyTooLarge", f"the body is over the {limit:,} bytes that are taken", ("Connection", "close")
    )


async def _next_part(exchange: Exchange) -> MutableMapping[str, Any]:
    message = await exchange.receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message


async def _gone(exchange: Exchange) -> None:
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, reply: Reply) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
