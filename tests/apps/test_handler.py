"""The function, with a bucket and a table in memory. On the emulator: test_function_deployed.py."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import quote_plus

import cv2
import numpy as np
import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody

from helpers.tiny import CONFIDENCE, make_model, make_picture
from lookout.apps.function_log import Log
from lookout.apps.handler import Function
from lookout.cloud.events import comparable
from lookout.cloud.items import from_item, image_url
from lookout.core.selection import Selection
from lookout.detector import Detector, open_detector
from lookout.errors import EngineError, ModelError, UnfinishedError, UsageError
from lookout.images.limits import ImageLimits
from lookout.models.store import load_model

PICTURE = make_picture(1)
KEY = "images/7/two words+ü.jpg"
URL = "https://pictures.s3.amazonaws.com/images/7/two%20words%2B%C3%BC.jpg"


def client_error(code: str, operation: str = "GetObject") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


class Bucket:
    """As much of S3's client as the function uses; ``fault`` is raised by the next calls."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str | None], bytes] = {(KEY, None): PICTURE}
        self.faults: list[Exception] = []
        self.fetched = 0
        self.cut = 0  # how many bytes of the next object are lost on their way

    def get_object(self, *, Bucket: str, Key: str, VersionId: str | None = None, IfMatch: str | None = None) -> dict:  # noqa: N803
        assert Bucket == "pictures"
        self.fetched += 1
        if self.faults:
            raise self.faults.pop(0)
        if (Key, VersionId) not in self.objects:
            raise client_error("NoSuchVersion" if VersionId else "NoSuchKey")
        data = self.objects[Key, VersionId]
        if IfMatch is not None and IfMatch != f'"{etag(data)}"':
            raise client_error("PreconditionFailed")
        sent = data[: -self.cut] if self.cut else data
        self.cut = 0
        return {"Body": StreamingBody(io.BytesIO(sent), len(data)), "ContentLength": len(data)}


class Table:
    """As much of DynamoDB's client as the function uses: one conditional put."""

    def __init__(self) -> None:
        self.items: dict[str, dict] = {}
        self.faults: list[Exception] = []
        self.written = 0

    def put_item(self, *, Item: dict, ExpressionAttributeValues: dict, ConditionExpression: str, **_: object) -> None:  # noqa: N803
        assert ConditionExpression == "attribute_not_exists(#details.#sequencer) OR #details.#sequencer < :sequencer"
        if self.faults:
            raise self.faults.pop(0)
        url, sequencer = Item["image-url"]["S"], ExpressionAttributeValues[":sequencer"]["S"]
        held = self.items.get(url)
        if held and held["lookout"]["M"]["sequencer"]["S"] >= sequencer:
            raise client_error("ConditionalCheckFailedException", "PutItem")
        self.items[url] = Item
        self.written += 1


def etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def record(key: str = KEY, sequencer: str = "0A", **described: object) -> dict:
    about = {"key": quote_plus(key, safe="/"), "sequencer": sequencer, **described}
    return {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "pictures"}, "object": about},
    }


def event(*keys: str, sequencer: str = "0A") -> dict:
    return {"Records": [record(key, sequencer) for key in keys]}


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return open_detector(load_model(make_model(tmp_path_factory.mktemp("model"))), selection=Selection(CONFIDENCE))


@pytest.fixture
def world(detector: Detector) -> SimpleNamespace:
    bucket, table, log = Bucket(), Table(), io.StringIO()
    of_its_own = Detector(detector.model, detector.engine, detector.selection, ImageLimits(max_bytes=1_000_000))
    function = Function(of_its_own, bucket, table, "results", Log(log))
    return SimpleNamespace(bucket=bucket, table=table, function=function, detector=of_its_own, log=log)


def outcome(world: SimpleNamespace, key: str = KEY):
    return from_item(world.table.items[image_url("pictures", key)])


def lines(world: SimpleNamespace, *, begun: bool = False) -> list[dict]:
    """The lines of the log: what became of the images, or that they were begun."""
    found = [json.loads(line) for line in world.log.getvalue().splitlines()]
    return [line for line in found if (line.get("status") == "begun") == begun]


def test_an_event_becomes_an_item_with_the_detectors_own_objects(world: SimpleNamespace, detector: Detector):
    assert world.function(event(KEY), "request-1") == {"processed": 1}
    item = world.table.items[URL]
    stored = from_item(item)
    expected = detector.detect(PICTURE).to_json()["objects"]
    assert [found.to_json() for found in stored.objects] == expected
    assert (stored.error, stored.request_id, stored.model) == (None, "request-1", "tiny")
    assert set(stored.timings_ms) == {"fetch", "decode", "preprocess", "inference", "postprocess"}
    for label in {entry["label"] for entry in expected}:
        best = max(entry["accuracy"] for entry in expected if entry["label"] == label)
        assert float(item[label]["N"]) == best


def test_where_results_are_not_kept_for_ever_an_item_says_when_it_may_go(world: SimpleNamespace):
    assert outcome_of(world.function, world).expires_s is None
    days_later = 1_800_000_000 + 30 * 24 * 3600
    for_a_month = Function(
        world.detector, world.bucket, world.table, "results", result_days=30, clock=lambda: 1_800_000_000.9
    )
    assert outcome_of(for_a_month, world, sequencer="0B").expires_s == days_later
    world.bucket.objects[KEY, None] = b"no image"
    assert outcome_of(for_a_month, world, sequencer="0C").expires_s == days_later


def outcome_of(function: Function, world: SimpleNamespace, sequencer: str = "0A"):
    function(event(KEY, sequencer=sequencer), "request")
    return outcome(world)


# Keys.


@pytest.mark.parametrize(
    "key", ["plain", "a b+c%20.jpg", "ü/日本.jpg", "+", " ", "a//b/../c", "é" * 512, "日" * 341 + "x", "\\\"'<&>\x7f"]
)
def test_a_key_of_any_form_is_fetched_and_found_again(world: SimpleNamespace, key: str):
    world.bucket.objects = {(key, None): PICTURE}
    world.function(event(key), "r")
    assert outcome(world, key).error is None
    (url,) = world.table.items
    assert len(url.encode()) <= 2048


def test_a_key_whose_url_is_too_long_for_the_table_stands_in_the_item(world: SimpleNamespace):
    key = "日" * 341
    world.bucket.objects = {(key, None): PICTURE}
    world.function(event(key, KEY), "r")
    assert outcome(world, key).key == key
    assert "key" not in world.table.items[URL]["lookout"]["M"]


# Versions and order.


def test_an_event_of_a_version_gets_exactly_that_version(world: SimpleNamespace, detector: Detector):
    old, new = make_picture(2), make_picture(3)
    world.bucket.objects = {(KEY, "v1"): old, (KEY, "v2"): new, (KEY, None): new}
    world.function({"Records": [record(versionId="v1", eTag=etag(old))]}, "r")
    assert [o.to_json() for o in outcome(world).objects] == detector.detect(old).to_json()["objects"]
    assert (outcome(world).version_id, outcome(world).etag) == ("v1", etag(old))


def test_an_object_that_was_replaced_leaves_the_word_to_the_newer_event(world: SimpleNamespace, detector: Detector):
    old, new = make_picture(2), make_picture(3)
    world.bucket.objects = {(KEY, None): new}
    assert world.function({"Records": [record(eTag=etag(old))]}, "old") == {"processed": 1}
    assert world.table.items == {}
    world.function({"Records": [record(eTag=etag(new), sequencer="0B")]}, "new")
    assert [o.to_json() for o in outcome(world).objects] == detector.detect(new).to_json()["objects"]


@pytest.mark.parametrize(
    ("first", "second", "newest"),
    [
        ("0B", "0A", "0B"),
        ("0B", "0B", "0B"),
        ("0B", "0C", "0C"),
        ("0A", "0A01", "0A01"),  # the shorter is filled up with zeros
        ("0A01", "0A", "0A01"),
        ("0A", "0A00", "0A"),
        ("0F", "0A00000", "0F"),
        ("0a2f", "0A30", "0A30"),
    ],
)
def test_of_two_events_in_any_order_the_later_one_stays(world: SimpleNamespace, first: str, second: str, newest: str):
    for sequencer in (first, second, first):
        assert world.function(event(KEY, sequencer=sequencer), sequencer) == {"processed": 1}
    assert outcome(world).request_id == newest
    assert world.table.written == (1 if newest == first else 2)


@pytest.mark.parametrize("longest", [2, 18, 40])
def test_sequencers_compare_as_if_filled_up_with_zeros(longest: int):
    random = np.random.default_rng(longest)
    texts = ["".join(random.choice(list("01Ff"), random.integers(1, longest + 1))) for _ in range(60)]
    for one in texts:
        for other in texts:
            padded = [text.upper().ljust(longest, "0") for text in (one, other)]
            assert (comparable(one) < comparable(other)) == (padded[0] < padded[1])


# What can't be looked at is a failed item, and done with.


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello", "not an image"),
        (b"", "empty"),
        (PICTURE[:-50], "truncated"),
        (None, "deleted"),
        (bytes(1_000_001), "1,000,001 bytes; at most 1,000,000"),
    ],
)
def test_what_is_no_image_becomes_a_failed_item(world: SimpleNamespace, data: bytes | None, words: str):
    if data is not None:
        world.bucket.objects["bad.jpg", None] = data
    assert world.function(event("bad.jpg"), "r") == {"processed": 1}
    assert words in outcome(world, "bad.jpg").error
    assert outcome(world, "bad.jpg").objects == ()


def test_an_object_too_large_by_its_event_is_not_even_fetched(world: SimpleNamespace):
    world.function({"Records": [record(size=10**9)]}, "r")
    assert "1,000,000,000 bytes" in outcome(world).error
    assert world.bucket.fetched == 0


def test_a_picture_too_large_for_the_memory_is_a_failed_item(world: SimpleNamespace, detector: Detector):
    limits = ImageLimits(max_memory_bytes=10_000_000)
    cramped = Detector(detector.model, detector.engine, detector.selection, limits)
    function = Function(cramped, world.bucket, world.table, "results", Log(world.log))
    huge = cv2.imencode(".png", np.zeros((2000, 3000, 3), np.uint8))[1].tobytes()
    world.bucket.objects["huge.png", None] = huge
    function(event("huge.png", KEY), "r")
    assert "3000 x 2000 pixels takes 46 MB of memory, and there are 10 for it" in outcome(world, "huge.png").error
    assert outcome(world).error is None


@pytest.mark.parametrize(
    ("code", "words"),
    [("NoSuchKey", "deleted"), ("NoSuchVersion", "deleted"), ("InvalidObjectState", "archived")],
)
def test_an_object_that_s3_no_longer_has_is_a_failed_item(world: SimpleNamespace, code: str, words: str):
    world.bucket.faults = [client_error(code)]
    world.function(event(KEY), "r")
    assert words in outcome(world).error


# A fault of a service is raised, so that Lambda tries again.

FAULTS: dict[str, Callable[[], Exception]] = {
    "throttled": lambda: client_error("SlowDown"),
    "denied": lambda: client_error("AccessDenied"),
    "broken": lambda: client_error("InternalError"),
    "silent": lambda: ReadTimeoutError(endpoint_url="https://s3"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_s3_is_raised_and_leaves_nothing_until_it_is_over(world: SimpleNamespace, fault: str):
    error = FAULTS[fault]()
    world.bucket.faults = [error]
    with pytest.raises(UnfinishedError, match=f"1 of 1 objects .*{URL}: {type(error).__name__}"):
        world.function(event(KEY), "first")
    assert world.table.items == {}
    world.function(event(KEY), "again")
    assert outcome(world).request_id == "again"


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError"]
)
def test_a_fault_of_the_table_is_raised_and_leaves_nothing_until_it_is_over(world: SimpleNamespace, code: str):
    world.table.faults = [client_error(code, "PutItem")]
    with pytest.raises(UnfinishedError, match=code):
        world.function(event(KEY), "first")
    assert world.table.items == {}
    world.function(event(KEY), "again")
    assert outcome(world).request_id == "again"


@pytest.mark.parametrize("error", [EngineError("it gave up"), MemoryError("no more"), ModelError("not a number")])
def test_a_network_that_fails_is_raised(world: SimpleNamespace, error: Exception, monkeypatch: pytest.MonkeyPatch):
    def broken(_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(type(world.detector.engine), "infer", lambda self, _: broken(_))
        with pytest.raises(UnfinishedError, match=f"{type(error).__name__}: {error}"):
            world.function(event(KEY), "r")
        with pytest.raises(type(error)):
            world.function({"id": "7", "image_data": base64.b64encode(PICTURE).decode()}, "r")
    assert world.table.items == {}
    assert lines(world)[0]["level"] == "ERROR"


def test_an_image_that_is_cut_off_on_its_way_is_fetched_again(world: SimpleNamespace):
    world.bucket.cut = 7
    with pytest.raises(UnfinishedError, match="IncompleteReadError"):
        world.function(event(KEY), "first")
    world.function(event(KEY), "again")
    assert (outcome(world).error, outcome(world).request_id) == (None, "again")


def test_one_object_that_fails_keeps_no_other_from_its_item_and_a_retry_doubles_nothing(world: SimpleNamespace):
    keys = [f"{number}.jpg" for number in range(5)]
    world.bucket.objects = {(key, None): PICTURE for key in keys}
    world.bucket.objects["3.jpg", None] = b"no image"
    world.bucket.faults = [client_error("SlowDown"), client_error("InternalError")]
    with pytest.raises(UnfinishedError, match=r"2 of 5 objects .*0\.jpg.*1\.jpg"):
        world.function(event(*keys), "first")
    assert world.table.written == 3
    assert world.function(event(*keys), "again") == {"processed": 5}
    assert world.table.written == 5
    told = {key: outcome(world, key).request_id for key in keys}
    assert told == {"0.jpg": "again", "1.jpg": "again", "2.jpg": "first", "3.jpg": "first", "4.jpg": "first"}


def test_of_many_faults_the_first_few_are_told_and_all_are_logged(world: SimpleNamespace):
    world.bucket.faults = [client_error("SlowDown") for _ in range(50)]
    with pytest.raises(UnfinishedError, match="and 47 more") as raised:
        world.function(event(*(f"{number}.jpg" for number in range(50))), "r")
    assert len(str(raised.value)) < 2000
    assert len(lines(world)) == 50


# Events that are none of ours.


def test_s3s_test_event_is_taken(world: SimpleNamespace):
    tried = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "pictures", "RequestId": "7", "HostId": "8"}
    assert world.function(tried, "r") == {"processed": 0}
    assert world.table.items == {}


def test_what_is_no_creation_is_passed_over(world: SimpleNamespace):
    removed = {**record(), "eventName": "ObjectRemoved:Delete"}
    assert world.function({"Records": [removed, record()]}, "r") == {"processed": 1}


@pytest.mark.parametrize(
    "foreign",
    [
        {"eventSource": "aws:sqs", "body": "{}"},
        {"EventSource": "aws:sns", "Sns": {"Message": "{}"}},
        {"s3": {"bucket": {"name": "pictures"}, "object": {}}},
        {"s3": {"bucket": {"name": "pictures"}, "object": {"key": 7}}},
        None,
        "text",
    ],
)
def test_a_record_of_another_service_is_an_error_and_stops_no_other(world: SimpleNamespace, foreign: object):
    with pytest.raises(UnfinishedError, match=r"record 1: UsageError: a record is none of S3's"):
        world.function({"Records": [foreign, record()]}, "r")
    assert outcome(world).error is None


@pytest.mark.parametrize(
    "foreign",
    [
        {"detail-type": "Object Created", "source": "aws.s3", "id": "7", "detail": {}},
        {"requestContext": {"http": {}}, "body": "{}"},
    ],
)
def test_an_event_of_another_service_is_an_error(world: SimpleNamespace, foreign: dict):
    with pytest.raises(UsageError, match="neither S3's nor an image"):
        world.function(foreign, "r")


# Directly.


def test_direct_invocation_speaks_the_local_executions_json(world: SimpleNamespace, detector: Detector):
    document = {"id": "7", "image_data": base64.b64encode(PICTURE).decode()}
    answer = world.function(document, "r")
    assert answer["id"] == "7"
    assert answer["objects"] == detector.detect(PICTURE).to_json()["objects"]
    assert world.table.items == {}


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"id": "7", "image_data": "aGVsbG8="}, 422),
        ({"id": "7"}, 400),
        ({"id": "7", "image_data": "?"}, 400),
        ({}, 400),
        ([], 400),
        (None, 400),
        ("text", 400),
        ({"Records": 3}, 400),
    ],
)
def test_direct_invocation_answers_a_bad_request_with_a_problem(world: SimpleNamespace, document: object, status: int):
    assert world.function(document, "r")["status"] == status


# The log.


def test_what_an_image_ends_in_is_one_line_of_json(world: SimpleNamespace):
    world.bucket.objects["bad.jpg", None] = b"hello"
    world.function(event(KEY, "bad.jpg", "gone\n.jpg"), "request-1")
    done, bad, gone = lines(world)
    assert (done["level"], done["request_id"], done["url"], done["status"]) == ("INFO", "request-1", URL, "done")
    assert (done["bytes"], done["image_wh"], done["stored"]) == (len(PICTURE), [160, 120], True)
    assert set(done["timings_ms"]) == {"fetch", "decode", "preprocess", "inference", "postprocess", "store"}
    assert (bad["level"], bad["status"]) == ("WARNING", "failed")
    assert "not an image" in bad["error"]
    assert gone["url"].endswith("gone%0A.jpg")


def test_an_image_is_named_before_it_may_end_the_function(world: SimpleNamespace):
    fetch, told = world.bucket.get_object, []

    def look_first(**wanted: object) -> dict:
        told.extend(lines(world, begun=True))
        return fetch(**wanted)

    world.bucket.get_object = look_first
    world.function(event(KEY), "request-1")
    assert [(line["level"], line["request_id"], line["url"]) for line in told] == [("INFO", "request-1", URL)]


def test_a_fault_is_logged_with_its_trace_and_without_the_picture(world: SimpleNamespace):
    world.table.faults = [client_error("ThrottlingException", "PutItem")]
    with pytest.raises(UnfinishedError):
        world.function(event(KEY), "r")
    (line,) = lines(world)
    assert (line["level"], line["status"]) == ("ERROR", "fault")
    assert "put_item" in line["trace"]
    assert len(world.log.getvalue()) < 5000


def test_a_direct_image_is_logged_without_its_content(world: SimpleNamespace):
    encoded = base64.b64encode(PICTURE).decode()
    world.function({"id": "7", "image_data": encoded}, "r")
    (line,) = lines(world)
    assert (line["event"], line["bytes"]) == ("direct", len(PICTURE))
    assert encoded[:40] not in world.log.getvalue()
