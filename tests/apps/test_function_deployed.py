"""The function where it runs: deployed on an emulator, started by its bucket, with the state that each fault leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("ministack", reason="the extra emulator is not installed")
pytest.importorskip("awslambdaric", reason="the extra emulator is not installed")

from helpers.program import Program, run, wait_for
from helpers.tiny import CONFIDENCE, make_model, make_picture
from lookout.cloud.account import Account, account_of_emulator
from lookout.cloud.failures import Failure, FailureQueue
from lookout.cloud.items import Outcome, from_item, image_url
from lookout.cloud.stack import Deployment, Stack


@dataclass(frozen=True)
class Cloud:
    """A stack on an emulator, and what a test asks of it."""

    account: Account
    deployment: Deployment
    variables: dict[str, str]

    def put(self, key: str, data: bytes) -> dict:
        return self.account.s3.put_object(Bucket=self.deployment.bucket, Key=key, Body=data)

    def look(self, key: str) -> Outcome | None:
        answer = self.account.dynamodb.get_item(
            TableName=self.deployment.table,
            Key={"image-url": {"S": image_url(self.deployment.bucket, key)}},
            ConsistentRead=True,
        )
        return from_item(answer["Item"]) if "Item" in answer else None

    def outcome(self, key: str) -> Outcome:
        wait_for(lambda: self.look(key))
        return self.look(key)

    def invoke(self, event: object) -> Any:
        answer = self.account.functions.invoke(FunctionName=self.deployment.function, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    def failures(self) -> list[Failure]:
        return list(FailureQueue(self.account.queues, self.deployment.failure_queue).read())

    def command(self, *arguments: str) -> Any:
        answer = run("stack", *arguments, **self.variables)
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout) if "--json" in arguments else answer.stdout

    def record(self, key: str, sequencer: str, **described: str) -> dict:
        """An event of this bucket; the keys of these tests need no quoting."""
        about = {"key": key, "sequencer": sequencer, **described}
        s3 = {"bucket": {"name": self.deployment.bucket}, "object": about}
        return {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]}


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    with Program("emulator", "--port", "0", "--json") as emulator:
        yield emulator.ready()["environment"]


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


def deploy(name: str, cfg: Path, variables: dict[str, str], *more: str) -> Cloud:
    up = run(
        "stack", "up", "--name", name, "--model", str(cfg), "--yes", "--confidence", str(CONFIDENCE), *more, **variables
    )
    assert up.returncode == 0, up.stderr
    account = account_of_emulator(variables)
    return Cloud(account, Stack(account, name).find(), variables)


@pytest.fixture(scope="module")
def cloud(variables: dict[str, str], cfg: Path) -> Cloud:
    return deploy("lookout", cfg, variables)


@pytest.mark.parametrize("key", ["a b+c%20.jpg", "ü/日本.jpg", "a+b", "日" * 341 + ".", "é" * 512, "x" * 1024])
def test_an_object_of_any_key_gets_its_item(cloud: Cloud, key: str):
    cloud.put(key, make_picture(1))
    outcome = cloud.outcome(key)
    assert outcome.error is None
    assert len(outcome.objects) > 3


def test_the_stack_has_what_failures_need(cloud: Cloud):
    config = cloud.account.functions.get_function_event_invoke_config(
        FunctionName=cloud.deployment.function, Qualifier="$LATEST"
    )
    attributes = cloud.account.queues.get_queue_attributes(
        QueueUrl=cloud.deployment.failure_queue, AttributeNames=["All"]
    )["Attributes"]
    assert config["MaximumRetryAttempts"] == 2
    assert config["DestinationConfig"]["OnFailure"]["Destination"] == attributes["QueueArn"]
    assert (attributes["MessageRetentionPeriod"], attributes["SqsManagedSseEnabled"]) == ("1209600", "true")


def test_a_version_is_fetched_as_its_event_says_and_a_late_event_changes_nothing(variables: dict[str, str], cfg: Path):
    cloud = deploy("versions", cfg, variables)
    cloud.account.s3.put_bucket_versioning(
        Bucket=cloud.deployment.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    first = cloud.put("key", make_picture(1))["VersionId"]
    wait_for(lambda: cloud.look("key"))
    second = cloud.put("key", make_picture(2))["VersionId"]
    wait_for(lambda: cloud.look("key").version_id == second)
    newest = cloud.look("key")
    assert cloud.invoke(cloud.record("key", "00", versionId=first)) == {"processed": 1}
    assert cloud.look("key") == newest
    assert cloud.invoke(cloud.record("key", "FF", versionId=first)) == {"processed": 1}
    assert cloud.look("key").version_id == first
    assert cloud.look("key").objects != newest.objects


def test_events_in_any_order_and_number_leave_the_newest(cloud: Cloud):
    cloud.put("order", make_picture(1))
    cloud.outcome("order")
    for sequencer in ("F0", "F1", "F0", "F1", "F0FF", "F1000", "E9"):
        assert cloud.invoke(cloud.record("order", sequencer)) == {"processed": 1}
    assert cloud.look("order").sequencer == "F1"


def test_an_object_that_was_replaced_meanwhile_is_left_to_its_own_event(cloud: Cloud):
    cloud.put("replaced", make_picture(1))
    before = cloud.outcome("replaced")
    assert cloud.invoke(cloud.record("replaced", "FF", eTag="0" * 32)) == {"processed": 1}
    assert cloud.look("replaced") == before


# The table of faults: what is left of each in the table, and in the queue. Those of a sandbox's life are in
# tests/cloud/emulator.


def test_a_bad_image_leaves_a_failed_item_and_no_failure(cloud: Cloud):
    cloud.put("bad.jpg", make_picture(1)[:-50])
    assert "truncated" in cloud.outcome("bad.jpg").error
    assert cloud.failures() == []


def test_a_deleted_image_leaves_a_failed_item_and_no_failure(cloud: Cloud):
    assert cloud.invoke(cloud.record("gone.jpg", "0A")) == {"processed": 1}
    assert cloud.outcome("gone.jpg").error == "the image was deleted before it was looked at"
    assert cloud.failures() == []


@pytest.fixture(scope="module")
def small(variables: dict[str, str], cfg: Path) -> Cloud:
    return deploy("small", cfg, variables, "--memory", "256")


OPTIONS = {".png": [], ".jpg": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], ".webp": [cv2.IMWRITE_WEBP_QUALITY, 30]}


def picture(kind: str, megapixels: float) -> bytes:
    """A picture of coarse noise, whose file is small."""
    height = int((megapixels * 1e6 / 2) ** 0.5) // 20 * 20
    coarse = np.random.default_rng(0).integers(0, 255, (height // 20, height // 10, 3), np.uint8)
    pixels = cv2.resize(coarse, (2 * height, height), interpolation=cv2.INTER_NEAREST)
    return cv2.imencode(kind, pixels, OPTIONS[kind])[1].tobytes()


def reports(cloud: Cloud) -> list[str]:
    pages = cloud.account.logs.get_paginator("filter_log_events").paginate(logGroupName=cloud.deployment.log_group)
    messages = [event["message"] for page in pages for event in page["events"]]
    return [message for message in messages if message.startswith("REPORT")]


def test_a_huge_image_leaves_a_failed_item_and_a_sandbox_that_lives(small: Cloud):
    for number, kind in enumerate([".png", ".jpg", ".webp"]):
        small.put(f"huge{kind}", picture(kind, 45))
        assert re.search(r"pixels takes \d+ MB of memory, and there are \d+ for it", small.outcome(f"huge{kind}").error)
        small.put(f"next{number}", make_picture(1))
        assert small.outcome(f"next{number}").error is None
    assert [report for report in reports(small) if "Status: " in report] == []  # no sandbox was killed
    assert small.failures() == []


@pytest.mark.parametrize(("kind", "bytes_a_pixel"), [(".png", 8), (".jpg", 9), (".webp", 17)])
def test_an_image_that_just_fits_does_not_break_the_sandbox(small: Cloud, kind: str, bytes_a_pixel: int):
    small.put(f"much{kind}", picture(kind, 45))
    free_mb = int(re.search(r"there are (\d+) for it", small.outcome(f"much{kind}").error)[1])
    small.put(f"fits{kind}", picture(kind, 0.9 * free_mb * (1 << 20) / 1e6 / bytes_a_pixel))
    assert small.outcome(f"fits{kind}").error is None
    assert [report for report in reports(small) if "Status: " in report] == []


def test_a_table_that_fails_leaves_a_failure_that_can_be_sent_again(variables: dict[str, str], cfg: Path):
    cloud = deploy("failing", cfg, variables)
    tables, table = cloud.account.dynamodb, cloud.deployment.table
    described = tables.describe_table(TableName=table)["Table"]
    tables.delete_table(TableName=table)
    cloud.put("lost+found.jpg", make_picture(1))
    wait_for(cloud.failures)
    listed = cloud.command("failures", "--name", "failing", "--json")
    (failure,) = listed["failures"]
    assert failure["objects"] == [{"bucket": cloud.deployment.bucket, "key": "lost+found.jpg"}]
    assert (failure["condition"], failure["invocations"]) == ("RetriesExhausted", 3)
    shown = cloud.command("failures", "--name", "failing")
    assert f"s3://{cloud.deployment.bucket}/lost+found.jpg" in shown
    tables.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        **{name: described[name] for name in ("AttributeDefinitions", "KeySchema")},
    )
    assert "Sent 1 of 1 events" in cloud.command("failures", "--name", "failing", "--retry")
    assert cloud.outcome("lost+found.jpg").error is None
    assert "is empty" in cloud.command("failures", "--name", "failing")


def test_a_message_of_somebody_else_is_shown_and_never_lost(variables: dict[str, str], cfg: Path):
    cloud = deploy("foreign", cfg, variables)
    cloud.account.queues.send_message(QueueUrl=cloud.deployment.failure_queue, MessageBody="[red]hello")
    for _ in range(2):
        retried = cloud.command("failures", "--name", "foreign", "--retry", "--json")
        assert retried == {"retried": 0, "left": 1, "more": False}
        assert "no message of Lambda's: [red]hello" in cloud.command("failures", "--name", "foreign")
