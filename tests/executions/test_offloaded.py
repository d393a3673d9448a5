"""The clients of the remote and the direct execution, without a cloud. With one: test_contract.py."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from lookout.cloud.items import Outcome, to_item
from lookout.cloud.stack import Deployment
from lookout.errors import (
    BusyError,
    CloudError,
    ExecutionError,
    ImageError,
    ImageGoneError,
    ImageMemoryError,
    UnreachableError,
    UsageError,
)
from lookout.executions.direct import DirectExecution
from lookout.executions.protocol import Answer, Earlier
from lookout.executions.remote import RemoteExecution
from lookout.executions.retrying import Retries
from lookout.executions.uploading import PART_BYTES, object_key

DEPLOYMENT = Deployment("bucket", "table", "function", "group", "queue", {})


class Cloud:
    """A bucket, and a table where the item of what is in it appears at the n-th look."""

    def __init__(self, appears_at: int = 1, error: str | None = None, error_kind: str | None = None) -> None:
        self.s3 = SimpleNamespace(put_object=self.put, head_object=self.head, close=lambda: None)
        self.dynamodb = SimpleNamespace(batch_get_item=self.read, get_item=self.get, close=lambda: None)
        self.logs = self.queues = None
        self.appears_at, self.error, self.error_kind = appears_at, error, error_kind
        self.failed: set[str] = set()
        self.unanswered: set[str] = set()
        self.looks = 0
        self.objects: dict[str, bytes] = {}

    def put(self, **arguments: Any) -> None:
        self.objects[arguments["Key"]] = arguments["Body"]

    def head(self, **arguments: Any) -> dict:
        if arguments["Key"] not in self.objects:
            raise ClientError({"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}, "HeadObject")
        return {"LastModified": datetime.now(UTC)}

    def read(self, **arguments: Any) -> dict:
        self.looks += 1
        keys = arguments["RequestItems"]["table"]["Keys"]
        items = [self.item(key["image-url"]["S"]) for key in keys] if self.looks >= self.appears_at else []
        return {"Responses": {"table": items}, "UnprocessedKeys": {}}

    def get(self, **arguments: Any) -> dict:
        url = arguments["Key"]["image-url"]["S"]
        there = any(url.endswith(key) for key in {*self.objects} - self.unanswered) and self.looks >= self.appears_at
        return {"Item": self.item(url)} if there else {}

    def item(self, url: str) -> dict:
        error = "deleted" if any(url.endswith(key) for key in self.failed) else self.error
        return to_item(
            Outcome(url, "m", "opencv", "request-1", error=error, error_kind=self.error_kind, inference_ms=4.0)
        )


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
    answer = RemoteExecution(cloud, DEPLOYMENT).detect_noted(b"data", "a.jpg", pytest.fail, earlier=Earlier(key))
    assert answer.request_id == "request-1"
    assert cloud.looks == looks
    assert cloud.objects == {key: b"data" if uploads else b"earlier"}
    assert (answer.upload_ms is not None) == bool(uploads)
    assert answer.fetched == (not uploads)  # then nobody knows its round trip


@pytest.mark.parametrize("fails", [True, False], ids=["with a failed item", "without an item"])
def test_what_got_lost_is_uploaded_anew_to_another_place(fails: bool):
    cloud, noted = Cloud(), []
    key = object_key("a.jpg")
    cloud.objects[key] = b"earlier"
    cloud.failed = {key} if fails else set()
    cloud.unanswered = set() if fails else {key}
    answer = RemoteExecution(cloud, DEPLOYMENT).detect_noted(b"data", "a.jpg", noted.append, Earlier(key, lost=True))
    assert answer.upload_ms is not None
    assert cloud.objects == {key: b"earlier", noted[0]: b"data"}


def test_what_was_deleted_before_it_was_looked_at_is_uploaded_anew_at_once():
    cloud, noted = Cloud(0), []
    key = object_key("a.jpg")
    cloud.objects[key] = b"earlier"
    cloud.failed, cloud.error_kind = {key}, "ImageGoneError"
    answer = RemoteExecution(cloud, DEPLOYMENT).detect_noted(b"data", "a.jpg", noted.append, Earlier(key))
    assert not answer.fetched
    assert cloud.objects[noted[0]] == b"data"


def test_what_got_lost_and_came_at_last_is_taken():
    cloud = Cloud(0)
    key = object_key("a.jpg")
    cloud.objects[key] = b"earlier"
    answer = RemoteExecution(cloud, DEPLOYMENT).detect_noted(b"", "a.jpg", pytest.fail, Earlier(key, lost=True))
    assert answer.request_id == "request-1"


@pytest.mark.parametrize("kind", [ImageError, ImageGoneError, ImageMemoryError])
def test_the_kind_of_error_comes_through_the_table(kind: type):
    with pytest.raises(kind, match="why") as told:
        RemoteExecution(Cloud(error="why", error_kind=kind.__name__), DEPLOYMENT).detect(b"data", "a.jpg")
    assert type(told.value) is kind


def refusal(code: str, status: int, **headers: str) -> ClientError:
    told = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": told}, "Invoke")


class Functions:
    """Lambda, which does one of these things at each invocation, and answers at the last."""

    def __init__(self, *faults: Exception) -> None:
        self.faults, self.pauses = list(faults), []
        self.now_s = 100.0

    def invoke(self, **_: Any) -> dict:
        self.now_s += 1.0
        if self.faults:
            raise self.faults.pop(0)
        answer = json.dumps({"objects": [], "inference_time": 4.0}).encode()
        return {"StatusCode": 200, "Payload": io.BytesIO(answer), "ResponseMetadata": {"RequestId": "request-1"}}

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds

    def detect(self, retries: int = 5) -> Answer:
        account = SimpleNamespace(functions_within=lambda _: self)
        time = {"clock": lambda: self.now_s, "sleep": self.sleep, "chance": lambda: 1.0}
        return DirectExecution(account, DEPLOYMENT, Retries(count=retries), **time).detect(b"data", "a.jpg")


BUSY = refusal("TooManyRequestsException", 429)


def test_a_busy_function_is_invoked_again_and_its_pauses_are_no_round_trip():
    functions = Functions(BUSY, refusal("TooManyRequestsException", 429, **{"retry-after": "7"}))
    answer = functions.detect()
    assert (answer.retries, answer.elapsed_ms, functions.pauses) == (2, 1000, [0.25, 7.5])


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (BUSY, BusyError, "the function function is busy: send fewer at once"),
        (refusal("ServiceException", 500), ExecutionError, "was not invoked: .*ServiceException"),
        (ConnectionClosedError(endpoint_url="http://here"), ExecutionError, "the connection was lost"),
    ],
)
def test_what_is_invoked_again_and_again_in_vain_is_said(fault: Exception, kind: type, words: str):
    functions = Functions(*[fault] * 4)
    with pytest.raises(kind, match=words) as told:
        functions.detect(retries=3)
    assert (type(told.value), told.value.retries, len(functions.pauses)) == (kind, 3, 3)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (refusal("ResourceNotFoundException", 404), UnreachableError, "no function function, .* down and up"),
        (refusal("AccessDeniedException", 403), CloudError, "invoking function with a.jpg: no"),
        (ReadTimeoutError(endpoint_url="http://here"), ExecutionError, "a.jpg: no answer within 60 s"),
        (EndpointConnectionError(endpoint_url="http://here"), UnreachableError, "the cloud does not answer"),
    ],
)
def test_what_another_invocation_would_not_mend_is_said_at_once(fault: Exception, kind: type, words: str):
    functions = Functions(fault)
    with pytest.raises(kind, match=words) as told:
        functions.detect()
    assert (type(told.value), functions.pauses) == (kind, [])


@pytest.mark.parametrize("size", [4, PART_BYTES + 1])
def test_a_bucket_or_a_table_that_is_gone_ends_the_run_with_the_remedy(size: int):
    cloud = Cloud()

    def gone(*_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": "NoSuchBucket", "Message": "it is gone"}}, "PutObject")

    def gone_in_parts(*_: Any, **__: Any) -> None:
        raise S3UploadFailedError("An error occurred (NoSuchBucket) when calling the CreateMultipartUpload operation")

    cloud.s3.put_object, cloud.s3.upload_fileobj = gone, gone_in_parts
    with pytest.raises(UnreachableError, match=r"no bucket bucket, .* lookout stack down and up"):
        RemoteExecution(cloud, DEPLOYMENT).detect(bytes(size), "a.jpg")


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
