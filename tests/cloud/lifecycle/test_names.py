"""Names that are free, taken here, or taken elsewhere; against AWS's recorded answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from helpers.stubbed import stubbed
from lookout.cloud.lifecycle.names import refuse_taken_names
from lookout.cloud.lifecycle.presence import Presence, Resource, presence
from lookout.cloud.template import Names
from lookout.errors import CloudError, StackError

BUCKET = Resource("Bucket", "AWS::S3::Bucket", "pictures")
GROUP = Resource("LogGroup", "AWS::Logs::LogGroup", "/aws/lambda/mine")
ABSENT = {
    "s3": ("head_bucket", ("404", 404)),
    "dynamodb": ("describe_table", ("ResourceNotFoundException", 400)),
    "lambda": ("get_function_configuration", ("ResourceNotFoundException", 404)),
    "logs": ("describe_log_groups", {"logGroups": []}),
    "sqs": ("get_queue_url", ("QueueDoesNotExist", 400)),
    "cloudwatch": ("describe_alarms", {"MetricAlarms": []}),
    "ecr": ("describe_repositories", ("RepositoryNotFoundException", 400)),
}
CLIENTS = {"lambda": "functions", "sqs": "queues", "ecr": "images"}


def account(**answers: tuple[str, Any]) -> SimpleNamespace:
    """Where nothing of the names is there, but for what is answered otherwise."""
    clients = {
        CLIENTS.get(service, service): stubbed(service, answer) for service, answer in {**ABSENT, **answers}.items()
    }
    return SimpleNamespace(account_id=lambda: "123456789012", region="us-east-1", **clients)


def test_free_names_are_fine():
    refuse_taken_names(account(), Names("mine"))


@pytest.mark.parametrize("answer", [("403", 403), ("301", 301)])
def test_a_bucket_that_somebody_else_has_in_all_of_aws_is_told_of(answer: object):
    with pytest.raises(StackError, match="the name of the bucket mine-123456789012-us-east-1 is taken, by another AWS"):
        refuse_taken_names(account(s3=("head_bucket", answer)), Names("mine"))


def test_all_that_is_there_is_told_of_at_once_each_with_how_it_is_deleted():
    taken = account(
        s3=("head_bucket", ("403", 403)),
        logs=("describe_log_groups", {"logGroups": [{"logGroupName": GROUP.name}]}),
        sqs=("get_queue_url", {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/mine-failures"}),
    )
    with pytest.raises(StackError) as caught:
        refuse_taken_names(taken, Names("mine"))
    assert str(caught.value) == (
        "the log group /aws/lambda/mine and the queue mine-failures are there already, and belong to no stack mine: "
        "delete them if nobody needs them (aws logs delete-log-group --log-group-name /aws/lambda/mine; "
        "aws sqs delete-queue, with the address of mine-failures), or take other names with --name or --group; and "
        "the name of the bucket mine-123456789012-us-east-1 is taken, by another AWS account or in another region, as "
        "all of AWS shares these names: take another with --name or --group"
    )


def test_what_is_not_made_or_is_deleted_first_may_be_there():
    there = {"logs": ("describe_log_groups", {"logGroups": [{"logGroupName": GROUP.name}]})}
    refuse_taken_names(account(**there), Names("mine"), {"Table": "old"})
    refuse_taken_names(account(**there), Names("mine"), {"LogGroup": "/aws/lambda/mine"})  # it keeps its name
    refuse_taken_names(account(**there), Names("mine"), freed=[GROUP])
    with pytest.raises(StackError, match="the log group /aws/lambda/mine is there already"):
        refuse_taken_names(account(**there), Names("mine"), {"LogGroup": "/aws/lambda/other"})


def test_what_may_not_be_asked_is_left_to_cloudformation_and_what_fails_otherwise_is_an_error():
    denied = account(logs=("describe_log_groups", ("AccessDeniedException", 400)))
    refuse_taken_names(denied, Names("mine"))
    failing = account(logs=("describe_log_groups", ("ServiceUnavailableException", 500)))
    with pytest.raises(CloudError, match="looking for the log group /aws/lambda/mine: told by AWS"):
        refuse_taken_names(failing, Names("mine"))


def test_a_log_group_is_another_than_one_that_begins_like_it():
    groups = {"logGroups": [{"logGroupName": "/aws/lambda/mine-too"}]}
    assert presence(account(logs=("describe_log_groups", groups)), GROUP) is Presence.ABSENT
