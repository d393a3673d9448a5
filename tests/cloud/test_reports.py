from __future__ import annotations

import json

import pytest

from lookout.cloud.emulator.report import host_line
from lookout.cloud.reports import Invocation, Work, parse_report, parse_work, wait_for_reports

# The line as FACTS and AWS's documentation have it, tabs and all.
COLD = (
    "REPORT RequestId: 7f\tDuration: 1780.20 ms\tBilled Duration: 2593 ms\tMemory Size: 512 MB\t"
    "Max Memory Used: 453 MB\tInit Duration: 812.11 ms\t\n"
)
WARM = "REPORT RequestId: 80\tDuration: 9.00 ms\tBilled Duration: 9 ms\tMemory Size: 512 MB\tMax Memory Used: 9 MB\t\n"


def test_a_cold_and_a_warm_line_are_read():
    assert parse_report(COLD) == Invocation("7f", 1780.2, 2593, 512, 453, 812.11)
    assert parse_report(WARM) == Invocation("80", 9, 9, 512, 9, None)


@pytest.mark.parametrize("line", ["", "START RequestId: 7f Version: $LATEST", "REPORT RequestId: 7f", "END"])
def test_another_line_is_no_report(line: str):
    assert parse_report(line) is None


class Logs:
    """CloudWatch, whose lines appear one look after the other."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.looks = 0

    def get_paginator(self, _name: str) -> Logs:
        return self

    def paginate(self, *, filterPattern: str, **_: object) -> list[dict]:  # noqa: N803  botocore's
        term = filterPattern.strip('"')
        self.looks += term.startswith("REPORT")
        return [{"events": [{"message": line} for line in self.lines[: self.looks] if term in line]}]


def test_what_the_machine_could_not_give_is_marked():
    logs = Logs(host_line("7f", 5.8, 2), COLD, WARM)
    found = wait_for_reports(logs, "group", ["7f", "80"], since=0, sleep=lambda _: None)
    assert [found[key].oversubscribed for key in ("7f", "80")] == [True, False]


def test_late_lines_are_waited_for():
    logs, pauses = Logs(COLD, WARM), []
    found = wait_for_reports(logs, "group", ["7f", "80"], since=0, sleep=pauses.append)
    assert set(found) == {"7f", "80"}
    assert (logs.looks, len(pauses)) == (2, 1)


def test_a_line_that_never_comes_is_left_out():
    found = wait_for_reports(Logs(COLD), "group", ["7f", "80"], since=0, timeout_s=0, sleep=lambda _: None)
    assert set(found) == {"7f"}


DONE = json.dumps({"event": "object", "request_id": "7f", "began": 5.0, "ended": 5.5, "timings_ms": {"decode": 500}})


def test_what_the_function_logs_of_its_image_comes_along():
    found = wait_for_reports(Logs(DONE, COLD, WARM), "group", ["7f", "80"], since=0, sleep=lambda _: None)
    assert found["7f"].work == Work(5.0, 5.5, {"decode": 500})
    assert found["80"].work is None


@pytest.mark.parametrize(
    "line",
    ["", "7", '{"request_id": "7f", "timings_ms": {}}', DONE.replace("500", '"soon"'), DONE.replace("{", "[", 1)],
)
def test_another_line_tells_nothing_of_an_image(line: str):
    assert parse_work(line) is None
