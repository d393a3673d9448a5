"""What a function did of late: CloudWatch's counts of it, its own REPORT lines, and its last errors.

CloudWatch counts every invocation and its duration, cheaply for any number of them, but without what it took to
initialise, which is billed too. REPORT lines tell what was billed to the millisecond, and are many. So as many are read
as a person will wait for, and tell what share is to be added to the counts.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.reports import Invocation, parse_report
from lookout.cloud.watching.log_reader import LogLine, log_reader

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

_COUNTS = ("Invocations", "Errors", "Throttles", "Duration")
_HOUR_S = 3600
# Lines of a log that are read at most: some seconds of reading.
_MOST_REPORTS, _MOST_LINES = 5_000, 20_000
_RECENT = timedelta(hours=1)
_TOLD_ERRORS = 3

# Of Lambda's and its runtime client's lines, what tells that an invocation failed; and of the function's own.
_ERRORS = ("[ERROR]", "Task timed out", "Runtime exited", '"level": "ERROR"')
# The same for CloudWatch to choose by: any of these.
_ERROR_PATTERN = '?ERROR ?"Task timed out" ?"Runtime exited"'


@dataclass(frozen=True, slots=True)
class Counts:
    """What CloudWatch counted of a function: invocations, those that failed or were refused, milliseconds in all."""

    invocations: int = 0
    errors: int = 0
    throttles: int = 0
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Activity:
    """What a function did since ``since``, within the last day of that, what of it was billed, and its last errors.

    ``reports`` are REPORT lines since then; of a function with many invocations, some of the last hour's.
    """

    since: datetime
    counts: Counts
    day: Counts
    reports: Sequence[Invocation] = ()
    errors: Sequence[LogLine] = ()


@dataclass(frozen=True, slots=True)
class Billing:
    """What a function's invocations are billed for, and how many REPORT lines that was learned from."""

    invocations: int
    gb_seconds: float
    reports: int

    @property
    def exact(self) -> bool:
        """Whether every invocation's own line was read."""
        return self.reports >= self.invocations


def bill(activity: Activity, memory_mb: int) -> Billing:
    """What the invocations are billed for; CloudWatch shows its counts a minute or two late.

    Without all lines, what those that there are have beside their duration (initialisation, rounding) is added to all
    in proportion, and the memory is taken for what it is now.
    """
    counted, reports = activity.counts, activity.reports
    if len(reports) >= counted.invocations:
        gb_seconds = math.fsum(one.billed_ms / 1000 * one.memory_mb / 1024 for one in reports)
        return Billing(len(reports), gb_seconds, len(reports))
    measured_ms = math.fsum(one.duration_ms for one in reports)
    share = math.fsum(one.billed_ms for one in reports) / measured_ms if measured_ms else 1.0
    return Billing(counted.invocations, counted.duration_ms * share / 1000 * memory_mb / 1024, len(reports))


def month_of(now: datetime, created: datetime) -> datetime:
    """From when on a month's bill counts what a stack did.

    >>> month_of(datetime(2026, 11, 25, 9, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)).isoformat()
    '2026-11-01T00:00:00+00:00'
    """
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return max(first, created.astimezone(UTC).replace(minute=0, second=0, microsecond=0))


def look_at_activity(account: Account, function: str, log_group: str, since: datetime, now: datetime) -> Activity:
    """What a function did since a full hour. Raises ``UnreachableError`` where there is no log group."""
    with aws_errors(f"reading what CloudWatch counted of {function}"):
        hours = list(read_counts(account.cloudwatch, function, since, now))
    counts = _sum(hours, since)
    day = _sum(hours, now - timedelta(days=1))
    few = counts.invocations <= _MOST_REPORTS
    recent = max(since, now - _RECENT)
    # Without errors in the counts there may be some that were not counted yet.
    errors_since = max(since, now - timedelta(days=1)) if day.errors else recent
    return Activity(
        since,
        counts,
        day,
        reports=tuple(islice(_reports(account, log_group, since if few else recent), _MOST_REPORTS)),
        errors=_find_errors(account, log_group, dict.fromkeys((recent, errors_since))),
    )


def _find_errors(account: Account, log_group: str, begins: Iterable[datetime]) -> tuple[LogLine, ...]:
    """The last errors since the first of these moments that has enough of them.

    A log is read from its oldest line on, and not to its end where that is far: of many errors the last are found only
    from close by.
    """
    found: tuple[LogLine, ...] = ()
    for since in begins:
        found = last_errors(_lines(account, log_group, since, _ERROR_PATTERN))
        if len(found) == _TOLD_ERRORS:
            break
    return found


def last_errors(lines: Iterable[LogLine]) -> tuple[LogLine, ...]:
    """The last lines that tell of a failure."""
    return tuple(deque((line for line in lines if any(word in line.message for word in _ERRORS)), _TOLD_ERRORS))


def read_counts(
    cloudwatch: CloudWatchClient, function: str, since: datetime, now: datetime
) -> Iterator[tuple[datetime, str, float]]:
    """CloudWatch's counts: the beginning of an hour, what was counted, and the sum."""
    queries: Any = [
        {
            "Id": name.lower(),
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": name,
                    "Dimensions": [{"Name": "FunctionName", "Value": function}],
                },
                "Period": _HOUR_S,
                "Stat": "Sum",
            },
        }
        for name in _COUNTS
    ]
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=since, EndTime=now
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            for hour, value in zip(result["Timestamps"], result["Values"], strict=True):
                yield hour, result["Id"], value


def _sum(hours: Iterable[tuple[datetime, str, float]], since: datetime) -> Counts:
    sums: Counter[str] = Counter()
    for hour, name, value in hours:
        if hour + timedelta(seconds=_HOUR_S) > since:
            sums[name] += value  # type: ignore[assignment]  # a counter takes what can be added
    return Counts(
        invocations=int(sums["invocations"]),
        errors=int(sums["errors"]),
        throttles=int(sums["throttles"]),
        duration_ms=float(sums["duration"]),
    )


def _reports(account: Account, log_group: str, since: datetime) -> Iterator[Invocation]:
    for line in _lines(account, log_group, since, '"REPORT RequestId"'):
        if invocation := parse_report(line.message):
            yield invocation


def _lines(account: Account, log_group: str, since: datetime, pattern: str) -> Iterator[LogLine]:
    # The emulator's control plane knows no patterns with alternatives; what is read is looked at anyway.
    known = "" if account.emulated else pattern
    return islice(log_reader(account, log_group, int(since.timestamp() * 1000), known).read(), _MOST_LINES)
