"""What a fault leaves behind: the real function of the real stack, killed or starved at a chosen point.

==========================  ========  =========  =============
fault, once                 item      retries    failure queue
==========================  ========  =========  =============
killed during init          done      none       empty
killed during fetch         done      one        empty
killed during inference     done      one        empty
killed before the item      done      one        empty
killed after the item       done      one        empty
out of memory               done      one        empty
time-out                    done      one        empty
throttled                   done      none       empty
--------------------------  --------  ---------  -------------
the same, always            none      two        one record
==========================  ========  =========  =============

Never is there a second item, and an item is never wrong. What is always throttled waits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from helpers.program import run, wait_for
from helpers.tiny import CONFIDENCE, make_model, make_picture
from lookout.cloud.emulator import environment
from lookout.cloud.items import from_item
from lookout.core.detections import Detection
from lookout.loading import load

from .conftest import REGION, Emulator, running_emulator

pytest.importorskip("boto3")
pytest.importorskip("ministack")
pytest.importorskip("awslambdaric")

# Calls of AWS's client tell where the function stands, whatever its own parts are called.
FAULTY = '''
import os, signal, time
from pathlib import Path
import boto3
import lookout.detector

POINT, TIMES, FOLDER = os.environ["FAULT"], int(os.environ["FAULT_TIMES"]), Path(os.environ["FAULT_FOLDER"])

def reach(point):
    """Come to grief at the chosen point, as often as was asked for."""
    if point != POINT or not (point == "init" or serving) or len(list(FOLDER.iterdir())) >= TIMES:
        return
    (FOLDER / str(time.monotonic_ns())).touch()
    if "MEMORY" in os.environ:
        kept = []
        while True:
            kept.append(bytearray(b"x") * (8 << 20))
    if "TIME" in os.environ:
        time.sleep(3600)
    os.kill(os.getpid(), signal.SIGKILL)

serving = False  # the warm-up in init infers as well
reach("init")
boto3.setup_default_session()
events = boto3.DEFAULT_SESSION.events
events.register("before-call.s3.GetObject", lambda **_: reach("fetch"))
events.register("before-call.dynamodb.PutItem", lambda **_: reach("before the item"))
events.register("after-call.dynamodb.PutItem", lambda **_: reach("after the item"))

detect = lookout.detector.Detector.detect
def detect_or_die(*arguments, **named):
    reach("inference")
    return detect(*arguments, **named)
lookout.detector.Detector.detect = detect_or_die

from lookout.apps import handler

def handle(event, context):
    global serving
    serving = True
    return handler.handle(event, context)
'''


@dataclass
class World:
    """An emulator with the stack on it, whose function comes to grief."""

    emulator: Emulator
    folder: Path
    outputs: dict[str, str]
    objects: tuple[Detection, ...]
    queue: str
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.emulator.client(service)
        return self.clients[service]

    def arrange(self, point: str, times: int, marks: Path, timeout_s: int = 60, **variables: str) -> None:
        """Make the function fail at a point, this many times."""
        marks.mkdir()
        functions = self.client("lambda")
        name = self.outputs["Function"]
        own = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        own = {key: value for key, value in own.items() if key.startswith("LOOKOUT_")}
        fault = {"FAULT": point, "FAULT_TIMES": str(times), "FAULT_FOLDER": str(marks)}
        functions.update_function_configuration(
            FunctionName=name,
            ImageConfig={"Command": ["faulty.handle"]},
            Environment={"Variables": {**own, **fault, **variables, "PYTHONPATH": str(self.folder)}},
            Timeout=timeout_s,
        )
        functions.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600}
        )

    def upload(self, key: str) -> None:
        s3 = self.client("s3")
        s3.put_object(Bucket=self.outputs["Bucket"], Key=key, Body=make_picture(1))

    def item(self, key: str) -> dict[str, Any] | None:
        """The image's item, checked to be the only one."""
        table = self.client("dynamodb")
        items = table.scan(TableName=self.outputs["Table"], ConsistentRead=True)["Items"]
        found = [item for item in items if item["image-url"]["S"].endswith(f"/{key}")]
        assert len(found) <= 1
        return found[0] if found else None

    def failures(self) -> list[dict[str, Any]]:
        """The records of the failure queue, taken out of it."""
        sqs = self.client("sqs")
        records = []
        while messages := sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                records.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return records

    def reports(self, request_id: str) -> list[str]:
        """The REPORT lines of an event's invocations."""
        logs = self.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=self.outputs["LogGroup"], filterPattern='"REPORT RequestId"'
        )
        lines = [event["message"] for page in pages for event in page["events"]]
        return [line for line in lines if line.startswith(f"REPORT RequestId: {request_id}\t")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "faulty.py").write_text(FAULTY)
    cfg = make_model(tmp_path_factory.mktemp("model"))
    detector = load(cfg, confidence=CONFIDENCE)
    with running_emulator(retry_base_s=0.05) as emulator:
        variables = environment(emulator.endpoint, REGION)
        up = run("stack", "up", "--model", str(cfg), "--yes", "--confidence", str(CONFIDENCE), **variables)
        assert up.returncode == 0, up.stderr
        here = World(emulator, folder, {}, detector.detect(make_picture(1)).objects, "")
        described = here.client("cloudformation").describe_stacks(StackName="lookout")["Stacks"][0]
        here.outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        here.queue = here.client("sqs").create_queue(QueueName="faults")["QueueUrl"]
        here.client("lambda").put_function_event_invoke_config(
            FunctionName=here.outputs["Function"],
            Qualifier="$LATEST",
            DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:000000000000:faults"}},
        )
        yield here
        for client in here.clients.values():
            client.close()
        emulator.stop()


# How often the function is invoked: init that fails is done again within the same invocation.
ONCE = [
    ("init", {}, 1),
    ("fetch", {}, 2),
    ("inference", {}, 2),
    ("before the item", {}, 2),
    ("after the item", {}, 2),
    ("inference", {"MEMORY": "1"}, 2),
    ("inference", {"TIME": "1"}, 2),
]


@pytest.mark.parametrize(("point", "variables", "invocations"), ONCE)
def test_what_fails_once_is_made_good(
    point: str, variables: dict[str, str], invocations: int, world: World, tmp_path: Path
) -> None:
    key = f"once/{tmp_path.name}.jpg"
    world.arrange(point, 1, tmp_path / "marks", timeout_s=3 if "TIME" in variables else 60, **variables)
    world.upload(key)
    wait_for(lambda: world.item(key) is not None)
    item = world.item(key)
    assert item is not None
    details = item["lookout"]["M"]
    assert details["status"] == {"S": "done"}
    assert len(list((tmp_path / "marks").iterdir())) == 1
    request_id = details["request_id"]["S"]
    wait_for(lambda: len(world.reports(request_id)) == invocations)  # written after the item
    first, *_, last = world.reports(request_id) * 2
    assert "Status" not in last
    if invocations == 2:
        assert first.endswith("timeout" if "TIME" in variables else "\tStatus: error\tError Type: Runtime.ExitError")
    assert world.failures() == []
    found = from_item(item).objects
    assert [detection.to_json() for detection in found] == [detection.to_json() for detection in world.objects]
    assert len(found) > 3


ALWAYS = [
    ("init", {}, "Runtime.ExitError", "signal: killed"),
    ("fetch", {}, "Runtime.ExitError", "signal: killed"),
    ("inference", {"TIME": "1"}, "Sandbox.Timedout", "timed out after 1.00 seconds"),
]


@pytest.mark.parametrize(("point", "variables", "error_type", "words"), ALWAYS)
def test_what_always_fails_is_told_after_two_retries(
    point: str, variables: dict[str, str], error_type: str, words: str, world: World, tmp_path: Path
) -> None:
    key = f"always/{tmp_path.name}.jpg"
    world.arrange(point, 100, tmp_path / "marks", timeout_s=1 if "TIME" in variables else 60, **variables)
    world.upload(key)
    found: list[dict[str, Any]] = []
    wait_for(lambda: bool(found.extend(world.failures()) or found))
    (record,) = found
    context = record["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", 3)
    assert record["requestPayload"]["Records"][0]["s3"]["object"]["key"] == key
    assert record["responsePayload"]["errorType"] == error_type
    assert words in record["responsePayload"]["errorMessage"]
    assert len(world.reports(context["requestId"])) == 3
    assert world.item(key) is None


def test_what_is_killed_after_its_item_always_has_one_item_and_a_record(world: World, tmp_path: Path) -> None:
    key = f"stored/{tmp_path.name}.jpg"
    world.arrange("after the item", 100, tmp_path / "marks")
    world.upload(key)
    found: list[dict[str, Any]] = []
    wait_for(lambda: bool(found.extend(world.failures()) or found))
    assert len(found) == 1
    assert world.item(key) is not None


def test_what_is_throttled_waits_and_uses_up_no_attempt(world: World, tmp_path: Path) -> None:
    world.arrange("none", 0, tmp_path / "marks")
    functions = world.client("lambda")
    name = world.outputs["Function"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    keys = [f"throttled/{number}.jpg" for number in range(5)]
    for key in keys:
        world.upload(key)
    assert [world.item(key) for key in keys] == [None] * 5
    functions.delete_function_concurrency(FunctionName=name)
    wait_for(lambda: all(world.item(key) for key in keys))
    for key in keys:
        item = world.item(key)
        assert item is not None
        assert item["lookout"]["M"]["status"] == {"S": "done"}
    assert world.failures() == []
