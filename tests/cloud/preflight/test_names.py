"""Names that are free, the stack's own, or taken; on the emulator too, in test_preflight.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.stubbed import stubbed
from lookout.cloud.lifecycle.presence import Resource
from lookout.cloud.preflight.names import Name, judge_names, look_at_holder, look_at_own
from lookout.errors import CloudError

BUCKET = Resource("Bucket", "AWS::S3::Bucket", "pictures")


def account(**clients: object) -> SimpleNamespace:
    return SimpleNamespace(emulated=False, **clients)


@pytest.mark.parametrize(
    ("answer", "holder"),
    [({}, "account"), (("404", 404), "nobody"), (("403", 403), "elsewhere"), (("301", 301), "elsewhere")],
)
def test_buckets_are_asked_for_in_all_of_aws(answer: object, holder: str):
    s3 = stubbed("s3", ("head_bucket", answer))
    assert look_at_holder(account(s3=s3), BUCKET) == holder


def test_a_log_group_is_another_than_one_that_begins_like_it():
    group = Resource("LogGroup", "AWS::Logs::LogGroup", "/aws/lambda/mine")
    groups = [{"logGroupName": "/aws/lambda/mine-too"}]
    logs = stubbed("logs", ("describe_log_groups", {"logGroups": groups}))
    assert look_at_holder(account(logs=logs), group) == "nobody"
    logs = stubbed("logs", ("describe_log_groups", {"logGroups": [*groups, {"logGroupName": group.name}]}))
    assert look_at_holder(account(logs=logs), group) == "account"


def test_what_may_not_be_asked_is_hidden_and_what_fails_otherwise_is_an_error():
    group = Resource("LogGroup", "AWS::Logs::LogGroup", "/aws/lambda/mine")
    denied = stubbed("logs", ("describe_log_groups", ("AccessDeniedException", 400)))
    assert look_at_holder(account(logs=denied), group) == "hidden"
    failing = stubbed("logs", ("describe_log_groups", ("ServiceUnavailableException", 500)))
    with pytest.raises(CloudError, match="looking for the log group /aws/lambda/mine: told by AWS"):
        look_at_holder(account(logs=failing), group)


def test_what_a_stack_has_is_its_own_but_for_what_it_has_deleted():
    def resource(kind: str, name: str, status: str = "CREATE_COMPLETE") -> dict:
        return {
            "LogicalResourceId": name.rpartition("/")[2],
            "PhysicalResourceId": name,
            "ResourceType": kind,
            "ResourceStatus": status,
            "LastUpdatedTimestamp": "2026-11-25T10:00:00Z",
        }

    resources = [
        resource("AWS::SQS::Queue", "https://sqs.us-east-1.amazonaws.com/123456789012/mine-failures"),
        resource("AWS::Logs::LogGroup", "/aws/lambda/mine"),
        resource("AWS::S3::Bucket", "pictures", "DELETE_COMPLETE"),
    ]
    answer = {"StackResourceSummaries": resources}
    assert look_at_own(stubbed("cloudformation", ("list_stack_resources", answer)), "mine") == {
        "mine-failures",
        "/aws/lambda/mine",
    }


def test_no_stack_has_nothing():
    missing = ("ValidationError", 400, "Stack with id mine does not exist")
    assert look_at_own(stubbed("cloudformation", ("list_stack_resources", missing)), "mine") == set()


def test_what_stands_in_the_way_is_named_each_with_what_to_do():
    names = [
        Name(Resource("Bucket", "AWS::S3::Bucket", "pictures"), "elsewhere"),
        Name(Resource("Table", "AWS::DynamoDB::Table", "mine-results"), "own"),
        Name(Resource("LogGroup", "AWS::Logs::LogGroup", "/aws/lambda/mine"), "account"),
        Name(Resource("FailureQueue", "AWS::SQS::Queue", "mine-failures"), "hidden"),
        Name(Resource("Repository", "AWS::ECR::Repository", "mine"), "hidden"),
    ]
    bucket, group, hidden = judge_names("mine", names)
    assert (bucket.state, group.state, hidden.state) == ("failed", "failed", "warning")
    assert "the name of the bucket pictures is taken, by another account" in bucket.found
    assert group.found == "the log group /aws/lambda/mine is there already, and is none of the stack mine"
    assert "aws logs delete-log-group --log-group-name /aws/lambda/mine" in group.remedy
    assert "the queue mine-failures, the image repository mine" in hidden.found


def test_free_names_and_ones_own_are_fine():
    (check,) = judge_names("mine", [Name(BUCKET, "nobody"), Name(BUCKET, "own")])
    assert check.state == "ok"
