"""Lambda's log lines and errors, word for word."""

from __future__ import annotations

import json
import signal

import pytest

from lookout.cloud.emulator import report


def test_report_line_of_a_cold_start() -> None:
    outcome = report.answered(b"{}", 1780.2, failed=False)
    line = report.report_line("id", outcome, memory_mb=512, used_mb=453, init_ms=812.11)
    assert line == (
        "REPORT RequestId: id\tDuration: 1780.20 ms\tBilled Duration: 2593 ms\t"
        "Memory Size: 512 MB\tMax Memory Used: 453 MB\tInit Duration: 812.11 ms"
    )


def test_report_line_of_a_warm_start() -> None:
    outcome = report.answered(b"{}", 1780.2, failed=False)
    line = report.report_line("id", outcome, memory_mb=512, used_mb=453, init_ms=None)
    assert line == (
        "REPORT RequestId: id\tDuration: 1780.20 ms\tBilled Duration: 1781 ms\t"
        "Memory Size: 512 MB\tMax Memory Used: 453 MB"
    )


def test_report_line_of_a_time_out() -> None:
    outcome = report.timed_out("id", 15, 15000.0)
    line = report.report_line("id", outcome, memory_mb=512, used_mb=453, init_ms=None)
    assert line.endswith("\tStatus: timeout")


def test_a_function_that_raised_has_no_status() -> None:
    outcome = report.answered(b'{"errorType": "ValueError"}', 1.0, failed=True)
    line = report.report_line("id", outcome, memory_mb=512, used_mb=453, init_ms=None)
    assert "Status" not in line


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (-signal.SIGKILL, "Runtime exited with error: signal: killed"),
        (-signal.SIGSEGV, "Runtime exited with error: signal: segmentation fault"),
        (3, "Runtime exited with error: exit status 3"),
        (0, "Runtime exited without providing a reason"),
    ],
)
def test_how_a_process_ended(returncode: int, words: str) -> None:
    outcome = report.exited("id", returncode, 1.0)
    expected = {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: id Error: {words}"}
    assert json.loads(outcome.payload) == expected
    assert outcome.status == "error"
