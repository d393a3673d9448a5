"""The remote path under load, and while all that can go wrong does: every image has its item, right, and once.

100 images here, ``make soak`` (``LOOKOUT_SOAK``) takes 1,000. The client is AWS's own library and stubborn: it asks
again where nobody answers, as it must when the emulator is started anew.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ministack", reason="the extra emulator is not installed")
pytest.importorskip("awslambdaric", reason="the extra emulator is not installed")

from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from helpers.program import Program, run, wait_for
from helpers.tiny import CONFIDENCE, make_model, make_picture
from lookout.cloud.account import account_of_emulator
from lookout.cloud.items import from_item, image_url
from lookout.cloud.stack import Stack
from lookout.loading import load

SOAK = "LOOKOUT_SOAK" in os.environ
IMAGES = 1000 if SOAK else 100
IN_FLIGHT = 8
DUPLICATED = 0.05
KILL_EVERY_S = 2.0

needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")


class Cloud:
    """An emulator that keeps its data, with the stack on it."""

    def __init__(self, folder: Path, cfg: Path) -> None:
        self._data = folder / "data"
        self.program = Program("emulator", "--port", "0", "--data", str(self._data), "--json")
        variables = self.program.ready()["environment"]
        self.url = variables["AWS_ENDPOINT_URL"]
        up = run("stack", "up", "--model", str(cfg), "--yes", "--confidence", str(CONFIDENCE), **variables)
        assert up.returncode == 0, up.stderr
        account = account_of_emulator(variables)
        self.deployment = Stack(account, "lookout").find()
        patient = Config(max_pool_connections=32, retries={"mode": "standard", "total_max_attempts": 3}, proxies={})
        self.s3, self.table, self.functions = (
            account.session.client(service, endpoint_url=self.url, config=patient)
            for service in ("s3", "dynamodb", "lambda")
        )

    def restart(self) -> None:
        """End the emulator as a user would, and start another on its port and data."""
        assert self.program.stop(signal.SIGTERM) == 0
        self.program.__exit__()
        self.program = Program("emulator", "--port", self.url.rpartition(":")[2], "--data", str(self._data), "--json")
        self.program.ready()

    def close(self) -> None:
        for client in (self.s3, self.table, self.functions):
            client.close()
        self.program.__exit__()

    def pending(self) -> int:
        """The events that are not done."""
        with urllib.request.urlopen(f"{self.url}/_lookout") as response:  # noqa: S310 - ours
            return json.load(response)["events"]

    def sandboxes(self) -> list[int]:
        """The processes of sandboxes."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                parent = stat.read_text().rpartition(")")[2].split()[1]
                if parent == str(self.program.process.pid) and "launcher" in (stat.parent / "cmdline").read_text():
                    found.append(int(stat.parent.name))
        return found

    def item(self, key: str) -> dict[str, Any] | None:
        url = image_url(self.deployment.bucket, key)
        wanted = {"TableName": self.deployment.table, "Key": {"image-url": {"S": url}}, "ConsistentRead": True}
        return stubbornly(lambda: self.table.get_item(**wanted)).get("Item")

    def items(self) -> dict[str, dict[str, Any]]:
        """All items, by their key."""
        pages = self.table.get_paginator("scan").paginate(TableName=self.deployment.table, ConsistentRead=True)
        items = [item for page in pages for item in page["Items"]]
        by_url = {item["image-url"]["S"]: item for item in items}
        assert len(by_url) == len(items)
        return by_url

    def offload(self, number: int) -> None:
        """Upload an image, and wait for its item."""
        key, body = key_of(number), picture(number)
        stubbornly(lambda: self.s3.put_object(Bucket=self.deployment.bucket, Key=key, Body=body))
        wait_for(lambda: self.item(key) is not None)

    def duplicate(self, number: int) -> None:
        """Send the event of an image that is done once more."""
        item = self.item(key_of(number))
        assert item is not None
        place = {"key": key_of(number), "sequencer": item["lookout"]["M"]["sequencer"]["S"]}
        event = {"Records": [{"s3": {"bucket": {"name": self.deployment.bucket}, "object": place}}]}
        call = {"FunctionName": self.deployment.function, "InvocationType": "Event", "Payload": json.dumps(event)}
        stubbornly(lambda: self.functions.invoke(**call))["Payload"].read()


def stubbornly(call: Callable[[], Any]) -> Any:
    """Call until somebody answers."""
    answers: list[Any] = []

    def answered() -> bool:
        try:
            answers.append(call())
        except (AwsConnectionError, HTTPClientError):
            return False
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                raise
            return False
        return True

    wait_for(answered)
    return answers[0]


def key_of(number: int) -> str:
    return f"soak/{number}.jpg"


def picture(number: int) -> bytes:
    return make_picture(number % 50)


@pytest.fixture
def cfg(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


@pytest.fixture
def cloud(tmp_path: Path, cfg: Path) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path, cfg)
    yield cloud
    cloud.close()


def check(cloud: Cloud, cfg: Path) -> None:
    """Nothing is lost, nothing doubled, and all is right."""
    wait_for(lambda: cloud.pending() == 0)
    detector = load(cfg, confidence=CONFIDENCE)
    expected = [detector.detect(make_picture(seed)).objects for seed in range(50)]
    items = cloud.items()
    assert set(items) == {image_url(cloud.deployment.bucket, key_of(number)) for number in range(IMAGES)}
    for number in range(IMAGES):
        outcome = from_item(items[image_url(cloud.deployment.bucket, key_of(number))])
        assert outcome.error is None
        found = [detection.to_json() for detection in outcome.objects]
        assert found == [detection.to_json() for detection in expected[number % 50]]
    assert all(expected)


def test_many_images_in_flight(cloud: Cloud, cfg: Path):
    start = time.monotonic()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(cloud.offload, range(IMAGES)))
    print(f"\n{IMAGES} images, {IN_FLIGHT} in flight: {IMAGES / (time.monotonic() - start):.1f} a second")
    check(cloud, cfg)


@needs_proc
def test_nothing_is_lost_whatever_goes_wrong(cloud: Cloud, cfg: Path):
    chance = random.Random(5)  # noqa: S311 - to choose what goes wrong
    duplicated = sorted(chance.sample(range(IMAGES), int(DUPLICATED * IMAGES)))
    first: dict[int, str] = {}
    ended = threading.Event()
    killed = []

    def kill_now_and_then() -> None:
        while not ended.wait(KILL_EVERY_S):
            if sandboxes := cloud.sandboxes():
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(sandboxes), signal.SIGKILL)
                    killed.append(1)

    def offload(number: int) -> None:
        cloud.offload(number)
        if number in duplicated:
            item = cloud.item(key_of(number))
            assert item is not None
            first[number] = item["lookout"]["M"]["request_id"]["S"]
            cloud.duplicate(number)

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    try:
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            done = [pool.submit(offload, number) for number in range(IMAGES)]
            done[IMAGES // 2].result()
            cloud.restart()
            for each in done:
                each.result()
    finally:
        ended.set()
        killer.join()
    check(cloud, cfg)
    for number in duplicated:
        item = cloud.item(key_of(number))
        assert item is not None
        assert item["lookout"]["M"]["request_id"]["S"] == first[number]
    print(f"\n{IMAGES} images: {len(killed)} sandboxes killed, {len(duplicated)} events doubled, one restart")
    assert killed
