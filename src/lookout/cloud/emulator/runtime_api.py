"""The Lambda Runtime API, as one sandbox's runtime client speaks to it over HTTP.

The client asks for ``invocation/next``, which answers when there is work; posts ``invocation/<id>/response``
or ``/error``; and asks again. Its first question means that init is over; ``init/error`` that it failed. All
this arrives as events, in order, and says nothing of what to do about them.

See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

from __future__ import annotations

import json
import queue
import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

_INVOCATION = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)")
_NEXT = "/2018-06-01/runtime/invocation/next"
_INIT_ERROR = "/2018-06-01/runtime/init/error"

# How long the server's loop may sleep before it sees that it is to end.
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Work:
    """An invocation, as the runtime client gets it."""

    request_id: str
    payload: bytes
    arn: str
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The runtime client is through with init. Times are of the monotonic clock."""

    at_s: float


@dataclass(frozen=True, slots=True)
class InitFailed:
    """Init failed, for the reason in the JSON body."""

    body: bytes
    at_s: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The invocation came to its end, with a result or, ``failed``, an error."""

    body: bytes
    failed: bool
    at_s: float


ApiEvent = Ready | InitFailed | Answered


class RuntimeApi(socketserver.ThreadingTCPServer):
    """The server of one sandbox, on a free port of the loopback address, or on a socket that listens already.

    Not ``http.server.HTTPServer``: that one looks the host's name up, which can take seconds.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, on_event: Callable[[ApiEvent], None], listener: socket.socket | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=listener is None)
        if listener is not None:
            self.socket.close()
            self.socket = listener
        self.on_event = on_event
        self.work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self.is_ready = False
        self.current_id: str | None = None
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_S,), name="runtime-api", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port, as the runtime client wants them."""
        host, port = cast("tuple[str, int]", self.server_address)
        return f"{host}:{port}"

    def offer(self, work: Work) -> None:
        """Give the runtime client its next invocation."""
        self.work.put(work)

    def close(self) -> None:
        """Stop serving."""
        self.work.put(None)
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that broke: a sandbox was killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: RuntimeApi
    protocol_version = "HTTP/1.1"
    # Nagle's algorithm and delayed acknowledgement together cost 40 ms a call.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        if self.path != _NEXT:
            self._answer(404, {"errorType": "InvalidPath"})
            return
        if not self.server.is_ready:
            self.server.is_ready = True
            self.server.on_event(Ready(time.monotonic()))
        work = self.server.work.get()
        if work is None:
            self.close_connection = True
            return
        self.server.current_id = work.request_id
        self._send(200, work.payload, _work_headers(work))

    def do_POST(self) -> None:
        now_s = time.monotonic()
        body = self._body()
        if self.path == _INIT_ERROR:
            self.server.on_event(InitFailed(body, now_s))
        elif (match := _INVOCATION.fullmatch(self.path)) and match[1] == self.server.current_id:
            self.server.current_id = None  # a second answer must not become the next invocation's
            self.server.on_event(Answered(body, failed=match[2] == "error", at_s=now_s))
        else:
            self._answer(400, {"errorType": "InvalidRequestID"})
            return
        self._answer(202, {"status": "OK"})

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunks(self) -> list[bytes]:
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return chunks

    def _answer(self, status: int, body: dict[str, str]) -> None:
        self._send(status, json.dumps(body).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name for it
        pass


def _work_headers(work: Work) -> dict[str, str]:
    """The headers of an invocation. The trace is one that X-Ray doesn't sample."""
    digits = work.request_id.replace("-", "")
    return {
        "Lambda-Runtime-Aws-Request-Id": work.request_id,
        "Lambda-Runtime-Deadline-Ms": str(work.deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": work.arn,
        "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{digits:.24};Sampled=0",
    }
