from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

import lookout
from lookout.apps.function_log import JsonFormatter
from lookout.apps.function_memory import free_bytes, peak_bytes

MIB = 1 << 20


def test_a_librarys_remark_is_one_line_of_json_with_the_request():
    record = logging.LogRecord("botocore", logging.WARNING, "file.py", 7, "slow\n%s", ("down",), None)
    record.aws_request_id = "request-1"
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line) == {
        "level": "WARNING",
        "event": "remark",
        "request_id": "request-1",
        "logger": "botocore",
        "message": "slow\ndown",
    }


_REMARKS = """
import logging, sys, warnings
{handlers}
from lookout.apps.function_log import start_logging
start_logging()
logging.getLogger("botocore").warning("retrying %s", "once")
logging.getLogger("botocore").info("of no interest")
warnings.warn("old", DeprecationWarning)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("x").exception("failed")
"""


@pytest.mark.parametrize("handlers", ["", "logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))"])
def test_remarks_and_warnings_become_json_with_lambdas_handler_and_without(handlers: str):
    environment = {"PYTHONPATH": str(Path(lookout.__file__).parent.parent)}
    command = [sys.executable, "-c", _REMARKS.format(handlers=handlers)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
    retrying, old, failed = map(json.loads, answer.stdout.splitlines())
    assert (retrying["level"], retrying["logger"], retrying["message"]) == ("WARNING", "botocore", "retrying once")
    assert "DeprecationWarning: old" in old["message"]
    assert "ZeroDivisionError" in failed["error"]
    assert answer.stderr == ""


@pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric has wheels for Linux only")
def test_remarks_end_their_line_under_lambdas_own_handler():
    pytest.importorskip("awslambdaric")
    handlers = """
from awslambdaric import bootstrap
bootstrap._setup_logging("TEXT", None, bootstrap.StandardLogSink())
bootstrap._GLOBAL_AWS_REQUEST_ID = "request-1"
"""
    environment = {"PYTHONPATH": str(Path(lookout.__file__).parent.parent)}
    command = [sys.executable, "-c", _REMARKS.format(handlers=handlers)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
    remarks = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [remark["level"] for remark in remarks] == ["WARNING", "WARNING", "ERROR"]
    assert {remark["request_id"] for remark in remarks} == {"request-1"}


def test_what_is_free_is_what_the_process_has_not_used():
    assert 20 * MIB < peak_bytes() < 100_000 * MIB
    assert free_bytes(10_240) - free_bytes(512) == pytest.approx((10_240 - 512) * MIB, abs=8 * MIB)
    assert free_bytes(10_240) < 10_240 * MIB - peak_bytes() + 8 * MIB
