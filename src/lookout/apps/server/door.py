"""The door: who is let in, and when; the web application behind it only sees requests that may be worked on.

Flask speaks WSGI, where a request holds a thread from its first byte to its last, cannot wait without one, and is not
told that its client has left. So the door is an ASGI application. It reads a request's head, and refuses what it can
by that: a wrong key, a body that is too large, a full queue. It reads the body, for so long and so much. It lets
detections queue, and forgets those whose client leaves or whose time is up. Then a thread, of which there are as many
as cores, calls Flask, or the view itself where image after image is asked for. What is slow or idle costs a few objects
in memory, and no thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flask import Flask

from lookout.apps.server import forms, keys, logs
from lookout.apps.server.admission import ClientGoneError, Lane, QueueFullError, WaitedTooLongError
from lookout.apps.server.bodies import Held, let_by, read_body, too_large
from lookout.apps.server.exchange import Exchange, Receive, Scope, Send, request_id_of, send_reply
from lookout.apps.server.faults import reply_to
from lookout.apps.server.operations import LaneName
from lookout.apps.server.problems import RefusalError, Reply, in_dialect, problem
from lookout.apps.server.reading import Asked, read_query
from lookout.apps.server.service import Service
from lookout.apps.server.wsgi import QUEUE_MS, REQUEST_ID, call, environ_of

_DESK_THREADS, _DESK_QUEUE = 4, 256
_OFFLOAD_THREADS = 32
# What is answered at once takes no images.
_DESK_BODY_BYTES = 64 * 1024
# What somebody may send whose key stands in it, somewhere; and all of them together.
_STRANGERS_BODY_BYTES, _STRANGERS_BYTES = 8 * 1024 * 1024, 64 * 1024 * 1024
# A client that sends too much is let finish, so that it reads the refusal, unless it is far too much.
_DRAINED_BODIES = 2
_CLIENT_CLOSED = 499  # nginx's, for logs: the client got no answer
_SECURITY = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

_log = logs.logger(__name__)


class Door:
    """The ASGI application before ``app``."""

    def __init__(self, app: Flask, service: Service, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app = app
        self._service = service
        self._config = config = service.config
        self._clock = clock
        self._held, self._strangers = Held(config.max_held_bytes), Held(_STRANGERS_BYTES)
        self._lanes: dict[LaneName, Lane] = {
            "compute": self._lane(config.cores, config.queue),
            "offload": self._lane(_OFFLOAD_THREADS, config.queue),
            "desk": self._lane(_DESK_THREADS, _DESK_QUEUE),
        }
        self._lanes["offload"].open()
        self._lanes["desk"].open()
        compute = self._lanes["compute"]
        service.metrics.watch(lambda: compute.waiting, lambda: compute.busy)

    def open(self) -> None:
        """Let detections in: the network is there. To be called in the event loop's thread."""
        self._lanes["compute"].open()

    @property
    def longest_s(self) -> float:
        """For how long the detection that is at work the longest has been so."""
        return self._lanes["compute"].longest_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        exchange = Exchange.of(scope, receive, self._app, self._clock())
        try:
            reply = in_dialect(await self._reply(exchange), exchange.path)
        except ClientGoneError:
            self._service.metrics.count_error("ClientGone")
            self._note(exchange, _CLIENT_CLOSED)
            return
        self._note(exchange, reply.status)
        with self._held.share() as share:
            share.keep(len(reply.body))
            await send_reply(send, _signed(reply, exchange.request_id))

    def refuse_malformed(self, status: int, client: str) -> Reply:
        """What is answered where no request could be made out."""
        request_id = request_id_of({})
        self._service.metrics.count_error("Malformed")
        _log.info("malformed", request_id=request_id, client=client, status=status)
        return _signed(problem(status, "that is no HTTP request that this server takes"), request_id)

    async def _reply(self, exchange: Exchange) -> Reply:
        """The answer, also where it is a refusal. Raises ``ClientGoneError``."""
        try:
            return await self._answer(exchange)
        except RefusalError as refusal:
            self._service.metrics.count_error(refusal.kind)
            return refusal.reply
        except ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001  what nobody foresaw is told by its id here, too
            return reply_to(error, self._service, exchange.request_id)

    async def _answer(self, exchange: Exchange) -> Reply:
        is_stranger = self._check_key(exchange)
        lane = self._lanes[exchange.lane]
        if exchange.operation is None:  # the application says what is wrong with it, and needs no body for that
            await self._let_by(exchange)
            return await self._work(exchange, lane, b"")
        await self._check_encoding(exchange)
        limit = self._limit(exchange, is_stranger=is_stranger)
        if exchange.content_length > limit:
            await self._let_by(exchange)
            raise too_large(limit)
        if lane.full:
            raise _busy("QueueFull", "the queue is full", lane)
        with (self._strangers if is_stranger else self._held).share() as share:
            body = await read_body(exchange, share, limit, self._config.body_timeout_s)
            if is_stranger:
                await self._check_key_in(exchange, body)
            return await self._work(exchange, lane, body)

    def _check_key(self, exchange: Exchange) -> bool:
        """Whether the key may still come, in the body. Raises ``RefusalError``."""
        key, operation = self._config.api_key, exchange.operation
        if key is None or (operation and operation.public):
            return False
        given = keys.given_key(exchange.header(b"authorization"), exchange.header(b"x-api-key"))
        if not given and operation and operation.key_in_form:
            return True
        if not keys.key_is(given, key):
            raise _unauthorised(keys.ADVICE)
        return False

    async def _check_key_in(self, exchange: Exchange, body: bytes) -> None:
        """Look for the key in a form, in a thread, and never in one of those that compute."""
        threads = self._lanes["desk"].threads
        content_type = exchange.header(b"content-type")
        given = await asyncio.get_running_loop().run_in_executor(
            threads, forms.read_field, content_type, body, "api_key"
        )
        if not keys.key_is(given, self._config.api_key or ""):
            raise _unauthorised(f"{keys.ADVICE}, or in the form as api_key")

    async def _check_encoding(self, exchange: Exchange) -> None:
        if exchange.header(b"content-encoding").lower() not in ("", "identity"):
            await self._let_by(exchange)
            raise RefusalError(415, "UnsupportedMediaType", "send the body as it is, without a Content-Encoding")

    def _limit(self, exchange: Exchange, *, is_stranger: bool) -> int:
        if exchange.lane == "desk":
            return _DESK_BODY_BYTES
        most = self._config.max_body_bytes
        return min(most, _STRANGERS_BODY_BYTES) if is_stranger else most

    async def _let_by(self, exchange: Exchange) -> None:
        await let_by(exchange, _DRAINED_BODIES * self._config.max_body_bytes, self._config.body_timeout_s)

    async def _work(self, exchange: Exchange, lane: Lane, body: bytes) -> Reply:
        start = self._clock()

        def work() -> Reply:
            exchange.queue_s = self._clock() - start
            return self._work_on(exchange, body)

        try:
            return await lane.do(work, exchange.gone)
        except QueueFullError as error:
            raise _busy("QueueFull", "the queue is full", lane) from error
        except WaitedTooLongError as error:
            raise _busy("WaitedTooLong", f"no core was free within {self._config.max_wait_s:g} s", lane) from error

    def _work_on(self, exchange: Exchange, body: bytes) -> Reply:
        """The answer of its view, or of the application: in a thread."""
        queue_ms, request_id, operation = exchange.queue_s * 1000, exchange.request_id, exchange.operation
        try:
            if operation and operation.answer:
                query, content_type = read_query(exchange.scope["query_string"]), exchange.header(b"content-type")
                return operation.answer(Asked(query, content_type, body, request_id, queue_ms))
            environ = environ_of(exchange.scope, body)
            return call(self._app.wsgi_app, {**environ, QUEUE_MS: queue_ms, REQUEST_ID: request_id})
        except Exception as error:  # noqa: BLE001  as the application does; raised elsewhere it would hold on to the body
            return reply_to(error, self._service, request_id)

    def _lane(self, threads: int, queue: int) -> Lane:
        pool = ThreadPoolExecutor(threads, thread_name_prefix="lookout")
        return Lane(pool, threads, queue, self._config.max_wait_s, self._clock)

    def _note(self, exchange: Exchange, status: int) -> None:
        elapsed_s = self._clock() - exchange.started_s
        if exchange.lane == "compute" and status == 200:
            self._service.metrics.observe({"queue": exchange.queue_s * 1000})
            self._service.metrics.observe_whole(elapsed_s)
        _log.info(
            "request",
            request_id=exchange.request_id,
            client=exchange.client,
            method=exchange.scope["method"],
            path=exchange.path,
            status=status,
            elapsed_ms=round(elapsed_s * 1000, 1),
            queue_ms=round(exchange.queue_s * 1000, 1),
        )


def _unauthorised(advice: str) -> RefusalError:
    return RefusalError(401, "Unauthorized", advice, ("WWW-Authenticate", "Bearer"))


def _busy(kind: str, reason: str, lane: Lane) -> RefusalError:
    seconds = lane.retry_after_s
    return RefusalError(503, kind, f"{reason}: try again in {seconds} s", ("Retry-After", str(seconds)))


def _signed(reply: Reply, request_id: str) -> Reply:
    known = {name.lower() for name, _ in reply.headers}
    added = [("X-Request-ID", request_id), *_SECURITY.items()]
    new = ((name, value) for name, value in added if name.lower() not in known)
    return Reply(reply.status, (*reply.headers, *new), reply.body)
