"""The local execution, seen from its client: one HTTP request an image, over one connection that stays open."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

import urllib3

from lookout.errors import ExecutionError, UnreachableError, UsageError
from lookout.executions.contract import problem_error, read_answer
from lookout.executions.protocol import Answer

PATH = "/object-detection"


class LocalExecution:
    """Asks a web server (``lookout serve``). The image goes as it is, so that nobody pays for base64.

    Raises ``UsageError`` for a ``url`` that is no web address.
    """

    name = "local"

    def __init__(self, url: str, timeout_s: float = 60) -> None:
        address = urlsplit(url)
        if address.scheme not in ("http", "https") or not address.netloc:
            raise UsageError(f"{url} is no address of a server: give one like http://127.0.0.1:5001")
        self._url = url.rstrip("/")
        # An image that was sent is never sent again by itself: the server may be at work on it.
        self._pool = urllib3.PoolManager(timeout=timeout_s, retries=False)

    def detect(self, name: str, data: bytes) -> Answer:  # noqa: ARG002  the protocol's
        """See ``Execution``."""
        start = time.perf_counter()
        try:
            answer = self._pool.request(
                "POST", self._url + PATH, body=data, headers={"Content-Type": "application/octet-stream"}
            )
        except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError) as error:
            raise UnreachableError(f"no server answers at {self._url}: start one with lookout serve") from error
        except urllib3.exceptions.ProtocolError as error:
            raise UnreachableError(f"the server at {self._url} closed the connection: {error}") from error
        except urllib3.exceptions.HTTPError as error:
            raise ExecutionError(f"the server at {self._url} gave no answer: {error}") from error
        elapsed_ms = (time.perf_counter() - start) * 1000
        document = self._document(answer)
        if answer.status != 200:
            raise problem_error(document, self._source)
        return read_answer(document, elapsed_ms, self._source)

    def close(self) -> None:
        """See ``Execution``."""
        self._pool.clear()

    @property
    def _source(self) -> str:
        return f"the server at {self._url}"

    def _document(self, answer: urllib3.BaseHTTPResponse) -> Any:
        try:
            return json.loads(answer.data)
        except ValueError as error:
            raise ExecutionError(f"{self._source} answered {answer.status}, and not in JSON") from error
