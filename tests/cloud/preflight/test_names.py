"""Names that are free, the stack's own, or taken; on the emulator too, in test_preflight.py."""

from __future__ import annotations

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.stubbed import stubbed
from lookout.cloud.preflight.names import (
    Name,
    PhysicalNames,
    judge_names,
    look_at_bucket,
    look_at_log_group,
    look_at_own,
)
from lookout.cloud.template import Names


def test_names_that_the_template_makes_up():
    assert PhysicalNames.of(Names.of("mine"), "123456789012", "eu-west-1") == PhysicalNames(
        bucket="mine-123456789012-eu-west-1",
        table="mine-results",
        function="mine",
        repository="mine",
        log_group="/aws/lambda/mine",
        queue="mine-failures",
    )


def test_the_references_names():
    assert PhysicalNames.of(Names.of_group("group41"), "123456789012", "us-east-1") == PhysicalNames(
        bucket="image-bucket-group41",
        table="object-detection-group41",
        function="object-detection",
        repository="object-detection-lambda",
        log_group="/aws/lambda/object-detection",
        queue="object-detection-group41-failures",
    )


@pytest.mark.parametrize(
    ("answer", "presence"),
    [({}, "there"), (("404", 404), "free"), (("403", 403), "elsewhere"), (("301", 301), "elsewhere")],
)
def test_buckets_are_asked_for_in_all_of_aws(answer: object, presence: str):
    assert look_at_bucket(stubbed("s3", ("head_bucket", answer)), "pictures") == presence


def test_a_log_group_is_another_than_one_that_begins_like_it():
    groups = [{"logGroupName": "/aws/lambda/mine-too"}]
    assert (
        look_at_log_group(stubbed("logs", ("describe_log_groups", {"logGroups": groups})), "/aws/lambda/mine") == "free"
    )
    groups.append({"logGroupName": "/aws/lambda/mine"})
    assert (
        look_at_log_group(stubbed("logs", ("describe_log_groups", {"logGroups": groups})), "/aws/lambda/mine")
        == "there"
    )
    denied = stubbed("logs", ("describe_log_groups", ("AccessDeniedException", 400)))
    assert look_at_log_group(denied, "/aws/lambda/mine") == "hidden"


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
        Name("bucket", "pictures", "elsewhere"),
        Name("table", "mine-results", "own"),
        Name("log group", "/aws/lambda/mine", "there"),
        Name("queue", "mine-failures", "hidden"),
        Name("repository", "mine", "hidden"),
    ]
    bucket, group, hidden = judge_names("mine", names)
    assert (bucket.state, group.state, hidden.state) == ("failed", "failed", "warning")
    assert "pictures is another account's" in bucket.found
    assert "there is a log group /aws/lambda/mine already, which is not of the stack mine" in group.found
    assert "aws logs delete-log-group --log-group-name /aws/lambda/mine" in group.remedy
    assert "queue mine-failures, a repository mine" in hidden.found


def test_free_names_and_ones_own_are_fine():
    (check,) = judge_names("mine", [Name("bucket", "a", "free"), Name("table", "b", "own")])
    assert check.state == "ok"
