"""The client of the local execution, against servers that misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lookout.errors import ExecutionError, ImageError, UnreachableError, UsageError
from lookout.executions.local import LocalExecution

GOOD = {"id": "1", "objects": [{"label": "dog", "accuracy": 0.5, "box": [1, 2, 3, 4]}], "inference_time": 7.5}


@pytest.fixture
def server() -> Iterator[Callable[[int, bytes], LocalExecution]]:
    """A server that gives one answer to all, and the client of it."""
    servers = []

    def start(status: int, body: bytes) -> LocalExecution:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                if status == 0:
                    self.connection.close()  # in the middle of the exchange
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        httpd.handle_error = lambda *_: None
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        client = LocalExecution(f"http://127.0.0.1:{httpd.server_port}/", sleep=lambda _: None)
        servers.append((httpd, client))
        return client

    yield start
    for httpd, client in servers:
        client.close()
        httpd.shutdown()
        httpd.server_close()


def test_a_good_answer_is_read(server):
    answer = server(200, json.dumps(GOOD).encode()).detect(b"data", "a.jpg")
    assert [found.to_json() for found in answer.objects] == GOOD["objects"]
    assert answer.inference_ms == 7.5
    assert answer.elapsed_ms > 0
    assert answer.upload_ms is None


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (422, b'{"status": 422, "detail": "not an image"}', ImageError, "not an image"),
        (500, b'{"status": 500, "detail": "see the log"}', ExecutionError, "refused: see the log"),
        (502, b"<html>", ExecutionError, "502"),
        (500, b"[]", ExecutionError, "neither objects nor a problem"),
        (200, b"hello", ExecutionError, "not in JSON"),
        (200, b"[]", ExecutionError, "neither objects nor a problem"),
        (200, b'{"objects": [{"label": "dog"}], "inference_time": 1}', ExecutionError, "not the contract's"),
        (200, b'{"objects": 7, "inference_time": 1}', ExecutionError, "not the contract's"),
        (200, b'{"objects": []}', ExecutionError, "not the contract's"),
        (0, b"", UnreachableError, "closed the connection"),
    ],
)
def test_a_bad_answer_is_an_error_and_never_an_empty_result(server, status: int, body: bytes, error, words: str):
    with pytest.raises(error, match=words) as caught:
        server(status, body).detect(b"data", "a.jpg")
    assert type(caught.value) is error


def test_nobody_there_is_said():
    with pytest.raises(UnreachableError, match="lookout serve"):
        LocalExecution("http://127.0.0.1:9").detect(b"data", "a.jpg")


@pytest.mark.parametrize("url", ["127.0.0.1:5001", "ftp://127.0.0.1", "http://"])
def test_a_bad_address_is_said(url: str):
    with pytest.raises(UsageError, match="no address of a server"):
        LocalExecution(url)
