"""One request through a WSGI application: its body is here already, the whole answer is wanted."""

from __future__ import annotations

import io
import sys
import uuid
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Response

from lookout.apps.server.problems import Reply

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

# What the door tells the application: how long a request has waited, in milliseconds, and what it is called.
QUEUE_MS = "lookout.queue_ms"
REQUEST_ID = "lookout.request_id"

_UNPREFIXED = {"CONTENT_TYPE", "CONTENT_LENGTH"}


def environ_of(scope: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    """WSGI's environment (PEP 3333) of a request that came by ASGI."""
    host, port = scope.get("server") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("", 0))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,  # it ends where the body does: what reads it need not count, nor copy
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key in _UNPREFIXED else f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    # The body is whole: however it was framed on the wire, it has a length now.
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return {**environ, "CONTENT_LENGTH": str(len(body))}


def call(application: WSGIApplication, environ: dict[str, Any]) -> Reply:
    """The application's whole answer."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
        started[:] = [(status, headers)]
        return _no_write

    chunks: Iterable[bytes] = application(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    status, headers = started[0]
    return Reply(HTTPStatus(int(status.split(" ", 1)[0])).value, tuple(headers), body)


def request_id_in(environ: Mapping[str, Any]) -> str:
    """What the door calls the request; a new id of one that came past it."""
    return environ.get(REQUEST_ID) or str(uuid.uuid4())


def response_of(reply: Reply) -> Response:
    """An answer as the application gives it."""
    response = Response(reply.body, reply.status)
    response.headers.clear()
    response.headers.extend(reply.headers)
    return response


def server_timing(timings_ms: Mapping[str, float]) -> str:
    """The header ``Server-Timing``, which browsers show beside a request."""
    return ", ".join(f"{stage};dur={ms:.3f}" for stage, ms in timings_ms.items())


def _no_write(_data: bytes) -> None:
    raise NotImplementedError("Flask doesn't write by itself")
