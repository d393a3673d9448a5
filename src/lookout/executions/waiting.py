"""Waiting for items to appear in the table: one reader for all who wait, a hundred keys a request.

A thread reads while anybody waits. Its looks at one image are spaced as ``pace.py``
says; a look takes along all images whose look is nearly due. What a read leaves out for want of capacity
(``UnprocessedKeys``), and a throttled read, are asked for again after a pause that grows: the table is busy then, and
the results are still to come. Any other error is the error of those who were looked for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lookout.cloud.account import THROTTLED, aws_errors, missing
from lookout.cloud.items import KEY, Outcome, from_item
from lookout.errors import ExecutionError, LookoutError
from lookout.executions.pace import Pace

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# DynamoDB's limit of a batch.
MOST_KEYS = 100
# A look takes along what is due within this time: images that were sent together are read together.
_NEARLY_S = 0.01
_FIRST_BUSY_PAUSE_S, _LONGEST_BUSY_PAUSE_S = 0.05, 2.0
_BUSY = THROTTLED | {"ProvisionedThroughputExceededException"}


@dataclass(slots=True)
class _Wanted:
    """An item that somebody waits for: since when, and when it is looked for next, by the clock."""

    url: str
    since_s: float
    due_s: float
    looks: int = 0
    found: Future[Outcome] = field(default_factory=Future)


class TableReader:
    """Reads a table's items as they are waited for. May be used by many threads at once."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        table: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        threaded: bool = True,
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock
        self._pace = Pace()
        self._wanted: dict[str, list[_Wanted]] = {}
        self._changed = threading.Condition()
        self._busy_pause_s = 0.0
        self._threaded, self._running = threaded, False

    def expect(self, url: str, since_s: float) -> Future[Outcome]:
        """The item of an image, whose upload ended at ``since_s`` by the clock; give it back with ``forget``."""
        wanted = _Wanted(url, since_s, since_s + self._pace.first_look_s())
        with self._changed:
            self._wanted.setdefault(url, []).append(wanted)
            self._changed.notify()
            if self._threaded and not self._running:
                self._running = True
                threading.Thread(target=self._run, daemon=True, name="table-reader").start()
        return wanted.found

    def forget(self, url: str, found: Future[Outcome]) -> None:
        """Look for it no more."""
        with self._changed:
            left = [wanted for wanted in self._wanted.get(url, []) if wanted.found is not found]
            if left:
                self._wanted[url] = left
            else:
                self._wanted.pop(url, None)
            self._changed.notify()

    def wait(self, url: str, since_s: float, timeout_s: float) -> Outcome | None:
        """The item of an image, None where it isn't there in time. Raises as reading does."""
        found = self.expect(url, since_s)
        try:
            return found.result(timeout_s)
        except WaitedTooLong:
            return None
        finally:
            self.forget(url, found)

    def read_now(self, url: str) -> Outcome | None:
        """The item, None where there is none yet. Raises ``CloudError``, ``UnreachableError``."""
        with aws_errors("looking for a result"), self._table_there():
            answer = self._dynamodb.get_item(TableName=self._table, Key={KEY: {"S": url}}, ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            urls = list(self._wanted)
        self._fail(urls, ExecutionError("what was waited for is no longer looked for: the execution was closed"))

    def look(self) -> float | None:
        """Look for what is due; the seconds to the next look, None where nobody waits."""
        with self._changed:
            urls = self._due()
        if urls:
            try:
                self._read(urls)
            except Exception as error:  # noqa: BLE001  whoever waits has to know
                self._fail(urls, error)
        with self._changed:
            return self._next_s()

    def _run(self) -> None:
        """Look while anybody waits; a thread more is begun when somebody does again."""
        while True:
            with self._changed:
                while (next_s := self._next_s()) and next_s > 0:
                    self._changed.wait(next_s)
                if next_s is None:
                    self._running = False
                    return
            self.look()

    def _next_s(self) -> float | None:
        dues = [wanted.due_s for waiting in self._wanted.values() for wanted in waiting]
        return max(0.0, min(dues) - self._clock()) if dues else None

    def _due(self) -> list[str]:
        """Those whose look is due and, where there are any, those whose look nearly is; at most a batch."""
        now_s = self._clock()
        dues = {url: min(wanted.due_s for wanted in waiting) for url, waiting in self._wanted.items()}
        if not any(due_s <= now_s for due_s in dues.values()):
            return []
        near = [url for url, due_s in dues.items() if due_s <= now_s + _NEARLY_S]
        return sorted(near, key=dues.__getitem__)[:MOST_KEYS]

    def _read(self, urls: Collection[str]) -> None:
        keys = [{KEY: {"S": url}} for url in urls]
        request: dict[str, Any] = {self._table: {"Keys": keys, "ConsistentRead": True}}
        with aws_errors("looking for results"), self._table_there():
            try:
                answer = self._dynamodb.batch_get_item(RequestItems=request)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _BUSY:
                    raise
                self._postpone(urls)
                return
        left_out = answer.get("UnprocessedKeys", {}).get(self._table)
        unread = {str(key[KEY]["S"]) for key in left_out["Keys"]} if left_out else set()
        items = {str(item[KEY]["S"]): item for item in answer["Responses"].get(self._table, [])}
        for url, item in items.items():
            self._give(url, item)
        self._put_off([url for url in urls if url not in items and url not in unread])
        if unread:
            self._postpone(unread)
        else:
            self._busy_pause_s = 0.0

    @contextmanager
    def _table_there(self) -> Iterator[None]:
        """A table that isn't there will have no result for anybody: ``UnreachableError``."""
        try:
            yield
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":
                raise
            raise missing(f"table {self._table}") from error

    def _give(self, url: str, item: Mapping[str, Any]) -> None:
        try:
            outcome = from_item(item)
        except LookoutError as error:  # an item of somebody else's is the error of who waits for it alone
            self._fail([url], error)
            return
        now_s = self._clock()
        with self._changed:
            for wanted in self._wanted.pop(url, []):
                self._pace.learn(sum((outcome.timings_ms or {}).values()) / 1000, now_s - wanted.since_s)
                wanted.found.set_result(outcome)

    def _put_off(self, urls: Collection[str]) -> None:
        """To the next look, of what was not there."""
        now_s = self._clock()
        with self._changed:
            for url in urls:
                for wanted in self._wanted.get(url, []):
                    wanted.looks += 1
                    wanted.due_s = now_s + self._pace.pause_s(wanted.looks)

    def _postpone(self, urls: Collection[str]) -> None:
        """Until the table has had time to breathe."""
        self._busy_pause_s = min(_LONGEST_BUSY_PAUSE_S, max(_FIRST_BUSY_PAUSE_S, self._busy_pause_s * 2))
        now_s = self._clock()
        with self._changed:
            for url in urls:
                for wanted in self._wanted.get(url, []):
                    wanted.due_s = now_s + self._busy_pause_s

    def _fail(self, urls: Collection[str], error: Exception) -> None:
        with self._changed:
            for url in urls:
                for wanted in self._wanted.pop(url, []):
                    wanted.found.set_exception(error)
            self._changed.notify()
