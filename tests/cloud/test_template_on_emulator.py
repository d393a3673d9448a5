"""The template on the emulator: from one phase to the other and back, and nothing of a user's is lost on the way."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("ministack", reason="the extra emulator is not installed")

from helpers.program import Program, wait_for
from helpers.templates import deploy, resources
from helpers.tiny import CONFIDENCE, make_model, make_picture
from lookout.cloud.account import Account, account_of_emulator
from lookout.cloud.items import image_url
from lookout.cloud.stack import EMULATED_IMAGE
from lookout.cloud.template import Code, Names, StackSettings
from lookout.models.store import load_model

RUNS = {"Function", "Retries", "Permission", "ErrorAlarm"}
IMAGE = Code(EMULATED_IMAGE)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with Program("emulator", "--port", "0", "--json") as emulator:
        yield account_of_emulator(emulator.ready()["environment"])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> StackSettings:
    """The reference's names; without code."""
    model = load_model(make_model(tmp_path_factory.mktemp("model")))
    return StackSettings(
        Names.of_group("group41"), model_folder=str(model.folder), confidence=CONFIDENCE, engine="opencv"
    )


def client(account: Account, service: str) -> Any:
    return account.session.client(service, endpoint_url=account.endpoint)


def item(account: Account, outputs: dict[str, str], key: str) -> dict[str, Any] | None:
    wanted = {"image-url": {"S": image_url(outputs["Bucket"], key)}}
    return account.dynamodb.get_item(TableName=outputs["Table"], Key=wanted, ConsistentRead=True).get("Item")


def functions(account: Account) -> dict[str, dict]:
    return {function["FunctionName"]: function for function in account.functions.list_functions()["Functions"]}


def notifications(account: Account, bucket: str) -> list[dict]:
    told = account.s3.get_bucket_notification_configuration(Bucket=bucket)
    return told.get("LambdaFunctionConfigurations", [])


def zipped() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("handler.py", "def handle(event, context): return {'zipped': True}")
    return data.getvalue()


def test_two_phases_and_back_and_from_an_image_to_a_zip(account: Account, settings: StackSettings):
    # The first phase: places for code, images and results, and nothing that runs.
    outputs = deploy(account, settings)
    assert outputs["Bucket"] == "image-bucket-group41"
    assert outputs["Repository"].endswith("/object-detection-lambda")
    assert "Function" not in outputs
    assert not RUNS & set(resources(account, settings.names.stack))
    assert functions(account) == {}
    assert notifications(account, outputs["Bucket"]) == []
    (repository,) = client(account, "ecr").describe_repositories()["repositories"]
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}

    # The second: an object becomes an item.
    outputs = deploy(account, replace(settings, code=IMAGE, result_days=1))
    assert set(resources(account, settings.names.stack)) >= RUNS
    assert outputs["Function"] == "object-detection"
    (alarm,) = client(account, "cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": "object-detection"}]
    account.s3.put_object(Bucket=outputs["Bucket"], Key="first.jpg", Body=make_picture(1))
    wait_for(lambda: item(account, outputs, "first.jpg") is not None)
    found = item(account, outputs, "first.jpg")
    assert found["lookout"]["M"]["status"] == {"S": "done"}
    assert int(found["lookout-expires"]["N"]) > 1_700_000_000

    # A prefix filters.
    deploy(account, replace(settings, code=IMAGE, prefix="images/"))
    (told,) = notifications(account, outputs["Bucket"])
    assert told["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "images/"}]

    # Back in the first phase no image and no result is lost.
    assert "Function" not in deploy(account, settings)
    assert functions(account) == {}
    assert notifications(account, outputs["Bucket"]) == []
    assert item(account, outputs, "first.jpg") == found
    assert account.s3.head_object(Bucket=outputs["Bucket"], Key="first.jpg")["ContentLength"] > 0

    # The function of an image has become that of a zip.
    account.s3.put_object(Bucket=outputs["Artifacts"], Key="code/0a.zip", Body=zipped())
    deploy(account, replace(settings, code=Code(zip_key="code/0a.zip", runtime="python3.12")))
    function = functions(account)["object-detection"]
    assert (function["PackageType"], function["Runtime"]) == ("Zip", "python3.12")
    assert function["Handler"] == "lookout.apps.handler.handle"
    assert item(account, outputs, "first.jpg") == found


def test_with_a_role_of_the_accounts_none_is_made(account: Account, settings: StackSettings):
    role = "arn:aws:iam::000000000000:role/LabRole"
    roles = [entry["RoleName"] for entry in client(account, "iam").list_roles()["Roles"]]
    deploy(account, replace(settings, names=Names.of("lab"), code=IMAGE, role_arn=role))
    assert [entry["RoleName"] for entry in client(account, "iam").list_roles()["Roles"]] == roles
    assert functions(account)["lab"]["Role"] == role
    assert "Role" not in resources(account, "lab")


def test_a_stack_that_is_deleted_leaves_nothing(account: Account, settings: StackSettings):
    outputs = deploy(account, replace(settings, names=Names.of("gone"), code=IMAGE))
    assert outputs["Bucket"] == f"gone-{account.account_id()}-{account.region}"
    account.cloudformation.delete_stack(StackName="gone")
    account.cloudformation.get_waiter("stack_delete_complete").wait(StackName="gone", WaiterConfig={"Delay": 1})
    left = [
        *(bucket["Name"] for bucket in account.s3.list_buckets()["Buckets"]),
        *account.dynamodb.list_tables()["TableNames"],
        *functions(account),
        *(group["logGroupName"] for group in account.logs.describe_log_groups()["logGroups"]),
        *account.queues.list_queues().get("QueueUrls", []),
        *(entry["repositoryName"] for entry in client(account, "ecr").describe_repositories()["repositories"]),
        *(entry["RoleName"] for entry in client(account, "iam").list_roles()["Roles"]),
        *(alarm["AlarmName"] for alarm in client(account, "cloudwatch").describe_alarms()["MetricAlarms"]),
    ]
    assert [name for name in left if "gone" in name] == []
