"""A log group's lines, in the order of their times across its streams; each once, also while more are written.

CloudWatch shows a line some time after it was logged, and not in order: one may come that is older than what was shown
before. So whoever follows a log looks a while back each time, and remembers which lines of that while it has seen.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors, missing

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

# How far back a follower looks for lines that come late, in milliseconds: Lambda's take some seconds. What is logged in
# the emulator is there at once.
_LATE_AWS_MS, _LATE_EMULATED_MS = 60_000, 2_000
# How often a follower looks.
_PAUSE_AWS_S, _PAUSE_EMULATED_S = 2.0, 0.2
# The most events that an answer holds. The emulator's control plane says no more where there are more.
_MOST_EVENTS = 10_000
# The emulator's streams of invocations under way: what is in them comes again with all the rest.
_RUNNING = "running/"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One event of a log: when (milliseconds since the epoch), in which stream, and what."""

    at_ms: int
    stream: str
    message: str


class LogReader:
    """Reads a log group, each time what is new. What it remembers is bounded by what is logged within ``late_ms``.

    ``since_ms``: what is older is left out. ``pattern`` is CloudWatch's filter pattern, "" for all lines.
    """

    def __init__(
        self,
        logs: CloudWatchLogsClient,
        group: str,
        since_ms: int,
        late_ms: int,
        clock: Callable[[], float] = time.time,
        pattern: str = "",
    ) -> None:
        self._logs = logs
        self._group = group
        self._from_ms = since_ms
        self._late_ms = late_ms
        self._clock = clock
        self._pattern = pattern
        self._seen: dict[Hashable, int] = {}

    def read(self) -> Iterator[LogLine]:
        """What is there and was not read before. Raises ``UnreachableError`` where there is no such log group."""
        with aws_errors(f"reading the log group {self._group}"):
            try:
                for events in self._pages():
                    # Python's order is stable: a stream's lines of one millisecond stay in theirs.
                    fresh = [_line(event) for event in events if not _is_repeated(event)]
                    yield from sorted(fresh, key=lambda line: (line.at_ms, line.stream))
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
                    raise missing(f"log group {self._group}") from error
                raise

    def _pages(self) -> Iterator[list[FilteredLogEventTypeDef]]:
        start_ms: int | None = self._from_ms
        while start_ms is not None:
            request: dict[str, Any] = {"logGroupName": self._group, "startTime": start_ms}
            if self._pattern:
                request["filterPattern"] = self._pattern
            alike: Counter[Hashable] = Counter()
            page: Any = {}
            for page in self._logs.get_paginator("filter_log_events").paginate(**request):
                yield self._unseen(page["events"], alike)
            start_ms = _next_start_ms(page.get("events", []), start_ms)

    def _unseen(self, events: list[FilteredLogEventTypeDef], alike: Counter[Hashable]) -> list[FilteredLogEventTypeDef]:
        """Those of the events that were not there before; they are remembered while they may come again."""
        unseen = []
        for event in events:
            identity = _identity(event, alike)
            if identity not in self._seen:
                self._seen[identity] = event["timestamp"]
                unseen.append(event)
        if events:
            # A line may have a time that is still to come: what is logged until then must not be passed over.
            newest_ms = min(max(event["timestamp"] for event in events), int(self._clock() * 1000))
            self._from_ms = max(self._from_ms, newest_ms - self._late_ms)
            self._seen = {identity: at_ms for identity, at_ms in self._seen.items() if at_ms >= self._from_ms}
        return unseen


def log_reader(account: Account, group: str, since_ms: int, pattern: str = "") -> LogReader:
    """The reader of a log group in an account."""
    late_ms = _LATE_EMULATED_MS if account.emulated else _LATE_AWS_MS
    return LogReader(account.logs, group, since_ms, late_ms, pattern=pattern)


def follow(reader: LogReader, *, emulated: bool, sleep: Callable[[float], None] = time.sleep) -> Iterator[LogLine]:
    """Lines as they come, without end."""
    while True:
        yield from reader.read()
        sleep(_PAUSE_EMULATED_S if emulated else _PAUSE_AWS_S)


def _next_start_ms(last_page: list[FilteredLogEventTypeDef], start_ms: int) -> int | None:
    """From where to ask on, where an answer was full though it said that it was the last; else None."""
    if len(last_page) < _MOST_EVENTS or last_page[-1]["timestamp"] <= start_ms:
        return None
    return last_page[-1]["timestamp"]


def _identity(event: FilteredLogEventTypeDef, alike: Counter[Hashable]) -> Hashable:
    """What tells an event from all others: AWS's id, or, in the emulator, which of those alike it is."""
    if event_id := event.get("eventId"):
        return event_id
    described = (event.get("logStreamName", ""), event["timestamp"], event["message"])
    alike[described] += 1
    return (*described, alike[described])


def _is_repeated(event: FilteredLogEventTypeDef) -> bool:
    return event.get("logStreamName", "").startswith(_RUNNING)


def _line(event: FilteredLogEventTypeDef) -> LogLine:
    return LogLine(event["timestamp"], event.get("logStreamName", ""), event["message"].rstrip("\n"))
