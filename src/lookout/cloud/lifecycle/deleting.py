"""Deleting what CloudFormation let go of: a resource that it made, and neither has nor deletes any more.

A bucket that is replaced while it holds images is such a one: CloudFormation can't delete it, and forgets it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.lifecycle.emptying import Say, deny_uploads, empty
from lookout.cloud.lifecycle.presence import BUCKET, Resource, means_absent


def delete(account: Account, resource: Resource, say: Say) -> None:
    """Delete a resource with all that it holds; what is not there is as good as deleted.

    A bucket is closed first, as somebody may still send images to it. Raises ``CloudError``.
    """
    if resource.kind == BUCKET:
        deny_uploads(account, resource)
    empty(account, resource, say)
    with aws_errors(f"deleting {resource.described()}"):
        try:
            _DELETE[resource.kind](account, resource.name)
        except ClientError as error:
            if not means_absent(error):
                raise
            return
    say(f"Deleted {resource.described()}")


def _bucket(account: Account, name: str) -> None:
    account.s3.delete_bucket(Bucket=name)


def _table(account: Account, name: str) -> None:
    account.dynamodb.delete_table(TableName=name)


def _function(account: Account, name: str) -> None:
    account.functions.delete_function(FunctionName=name)


def _log_group(account: Account, name: str) -> None:
    account.logs.delete_log_group(logGroupName=name)


def _queue(account: Account, name: str) -> None:
    queues = account.queues
    queues.delete_queue(QueueUrl=queues.get_queue_url(QueueName=name.rpartition("/")[2])["QueueUrl"])


def _repository(account: Account, name: str) -> None:
    account.images.delete_repository(repositoryName=name, force=True)


def _role(account: Account, name: str) -> None:
    """With the policies that are in it; one that somebody else attached makes IAM refuse."""
    iam = account.iam
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
        for policy in page["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _alarm(account: Account, name: str) -> None:
    account.cloudwatch.delete_alarms(AlarmNames=[name])


_DELETE: Mapping[str, Callable[[Account, str], None]] = {
    BUCKET: _bucket,
    "AWS::DynamoDB::Table": _table,
    "AWS::Lambda::Function": _function,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::SQS::Queue": _queue,
    "AWS::ECR::Repository": _repository,
    "AWS::IAM::Role": _role,
    "AWS::CloudWatch::Alarm": _alarm,
}
