"""A request on its way, as ASGI hands it over: its head, and the parts of its body as they come."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from flask import Flask

from lookout.apps.server.admission import ClientGoneError
from lookout.apps.server.operations import LaneName, Operation, find_operation
from lookout.apps.server.problems import Reply
from lookout.apps.server.reading import read_query

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# An answer goes out in pieces of this size: the next leaves when the client has taken most of the one before.
_PIECE_BYTES = 64 * 1024
_GOOD_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


@dataclass(slots=True)
class Exchange:
    """A request's head, what is known of it, and how the server hears from its client."""

    scope: Scope
    receive: Receive
    headers: Mapping[bytes, bytes]
    request_id: str
    started_s: float
    operation: Operation | None
    queue_s: float = 0.0

    @staticmethod
    def of(scope: Scope, receive: Receive, app: Flask, now_s: float) -> Exchange:
        """The exchange that begins with this scope of ASGI's."""
        scope = {**scope, "path": _path(scope["path"])}
        headers = dict(scope["headers"])
        operation = find_operation(app, scope["method"], scope["path"])
        return Exchange(scope, receive, headers, request_id_of(headers), now_s, operation)

    @property
    def path(self) -> str:
        """The address, without its query."""
        path: str = self.scope["path"]
        return path

    @property
    def client(self) -> str:
        """The address that the request came from."""
        host: str = (self.scope.get("client") or ("", 0))[0]
        return host

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

    async def next_part(self) -> MutableMapping[str, Any]:
        """The next part of the body. Raises ``ClientGoneError``."""
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        return message

    async def gone(self) -> None:
        """Wait until the client has hung up."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


def request_id_of(headers: Mapping[bytes, bytes]) -> str:
    """The client's own id, where it can do no harm in a log, or a new one."""
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    return given if _GOOD_ID.fullmatch(given) else str(uuid.uuid4())


async def send_reply(send: Send, reply: Reply) -> None:
    """Send an answer, as fast as its client takes it."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    for start in range(0, len(reply.body) or 1, _PIECE_BYTES):
        end = start + _PIECE_BYTES
        await send({"type": "http.response.body", "body": reply.body[start:end], "more_body": end < len(reply.body)})


def _path(target: str) -> str:
    """The path of a request's target, which may be a whole address (RFC 9112, 3.2.2)."""
    scheme, mark, rest = target.partition("://")
    return f"/{rest.partition('/')[2]}" if mark and scheme in ("http", "https") else target


def _execution(query: bytes) -> str:
    return read_query(query).get("execution", [""])[0] or "local"
