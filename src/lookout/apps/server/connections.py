"""Connections that are quiet for too long, or take too long over a request's head or an answer, are closed.

uvicorn times a connection out between two requests only. Here the time runs whenever a request's head is awaited: from
the connection's start, or from the last answer, and it doesn't start anew with every byte, so that nobody holds a
connection by sending his head drop by drop. It runs, too, while nothing of an answer is taken. Bodies have a limit of
their own (``bodies.py``).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from lookout.apps.server.problems import Reply

_MALFORMED = 400


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1, and a limit of ``idle_s`` for a head to come. ``cycle`` is uvicorn's name for an exchange.

    ``refuse`` gives the answer to what is no request, by its status and the client's address.
    """

    idle_s = 30.0
    refuse: Callable[[int, str], Reply]
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
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes the answer more slowly than it comes."""
        super().pause_writing()
        self._not_taken = self.loop.call_later(self.idle_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken some."""
        self._forget_not_taken()
        super().resume_writing()

    def handle_events(self) -> None:
        """Take what has come."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()

    def shutdown(self) -> None:
        """The server ends: a request that is not whole by now is not accepted any more."""
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.more_body:
                self.transport.close()
                return
            # So that the client doesn't send its next one here.
            self.cycle.default_headers = [*self.cycle.default_headers, (b"connection", b"close")]
        super().shutdown()

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

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's
        """Answer what is no HTTP; called while h11's error is handled, which knows a fitting status."""
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else _MALFORMED
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            reply = self.refuse(status, self.client[0] if self.client else "")
            headers = [*reply.headers, ("Connection", "close"), ("Content-Length", str(len(reply.body)))]
            for event in (
                h11.Response(status_code=reply.status, headers=headers),
                h11.Data(data=reply.body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _should_upgrade(self) -> bool:
        """Whether to speak something else than HTTP/1.1: never, as RFC 9110 leaves to the server."""
        return False

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
