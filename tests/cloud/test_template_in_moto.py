"""The template, read by moto's CloudFormation: a second opinion beside the emulator's.

moto implements less of it (no policies of buckets and queues, no retries, no alarm; of a bucket neither life cycle nor
notification; of a table neither recovery nor expiry), and can't add in an update what a condition left out before. So
each phase is made at once; the emulator goes from one to the other.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from unittest import mock

import pytest

pytest.importorskip("moto", reason="moto is not installed")

import boto3

from helpers.templates import deploy, resources
from lookout.cloud.template import Code, Names, StackSettings

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS..")  # what it does not implement, it warns of

ACCOUNT, REGION = "123456789012", "eu-central-1"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/object-detection-lambda@sha256:{'0a' * 32}"
SETTINGS = StackSettings(Names.of_group("group41"), Code(IMAGE), memory_mb=1024, reserved_concurrency=3)


@pytest.fixture
def account() -> Iterator[SimpleNamespace]:
    """The clients of an account that is in this process alone; whatever real keys there are stay unread."""
    from moto import mock_aws

    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    with mock.patch.dict(os.environ, {**kept, **keys, **files}, clear=True), mock_aws():
        names = ["cloudformation", "s3", "dynamodb", "lambda", "logs", "sqs", "iam", "ecr"]
        yield SimpleNamespace(**{name.replace("lambda", "functions"): boto3.client(name) for name in names})


def test_the_second_phase_makes_all_by_the_references_names(account: SimpleNamespace):
    outputs = deploy(account, SETTINGS)
    assert outputs["Bucket"] == "image-bucket-group41"
    assert outputs["Table"] == "object-detection-group41"
    assert outputs["Function"] == "object-detection"
    assert outputs["Repository"].endswith("/object-detection-lambda")
    function = account.functions.get_function(FunctionName="object-detection")
    assert function["Code"]["ImageUri"] == IMAGE
    assert function["Configuration"]["MemorySize"] == 1024
    assert function["Concurrency"]["ReservedConcurrentExecutions"] == 3
    (repository,) = account.ecr.describe_repositories()["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    (group,) = account.logs.describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("/aws/lambda/object-detection", 14)
    tagged = account.s3.get_bucket_tagging(Bucket="image-bucket-group41")["TagSet"]
    assert {"Key": "lookout:stack", "Value": "object-detection-group41"} in tagged


def test_the_role_may_do_on_these_resources_what_the_function_does_and_no_more(account: SimpleNamespace):
    outputs = deploy(account, SETTINGS)
    (role,) = account.iam.list_roles()["Roles"]
    document = account.iam.get_role_policy(RoleName=role["RoleName"], PolicyName="detect")["PolicyDocument"]
    if isinstance(document, str):  # moto gives it as Python writes it
        document = ast.literal_eval(document)
    granted = {
        action: statement["Resource"]
        for statement in document["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    bucket, table = "arn:aws:s3:::image-bucket-group41", "table/object-detection-group41"
    # CloudFormation's own Arn of a log group ends in :*, for its streams; moto's does not.
    log_group = account.logs.describe_log_groups()["logGroups"][0]["arn"].removesuffix(":*")
    queue = account.sqs.get_queue_attributes(QueueUrl=outputs["FailureQueue"], AttributeNames=["QueueArn"])
    assert granted == {
        "s3:GetObject": f"{bucket}/*",
        "s3:GetObjectVersion": f"{bucket}/*",
        "s3:ListBucket": bucket,
        "dynamodb:PutItem": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:{table}",
        "logs:CreateLogStream": log_group,
        "logs:PutLogEvents": log_group,
        "sqs:SendMessage": queue["Attributes"]["QueueArn"],
    }


def test_only_s3_may_start_the_function_and_of_it_this_bucket_of_this_account(account: SimpleNamespace):
    deploy(account, SETTINGS)
    (statement,) = json.loads(account.functions.get_policy(FunctionName="object-detection")["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"]["ArnLike"] == {"AWS:SourceArn": "arn:aws:s3:::image-bucket-group41"}
    assert statement["Condition"]["StringEquals"] == {"AWS:SourceAccount": ACCOUNT}


def test_with_a_role_of_the_accounts_none_is_made(account: SimpleNamespace):
    lab_role = account.iam.create_role(RoleName="LabRole", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    deploy(account, replace(SETTINGS, role_arn=lab_role))
    assert [role["RoleName"] for role in account.iam.list_roles()["Roles"]] == ["LabRole"]
    assert account.functions.get_function_configuration(FunctionName="object-detection")["Role"] == lab_role


def test_the_first_phase_makes_no_function_and_is_deleted_without_a_trace(account: SimpleNamespace):
    outputs = deploy(account, StackSettings(Names.of("lookout")))
    assert outputs["Bucket"] == f"lookout-{ACCOUNT}-{REGION}"
    assert outputs["Artifacts"].startswith("lookout-")
    assert "Function" not in outputs
    assert account.functions.list_functions()["Functions"] == []
    assert "Function" not in resources(account, "lookout")
    account.cloudformation.delete_stack(StackName="lookout")
    assert account.s3.list_buckets()["Buckets"] == []
    assert account.dynamodb.list_tables()["TableNames"] == []
    assert account.iam.list_roles()["Roles"] == []
    assert account.ecr.describe_repositories()["repositories"] == []
    assert account.logs.describe_log_groups()["logGroups"] == []
