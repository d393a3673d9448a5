"""Where an image got lost: on the emulator, by functions that do what ours should never do; and in a log's lines.

The emulator writes an invocation's lines when it ends: one that is running still is shown by such lines alone.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from botocore.exceptions import ClientError

from helpers.program import run, wait_for
from helpers.tiny import make_picture
from helpers.world import World
from lookout.cloud.failures import FailureQueue
from lookout.cloud.stack import Deployment, Stack
from lookout.errors import ResultLostError, ResultTimeoutError, UnreachableError
from lookout.executions import remote
from lookout.executions.lost import Search
from lookout.executions.protocol import Earlier
from lookout.executions.remote import RemoteExecution

STACK = "lost"
PICTURE = make_picture(1)


@pytest.fixture(scope="module")
def deployment(world: World) -> Iterator[Deployment]:
    """A stack of its own, since its function is replaced."""
    answer = run("stack", "up", "--name", STACK, "--model", str(world.cfg), "--yes", **world.variables)
    assert answer.returncode == 0, answer.stderr
    yield Stack(world.account, STACK).find()
    assert run("stack", "down", "--name", STACK, "--yes", **world.variables).returncode == 0


@contextmanager
def function_that(does: str, world: World, deployment: Deployment) -> Iterator[None]:
    """Let the stack's function do something else."""
    functions = world.account.functions
    kept = functions.get_function_configuration(FunctionName=deployment.function)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(
            "other.py",
            f"import time\nfrom urllib.parse import quote, unquote_plus\n\ndef handle(event, context):\n    {does}\n",
        )
    retries = functions.get_function_event_invoke_config(FunctionName=deployment.function, Qualifier="$LATEST")
    functions.delete_function(FunctionName=deployment.function)
    functions.create_function(
        FunctionName=deployment.function,
        Runtime="python3.12",
        Handler="other.handle",
        Code={"ZipFile": archive.getvalue()},
        Role=kept["Role"],
        Timeout=60,
        MemorySize=512,
    )
    functions.put_function_event_invoke_config(
        FunctionName=deployment.function,
        Qualifier="$LATEST",
        MaximumRetryAttempts=retries["MaximumRetryAttempts"],
        DestinationConfig=retries["DestinationConfig"],
    )
    yield


def offload(world: World, deployment: Deployment, timeout_s: float) -> str:
    """What is said of an image that got lost."""
    execution = RemoteExecution(world.account, deployment, timeout_s)
    try:
        with pytest.raises(ResultTimeoutError) as told:
            execution.detect(PICTURE, "a b.jpg")
    finally:
        execution.close()
    assert f"no result of a b.jpg came within {timeout_s:g} s: " in str(told.value)
    return str(told.value)


def test_an_upload_that_never_arrived(world: World, deployment: Deployment, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remote, "upload", lambda *_: None)
    assert "it is not in the bucket: its upload was lost" in offload(world, deployment, 0.2)


def test_a_bucket_that_notifies_nobody(world: World, deployment: Deployment):
    s3 = world.account.s3
    kept = s3.get_bucket_notification_configuration(Bucket=deployment.bucket)
    s3.put_bucket_notification_configuration(Bucket=deployment.bucket, NotificationConfiguration={})
    told = offload(world, deployment, 0.2)
    kept.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=deployment.bucket, NotificationConfiguration=kept)
    assert "it is in the bucket, and the log group /aws/lambda/lost tells of no invocation since" in told


def lost_once(world: World, deployment: Deployment, *told: str) -> str:
    """What is said of an image that got lost, once the function's log tells this."""
    execution, keys = RemoteExecution(world.account, deployment, 0.1), []
    since_ms = int(time.time() * 1000)
    with pytest.raises(ResultTimeoutError):
        execution.detect_noted(PICTURE, "a b.jpg", keys.append)
    logs, wanted = world.account.logs, {"logGroupName": deployment.log_group, "startTime": since_ms}

    def all_told() -> bool:
        lines = [event["message"] for event in logs.filter_log_events(**wanted)["events"]]
        return all(any(words in line for line in lines) for words in told)

    wait_for(all_told)
    with pytest.raises(ResultTimeoutError) as lost:
        execution.detect_noted(PICTURE, "a b.jpg", keys.append, earlier=Earlier(keys[0]))
    execution.close()
    return str(lost.value)


def test_a_function_that_writes_nothing(world: World, deployment: Deployment):
    with function_that("return {}", world, deployment):
        told = lost_once(world, deployment, "REPORT RequestId")
    assert "no invocation in the log group /aws/lambda/lost was of it" in told


def test_a_function_that_is_still_running(world: World, deployment: Deployment):
    with function_that("time.sleep(60)", world, deployment):
        told = lost_once(world, deployment, "START RequestId")
    assert "the function is still running, on this image or another (request " in told


def test_a_function_that_fails_and_is_tried_again(world: World, deployment: Deployment):
    # It names the key, as ours does: the invocations of the tests before are in the same log.
    key = "quote(unquote_plus(event['Records'][0]['s3']['object']['key']))"
    with function_that(f"raise ValueError('once more ' + {key})", world, deployment):
        told = lost_once(world, deployment, "once more", "REPORT RequestId")
    assert "the function failed, and Lambda may try again; the log group /aws/lambda/lost says: [ERROR] Value" in told


def test_a_function_that_failed_for_good(world: World, deployment: Deployment):
    queue = FailureQueue(world.account.queues, deployment.failure_queue)
    keys: list[str] = []
    with function_that("raise ValueError('out of luck')", world, deployment):
        execution = RemoteExecution(world.account, deployment, 0.1)
        with pytest.raises(ResultTimeoutError):
            execution.detect_noted(PICTURE, "a.jpg", keys.append)
        place = (deployment.bucket, keys[0])
        wait_for(lambda: any(place in failure.objects for failure in queue.read()))
        with pytest.raises(ResultLostError, match="failed on it 3 times, at last with ValueError: out of luck"):
            execution.detect_noted(PICTURE, "a.jpg", keys.append, earlier=Earlier(keys[0]))
        execution.close()
    assert len(keys) == 1


KEY = "images/00000000-0000-0000-0000-00000000000a/zwei Wörter.jpg"
URL = "https://bucket.s3.amazonaws.com/images/00000000-0000-0000-0000-00000000000a/zwei%20W%C3%B6rter.jpg"
NOW_S = 1_800_000_000.0
ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
THREE = "33333333-3333-4333-8333-333333333333"


class Cloud:
    """A bucket that holds the image for so long, an empty failure queue, and a log of these lines."""

    def __init__(self, *lines: str, refuses: str = "", age_s: float = 0) -> None:
        head = {"LastModified": datetime.fromtimestamp(NOW_S - age_s, UTC)}
        self.s3 = SimpleNamespace(head_object=lambda **_: head)
        self.queues = SimpleNamespace(receive_message=self._receive, change_message_visibility_batch=lambda **_: {})
        self.logs = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=self._pages))
        self._lines, self._refuses = lines, refuses

    def _receive(self, **_: Any) -> dict:
        if self._refuses == "queue":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not for you"}}, "ReceiveMessage")
        return {}

    def _pages(self, **_: Any) -> list[dict]:
        return [{"events": [{"message": line} for line in self._lines]}]


def start(request_id: str) -> str:
    return f"START RequestId: {request_id} Version: $LATEST\n"


def end(request_id: str, more: str = "") -> str:
    return f"REPORT RequestId: {request_id}\tDuration: 3.00 ms\tBilled Duration: 3 ms\tMemory Size: 512 MB{more}\n"


def told(request_id: str, url: str = URL) -> str:
    return f'{{"level": "INFO", "event": "object", "request_id": "{request_id}", "url": "{url}"}}\n'


@pytest.mark.parametrize(
    ("lines", "stage", "words"),
    [
        ([], "not started", "tells of no invocation since"),
        ([start(ONE)], "running", "on this image or another"),
        ([start(ONE), told(ONE)], "running", f"still running (request {ONE})"),
        ([start(ONE), start(TWO), told(TWO), end(TWO)], "not started", "no invocation"),
        ([start(ONE), told(ONE), start(TWO), end(TWO)], "running", ONE),
        ([start(ONE), end(ONE), start(TWO), told(TWO, "https://b/other")], "not started", "no invocation"),
        (
            [start(ONE), "[ERROR] ValueError: no\n  File x", end(ONE, "\tStatus: error")],
            "failing",
            "[ERROR] ValueError: no",
        ),
        ([start(ONE), end(ONE, "\tStatus: timeout")], "failing", "Status: timeout"),
        (
            [start(ONE), f"[ERROR] A: {URL}", end(ONE, "\tStatus: error"), start(TWO), "[ERROR] B: other", end(TWO)],
            "failing",
            "[ERROR] A:",
        ),
        ([start(ONE), end(ONE)], "not started", "late or lost"),
    ],
)
def test_a_log_tells_how_far_an_image_came(lines: list[str], stage: str, words: str):
    deployment = Deployment("bucket", "table", "function", "group", "queue", {})
    lost = Search(Cloud(*lines), deployment, lambda: NOW_S).where(KEY)
    assert (lost.stage, words in lost.words, lost.for_good) == (stage, True, False), lost
    late = Search(Cloud(*lines, age_s=301), deployment, lambda: NOW_S).where(KEY)
    assert late.for_good == (stage == "not started")


def test_the_log_is_read_from_the_upload_on():
    cloud = Cloud(age_s=3600)
    asked = []
    cloud.logs = SimpleNamespace(
        get_paginator=lambda _: SimpleNamespace(paginate=lambda **wanted: asked.append(wanted["startTime"]) or [])
    )
    Search(cloud, Deployment("bucket", "table", "function", "group", "queue", {}), lambda: NOW_S).where(KEY)
    assert asked == [(NOW_S - 3600) * 1000]


def test_who_may_not_look_hears_of_the_time_out_all_the_same(monkeypatch: pytest.MonkeyPatch):
    cloud = Cloud(refuses="queue", age_s=0)
    cloud.s3.put_object = lambda **_: {}
    cloud.s3.close = lambda: None
    cloud.dynamodb = SimpleNamespace(
        get_item=lambda **_: {}, batch_get_item=lambda **_: {"Responses": {}}, close=lambda: None
    )
    execution = RemoteExecution(cloud, Deployment("bucket", "table", "function", "group", "queue", {}), timeout_s=0)
    with pytest.raises(ResultTimeoutError, match=r"it was uploaded, and .* can't be found out .*not for you"):
        execution.detect(PICTURE, "a.jpg")
    execution.close()


def test_a_function_that_never_answers_ends_the_run_and_one_that_has_does_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remote, "_PATIENCE_S", 0.0)
    init = "INIT_REPORT Init Duration: 9 ms\tPhase: init\tStatus: error"
    cloud = Cloud(init, start(ONE), "[ERROR] EngineError: broken\nTraceback", end(ONE, "\tStatus: error"))
    cloud.s3.put_object = lambda **_: {}
    cloud.s3.close = lambda: None
    cloud.dynamodb = SimpleNamespace(
        get_item=lambda **_: {}, batch_get_item=lambda **_: {"Responses": {}}, close=lambda: None
    )
    execution = RemoteExecution(cloud, Deployment("bucket", "table", "function", "group", "queue", {}), timeout_s=0.1)
    with pytest.raises(UnreachableError, match=r"its log says: .*EngineError: broken"):
        execution.detect(PICTURE, "a.jpg")
    execution._answered = True
    with pytest.raises(ResultTimeoutError, match="the function failed, on this image or another, and Lambda may"):
        execution.detect(PICTURE, "a.jpg")
    execution.close()


LATE = "\tStatus: timeout"
FAULT = "[ERROR] ClientError: throttled"


@pytest.mark.parametrize(
    ("lines", "broken"),
    [
        ([], False),
        ([start(ONE), FAULT, end(ONE)], False),  # which may pass
        ([start(ONE), FAULT, end(ONE), start(ONE), FAULT, end(ONE)], False),  # one event, tried again
        ([start(ONE), FAULT, end(ONE), start(TWO), FAULT, end(TWO)], True),
        ([start(ONE), end(ONE, LATE), start(TWO), end(TWO, LATE)], False),  # which their images may be to blame for
        ([start(ONE), FAULT, end(ONE), start(TWO), FAULT, end(TWO), start(THREE), end(THREE)], False),
        (["INIT_REPORT Init Duration: 9 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError"], True),
        (["INIT_REPORT Init Duration: 9999 ms\tPhase: init\tStatus: timeout"], False),
        (["INIT_REPORT Init Duration: 9 ms\tPhase: init\tStatus: error", start(ONE), end(ONE)], False),
    ],
)
def test_a_function_that_can_not_answer_anybody_is_told_from_one_that_met_a_fault(lines: list[str], broken: bool):
    deployment = Deployment("bucket", "table", "function", "group", "queue", {})
    assert bool(Search(Cloud(*lines), deployment).breakdown(0)) == broken
