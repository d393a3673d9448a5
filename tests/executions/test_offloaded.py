"""The clients of the remote and the direct execution, without a cloud. With one: tests/test_offloading.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from lookout.cloud.items import Outcome, to_item
from lookout.cloud.stack import Deployment
from lookout.errors import ImageError, ResultTimeoutError, UnreachableError, UsageError
from lookout.executions.direct import DirectExecution
from lookout.executions.remote import RemoteExecution, object_key

DEPLOYMENT = Deployment("bucket", "table", "function", "group", "queue", {})


class Cloud:
    """A bucket, and a table where the item appears at the n-th look."""

    def __init__(self, appears_at: int | None, error: str | None = None) -> None:
        self.s3 = SimpleNamespace(put_object=self.put, close=lambda: None)
        self.dynamodb = SimpleNamespace(get_item=self.get, close=lambda: None)
        self.logs = SimpleNamespace(filter_log_events=lambda **_: {"events": [{"message": m} for m in self.lines]})
        self.lines = ["START RequestId: 1", "[ERROR] EngineError: broken\nTraceback", "END"]
        self.appears_at, self.error = appears_at, error
        self.looks = 0
        self.keys: list[str] = []

    def put(self, **arguments: object) -> None:
        self.keys.append(str(arguments["Key"]))

    def get(self, **arguments: object) -> dict:
        self.looks += 1
        assert arguments["ConsistentRead"] is True
        if self.appears_at is None or self.looks < self.appears_at:
            return {}
        url = arguments["Key"]["image-url"]["S"]
        return {"Item": to_item(Outcome(url, "m", "opencv", "request-1", error=self.error, inference_ms=4.0))}


def remote(cloud: Cloud, pauses: list[float], timeout_s: float = 60) -> RemoteExecution:
    return RemoteExecution(cloud, DEPLOYMENT, timeout_s, sleep=pauses.append)


def test_the_client_waits_longer_and_longer_for_the_item():
    cloud, pauses = Cloud(appears_at=6), []
    answer = remote(cloud, pauses).detect(b"data", "a.jpg")
    assert (cloud.looks, len(pauses)) == (6, 5)
    assert pauses == sorted(pauses)
    assert (answer.request_id, answer.inference_ms) == ("request-1", 4.0)
    assert 0 <= answer.upload_ms <= answer.elapsed_ms


def test_a_failed_item_is_an_error():
    with pytest.raises(ImageError, match="not an image"):
        remote(Cloud(appears_at=1, error="not an image"), []).detect(b"data", "a.jpg")


def test_no_item_in_time_is_an_error_that_says_what_the_log_holds():
    with pytest.raises(ResultTimeoutError, match=r"group .*\[ERROR\] EngineError: broken$"):
        remote(Cloud(appears_at=None), [], timeout_s=0).detect(b"data", "a.jpg")


def test_a_function_that_never_answers_ends_the_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lookout.executions.remote._PATIENCE_S", 0)
    with pytest.raises(UnreachableError, match="EngineError: broken"):
        remote(Cloud(appears_at=None), []).detect(b"data", "a.jpg")


def test_a_function_that_has_answered_before_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lookout.executions.remote._PATIENCE_S", 0)
    cloud = Cloud(appears_at=1)
    execution = remote(cloud, [])
    execution.detect(b"data", "a.jpg")
    cloud.looks, cloud.appears_at = 0, 5
    assert execution.detect(b"data", "b.jpg").request_id == "request-1"


@pytest.mark.parametrize("name", ["a.jpg", "ä b+c%.jpg", "x" * 300 + ".jpg", "\udcff.jpg"])
def test_every_file_name_makes_a_key_that_s3_takes(name: str):
    key = object_key(name)
    assert key.startswith("images/")
    assert key.endswith(".jpg")
    assert len(key.encode()) <= 1024
    assert key != object_key(name)


def test_an_image_too_large_for_a_direct_call_is_refused_with_the_remedy():
    execution = DirectExecution(SimpleNamespace(functions=None), DEPLOYMENT)
    with pytest.raises(UsageError, match="use the execution remote"):
        execution.detect(bytes(5 * 1024 * 1024), "a.jpg")
