"""Connections that are quiet for too long, or take too long over a request's head, are closed.

uvicorn times a connection out between two requests only. Here the time runs whenever a request's head is awaited: from
the connection's start, or from the last answer, and it doesn't start anew with every byte, so that nobody holds a
connection by sending his head drop by drop. Bodies have a limit of their own (``door.py``).
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1, and a limit of ``idle_s`` for a head to come. ``cycle`` is uvicorn's name for an exchange."""

    idle_s = 30.0
    _too_long: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take what has come."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()

    def shutdown(self) -> None:
        """The server ends: a request that is not whole by now is not accepted any more."""
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body:
            self.transport.close()
        else:
            super().shutdown()

    def on_response_complete(self) -> None:
        """An answer is out."""
        self._await_head()
        super().on_response_complete()  # which may find the next head already there

    def _await_head(self) -> None:
        self._stop_waiting()
        self._too_long = self.loop.call_later(self.idle_s, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._too_long is not None:
            self._too_long.cancel()
            self._too_long = None
