"""Connections that are quiet for too long, or take too long over a request's head or an answer, are closed.

uvicorn times a connection out between two requests only. Here the time runs whenever a request's head is awaited: from
the connection's start, or from the last answer, and it doesn't start anew with every byte, so that nobody holds a
connection by sending his head drop by drop. It runs, too, while nothing of an answer is taken. Bodies have a limit of
their own (``bodies.py``).

HTTP itself is read by llhttp, Node.js's parser: in C, and strict. What it leaves to its user is looked at here: how
long a head may be, which encodings are known, and that a request names its host (RFC 9112, 3.2 and 6.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from lookout.apps.server.problems import Reply

# A head of this size is taken, and one of thrice as much is not.
_HEAD_BYTES = 16 * 1024
_BLANK = b"\r\n\r\n"
# So many requests may come before the first of them is answered.
_MOST_AHEAD = 32
# So much of a body may have come before it is taken: what is read from a socket at once is no more.
_AHEAD_BYTES = 256 * 1024


class Connection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, and a limit of ``idle_s`` for a head to come. A cycle is uvicorn's name for an exchange.

    ``refuse`` gives the answer to what is no request, by its status and the client's address.
    """

    idle_s = 30.0
    refuse: Callable[[int, str], Reply]
    _at_work: RequestResponseCycle | None = None  # ``cycle`` is the last that came: others may be before it
    _in_body = False
    _head_bytes = 0  # fed since a head began, with what was before it in the same piece
    _too_long: asyncio.TimerHandle | None = None
    _not_taken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._stop_waiting()
        self._forget_not_taken()
        self.pipeline.clear()
        if self._at_work is not None:
            self._at_work.disconnected = True
            self._at_work.message_event.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes the answer more slowly than it comes."""
        super().pause_writing()
        self._not_taken = self.loop.call_later(self.idle_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken some."""
        self._forget_not_taken()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take what has come: while a head is awaited piece by piece, so that it is seen where one grows too long."""
        self._unset_keepalive_if_required()
        start = 0
        while start < len(data) and not self.transport.is_closing():
            piece = memoryview(data)[start : len(data) if self._in_body else _end_of_head(data, start)]
            start += len(piece)
            was_in_body = self._in_body
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._head_without_offer() + bytes(piece[upgrade.args[0] :]) + data[start:]
                start = 0
            except httptools.HttpParserError as error:
                reason = error.__context__
                self._refuse(reason.status if isinstance(reason, _MalformedError) else HTTPStatus.BAD_REQUEST)
            else:
                self._head_bytes = 0 if was_in_body or self._in_body else self._head_bytes + len(piece)
                if self._head_bytes > 2 * _HEAD_BYTES:
                    self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header has come; what comes behind a body, in a trailer, must not pass for one."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is whole."""
        version, hosts = self.parser.get_http_version(), sum(name == b"host" for name, _ in self.headers)
        if version not in ("1.0", "1.1"):
            raise _MalformedError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        if hosts != 1 and (hosts or version == "1.1"):
            raise _MalformedError(HTTPStatus.BAD_REQUEST)
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            raise _MalformedError(HTTPStatus.NOT_IMPLEMENTED)
        if self.parser.get_method() == b"CONNECT":  # of a proxy
            raise _MalformedError(HTTPStatus.NOT_IMPLEMENTED)
        if len(self.pipeline) >= _MOST_AHEAD:
            raise _MalformedError(HTTPStatus.BAD_REQUEST)
        if not self.parser.should_upgrade():
            self._in_body = True
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of a body has come: not copied, unless it comes faster than it is taken."""
        cycle = self.cycle
        if cycle.response_complete:
            return
        if not cycle.body:
            cycle.body = body  # type: ignore[assignment]  # which is read as bytes, and given on without a copy
        else:
            cycle.body = cycle.body if isinstance(cycle.body, bytearray) else bytearray(cycle.body)
            cycle.body += body
        if len(cycle.body) > _AHEAD_BYTES:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """A request is whole; or its head alone, where it offers to speak something else."""
        if not self.parser.should_upgrade():
            self._in_body = False
            super().on_message_complete()

    def shutdown(self) -> None:
        """The server ends: a request that is not whole by now is not accepted any more, nor one behind another."""
        self.pipeline.clear()
        if self._at_work is None or self._at_work.response_complete or self._at_work.more_body:
            self.transport.close()
        else:
            self._at_work.keep_alive = False  # so that the client doesn't send its next one here

    def on_response_complete(self) -> None:
        """An answer is out."""
        self._await_head()
        super().on_response_complete()  # which may find the next head already there

    def timeout_keep_alive_handler(self) -> None:
        """It was quiet for too long. What the client didn't take in that time it won't take."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._stop_waiting()
        self._at_work = cycle
        outgoing = _Outgoing(cycle.transport)
        cycle.transport = outgoing  # type: ignore[assignment]
        super()._start_asgi_task(cycle, outgoing.joining(app))

    def _head_without_offer(self) -> bytes:
        """The head that has come without its offer to speak something else, for a parser that has seen nothing of it.

        Nothing else is spoken, as RFC 9110 (7.8) leaves to the server. But llhttp, or what is between it and us, takes
        a body behind such a head for the other protocol, and clients send them together: Java's to any server.
        """
        first = self.parser.get_method() + b" " + self.url + b" HTTP/" + self.parser.get_http_version().encode()
        kept = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        return b"\r\n".join([first, *kept, b"", b""])

    def _refuse(self, status: int) -> None:
        """Answer what is no HTTP, unless it follows a request that isn't answered yet, and take no more."""
        at_work = self._at_work
        if at_work is None or at_work.response_complete or (self._in_body and not at_work.response_started):
            reply = self.refuse(status, self.client[0] if self.client else "")
            headers = [*reply.headers, ("Connection", "close"), ("Content-Length", str(len(reply.body)))]
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
            self.transport.write(STATUS_LINE[reply.status] + lines.encode("latin-1") + b"\r\n" + reply.body)
        if at_work is not None:  # it will never be whole, or can't be answered any more
            at_work.disconnected = True
            at_work.message_event.set()
        self.transport.close()

    def _await_head(self) -> None:
        self._stop_waiting()
        self._too_long = self.loop.call_later(self.idle_s, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._too_long is not None:
            self._too_long.cancel()
            self._too_long = None

    def _forget_not_taken(self) -> None:
        """Not with the other: who sends on without reading must not win time by it."""
        if self._not_taken is not None:
            self._not_taken.cancel()
            self._not_taken = None


class _Outgoing:
    """What an exchange knows of its transport; an answer's head leaves with what follows it.

    So the system is called once for both, and the client wakes up once.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._holds = False
        self._held = b""
        self.close, self.is_closing = transport.close, transport.is_closing

    def write(self, data: bytes) -> None:
        """Send this, or keep it for the next."""
        if self._holds:
            self._held = data
        else:
            self._transport.write(self._held + data)
            self._held = b""

    def joining(self, app: ASGI3Application) -> ASGI3Application:
        """The application, whose answers come here."""

        async def call(scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            async def send_joined(message: ASGISendEvent) -> None:
                # To HEAD nothing follows.
                self._holds = message["type"] == "http.response.start" and scope["method"] != "HEAD"
                await send(message)

            await app(scope, receive, send_joined)

        return call


class _MalformedError(Exception):
    """A head that is HTTP to the parser, and none that may be worked on."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def _end_of_head(data: bytes, start: int) -> int:
    """Where the head that begins here ends, or what of it is looked at at once: bodies come as one piece."""
    end = data.find(_BLANK, start, start + _HEAD_BYTES)
    return start + _HEAD_BYTES if end < 0 else end + len(_BLANK)
