"""What an emulator holds in its folder, and finds there again, however the one before ended."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ministack")
pytest.importorskip("awslambdaric")

from botocore.config import Config
from botocore.exceptions import ClientError

from helpers.program import wait_for
from lookout.cloud.emulator import EmulatorConfig, data_folder, serve
from lookout.cloud.emulator.checkpoints import Checkpoints
from lookout.cloud.emulator.journal import Journal
from lookout.errors import FolderInUseError, UsageError

from .conftest import REGION, Emulator, create, image, running_emulator

ARN = "arn:aws:lambda:eu-north-1:000000000000:function:f"

TABLE = {
    "TableName": "results",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
}

# Writes an item for an object, once the folder GATE has a file that is called open.
SLOW = """
import os, time
from pathlib import Path
import boto3
table = boto3.resource("dynamodb").Table("results")
def handle(event, context):
    while not Path(os.environ["GATE"], "open").exists():
        time.sleep(0.01)
    for record in event["Records"]:
        table.put_item(Item={"key": record["s3"]["object"]["key"], "request": context.aws_request_id})
"""


class Clients:
    """Clients of an emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.s3, self.functions, self.table = (emulator.client(each) for each in ("s3", "lambda", "dynamodb"))
        self.sqs, self.formation, self.logs = (emulator.client(each) for each in ("sqs", "cloudformation", "logs"))

    def close(self) -> None:
        for client in vars(self).values():
            client.close()

    def items(self) -> set[str]:
        """The items' keys."""
        return {item["key"]["S"] for item in self.table.scan(TableName="results", ConsistentRead=True)["Items"]}


@contextmanager
def clients_of(emulator: Emulator) -> Iterator[Clients]:
    clients = Clients(emulator)
    try:
        yield clients
    finally:
        clients.close()


def deploy(here: Clients, folder: Path) -> None:
    """A bucket whose objects become items, through a function that waits for its gate."""
    (folder / "slow.py").write_text(SLOW)
    here.table.create_table(**TABLE)
    how = image(folder, "slow.handle")
    how["Environment"]["Variables"]["GATE"] = str(folder)
    create(here.functions, "slow", **{**how, "MemorySize": 256})
    arn = here.functions.get_function(FunctionName="slow")["Configuration"]["FunctionArn"]
    here.s3.create_bucket(Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": REGION})
    told = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    here.s3.put_bucket_notification_configuration(Bucket="pictures", NotificationConfiguration=told)


def saved(folder: Path, *services: str) -> bool:
    return all((folder / "state" / f"{service}.json").exists() for service in services)


def test_all_is_there_again_after_a_restart(tmp_path: Path, handlers: Path) -> None:
    data = tmp_path / "data"
    with running_emulator(data=data) as emulator, clients_of(emulator) as here:
        deploy(here, tmp_path)
        template = json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}}}})
        here.formation.create_stack(StackName="stack", TemplateBody=template)
        waiter = here.formation.get_waiter("stack_create_complete")
        waiter.wait(StackName="stack", WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
        here.sqs.send_message(QueueUrl=here.sqs.get_queue_url(QueueName="q")["QueueUrl"], MessageBody="kept")
        here.table.put_item(TableName="results", Item={"key": {"S": "by hand"}})
        here.logs.create_log_group(logGroupName="/kept")
        here.s3.put_object(Bucket="pictures", Key="a b/ü.jpg", Body=b"content")
        emulator.stop()
        assert emulator.process.returncode == 0
    with running_emulator(data=data, port=emulator.port) as emulator, clients_of(emulator) as here:
        assert here.s3.get_object(Bucket="pictures", Key="a b/ü.jpg")["Body"].read() == b"content"
        assert here.items() == {"by hand"}
        assert here.formation.describe_stacks(StackName="stack")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
        url = here.sqs.get_queue_url(QueueName="q")["QueueUrl"]
        assert here.sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "kept"
        groups = here.logs.describe_log_groups(logGroupNamePrefix="/kept")["logGroups"]
        assert [group["logGroupName"] for group in groups] == ["/kept"]
        (tmp_path / "open").touch()  # the event was pending, and is given to the function by the new emulator
        wait_for(lambda: "a+b/%C3%BC.jpg" in here.items())
        emulator.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="state is saved at the end alone")
def test_an_emulator_that_is_killed_loses_no_event_that_it_took(tmp_path: Path) -> None:
    data = tmp_path / "data"
    names = [f"{number}.jpg" for number in range(20)]
    with running_emulator(data=data, concurrency=2) as emulator, clients_of(emulator) as here:
        deploy(here, tmp_path)
        here.s3.put_object(Bucket="pictures", Key="first.jpg", Body=b"x")
        wait_for(lambda: saved(data, "lambda", "s3", "dynamodb"))
        for name in names:
            here.s3.put_object(Bucket="pictures", Key=name, Body=b"x")
        emulator.process.kill()
        emulator.process.wait(30)
    (tmp_path / "open").touch()
    with running_emulator(data=data, port=emulator.port, concurrency=2) as emulator, clients_of(emulator) as here:
        wait_for(lambda: here.items() == {"first.jpg", *names})
        emulator.stop()
    journal = Journal(data / "events.db")
    assert journal.pending() == 0
    assert journal.finished() == []
    journal.close()


def test_an_upload_whose_event_cannot_be_kept_fails(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_emulator(data=data) as emulator, clients_of(emulator) as here:
        deploy(here, tmp_path)
        database = sqlite3.connect(data / "events.db")
        database.execute("drop table event")  # in place of a disk that is full
        database.close()
        once = emulator.client("s3", Config(retries={"total_max_attempts": 1}))
        with pytest.raises(ClientError) as caught:
            once.put_object(Bucket="pictures", Key="lost.jpg", Body=b"x")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        once.close()
        emulator.process.kill()
        emulator.process.wait(30)


def test_an_upload_whose_object_cannot_be_kept_fails(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_emulator(data=data) as emulator:
        s3 = emulator.client("s3", Config(retries={"total_max_attempts": 1}))
        s3.create_bucket(Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": REGION})
        (folder,) = (data / "objects").glob("*/pictures")
        (folder / "a.jpg.tmp").mkdir()  # in place of a disk that is full
        (folder / "in").symlink_to(folder / "nowhere")
        for key in ("a.jpg", "in/b.jpg"):
            with pytest.raises(ClientError) as caught:
                s3.put_object(Bucket="pictures", Key=key, Body=b"x")
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        s3.put_object(Bucket="pictures", Key="c.jpg", Body=b"x")
        s3.close()
        emulator.stop()


def test_a_stack_that_was_being_made_when_the_emulator_ended_has_failed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}}
    with running_emulator(data=data) as emulator, clients_of(emulator) as here:
        here.formation.create_stack(StackName="stack", TemplateBody=json.dumps({"Resources": {"Q": queue}}))
        waiter = here.formation.get_waiter("stack_create_complete")
        waiter.wait(StackName="stack", WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
        emulator.stop()
    kept = data / "state" / "cloudformation.json"
    kept.write_text(kept.read_text().replace('"StackStatus": "CREATE_COMPLETE"', '"StackStatus": "CREATE_IN_PROGRESS"'))
    with running_emulator(data=data) as emulator, clients_of(emulator) as here:
        (stack,) = here.formation.describe_stacks(StackName="stack")["Stacks"]
        assert (stack["StackStatus"], stack["StackStatusReason"]) == ("CREATE_FAILED", "The emulator ended meanwhile")
        here.formation.delete_stack(StackName="stack")
        waiter = here.formation.get_waiter("stack_delete_complete")
        waiter.wait(StackName="stack", WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
        assert not here.sqs.list_queues().get("QueueUrls")
        emulator.stop()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("state/dynamodb.json", '{"payload": {', "dynamodb.json is damaged"),
        ("state/dynamodb.json", "", "dynamodb.json is damaged"),
        ("events.db", "no database, but long enough to be one" * 100, "can't keep the emulator's events"),
        ("state.next/dynamodb.json/folder", "", "can't keep the emulator's data"),
    ],
)
def test_data_that_is_damaged_is_refused_with_a_sentence(file: str, content: str, words: str, tmp_path: Path) -> None:
    for name in (file, "state/dynamodb.json/folder") if file.endswith("folder") else (file,):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=words):
        serve(EmulatorConfig(port=0, data=tmp_path), print)


def test_what_a_killed_emulator_did_not_save_is_done_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events.db")
    journal.put(ARN, b"1", 0.0)
    saves: list[int] = []
    checkpoints = Checkpoints(lambda: saves.append(len(journal.finished())), journal)
    event = journal.take(1.0)
    assert event is not None
    journal.finish(event)
    assert journal.finished() == [event.id]
    checkpoints.close()
    assert saves == [1]
    assert journal.finished() == []
    journal.close()


@pytest.mark.skipif(sys.platform != "linux", reason="state is saved at the end alone")
def test_a_checkpoint_that_fails_forgets_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path / "events.db")
    journal.put(ARN, b"1", 0.0)
    event = journal.take(1.0)
    assert event is not None
    journal.finish(event)
    works = tmp_path / "works"

    def save() -> None:
        if not works.exists():
            os._exit(3)
        (tmp_path / "saved").touch()

    checkpoints = Checkpoints(save, journal, shortest_pause_s=0.01)
    checkpoints.start()
    checkpoints.changed()
    wait_for(lambda: "could not be saved" in caplog.text)
    assert journal.finished() == [event.id]
    works.touch()
    wait_for(lambda: journal.finished() == [])
    assert (tmp_path / "saved").exists()
    checkpoints.close()
    journal.close()


def test_one_emulator_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "_PATIENCE_S", 0.0)
    with (
        data_folder.locked(tmp_path / "new"),
        pytest.raises(FolderInUseError, match=r"another emulator keeps its data in .*--data"),
        data_folder.locked(tmp_path / "new"),
    ):
        pass
    with data_folder.locked(tmp_path / "new"):  # free again
        pass
    with data_folder.locked(None) as nothing:
        assert nothing is None


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="can't keep the emulator's data"), data_folder.locked(tmp_path / "file"):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_keeps_what_was_under_way(number: signal.Signals, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_emulator(data=data) as emulator, clients_of(emulator) as here:
        deploy(here, tmp_path)
        for name in ("1.jpg", "2.jpg", "3.jpg"):
            here.s3.put_object(Bucket="pictures", Key=name, Body=b"x")
        wait_for(lambda: bool(sandboxes(emulator)))
        emulator.process.send_signal(number)
        assert emulator.process.wait(30) == 0
    journal = Journal(data / "events.db")
    event = journal.take(1e12)
    assert event is not None
    assert event.errors == 0  # that its sandbox was killed is no failure of the function
    assert journal.pending() == 3
    journal.close()


def sandboxes(emulator: Emulator) -> Any:
    """How many there are, as the emulator tells."""
    with urllib.request.urlopen(f"{emulator.endpoint}/_lookout") as response:  # noqa: S310 - ours
        return json.load(response)["sandboxes"]
