"""The local execution, seen from its client: one HTTP request an image, over connections that stay open.

An image that got no answer is sent again: detecting changes nothing on the server, so that doing it twice does no
harm. The server says itself that it is busy (429, 503); a connection may be refused or lost while a server restarts.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import numpy as np
import urllib3

from lookout import images
from lookout.detector import Source
from lookout.errors import BusyError, ExecutionError, ImageError, UnreachableError, UsageError
from lookout.executions.contract import problem_error, read_answer
from lookout.executions.protocol import Answer
from lookout.executions.retrying import Retries, retry_after_s

PATH = "/object-detection"
API_KEY_VARIABLE = "LOOKOUT_API_KEY"

_BUSY = (429, 503)
# Nothing is there for images, whichever they are.
_ELSEWHERE = (404, 405)
_LONGEST_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of the server beyond its own settings; None leaves those as they are.

    ``classes``: labels, or a text of them with commas between.
    """

    confidence: float | None = None
    iou: float | None = None
    classes: str | Sequence[str] | None = None

    def encoded(self) -> str:
        """The address's end: ``?confidence=0.4&classes=person%2Cdog``, or nothing."""
        labels = self.classes if self.classes is None or isinstance(self.classes, str) else _joined(self.classes)
        asked = {"confidence": self.confidence, "iou": self.iou, "classes": labels}
        given = {name: value for name, value in asked.items() if value is not None}
        return f"?{urlencode(given)}" if given else ""


@dataclass(frozen=True, slots=True)
class _Refused:
    """An attempt without an answer, after which another may fare better; else ``error`` is what is said."""

    error: ExecutionError
    after_s: float = 0.0


class LocalExecution:
    """Asks a web server (``lookout serve``). May be used by many threads at once.

    The image goes as it is, so that nobody pays for base64. ``api_key`` is what a server that wants one asks for.
    ``connections`` are kept open. Raises ``UsageError`` for a ``url`` that is no web address, and for a key that
    can't be sent.
    """

    name = "local"

    def __init__(
        self,
        url: str,
        timeout_s: float = 60,
        *,
        api_key: str | None = None,
        retries: Retries | None = None,
        connections: int = 32,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._url = _checked_url(url)
        self._timeout_s = timeout_s
        self._retries = retries or Retries()
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._answered = False
        self._has_key = api_key is not None
        timeout = urllib3.Timeout(connect=min(timeout_s, _LONGEST_CONNECT_S), read=timeout_s)
        # urllib3's own retries know no total time, and give one error for all that may be wrong.
        self._pool = urllib3.PoolManager(maxsize=connections, timeout=timeout, retries=False, headers=_headers(api_key))

    def detect(
        self,
        image: Source,
        name: str | None = None,
        *,
        confidence: float | None = None,
        iou: float | None = None,
        classes: str | Sequence[str] | None = None,
    ) -> Answer:
        """Find the objects in an image: a file, the bytes of one, or its pixels (BGR, uint8, (height, width, 3)).

        ``confidence``, ``iou`` and ``classes`` hold for this image in place of the server's own. Pixels are sent
        without loss. Raises as ``Execution`` does, and ``BusyError`` where the server has too much to do.
        """
        del name  # the protocol's; an image has none in the request
        target = self._url + PATH + Query(confidence, iou, classes).encoded()
        data = _encoded(image)
        begun, made = self._clock(), 0
        while True:
            outcome = self._attempt(target, data)
            if isinstance(outcome, Answer):
                return replace(outcome, retries=made)
            pause_s = self._retries.pause_s(made, self._chance(), outcome.after_s)
            if not self._retries.allow(made, self._clock() - begun + pause_s):
                outcome.error.retries = made
                raise outcome.error
            self._sleep(pause_s)
            made += 1

    def close(self) -> None:
        """See ``Execution``."""
        self._pool.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _attempt(self, target: str, data: bytes) -> Answer | _Refused:
        start = self._clock()
        try:
            answer = self._pool.request("POST", target, body=data)
        except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError) as error:
            nobody = _because(
                error, UnreachableError(f"no server answers at {self._url}: start one with lookout serve")
            )
            if not self._answered:  # most likely nobody is there at all
                raise nobody from error
            return _Refused(nobody)
        except urllib3.exceptions.ProtocolError as error:
            # One that has answered others fails on this image alone, and may well answer the next.
            kind = ExecutionError if self._answered else UnreachableError
            return _Refused(_because(error, kind(f"{self._source} closed the connection: {error}")))
        except urllib3.exceptions.ReadTimeoutError as error:  # to ask again would give it yet more to do
            raise ExecutionError(
                f"{self._source} gave no answer within {self._timeout_s:g} s: allow it more, or send fewer at once"
            ) from error
        except urllib3.exceptions.SSLError as error:
            raise UnreachableError(f"{self._source} can't be spoken to by TLS: {error}") from error
        except urllib3.exceptions.HTTPError as error:
            raise ExecutionError(f"{self._source} gave no answer: {error}") from error
        self._answered = True
        return self._read(answer, (self._clock() - start) * 1000)

    def _read(self, answer: urllib3.BaseHTTPResponse, elapsed_ms: float) -> Answer | _Refused:
        if answer.status in _BUSY:
            busy = BusyError(f"{self._source} is busy: {_detail(answer)}")
            return _Refused(busy, retry_after_s(answer.headers.get("Retry-After")))
        if answer.status == 401:
            wants = "does not take this key" if self._has_key else "wants a key"
            raise UnreachableError(f"{self._source} {wants}: give it with --api-key or {API_KEY_VARIABLE}")
        if answer.status in _ELSEWHERE:
            raise UnreachableError(f"{self._url} is not where a Lookout server detects: it answered {answer.status}")
        document = self._document(answer)
        if answer.status != 200:
            raise problem_error(document, self._source)
        return read_answer(document, elapsed_ms, self._source)

    @property
    def _source(self) -> str:
        return f"the server at {self._url}"

    def _document(self, answer: urllib3.BaseHTTPResponse) -> Any:
        try:
            return json.loads(answer.data)
        except ValueError as error:
            raise ExecutionError(f"{self._source} answered {answer.status}, and not in JSON") from error


def connect(
    url: str, *, api_key: str | None = None, timeout_s: float = 60, retries: Retries | int | None = None
) -> LocalExecution:
    """A client of the server at ``url``, for ``detect``; close it, or use it in a ``with``.

    ``api_key`` is taken from the variable ``LOOKOUT_API_KEY`` where it is not given. ``timeout_s``: how long the
    server may take. ``retries``: how often an image is sent again that the server was too busy for, or whose
    connection was lost; 5 unless told. Raises as ``LocalExecution`` does.
    """
    key = os.environ.get(API_KEY_VARIABLE) if api_key is None else api_key
    bounds = Retries(count=retries) if isinstance(retries, int) else retries
    return LocalExecution(url, timeout_s, api_key=key or None, retries=bounds)


def _because(cause: Exception, error: ExecutionError) -> ExecutionError:
    """An error that may be raised later, with its cause."""
    error.__cause__ = cause
    return error


def _checked_url(url: str) -> str:
    try:
        address = urlsplit(url)
        sound = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # a port, or an address in brackets, that is none
        sound = False
    if not sound:
        raise UsageError(f"{url} is no address of a server: give one like http://127.0.0.1:5001")
    return url.rstrip("/")


def check_api_key(api_key: str) -> None:
    """Raise ``UsageError`` for a key that no HTTP header can hold, or that would not come out of it as it went in."""
    if not (api_key.isascii() and api_key.isprintable() and api_key == api_key.strip() != ""):
        raise UsageError(
            f"the key can't be sent: give it in letters, digits and signs of ASCII, and look for line breaks and "
            f"blanks around it in {API_KEY_VARIABLE}"
        )


def _headers(api_key: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/octet-stream"}
    if api_key is None:
        return headers
    check_api_key(api_key)
    return {**headers, "X-API-Key": api_key}


def _encoded(image: Source) -> bytes:
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ImageError(
                f"an array of {image.dtype} {image.shape} is no image: give uint8 (height, width, 3), blue first"
            )
        return images.encode_png(image)
    return image if isinstance(image, bytes) else images.read(Path(image))


def _joined(labels: Sequence[str]) -> str:
    """Labels with commas between them; one that has a comma of its own is put in double quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(labels)
    return line.getvalue()


def _detail(answer: urllib3.BaseHTTPResponse) -> str:
    """What a busy server says; it may be something else in front of it, that speaks no JSON."""
    try:
        document = json.loads(answer.data)
    except ValueError:
        document = None
    said = document.get("detail") if isinstance(document, Mapping) else None
    return str(said) if said else f"it answered {answer.status}"
