"""The function, with a bucket and a table in memory. On the emulator it runs in tests/test_offloading.py."""

from __future__ import annotations

import base64
import io
from types import SimpleNamespace

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from botocore.exceptions import ClientError

from helpers.tiny import CONFIDENCE, make_model, make_picture
from lookout.apps.handler import Function
from lookout.cloud.items import from_item
from lookout.core.selection import Selection
from lookout.detector import Detector, open_detector
from lookout.errors import EngineError
from lookout.models.store import load_model

PICTURE = make_picture(1)
KEY = "images/7/two words+ü.jpg"
URL = "https://pictures.s3.amazonaws.com/images/7/two%20words%2B%C3%BC.jpg"


class Bucket:
    """As much of S3's client as the function uses."""

    class exceptions:  # noqa: N801
        class NoSuchKey(Exception):  # noqa: N818
            pass

    def __init__(self, **objects: bytes) -> None:
        self.objects = {("pictures", KEY): PICTURE, **{("pictures", key): data for key, data in objects.items()}}

    def get_object(self, Bucket: str, Key: str) -> dict:  # noqa: N803
        if (Bucket, Key) not in self.objects:
            raise self.exceptions.NoSuchKey
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}


class Table:
    """As much of DynamoDB's client as the function uses: one conditional put."""

    def __init__(self) -> None:
        self.items: dict[str, dict] = {}
        self.error: str | None = None

    def put_item(self, *, Item: dict, ExpressionAttributeValues: dict, **_: object) -> None:  # noqa: N803
        if self.error:
            raise ClientError({"Error": {"Code": self.error}}, "PutItem")
        url, sequencer = Item["image-url"]["S"], ExpressionAttributeValues[":sequencer"]["S"]
        held = self.items.get(url)
        if held and held["lookout"]["M"]["sequencer"]["S"] >= sequencer:
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "PutItem")
        self.items[url] = Item


def event(*keys: str, sequencer: str = "0A") -> dict:
    records = [{"s3": {"bucket": {"name": "pictures"}, "object": {"key": k, "sequencer": sequencer}}} for k in keys]
    return {"Records": records}


QUOTED = "images/7/two+words%2B%C3%BC.jpg"


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return open_detector(load_model(make_model(tmp_path_factory.mktemp("model"))), selection=Selection(CONFIDENCE))


@pytest.fixture
def world(detector: Detector) -> SimpleNamespace:
    bucket, table = Bucket(), Table()
    return SimpleNamespace(bucket=bucket, table=table, function=Function(detector, bucket, table, "results"))


def test_an_event_becomes_an_item_with_the_detectors_own_objects(world: SimpleNamespace, detector: Detector):
    assert world.function(event(QUOTED), "request-1") == {"processed": 1}
    item = world.table.items[URL]
    outcome = from_item(item)
    expected = detector.detect(PICTURE).to_json()["objects"]
    assert [found.to_json() for found in outcome.objects] == expected
    assert (outcome.error, outcome.request_id, outcome.model) == (None, "request-1", "tiny")
    assert set(outcome.timings_ms) == {"fetch", "decode", "preprocess", "inference", "postprocess"}
    for label in {entry["label"] for entry in expected}:
        best = max(entry["accuracy"] for entry in expected if entry["label"] == label)
        assert float(item[label]["N"]) == best


def test_an_event_may_hold_many_records(world: SimpleNamespace):
    world.bucket.objects["pictures", "b.jpg"] = make_picture(2)
    assert world.function(event(QUOTED, "b.jpg"), "r") == {"processed": 2}
    assert len(world.table.items) == 2


@pytest.mark.parametrize(
    ("key", "data", "words"),
    [("bad.jpg", b"hello", "not an image"), ("gone.jpg", None, "deleted"), ("cut.jpg", PICTURE[:-50], "truncated")],
)
def test_what_is_no_image_becomes_a_failed_item(world: SimpleNamespace, key: str, data: bytes | None, words: str):
    if data is not None:
        world.bucket.objects["pictures", key] = data
    world.function(event(key), "r")
    outcome = from_item(world.table.items[f"https://pictures.s3.amazonaws.com/{key}"])
    assert words in outcome.error
    assert outcome.objects == ()


def test_a_second_delivery_and_an_older_event_change_nothing(world: SimpleNamespace):
    world.function(event(QUOTED, sequencer="0B"), "first")
    for sequencer in ("0B", "0A"):
        assert world.function(event(QUOTED, sequencer=sequencer), "again") == {"processed": 1}
    assert from_item(world.table.items[URL]).request_id == "first"
    world.function(event(QUOTED, sequencer="0C"), "newer")
    assert from_item(world.table.items[URL]).request_id == "newer"


def test_a_network_that_fails_becomes_a_failed_item(world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    def broken(_: object) -> None:
        raise EngineError("the engine gave up")

    monkeypatch.setattr(world.function._detector.engine, "infer", broken)
    world.function(event(QUOTED), "r")
    assert from_item(world.table.items[URL]).error == "the engine gave up"


def test_a_fault_of_the_table_is_raised_so_that_lambda_tries_again(world: SimpleNamespace):
    world.table.error = "ProvisionedThroughputExceededException"
    with pytest.raises(ClientError):
        world.function(event(QUOTED), "r")


def test_direct_invocation_speaks_the_local_executions_json(world: SimpleNamespace, detector: Detector):
    document = {"id": "7", "image_data": base64.b64encode(PICTURE).decode()}
    answer = world.function(document, "r")
    assert answer["id"] == "7"
    assert answer["objects"] == detector.detect(PICTURE).to_json()["objects"]


@pytest.mark.parametrize(
    ("document", "status"),
    [({"id": "7", "image_data": "aGVsbG8="}, 422), ({"id": "7"}, 400), ({"id": "7", "image_data": "?"}, 400)],
)
def test_direct_invocation_answers_a_bad_request_with_a_problem(world: SimpleNamespace, document: dict, status: int):
    assert world.function(document, "r")["status"] == status
