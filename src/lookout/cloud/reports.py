"""What is logged of an invocation: by Lambda what it took, and is billed for (REPORT); by the function, its stages."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

_LINE = re.compile(
    r"REPORT RequestId: (?P<request_id>\S+)\s+"
    r"Duration: (?P<duration_ms>[\d.]+) ms\s+"
    r"Billed Duration: (?P<billed_ms>[\d.]+) ms\s+"
    r"Memory Size: (?P<memory_mb>\d+) MB\s+"
    r"Max Memory Used: (?P<used_mb>\d+) MB"
    r"(?:\s+Init Duration: (?P<init_ms>[\d.]+) ms)?"
)


# The emulator's own line, before REPORT, of an invocation that wanted more of the machine than it has.
_HOST = re.compile(r"LOOKOUT_HOST REPORT RequestId: (?P<request_id>\S+)\s+Oversubscribed")


@dataclass(frozen=True, slots=True)
class Work:
    """What the function logs of an image: when it began and ended with it, and each stage's milliseconds.

    Both in seconds since the epoch, by the function's clock.
    """

    began: float
    ended: float
    timings_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation, as Lambda reports it. ``init_ms`` is there for a cold start alone.

    ``oversubscribed``: the emulator's machine could not give it its share of CPU, so that it took too long. ``work``:
    what the function itself logged of its image; None where that isn't known.
    """

    request_id: str
    duration_ms: float
    billed_ms: float
    memory_mb: int
    used_mb: int
    init_ms: float | None = None
    oversubscribed: bool = False
    work: Work | None = None


def parse_report(line: str) -> Invocation | None:
    r"""The invocation of a REPORT line, None for any other line.

    >>> parse_report("REPORT RequestId: 7f\tDuration: 1780.20 ms\tBilled Duration: 1781 ms\t"
    ...              "Memory Size: 512 MB\tMax Memory Used: 453 MB\tInit Duration: 812.11 ms\t").init_ms
    812.11
    """
    match = _LINE.search(line)
    if match is None:
        return None
    init_ms = match["init_ms"]
    return Invocation(
        request_id=match["request_id"],
        duration_ms=float(match["duration_ms"]),
        billed_ms=float(match["billed_ms"]),
        memory_mb=int(match["memory_mb"]),
        used_mb=int(match["used_mb"]),
        init_ms=None if init_ms is None else float(init_ms),
    )


def wait_for_reports(
    logs: CloudWatchLogsClient,
    log_group: str,
    request_ids: Collection[str],
    since: float,
    timeout_s: float = 30,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Invocation]:
    """The invocations of these requests, by request id; those that are not in the log in time are left out.

    ``since``: seconds since the epoch, before the first of them. CloudWatch shows a line some seconds after it
    was logged.
    """
    found: dict[str, Invocation] = {}
    deadline = time.monotonic() + timeout_s
    pause_s = 0.1
    while True:
        found.update(_reports(logs, log_group, since))
        if found.keys() >= set(request_ids) or time.monotonic() > deadline:
            break
        sleep(pause_s)
        pause_s = min(2.0, pause_s * 2)
    done = _work(logs, log_group, since)
    return {key: replace(found[key], work=done.get(key)) for key in request_ids if key in found}


def parse_work(line: str) -> tuple[str, Work] | None:
    """The request id of the function's line of an image that it is done with, and what it tells; None for any other."""
    try:
        document = json.loads(line)
        timings_ms = {str(stage): float(ms) for stage, ms in document["timings_ms"].items()}
        return str(document["request_id"]), Work(float(document["began"]), float(document["ended"]), timings_ms)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _work(logs: CloudWatchLogsClient, log_group: str, since: float) -> dict[str, Work]:
    return dict(filter(None, map(parse_work, _lines(logs, log_group, since, '"timings_ms"'))))


def _lines(logs: CloudWatchLogsClient, log_group: str, since: float, pattern: str) -> Iterator[str]:
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=log_group, startTime=int(since * 1000), filterPattern=pattern
    )
    return (event["message"] for page in pages for event in page["events"])


def _reports(logs: CloudWatchLogsClient, log_group: str, since: float) -> dict[str, Invocation]:
    found: dict[str, Invocation] = {}
    oversubscribed: set[str] = set()
    for line in _lines(logs, log_group, since, '"REPORT RequestId"'):
        if host := _HOST.search(line):
            oversubscribed.add(host["request_id"])
        elif invocation := parse_report(line):
            found[invocation.request_id] = invocation
    return {key: replace(invocation, oversubscribed=key in oversubscribed) for key, invocation in found.items()}
