"""A server of ``POST /object-detection`` that answers as a test says, however badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

DOG = {"label": "dog", "accuracy": 0.5, "box": [1, 2, 3, 4]}
GOOD = {"id": "1", "objects": [DOG], "inference_time": 7.5}


@dataclass(frozen=True)
class Reply:
    """An answer; with ``sent`` fewer bytes than it has, the connection breaks after those."""

    status: int = 200
    body: bytes = json.dumps(GOOD).encode()
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None


# The connection is closed instead of an answer.
DROP = Reply(status=0)


def problem(status: int, detail: str, kind: str | None = None, **headers: str) -> Reply:
    body = json.dumps({"status": status, "detail": detail, **({"kind": kind} if kind else {})}).encode()
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers with what ``reply`` makes of a request and its number, from 0."""

    def __init__(self, reply: Callable[[Request, int], Reply], port: int = 0) -> None:
        self.requests: list[Request] = []
        self.connections: set[int] = set()
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections stay open

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.path, dict(self.headers), body)
                with lock:
                    number = len(outer.requests)
                    outer.requests.append(request)
                    outer.connections.add(self.client_address[1])
                self._answer(reply(request, number))

            do_GET = do_POST  # noqa: N815  the name that http.server looks for

            def _answer(self, answer: Reply) -> None:
                if not answer.status:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body[: answer.sent])
                self.close_connection = answer.sent is not None

            def log_message(self, *_: object) -> None:
                pass

        self._httpd = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._httpd.daemon_threads = True
        self._httpd.handle_error = lambda *_: None
        threading.Thread(target=self._httpd.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return self._httpd.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._httpd.shutdown()
        self._httpd.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def script(*replies: Reply) -> Callable[[Request, int], Reply]:
    """These, one after the other; the last of them for ever."""
    return lambda _, number: replies[min(number, len(replies) - 1)]
