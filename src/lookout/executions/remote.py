"""The remote execution, seen from its client: upload, and wait for the item in the table."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from dataclasses import replace

from lookout.cloud.account import Account
from lookout.cloud.items import Outcome, image_url
from lookout.cloud.stack import Deployment
from lookout.errors import CloudError, ImageGoneError, ResultLostError, ResultTimeoutError, UnreachableError
from lookout.executions.contract import image_error
from lookout.executions.lost import Lost, Search
from lookout.executions.protocol import Answer, Earlier
from lookout.executions.uploading import object_key, upload
from lookout.executions.waiting import TableReader
from lookout.images import DEFAULT_LIMITS

# After this long a function that has never answered is asked for its reasons.
_PATIENCE_S = 10.0


class RemoteExecution:
    """Offloads images to a stack. May be used by many threads at once: one reads the table for all of them."""

    name = "remote"

    def __init__(
        self,
        account: Account,
        deployment: Deployment,
        timeout_s: float = 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s3 = account.s3
        self._dynamodb = account.dynamodb
        self._search = Search(account, deployment)
        self._bucket = deployment.bucket
        self._table = TableReader(self._dynamodb, deployment.table, clock)
        self._timeout_s = timeout_s
        self._clock = clock
        self._answered = False
        self._begun_ms = self._search.now_ms()

    def detect(self, data: bytes, name: str = "image") -> Answer:
        """See ``Execution``.

        Raises ``ResultTimeoutError`` where no item came in time, with where the image is, ``ResultLostError`` where
        none will come; ``UnreachableError`` where the function has answered nothing yet and its log tells that it
        can't: then it would not answer the next image either.
        """
        return self.detect_noted(data, name, lambda _: None)

    def detect_noted(
        self, data: bytes, name: str, note: Callable[[str], None], earlier: Earlier | None = None
    ) -> Answer:
        """See ``UploadingExecution``."""
        DEFAULT_LIMITS.check_bytes(len(data))  # the function would refuse it, after all of it was sent
        start = time.perf_counter()
        if earlier and (outcome := self.find(earlier.place)) and not _is_lost(outcome, earlier):
            return replace(_answer(outcome, start), fetched=True)
        # To a place of its own: of what got lost at another, something may be left there.
        anew = earlier is None or outcome is not None or earlier.lost
        key = object_key(name) if earlier is None or anew else earlier.place
        if anew:
            note(key)
        upload_ms = None
        if anew or not self._search.is_uploaded(key):
            upload(self._s3, self._bucket, key, data, name)
            upload_ms = (time.perf_counter() - start) * 1000
        answer = _answer(self._wait(name, key), start)
        return replace(answer, upload_ms=upload_ms, fetched=upload_ms is None)

    def find(self, key: str, wait_s: float = 0) -> Outcome | None:
        """What was found in an uploaded image; None where that isn't known after ``wait_s``."""
        url = image_url(self._bucket, key)
        outcome = self._table.read_now(url)
        if outcome is None and wait_s > 0:
            return self._table.wait(url, self._clock(), wait_s)
        return outcome

    def is_uploaded(self, key: str) -> bool:
        """Whether the bucket holds an image."""
        return self._search.is_uploaded(key)

    def where(self, key: str) -> Lost:
        """How far an image came that has no item yet. Raises as AWS does."""
        return self._search.where(key)

    def close(self) -> None:
        """See ``Execution``."""
        self._table.close()
        self._s3.close()
        self._dynamodb.close()

    def _wait(self, name: str, key: str) -> Outcome:
        url, begun = image_url(self._bucket, key), self._clock()
        found = self._table.expect(url, begun)
        try:
            outcome = None
            if not self._answered and self._timeout_s > _PATIENCE_S:
                outcome = _within(found, _PATIENCE_S)
                if outcome is None and not self._answered and (complaint := self._complaint()):
                    raise UnreachableError(f"the function answers nothing; its log says: {complaint}")
            left_s = max(0.0, self._timeout_s - (self._clock() - begun))
            outcome = outcome or _within(found, left_s) or self._table.read_now(url)
        finally:
            self._table.forget(url, found)
        if outcome is None:
            raise self._late(f"no result of {name} came within {self._timeout_s:g} s", key)
        self._answered = True
        return outcome

    def _late(self, told: str, key: str) -> ResultTimeoutError:
        """The error, with where the image is, or why that can't be known: its sender must hear of the time-out."""
        try:
            lost = self._search.where(key)
        except (CloudError, UnreachableError) as error:
            return ResultTimeoutError(f"{told}: it was uploaded, and what became of it can't be found out ({error})")
        return (ResultLostError if lost.for_good else ResultTimeoutError)(f"{told}: {lost.words}")

    def _complaint(self) -> str | None:
        """Why the function answers nobody; None also where its log may not be read: then the image is waited for."""
        try:
            return self._search.breakdown(self._begun_ms)
        except CloudError:
            return None


def _within(found: Future[Outcome], seconds: float) -> Outcome | None:
    try:
        return found.result(seconds)
    except WaitedTooLong:
        return None


def _is_lost(outcome: Outcome, earlier: Earlier) -> bool:
    """Whether what was found at an earlier run's place is that nothing could be found there, which may be mended."""
    gone = outcome.error_kind == ImageGoneError.__name__
    return outcome.error is not None and (earlier.lost or gone)


def _answer(outcome: Outcome, start: float) -> Answer:
    if outcome.error:
        raise image_error(outcome.error_kind, outcome.error)
    elapsed_ms = (time.perf_counter() - start) * 1000
    return Answer(
        outcome.objects, outcome.inference_ms, elapsed_ms, outcome.timings_ms or {}, request_id=outcome.request_id
    )
