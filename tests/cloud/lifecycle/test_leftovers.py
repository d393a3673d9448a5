"""What stays when CloudFormation has done its part: what it let go of, what others made, and what may not be seen."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from helpers.stacks import (
    after,
    answered,
    before,
    gone,
    interrupt,
    inventory,
    keeping_all,
    of_stack,
    refused,
    settings,
    status,
)
from lookout.cloud.account import Account
from lookout.cloud.lifecycle.deploying import Deploying
from lookout.cloud.lifecycle.dialogue import Dialogue
from lookout.cloud.lifecycle.following import Follower
from lookout.cloud.lifecycle.planning import plan
from lookout.cloud.lifecycle.removing import Removing
from lookout.cloud.lifecycle.stack_state import look
from lookout.cloud.stack import Stack
from lookout.cloud.template import Names, StackSettings
from lookout.errors import CloudError, StackError


def filled(account: Account, name: str) -> str:
    """A stack with an image in its bucket, which replacing it would lose; the bucket's name."""
    Deploying(account, settings(name)).run()
    bucket = f"{name}-000000000000-us-east-1"
    account.s3.put_object(Bucket=bucket, Key="old.txt", Body=b"x")
    return bucket


def moved(name: str) -> StackSettings:
    return replace(settings(name), names=Names(name, bucket=f"{name}-moved"))


def replace_and_break_off(account: Account, name: str) -> str:
    """A stack whose full bucket was replaced, by somebody who was interrupted then; the old bucket's name."""
    bucket = filled(account, name)
    with pytest.raises(KeyboardInterrupt), before(account, "ListObjectVersions", interrupt, skip=1):
        Deploying(account, moved(name)).run()  # the first time it is counted what would be lost
    assert status(account, name) == "UPDATE_COMPLETE"
    held = {entry for entry in inventory(account) if entry.startswith("bucket ")}
    assert {f"bucket {bucket}", f"bucket {name}-moved"} <= held
    return bucket


def test_what_was_replaced_when_up_was_interrupted_goes_with_the_next_up(account: Account):
    bucket = replace_and_break_off(account, "resumed")
    planned = plan(account, moved("resumed"))
    assert [loss.described() for loss in planned.losses] == [f"1 image in the bucket {bucket}"]
    assert not planned.is_empty

    def decline(question: str) -> None:
        assert f"replaced the bucket {bucket}, and did not get to deleting it: do that now, with 1 image in" in question
        raise StackError("declined")

    with pytest.raises(StackError, match="declined"):
        Deploying(account, moved("resumed"), Dialogue(ask=decline)).run()
    assert f"bucket {bucket}" in inventory(account)
    asked: list[str] = []
    Deploying(account, moved("resumed"), Dialogue(ask=asked.append)).run()
    assert len(asked) == 1
    assert f"bucket {bucket}" not in inventory(account)
    assert Deploying(account, moved("resumed"), Dialogue(ask=asked.append)).run().nothing_done
    assert len(asked) == 1
    assert gone(account, "resumed")


def test_a_table_that_cloudformation_let_go_of_goes_with_the_next_up(account: Account):
    """As of one that is protected from being deleted; the emulator deletes that, so this has CloudFormation's tags."""
    Deploying(account, settings("guards")).run()
    tags = {"lookout:stack": "guards", "aws:cloudformation:stack-name": "guards"}
    tags |= {"aws:cloudformation:stack-id": look(account, "guards").id, "aws:cloudformation:logical-id": "Table"}
    account.dynamodb.create_table(
        TableName="guards-old",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    account.dynamodb.put_item(TableName="guards-old", Item={"k": {"S": "1"}})
    asked: list[str] = []
    assert Deploying(account, settings("guards"), Dialogue(ask=asked.append)).run().nothing_done
    assert len(asked) == 1
    assert "replaced the table guards-old, and did not get to deleting it" in asked[0]
    assert "1 result in the table guards-old?" in asked[0]
    assert "table guards-old" not in inventory(account)
    assert gone(account, "guards")


def test_who_goes_back_to_what_was_replaced_is_not_told_that_its_name_is_taken(account: Account):
    bucket = replace_and_break_off(account, "returns")
    assert plan(account, settings("returns")).losses
    Deploying(account, settings("returns")).run()
    assert account.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0  # it is another
    assert "bucket returns-moved" not in inventory(account)
    assert gone(account, "returns")


def test_what_was_replaced_when_up_was_interrupted_goes_with_down(account: Account):
    bucket = replace_and_break_off(account, "undone")
    asked: list[str] = []
    assert Removing(account, Names("undone"), Dialogue(ask=asked.append)).run().is_complete
    assert len(asked) == 1
    assert f"1 image in the bucket {bucket}" in asked[0]
    assert of_stack(account, "undone") == set()


def test_what_was_replaced_goes_with_down_once_the_stack_is_gone(account: Account):
    """As CloudFormation's tags on it tell still; it is asked about, as nobody was asked before."""
    bucket = replace_and_break_off(account, "orphan")
    with pytest.raises(KeyboardInterrupt), after(account, "DeleteStack", interrupt):
        Removing(account, Names("orphan")).run()
    asked: list[str] = []
    removal = Removing(account, Names("orphan"), Dialogue(ask=asked.append)).run()
    assert removal.is_complete
    assert asked == [
        f"Delete what is left of the stack orphan: the bucket {bucket}, with 1 image in the bucket {bucket}?"
    ]
    assert of_stack(account, "orphan") == set()


def test_what_others_gave_the_stacks_tag_is_told_of_and_never_deleted(account: Account):
    """Lookout's tag anybody can give, CloudFormation's nobody."""
    Deploying(account, settings("shared")).run()
    account.s3.create_bucket(Bucket="somebodys")
    tags = [{"Key": "lookout:stack", "Value": "shared"}, {"Key": "aws:cloudformation:stack-name", "Value": "another"}]
    account.s3.put_bucket_tagging(Bucket="somebodys", Tagging={"TagSet": tags})
    account.s3.put_object(Bucket="somebodys", Key="kept.txt", Body=b"x")
    asked: list[str] = []
    assert Deploying(account, settings("shared"), Dialogue(ask=asked.append)).run().nothing_done
    removal = Removing(account, Names("shared"), Dialogue(ask=asked.append)).run()
    assert not any("somebodys" in question for question in asked)
    assert not removal.is_complete
    (left,) = removal.left
    assert left.described().startswith("the bucket somebodys: it has the stack's tag, and CloudFormation did not make")
    assert account.s3.list_objects_v2(Bucket="somebodys")["KeyCount"] == 1
    account.s3.delete_object(Bucket="somebodys", Key="kept.txt")
    account.s3.delete_bucket(Bucket="somebodys")
    assert gone(account, "shared")


KEPT = {
    "Table": "table",
    "Bucket": "bucket",
    "Role": "role",
    "FailureQueue": "queue",
    "Repository": "repository",
}


def test_what_cloudformation_keeps_is_deleted_by_itself(account: Account, use_template, monkeypatch):
    """As it does with what a template tells it to keep, or what fails to be deleted when a deletion is forced."""
    use_template(keeping_all(*KEPT))
    Deploying(account, settings("keeps")).run()
    monkeypatch.undo()
    held = of_stack(account, "keeps")
    account.s3.put_object(Bucket="keeps-000000000000-us-east-1", Key="1.txt", Body=b"x")
    account.cloudformation.delete_stack(StackName="keeps")
    Follower(account, "keeps").to_rest()
    assert {entry for entry in held if entry in inventory(account)} == {
        entry
        for entry in held
        if any(entry.startswith(f"{kind} ") for kind in KEPT.values()) and "artifacts" not in entry
    }
    asked: list[str] = []
    removal = Removing(account, Names("keeps"), Dialogue(ask=asked.append)).run()
    assert (removal.existed, removal.is_complete, removal.left) == (False, True, ())
    assert len(asked) == 1
    assert "with 1 image in the bucket keeps-" in asked[0]
    assert of_stack(account, "keeps") == set()


def test_what_is_kept_and_can_not_be_deleted_stays_and_says_why(account: Account, use_template, monkeypatch):
    use_template(keeping_all("Table", "LogGroup", "ErrorAlarm", "Function"))
    Deploying(account, settings("denied")).run()
    monkeypatch.undo()
    with refused(account, "DeleteTable", "AccessDeniedException", "not this table", json=True):
        removal = Removing(account, Names("denied")).run()
        with pytest.raises(StackError, match=r"something of denied stays: the table denied-results: .*not this table"):
            Stack(account, "denied").down()
    assert removal.existed
    assert not removal.is_complete
    (left,) = removal.left  # the others are deleted all the same
    assert left.described().startswith("the table denied-results: it was the stack's, and could not be deleted: ")
    assert "not this table" in left.why
    assert gone(account, "denied")


def test_what_else_has_the_stacks_tag_stays_and_is_told_of(account: Account):
    Deploying(account, settings("tagged")).run()
    topic, stack = ("arn:aws:sns:us-east-1:1:alerts", "arn:aws:cloudformation:us-east-1:1:stack/tagged/1")
    found = [{"ResourceARN": arn, "Tags": []} for arn in (topic, stack)]
    with answered(account, "GetResources", json.dumps({"ResourceTagMappingList": found})):
        removal = Removing(account, Names("tagged")).run()
    assert [one.resource.name for one in removal.left] == [topic]
    assert not removal.is_complete
    assert gone(account, "tagged")


def test_the_role_of_another_regions_stack_of_that_name_is_none_of_this_ones(account: Account):
    def found(region: str) -> list[str]:
        iam, role = account.iam, "abroad-Role-0123456789AB"
        tags = {"lookout:stack": "abroad", "lookout:region": region}
        iam.create_role(
            RoleName=role,
            AssumeRolePolicyDocument="{}",
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        left = Removing(account, Names("abroad")).run().left
        iam.delete_role(RoleName=role)
        return [one.resource.name for one in left]

    assert found("eu-central-1") == []
    assert found(account.region) == ["abroad-Role-0123456789AB"]


def test_who_may_not_look_everywhere_is_told_where_nobody_looked(account: Account):
    with refused(account, "GetQueueUrl", "AccessDenied", "you may not", json=True):
        Deploying(account, settings("blind")).run()
    with (
        refused(account, "GetResources", "AccessDenied", "you may not", json=True),
        refused(account, "ListRoles", "AccessDenied", "you may not"),
        refused(account, "DescribeTable", "AccessDeniedException", "not this table", json=True),
    ):
        removal = Removing(account, Names("blind")).run()
        again = Removing(account, Names("blind")).run()
    assert not removal.left
    assert not removal.is_complete  # what nobody looked for is not proven to be gone
    by_table, by_tag = (one.described() for one in removal.unsearched)  # the role was asked for by its name
    assert by_table.startswith("the table blind-results: ")
    assert "not this table" in by_table
    assert by_tag.startswith("by the stack's tag: you may not; whoever may sees it with aws resourcegroupstaggingapi ")
    assert [one.what for one in again.unsearched][1:] == ["by the stack's tag", "for its role by its name"]
    assert of_stack(account, "blind") == set()
    with refused(account, "GetQueueUrl", "AccessDeniedException", "not this queue", json=True):
        assert Removing(account, Names("blind")).run().is_complete  # the tag was searched, and finds no queue
    Deploying(account, settings("blind")).run()
    table, bucket = "blind-results", "blind-000000000000-us-east-1"
    tags = [{"Key": "lookout:stack", "Value": "blind"}, {"Key": "aws:cloudformation:stack-name", "Value": "blind"}]
    arns = [f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}", f"arn:aws:s3:::{bucket}"]
    shown = json.dumps({"ResourceTagMappingList": [{"ResourceARN": arn, "Tags": tags} for arn in arns]})
    with (
        answered(account, "GetResources", shown),
        refused(account, "DescribeTable", "AccessDeniedException", "not this table", json=True),
        answered(account, "HeadBucket", "", status=403),
    ):
        removal = Removing(account, Names("blind")).run()
    assert not removal.is_complete  # the tag is shown of what may be gone, or not
    assert [one.what for one in removal.unsearched] == [f"the table {table}", f"the bucket {bucket}"]
    account.queues.create_queue(QueueName="blind-failures")
    with refused(account, "GetResources", "AccessDenied", "you may not", json=True):
        (unknown,) = Removing(account, Names("blind")).run().unknown
    assert "whether it has its tag may not be asked" in unknown.why
    account.queues.delete_queue(QueueUrl=account.queues.get_queue_url(QueueName="blind-failures")["QueueUrl"])


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ThrottlingException", "what earlier changes of the stack sought left: no: .* try again in a minute"),
        ("ExpiredTokenException", "what earlier changes of the stack sought left: the cred.*again"),
    ],
)
def test_a_search_that_fails_is_no_search_that_found_nothing(code: str, words: str, account: Account):
    Deploying(account, settings("sought")).run()
    with refused(account, "GetResources", code, json=True), pytest.raises(CloudError, match=words):
        Removing(account, Names("sought")).run()
    assert gone(account, "sought")
    with refused(account, "GetResources", code, json=True), pytest.raises(CloudError, match="by the stack's tag: "):
        Removing(account, Names("sought")).run()
