"""The remote and the direct execution through a web server (``lookout serve --stack``): for clients without AWS keys.

The image of a remote execution doesn't go through the server: that gives leave to upload it (``POST /uploads``, a
form that S3 takes for a quarter of an hour), and tells what was found in it (``GET /results/{id}``). The image of a
direct one does.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import urllib3

from lookout.errors import (
    ExecutionError,
    ImageGoneError,
    NoSuchUploadError,
    ResultLostError,
    ResultTimeoutError,
    UnreachableError,
)
from lookout.executions.contract import STAGES, read_answer
from lookout.executions.local import PATH
from lookout.executions.protocol import Answer, Earlier
from lookout.executions.retrying import Retries
from lookout.executions.server_client import Refused, Reply, ServerClient, again, because
from lookout.images import DEFAULT_LIMITS

UPLOADS, RESULTS = "/uploads", "/results"

# How long one look at a result may be held by the server; within its clients' and proxies' usual patience.
_LONGEST_LOOK_S = 10.0
_S3_BUSY = (500, 503)


@dataclass(frozen=True, slots=True)
class _Leave:
    """Leave to upload one image: the form's address and fields, and the id under which its result is asked for."""

    id: str
    url: str
    fields: dict[str, str]


class RelayedDirect:
    """Lets a server invoke its stack's function with the image. May be used by many threads at once."""

    name = "direct"

    def __init__(self, server: ServerClient) -> None:
        self._server = server

    def detect(self, data: bytes, name: str = "image") -> Answer:  # noqa: ARG002  the protocol's
        """See ``Execution``. Raises ``UsageError`` for an image that is too large to be sent this way."""
        reply = self._server.ask("POST", f"{PATH}?execution=direct", data)
        return replace(read_answer(reply.document, reply.elapsed_ms, self._server.source), retries=reply.retries)

    def close(self) -> None:
        """See ``Execution``."""
        self._server.close()


class RelayedRemote:
    """Uploads images with a server's leave, and asks it for what was found. May be used by many threads at once.

    ``timeout_s``: how long a result may take. ``retries`` are those of an upload.
    """

    name = "remote"

    def __init__(
        self,
        server: ServerClient,
        timeout_s: float = 60,
        *,
        retries: Retries | None = None,
        connections: int = 32,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._retries = retries or Retries()
        self._clock, self._sleep = clock, sleep
        # The server's key is none of the bucket's business: it gets connections of its own.
        timeout = urllib3.Timeout(connect=min(timeout_s, 10), read=timeout_s)
        self._bucket = urllib3.PoolManager(maxsize=connections, timeout=timeout, retries=False)

    def detect(self, data: bytes, name: str = "image") -> Answer:
        """See ``Execution``. Raises ``ResultTimeoutError`` where no result came in time, with where the image is."""
        return self.detect_noted(data, name, lambda _: None)

    def detect_noted(
        self, data: bytes, name: str, note: Callable[[str], None], earlier: Earlier | None = None
    ) -> Answer:
        """See ``UploadingExecution``."""
        start = self._clock()
        if earlier and not earlier.lost:
            try:
                return replace(self._wait(earlier.place, name, start), fetched=True)
            except (NoSuchUploadError, ImageGoneError):  # interrupted before the upload, or deleted after it
                start = self._clock()
        DEFAULT_LIMITS.check_bytes(len(data))  # the bucket would refuse it, after all of it was sent
        leave = self._leave()
        note(leave.id)
        sent = self._upload(leave, data, name)
        answer = self._wait(leave.id, name, start)
        return replace(answer, upload_ms=sent.elapsed_ms, retries=sent.retries)

    def close(self) -> None:
        """See ``Execution``."""
        self._server.close()
        self._bucket.clear()

    def _leave(self) -> _Leave:
        document = self._server.ask("POST", UPLOADS, good=(201,)).document
        try:
            fields = {str(name): str(value) for name, value in document["fields"].items()}
            return _Leave(str(document["id"]), str(document["url"]), fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise ExecutionError(f"{self._server.source} gave no leave to upload: {error!r}") from error

    def _upload(self, leave: _Leave, data: bytes, name: str) -> Reply:
        body, content_type = urllib3.encode_multipart_formdata({**leave.fields, "file": ("image", data)})
        attempt = partial(self._post, leave.url, body, content_type, name)
        return again(attempt, self._retries, self._clock, self._sleep, random.random)

    def _post(self, url: str, body: bytes, content_type: str, name: str) -> Reply | Refused:
        start = self._clock()
        try:
            answer = self._bucket.request("POST", url, body=body, headers={"Content-Type": content_type})
        except urllib3.exceptions.HTTPError as error:
            return Refused(because(error, UnreachableError(f"uploading {name}: the bucket does not answer ({error})")))
        if answer.status in _S3_BUSY:
            return Refused(ExecutionError(f"uploading {name}: the bucket is busy (it answered {answer.status})"))
        if not 200 <= answer.status < 300:
            said = answer.data[:300].decode("utf-8", "replace")
            raise ExecutionError(f"uploading {name}: the bucket answered {answer.status}: {said}")
        return Reply(answer.status, None, (self._clock() - start) * 1000)

    def _wait(self, upload_id: str, name: str, start: float) -> Answer:
        """The answer of an image that was uploaded. Raises ``NoSuchUploadError`` where it was not."""
        begun = self._clock()
        while True:
            left_s = self._timeout_s - (self._clock() - begun)
            reply = self._look(upload_id, max(0.0, min(_LONGEST_LOOK_S, self._timeout_s / 2, left_s)))
            if reply.status == 200:
                return read_answer(reply.document, (self._clock() - start) * 1000, self._server.source)
            left_s = self._timeout_s - (self._clock() - begun)
            if left_s <= 0:
                raise self._late(upload_id, name)
            self._sleep(min(left_s, reply.retry_after_s))

    def _late(self, upload_id: str, name: str) -> ResultTimeoutError:
        """The error, with where the image is as far as the server tells it."""
        told = f"no result of {name} came within {self._timeout_s:g} s"
        document = self._look(upload_id, 0, "&where=1").document
        stage = document.get("stage") if isinstance(document, Mapping) else None
        if stage not in STAGES:  # an older server's, or it came at last
            return ResultTimeoutError(f"{told}: it was uploaded; allow it more with --timeout")
        kind = ResultLostError if document.get("lost") else ResultTimeoutError
        return kind(f"{told}: {STAGES[stage].format(server=self._server.source)}")

    def _look(self, upload_id: str, wait_s: float, more: str = "") -> Reply:
        """One look at a result; the server answers when it is there, or after ``wait_s``."""
        address = f"{RESULTS}/{upload_id}?wait={wait_s:.3f}{more}"
        return self._server.ask("GET", address, good=(200, 202), elsewhere=())  # 404 is of the upload
