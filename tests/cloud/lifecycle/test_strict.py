"""What the emulator is too kind for: deletions that fail half-way, answers of AWS's that it never gives.

S3, ECR and SQS are moto's here, which refuses as AWS does; CloudFormation is a stand-in that deletes a bucket only when
S3 lets it. What is held against recorded answers is said so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("moto", reason="moto is not installed")

import boto3
from botocore.exceptions import ClientError

from lookout.cloud.account import Account
from lookout.cloud.lifecycle import changes
from lookout.cloud.lifecycle.deploying import Deploying
from lookout.cloud.lifecycle.dialogue import Dialogue
from lookout.cloud.lifecycle.emptying import empty
from lookout.cloud.lifecycle.following import Event, Follower
from lookout.cloud.lifecycle.presence import Presence, Resource, presence
from lookout.cloud.lifecycle.reasons import advice
from lookout.cloud.lifecycle.removing import Removing
from lookout.cloud.lifecycle.stack_state import Before, StackState, before_change
from lookout.cloud.template import Code, Names, StackSettings

REGION = "eu-central-1"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
def account() -> Iterator[Account]:
    """An account in this process alone; whatever real keys there are stay unread."""
    from moto import mock_aws

    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    with mock.patch.dict(os.environ, {**kept, **keys, **files}, clear=True), mock_aws():
        yield Account(boto3.Session(region_name=REGION), REGION)


class CloudFormation:
    """One stack, of buckets alone, which is deleted as AWS does it: a bucket that holds something makes that fail."""

    def __init__(self, account: Account, *buckets: str) -> None:
        self._s3 = account.s3
        self._buckets = dict.fromkeys(buckets, "CREATE_COMPLETE")
        self.status = "CREATE_COMPLETE"
        self.deletions = 0
        self.events: list[dict[str, Any]] = []
        for bucket in buckets:
            self._s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803
        if self.status == "DELETE_COMPLETE" and not StackName.startswith("arn:"):
            raise error("ValidationError", f"Stack with id {StackName} does not exist", "DescribeStacks")
        stack = {"StackName": "strict", "StackId": "arn:aws:cloudformation:e:1:stack/strict/1", "Outputs": []}
        return {
            "Stacks": [{**stack, "StackStatus": self.status, "Tags": [{"Key": "lookout:stack", "Value": "strict"}]}]
        }

    def delete_stack(self, *, StackName: str, ClientRequestToken: str) -> None:  # noqa: N803
        assert StackName.startswith("arn:")
        assert ClientRequestToken
        self.deletions += 1
        self.status = "DELETE_COMPLETE"
        for bucket, status in self._buckets.items():
            if status != "DELETE_COMPLETE":
                self._buckets[bucket] = self._delete(bucket)

    def _delete(self, bucket: str) -> str:
        try:
            self._s3.delete_bucket(Bucket=bucket)
        except ClientError as refusal:
            self.status = "DELETE_FAILED"
            self._tell(bucket, "DELETE_FAILED", str(refusal))
            return "DELETE_FAILED"
        self._tell(bucket, "DELETE_COMPLETE")
        return "DELETE_COMPLETE"

    def _tell(self, bucket: str, status: str, reason: str = "") -> None:
        about = {"EventId": str(len(self.events)), "Timestamp": datetime.now(UTC), "ResourceStatusReason": reason}
        what = {"LogicalResourceId": bucket, "ResourceType": "AWS::S3::Bucket", "ResourceStatus": status}
        self.events.insert(0, {**about, **what})

    def get_paginator(self, operation: str) -> Any:
        pages = {
            "describe_stack_events": {"StackEvents": self.events},
            "list_stack_resources": {
                "StackResourceSummaries": [
                    {
                        "LogicalResourceId": bucket,
                        "ResourceType": "AWS::S3::Bucket",
                        "PhysicalResourceId": bucket,
                        "ResourceStatus": status,
                    }
                    for bucket, status in self._buckets.items()
                ]
            },
        }
        return SimpleNamespace(paginate=lambda **_: iter([pages[operation]]))


def error(code: str, message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.fixture
def strict(account: Account, monkeypatch: pytest.MonkeyPatch) -> CloudFormation:
    cloud = CloudFormation(account, "strict-images", "strict-artifacts")
    monkeypatch.setattr(Account, "cloudformation", cloud)
    return cloud


def fill(account: Account, bucket: str) -> None:
    s3 = account.s3
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(3):
        s3.put_object(Bucket=bucket, Key="same.jpg", Body=bytes(number))
    s3.put_object(Bucket=bucket, Key="hidden.jpg", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="hidden.jpg")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="half.jpg")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="half.jpg", UploadId=upload, PartNumber=1, Body=b"y")


def down(account: Account) -> Any:
    return Removing(account, Names("strict"), sleep=lambda _s: None).run()


def test_full_buckets_are_emptied_so_that_their_deletion_works_at_once(account: Account, strict: CloudFormation):
    for bucket in ("strict-images", "strict-artifacts"):
        fill(account, bucket)
        with pytest.raises(ClientError, match="not empty"):
            account.s3.delete_bucket(Bucket=bucket)
    assert down(account).is_complete
    assert strict.deletions == 1
    assert account.s3.list_buckets()["Buckets"] == []


def test_an_upload_that_ends_in_between_makes_it_close_the_bucket_and_try_again(
    account: Account, strict: CloudFormation, monkeypatch: pytest.MonkeyPatch
):
    delete, policies = strict.delete_stack, []

    def delete_too_late(**named: str) -> None:
        if strict.deletions:
            policies.append(account.s3.get_bucket_policy(Bucket="strict-images")["Policy"])
        else:
            account.s3.put_object(Bucket="strict-images", Key="late.jpg", Body=b"x")
        delete(**named)

    monkeypatch.setattr(strict, "delete_stack", delete_too_late)
    removal = down(account)
    assert removal.is_complete, removal
    assert strict.deletions == 2
    assert '"Deny"' in policies[0]
    assert account.s3.list_buckets()["Buckets"] == []


def test_a_bucket_that_can_not_be_emptied_stays_and_is_told_of(
    account: Account, strict: CloudFormation, monkeypatch: pytest.MonkeyPatch
):
    delete = strict.delete_stack

    def delete_too_late(**named: str) -> None:
        account.s3.delete_bucket_policy(Bucket="strict-images")
        account.s3.put_object(Bucket="strict-images", Key="late.jpg", Body=b"x")
        delete(**named)

    monkeypatch.setattr(strict, "delete_stack", delete_too_late)
    removal = down(account)
    assert strict.deletions == 3
    assert "could not delete the stack strict (DELETE_FAILED): strict-images: " in removal.failure
    assert [one.resource.name for one in removal.left] == ["strict-images"]
    assert "not empty" in removal.left[0].why
    monkeypatch.setattr(strict, "delete_stack", delete)
    assert down(account).is_complete  # a stack in DELETE_FAILED
    assert account.s3.list_buckets()["Buckets"] == []


def test_a_deletion_that_fails_in_the_end_is_told_by_what_hindered_it_then(
    account: Account, strict: CloudFormation, monkeypatch: pytest.MonkeyPatch
):
    """The first time one bucket is not empty, and that is gone the second time, when another is not."""
    delete = strict.delete_stack

    def delete_too_late(**named: str) -> None:
        account.s3.delete_bucket_policy(Bucket="strict-artifacts")
        for bucket in ("strict-artifacts",) if strict.deletions else ("strict-artifacts", "strict-images"):
            account.s3.put_object(Bucket=bucket, Key="late", Body=b"x")
        delete(**named)

    monkeypatch.setattr(strict, "delete_stack", delete_too_late)
    removal = down(account)
    assert "(DELETE_FAILED): strict-artifacts: " in removal.failure
    assert [one.resource.name for one in removal.left] == ["strict-artifacts"]


def test_what_is_left_of_a_failed_making_is_asked_about_and_goes_before_it_is_made_anew(
    account: Account, strict: CloudFormation
):
    fill(account, "strict-images")
    strict.status = "ROLLBACK_FAILED"
    questions: list[str] = []
    dialogue = Dialogue(ask=questions.append)
    deploying = Deploying(account, StackSettings(Names("strict")), dialogue, place="there", sleep=lambda _s: None)
    assert deploying._changeable() is None
    assert questions == [
        "Delete what is left of the stack strict in there, with 4 objects in the bucket strict-images?"
    ]
    assert account.s3.list_buckets()["Buckets"] == []


def test_thousands_of_objects_are_deleted_page_by_page(account: Account):
    from moto.s3.models import s3_backends

    s3, said = account.s3, []
    s3.create_bucket(Bucket="many", CreateBucketConfiguration={"LocationConstraint": REGION})
    for number in range(1105):  # past the wire, which would take seconds
        s3_backends["123456789012"]["aws"].put_object("many", f"{number}", b"")
    empty(account, Resource("Bucket", "AWS::S3::Bucket", "many"), said.append)
    assert said[0].startswith("Emptied the bucket many: 1,")  # moto's pages end early where what they listed is gone
    s3.delete_bucket(Bucket="many")


def test_images_are_deleted_a_hundred_at_a_time(account: Account):
    images = account.images
    images.create_repository(repositoryName="rr")
    for number in range(105):
        manifest = f'{{"schemaVersion": 2, "mediaType": "{MANIFEST}", "layers": [], "config": {{"size": {number}}}}}'
        images.put_image(
            repositoryName="rr", imageManifest=manifest, imageTag=str(number), imageDigest=f"sha256:{number:064}"
        )
    empty(account, Resource("Repository", "AWS::ECR::Repository", "rr"), lambda _words: None)
    images.delete_repository(repositoryName="rr")  # refuses what holds images


@pytest.mark.parametrize(
    "resource",
    [
        Resource("", "AWS::S3::Bucket", "none-of-that-name"),
        Resource("", "AWS::ECR::Repository", "none"),
        Resource("", "AWS::SQS::Queue", "none"),
        Resource("", "AWS::DynamoDB::Table", "none"),
        Resource("", "AWS::Lambda::Function", "none"),
        Resource("", "AWS::Logs::LogGroup", "none"),
        Resource("", "AWS::IAM::Role", "none"),
        Resource("", "AWS::CloudWatch::Alarm", "none"),
    ],
)
def test_what_is_not_there_is_absent_and_empty(resource: Resource, account: Account):
    empty(account, resource, lambda _words: None)
    assert presence(account, resource) is Presence.ABSENT


def test_every_state_of_a_stack_has_something_to_do_first():
    """By the list in AWS's own description of CloudFormation."""
    shape = boto3.Session(region_name=REGION).client("cloudformation").meta.service_model.shape_for("StackStatus")
    table = {status: before_change(StackState("s", "s", status, True, {}, {})) for status in shape.enum}
    assert {status for status, first in table.items() if first is Before.UPDATE} == {
        *("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"),
        *("IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_FAILED"),
    }
    assert {status for status, first in table.items() if first is Before.REMOVE} == {
        *("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS")
    }
    assert table["UPDATE_ROLLBACK_FAILED"] is Before.FINISH_ROLLBACK
    assert table["DELETE_FAILED"] is Before.FINISH_REMOVAL
    assert table["UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"] is Before.FOLLOW
    assert before_change(None) is Before.CREATE


def recorded(status: str, **more: Any) -> Any:
    stack = {"StackName": "s", "StackId": "s", "StackStatus": status, "Description": "Lookout: x"}
    return SimpleNamespace(describe_stacks=lambda **_: {"Stacks": [stack]}, **more)


def test_a_rollback_that_failed_is_finished_before_anything_is_changed(
    account: Account, monkeypatch: pytest.MonkeyPatch
):
    """Held against recorded answers."""
    states = iter(["UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS", *["UPDATE_ROLLBACK_COMPLETE"] * 2])
    stack = {"StackName": "s", "StackId": "s", "Description": "Lookout: x"}
    asked: list[str] = []
    client = SimpleNamespace(
        describe_stacks=lambda **_: {"Stacks": [{**stack, "StackStatus": next(states)}]},
        continue_update_rollback=lambda **named: asked.append(named["StackName"]),
        get_paginator=lambda _name: SimpleNamespace(paginate=lambda **_: iter([{"StackEvents": []}])),
    )
    monkeypatch.setattr(Account, "cloudformation", client)
    said: list[str] = []
    deploying = Deploying(account, StackSettings(Names("s")), Dialogue(say=said.append), sleep=lambda _s: None)
    assert deploying._changeable().status == "UPDATE_ROLLBACK_COMPLETE"
    assert asked == ["s"]
    assert "was not taken back wholly: finishing that first" in said[0]


def test_a_plan_that_is_shown_after_it_was_deleted_keeps_no_stack_alive(
    account: Account, monkeypatch: pytest.MonkeyPatch
):
    """Held against recorded answers: the name under which a new stack was planned goes with its only plan."""
    made: list[str] = []
    deleted: list[str] = []
    client = recorded(
        "REVIEW_IN_PROGRESS",
        create_change_set=lambda **named: made.append(named["ChangeSetName"]) or {"Id": "arn:1", "StackId": "s"},
        describe_change_set=lambda **_: {"Status": "CREATE_COMPLETE"},
        get_paginator=lambda _name: SimpleNamespace(paginate=lambda **_: iter([{"Changes": []}])),
        delete_change_set=lambda **_: None,
        list_change_sets=lambda **_: {"Summaries": [{"ChangeSetName": made[0], "CreationTime": datetime.now(UTC)}]},
        delete_stack=lambda **named: deleted.append(named["StackName"]),
    )
    monkeypatch.setattr(Account, "cloudformation", client)
    with changes.change_set(account, StackSettings(Names("s"), Code("i")), None, sleep=lambda _s: None):
        assert deleted == []
    assert deleted == ["s"]


def test_a_change_set_is_read_as_aws_writes_it(account: Account, monkeypatch: pytest.MonkeyPatch):
    """Held against the documented form of DescribeChangeSet: a memory, a table that is replaced, what may be."""
    detail = {"Target": {"Attribute": "Properties", "Name": "MemorySize", "RequiresRecreation": "Never"}}
    described = [
        {"Action": "Modify", "LogicalResourceId": "Function", "ResourceType": "AWS::Lambda::Function",
         "PhysicalResourceId": "f", "Replacement": "False", "Scope": ["Properties"], "Details": [detail, detail]},
        {"Action": "Modify", "LogicalResourceId": "Table", "ResourceType": "AWS::DynamoDB::Table",
         "PhysicalResourceId": "t", "Replacement": "True", "PolicyAction": "ReplaceAndDelete", "Details": []},
        {"Action": "Modify", "LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket",
         "PhysicalResourceId": "b", "Replacement": "Conditional", "Details": []},
        {"Action": "Remove", "LogicalResourceId": "Old", "ResourceType": "AWS::S3::Bucket",
         "PhysicalResourceId": "o", "PolicyAction": "Retain"},
        {"Action": "Add", "LogicalResourceId": "New", "ResourceType": "AWS::SQS::Queue"},
    ]  # fmt: skip
    pages = [{"Changes": [{"Type": "Resource", "ResourceChange": one}]} for one in described]
    statuses = iter(["CREATE_PENDING", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"])
    deleted: list[str] = []
    client = recorded(
        "CREATE_COMPLETE",
        create_change_set=lambda **_: {"Id": "arn:1", "StackId": "s"},
        describe_change_set=lambda **_: {"Status": next(statuses), "Changes": []},
        get_paginator=lambda _name: SimpleNamespace(paginate=lambda **_: iter(pages)),
        delete_change_set=lambda **named: deleted.append(named["ChangeSetName"]),
        list_change_sets=lambda **_: {"Summaries": [
            {"ChangeSetName": "lookout-old", "CreationTime": datetime.now(UTC) - timedelta(days=1)},
            {"ChangeSetName": "lookout-new", "CreationTime": datetime.now(UTC)},
            {"ChangeSetName": "theirs", "CreationTime": datetime.now(UTC) - timedelta(days=1)},
        ]},
    )  # fmt: skip
    monkeypatch.setattr(Account, "cloudformation", client)
    state = StackState("s", "s", "CREATE_COMPLETE", True, {}, {})
    with changes.change_set(account, StackSettings(Names("s"), Code("i")), state, sleep=lambda _s: None) as found:
        function, table, bucket, old, new = found.changes
    assert (function.action, function.details, function.loses) == ("change", ("MemorySize",), False)
    assert (table.action, table.loses) == ("replace", True)
    assert (bucket.action, bucket.may_replace, bucket.loses) == ("change", True, True)
    assert (old.action, old.loses) == ("remove", False)
    assert (new.action, new.makes) == ("add", True)
    assert deleted[1:] == ["lookout-old"]  # beside its own: nobody will do anything with that


def event(number: int, resource: str, status: str, reason: str = "") -> Event:
    return Event(str(number), datetime.now(UTC), resource, "AWS::X::Y", status, reason)


def test_the_first_failure_is_the_one_that_the_others_follow_from(account: Account):
    follower = Follower(account, "s")
    follower.events = [
        event(1, "Table", "CREATE_IN_PROGRESS"),
        event(2, "Role", "CREATE_FAILED", "Resource creation cancelled"),
        event(3, "Queue", "CREATE_FAILED", "it is taken"),
        event(4, "Table", "DELETE_FAILED", "later"),
    ]
    assert follower.first_failure().resource == "Queue"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("lookout-results already exists in stack arn:aws:...", "outside of the stack"),
        ("API: iam:CreateRole User: arn:aws:sts::1:x is not authorized to perform: iam:CreateRole", "--role-arn"),
        ("The role defined for the function cannot be assumed by Lambda.", "must trust lambda.amazonaws.com"),
        ("User: u is not authorized to perform: dynamodb:CreateTable", "docs/aws.md"),
        ("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
         "its minimum value of [10].", "--reserved-concurrency"),
        ("'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008", "quota"),
        ("Source image 1.dkr.ecr... does not exist. Provide a valid source image.", "does not find"),
        ("Unzipped size must be smaller than 262144000 bytes", "too large"),
        ("something that nobody has seen", ""),
    ],
)  # fmt: skip
def test_reasons_of_awss_come_with_what_helps(reason: str, words: str):
    """Held against reasons that AWS documents, or that people have reported."""
    assert words in advice(reason)
    assert bool(words) == bool(advice(reason))
