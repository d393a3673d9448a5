"""The function loads little, and takes little: what a cold start and a small memory size need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

import lookout
from helpers.program import Program, run, wait_for
from helpers.shared import shared
from helpers.tiny import make_model, make_picture
from lookout.cloud.account import account_of_emulator
from lookout.cloud.reports import parse_report
from lookout.cloud.stack import Stack
from lookout.models.store import load_model

# What a cold start must not wait for.
UNWANTED = ["flask", "click", "rich", "matplotlib", "PIL", "onnx", "ministack", "structlog", "msgspec", "werkzeug"]
UNWANTED_OF_OURS = ["lookout.comparison", "lookout.cloud.emulator", "lookout.cloud.stack", "lookout.models.darknet"]

_DETECT = """
import json, os, sys
from lookout.apps import handler
before = sorted(sys.modules)
function = handler.Function.of_environment(os.environ)
answer = function(json.loads(sys.argv[1]), "request")
threads = len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1
after = sorted(sys.modules)
print(json.dumps({"before": before, "after": after, "objects": answer["objects"], "threads": threads}))
"""


def loaded(modules: list[str], unwanted: list[str]) -> list[str]:
    return [name for name in modules if any(name == root or name.startswith(f"{root}.") for root in unwanted)]


@pytest.mark.parametrize("engine", ["opencv", "onnxruntime"])
def test_a_whole_detection_in_a_fresh_process_loads_nothing_that_it_does_not_need(engine: str, tmp_path: Path):
    if engine != "opencv":
        pytest.importorskip(engine)
    from lookout.executions.contract import request_document

    environment = {
        "PYTHONPATH": str(Path(lookout.__file__).parent.parent),
        "LOOKOUT_MODEL": str(load_model(make_model(tmp_path)).folder),
        "LOOKOUT_ENGINE": engine,
        "LOOKOUT_TABLE": "table",
        "LOOKOUT_CONFIDENCE": "0.05",
        "LOOKOUT_IOU": "0.45",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "OPENBLAS_NUM_THREADS": "1",  # as stack.yaml has it
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(tmp_path),
    }
    command = [sys.executable, "-c", _DETECT, json.dumps(request_document("7", make_picture(1)))]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout.splitlines()[-1])
    assert len(found["objects"]) > 3
    assert loaded(found["after"], UNWANTED + UNWANTED_OF_OURS) == []
    # AWS's library, and with it urllib3, comes beside the network: see Function.of_environment.
    # A third of a CPU is one thread's, and nobody spins beside it.
    assert found["threads"] == 1
    assert loaded(found["before"], ["boto3", "botocore", "urllib3", "onnxruntime"]) == []


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak of memory")
def test_memory_stays_small_over_many_photographs():
    pytest.importorskip("ministack", reason="the extra emulator is not installed")
    photographs = sorted(shared("coco", "images").iterdir())
    model = shared("models", "yolo-fastest-1.1-xl.cfg")
    with Program("emulator", "--port", "0", "--json") as emulator:
        variables = emulator.ready()["environment"]
        up = run("stack", "up", "--model", str(model), "--memory", "512", "--yes", **variables)
        assert up.returncode == 0, up.stderr
        account = account_of_emulator(variables)
        deployment = Stack(account, "lookout").find()
        sent = run("send", os.fspath(photographs[0].parent), "--execution", "remote", "--json", **variables)
        assert sent.returncode == 0, sent.stderr

        def reports() -> list:
            pages = account.logs.get_paginator("filter_log_events").paginate(logGroupName=deployment.log_group)
            lines = (parse_report(event["message"]) for page in pages for event in page["events"])
            return [report for report in lines if report]

        wait_for(lambda: len(reports()) >= len(photographs))
        used_mb = [report.used_mb for report in reports()]
    assert len(used_mb) == len(photographs)
    assert max(used_mb) < 180
