"""Requests to a web server (``lookout serve``) over connections that stay open, again where that may help.

An image that got no answer is sent again: detecting changes nothing on the server, so that doing it twice does no
harm. The server says itself that it is busy (429, 503); a connection may be refused or lost while a server restarts.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import urllib3

from lookout.errors import BusyError, ExecutionError, UnreachableError, UsageError
from lookout.executions.contract import problem_error
from lookout.executions.retrying import Retries, retry_after_s

API_KEY_VARIABLE = "LOOKOUT_API_KEY"

_BUSY = (429, 503)
# Where nothing is, or something else.
ELSEWHERE = (404, 405)
_LONGEST_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer. ``elapsed_ms`` is of the attempt that was answered, after ``retries`` that were not."""

    status: int
    document: Any
    elapsed_ms: float
    retry_after_s: float = 0.0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """An attempt without an answer, after which another may fare better; else ``error`` is what is said."""

    error: ExecutionError
    after_s: float = 0.0


class ServerClient:
    """Asks one server. May be used by many threads at once.

    Raises ``UsageError`` for a ``url`` that is no web address, and for a key that can't be sent.
    """

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
        self.url = _checked_url(url)
        self._timeout_s = timeout_s
        self._retries = retries or Retries()
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._answered = False
        self._has_key = api_key is not None
        timeout = urllib3.Timeout(connect=min(timeout_s, _LONGEST_CONNECT_S), read=timeout_s)
        # urllib3's own retries know no total time, and give one error for all that may be wrong.
        self._pool = urllib3.PoolManager(maxsize=connections, timeout=timeout, retries=False, headers=_headers(api_key))

    @property
    def source(self) -> str:
        """The server, in a sentence."""
        return f"the server at {self.url}"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        good: Collection[int] = (200,),
        elsewhere: Collection[int] = ELSEWHERE,
    ) -> Reply:
        """What the server answers, with one of the ``good`` statuses.

        ``elsewhere``: the statuses that say that this is not where such requests go, whatever they ask for.

        Raises what a problem document tells of, ``UnreachableError`` where nobody answers anything, ``BusyError``
        where the server has too much to do, ``ExecutionError`` for all else.
        """

        def attempt() -> Reply | Refused:
            return self._attempt(method, path, body, good, elsewhere)

        return again(attempt, self._retries, self._clock, self._sleep, self._chance)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _attempt(
        self, method: str, path: str, body: bytes | None, good: Collection[int], elsewhere: Collection[int]
    ) -> Reply | Refused:
        start = self._clock()
        try:
            answer = self._pool.request(method, self.url + path, body=body)
        except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError) as error:
            nobody = because(error, UnreachableError(f"no server answers at {self.url}: start one with lookout serve"))
            if not self._answered:  # most likely nobody is there at all
                raise nobody from error
            return Refused(nobody)
        except urllib3.exceptions.ProtocolError as error:
            # One that has answered others fails on this image alone, and may well answer the next.
            kind = ExecutionError if self._answered else UnreachableError
            return Refused(because(error, kind(f"{self.source} closed the connection: {error}")))
        except urllib3.exceptions.ReadTimeoutError as error:  # to ask again would give it yet more to do
            raise ExecutionError(
                f"{self.source} gave no answer within {self._timeout_s:g} s: allow it more, or send fewer at once"
            ) from error
        except urllib3.exceptions.SSLError as error:
            raise UnreachableError(f"{self.source} can't be spoken to by TLS: {error}") from error
        except urllib3.exceptions.HTTPError as error:
            raise ExecutionError(f"{self.source} gave no answer: {error}") from error
        self._answered = True
        if answer.status in elsewhere:
            raise UnreachableError(
                f"{self.url} is not the address of a Lookout server, or of a newer one: {path.partition('?')[0]} is "
                f"answered by {answer.status} there"
            )
        return self._read(answer, good, (self._clock() - start) * 1000)

    def _read(self, answer: urllib3.BaseHTTPResponse, good: Collection[int], elapsed_ms: float) -> Reply | Refused:
        after_s = retry_after_s(answer.headers.get("Retry-After"))
        if answer.status in _BUSY:
            return Refused(BusyError(f"{self.source} is busy: {_detail(answer)}"), after_s)
        if answer.status == 401:
            wants = "does not take this key" if self._has_key else "wants a key"
            raise UnreachableError(f"{self.source} {wants}: give it with --api-key or {API_KEY_VARIABLE}")
        document = self._document(answer)
        if answer.status not in good:
            raise problem_error(document, self.source)
        return Reply(answer.status, document, elapsed_ms, after_s)

    def _document(self, answer: urllib3.BaseHTTPResponse) -> Any:
        try:
            return json.loads(answer.data)
        except ValueError as error:
            raise ExecutionError(f"{self.source} answered {answer.status}, and not in JSON") from error


def again(
    attempt: Callable[[], Reply | Refused],
    retries: Retries,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    chance: Callable[[], float],
) -> Reply:
    """The reply of the first attempt that has one. Raises the last refusal's error, and what an attempt raises."""
    begun, made = clock(), 0
    while True:
        outcome = attempt()
        if isinstance(outcome, Reply):
            return replace(outcome, retries=made)
        pause_s = retries.pause_s(made, chance(), outcome.after_s)
        if not retries.allow(made, clock() - begun + pause_s):
            outcome.error.retries = made
            raise outcome.error
        sleep(pause_s)
        made += 1


def because(cause: Exception, error: ExecutionError) -> ExecutionError:
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


def _detail(answer: urllib3.BaseHTTPResponse) -> str:
    """What a busy server says; it may be something else in front of it, that speaks no JSON."""
    try:
        document = json.loads(answer.data)
    except ValueError:
        document = None
    said = document.get("detail") if isinstance(document, Mapping) else None
    return str(said) if said else f"it answered {answer.status}"
