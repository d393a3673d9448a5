"""The clients of the remote and the direct execution, without a cloud. With one: test_contract.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from botocore.exceptions import ClientError

from lookout.cloud.items import Outcome, to_item
from lookout.cloud.stack import Deployment
from lookout.errors import ImageError, UsageError
from lookout.executions.direct import DirectExecution
from lookout.executions.remote import RemoteExecution
from lookout.executions.uploading import PART_BYTES, object_key

DEPLOYMENT = Deployment("bucket", "table", "function", "group", "queue", {})


class Cloud:
    """A bucket, and a table where the item of what is in it appears at the n-th look."""

    def __init__(self, appears_at: int = 1, error: str | None = None) -> None:
        self.s3 = SimpleNamespace(put_object=self.put, head_object=self.head, close=lambda: None)
        self.dynamodb = SimpleNamespace(batch_get_item=self.read, get_item=self.get, close=lambda: None)
        self.logs = self.queues = None
        self.appears_at, self.error = appears_at, error
        self.looks = 0
        self.objects: dict[str, bytes] = {}

    def put(self, **arguments: Any) -> None:
        self.objects[arguments["Key"]] = arguments["Body"]

    def head(self, **arguments: Any) -> dict:
        if arguments["Key"] not in self.objects:
            raise ClientError({"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}, "HeadObject")
        return {}

    def read(self, **arguments: Any) -> dict:
        self.looks += 1
        keys = arguments["RequestItems"]["table"]["Keys"]
        items = [self.item(key["image-url"]["S"]) for key in keys] if self.looks >= self.appears_at else []
        return {"Responses": {"table": items}, "UnprocessedKeys": {}}

    def get(self, **arguments: Any) -> dict:
        url = arguments["Key"]["image-url"]["S"]
        there = any(url.endswith(key) for key in self.objects) and self.looks >= self.appears_at
        return {"Item": self.item(url)} if there else {}

    def item(self, url: str) -> dict:
        return to_item(Outcome(url, "m", "opencv", "request-1", error=self.error, inference_ms=4.0))


def test_the_image_is_uploaded_and_its_item_waited_for():
    cloud = Cloud(appears_at=6)
    answer = RemoteExecution(cloud, DEPLOYMENT).detect(b"data", "a.jpg")
    assert (cloud.looks, list(cloud.objects.values())) == (6, [b"data"])
    assert (answer.request_id, answer.inference_ms) == ("request-1", 4.0)
    assert 0 <= answer.upload_ms <= answer.elapsed_ms


def test_a_failed_item_is_an_error():
    with pytest.raises(ImageError, match="not an image"):
        RemoteExecution(Cloud(error="not an image"), DEPLOYMENT).detect(b"data", "a.jpg")


def test_the_place_is_noted_before_anything_is_there():
    cloud = Cloud()
    noted = []

    def note(key: str) -> None:
        assert cloud.objects == {}
        noted.append(key)

    RemoteExecution(cloud, DEPLOYMENT).detect_noted(b"data", "a.jpg", note)
    assert noted == list(cloud.objects)


@pytest.mark.parametrize(
    ("uploaded", "appears_at", "looks", "uploads"),
    [(True, 0, 0, 0), (True, 3, 3, 0), (False, 1, 1, 1)],
    ids=["done meanwhile", "uploaded", "not uploaded"],
)
def test_what_an_interrupted_run_has_uploaded_is_not_uploaded_again(
    uploaded: bool, appears_at: int, looks: int, uploads: int
):
    cloud = Cloud(appears_at)
    key = object_key("a.jpg")
    if uploaded:
        cloud.objects[key] = b"earlier"
    answer = RemoteExecution(cloud, DEPLOYMENT).detect_noted(b"data", "a.jpg", pytest.fail, earlier=key)
    assert answer.request_id == "request-1"
    assert cloud.looks == looks
    assert cloud.objects == {key: b"data" if uploads else b"earlier"}
    assert (answer.upload_ms is not None) == bool(uploads)


@pytest.mark.parametrize("name", ["a.jpg", "ä b+c%.jpg", "x" * 300 + ".jpg", "\udcff.jpg"])
def test_every_file_name_makes_a_key_that_s3_takes(name: str):
    key = object_key(name)
    assert key.startswith("images/")
    assert key.endswith(".jpg")
    assert len(key.encode()) <= 1024
    assert key != object_key(name)


def test_what_the_function_would_refuse_is_not_uploaded():
    cloud = Cloud()
    with pytest.raises(ImageError, match="at most 52,428,800"):
        RemoteExecution(cloud, DEPLOYMENT).detect(bytes(50 * 1024 * 1024 + 1), "a.jpg")
    assert cloud.objects == {}


def test_an_image_too_large_for_a_direct_call_is_refused_with_the_remedy():
    execution = DirectExecution(SimpleNamespace(functions_within=lambda _: None), DEPLOYMENT)
    with pytest.raises(UsageError, match="use the execution remote"):
        execution.detect(bytes(5 * 1024 * 1024), "a.jpg")


def test_a_large_image_goes_in_parts_without_threads(monkeypatch: pytest.MonkeyPatch):
    cloud, parts = Cloud(), []

    def upload_fileobj(file: Any, bucket: str, key: str, Config: Any) -> None:  # noqa: N803  as boto3 has it
        assert Config.use_threads is False
        while part := file.read(Config.multipart_chunksize):
            parts.append(part)

    cloud.s3.upload_fileobj = upload_fileobj
    data = bytes(range(256)) * (PART_BYTES // 128) + b"end"
    RemoteExecution(cloud, DEPLOYMENT).detect(data, "a.jpg")
    assert [len(part) for part in parts] == [PART_BYTES, PART_BYTES, 3]
    assert cloud.objects == {}
