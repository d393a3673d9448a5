"""Whether the names that a stack gives its resources are free, or its own already.

CloudFormation makes only what is not there: a bucket of somebody else's, or a log group that an earlier function left,
ends a deployment half-way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from lookout.cloud.preflight.check import Check, Denied, code, denials
from lookout.cloud.template import Names

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

    from lookout.cloud.account import Account

# ``own``: the stack has it. ``elsewhere``: another account or region has it. ``hidden``: it may not be known.
Presence = Literal["free", "own", "there", "elsewhere", "hidden"]

# What services say of what is not there.
MISSING_CODES = {
    "404",
    "NoSuchBucket",
    "ResourceNotFoundException",
    "RepositoryNotFoundException",
    "QueueDoesNotExist",
    "NoSuchEntity",
    "AWS.SimpleQueueService.NonExistentQueue",
}
# S3's answers to HEAD for a bucket that another account has, and for one in another region.
_FORBIDDEN, _MOVED = "403", "301"


@dataclass(frozen=True, slots=True)
class PhysicalNames:
    """What a stack's resources are called in an account: the template's names, or those that it makes up."""

    bucket: str
    table: str
    function: str
    repository: str
    log_group: str
    queue: str

    @staticmethod
    def of(names: Names, account_id: str, region: str) -> PhysicalNames:
        """The names, as ``stack.yaml`` has them."""
        function = names.function or names.stack
        return PhysicalNames(
            bucket=names.bucket or f"{names.stack}-{account_id}-{region}",
            table=names.table or f"{names.stack}-results",
            function=function,
            repository=names.repository or names.stack,
            log_group=f"/aws/lambda/{function}",
            queue=f"{names.stack}-failures",
        )


@dataclass(frozen=True, slots=True)
class Name:
    """A name, of what, and whether it is free."""

    what: str
    name: str
    presence: Presence


def look_at_names(account: Account, stack: str, names: PhysicalNames) -> tuple[Name, ...]:
    """Which of the names are in use, and which of those by the stack itself."""
    own = look_at_own(account.cloudformation, stack)
    looks: tuple[tuple[str, str, Callable[[str], Presence]], ...] = (
        ("bucket", names.bucket, lambda name: look_at_bucket(account.s3, name)),
        ("table", names.table, finding(lambda name: account.dynamodb.describe_table(TableName=name))),
        ("function", names.function, finding(lambda name: account.functions.get_function(FunctionName=name))),
        (
            "repository",
            names.repository,
            finding(lambda name: account.ecr.describe_repositories(repositoryNames=[name])),
        ),
        ("log group", names.log_group, lambda name: look_at_log_group(account.logs, name)),
        ("queue", names.queue, finding(lambda name: account.queues.get_queue_url(QueueName=name))),
    )
    return tuple(Name(what, name, "own" if name in own else look(name)) for what, name, look in looks)


def look_at_own(cloudformation: CloudFormationClient, stack: str) -> set[str]:
    """The names of what a stack has; none where there is no stack."""
    try:
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        found = [resource for page in pages for resource in page["StackResourceSummaries"]]
    except ClientError as error:
        if "does not exist" in str(error):
            return set()
        raise
    return {
        _name(resource["ResourceType"], resource["PhysicalResourceId"])
        for resource in found
        if resource.get("PhysicalResourceId") and resource["ResourceStatus"] != "DELETE_COMPLETE"
    }


def _name(kind: str, physical_id: str) -> str:
    """A queue is known by its URL, all else by its name."""
    return physical_id.rpartition("/")[2] if kind == "AWS::SQS::Queue" else physical_id


def look_at_bucket(s3: S3Client, name: str) -> Presence:
    """Whether the name is free in all of AWS, since all accounts share the names of buckets."""
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if code(error) in (_FORBIDDEN, _MOVED):
            return "elsewhere"
        if code(error) in MISSING_CODES:
            return "free"
        raise
    return "there"


def look_at_log_group(logs: CloudWatchLogsClient, name: str) -> Presence:
    """Whether there is a log group of exactly that name."""
    try:
        with denials():
            pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
            return (
                "there"
                if any(group["logGroupName"] == name for page in pages for group in page["logGroups"])
                else "free"
            )
    except Denied:
        return "hidden"


def finding(call: Callable[[str], object]) -> Callable[[str], Presence]:
    """What a service's own way to describe something by its name tells."""

    def find(name: str) -> Presence:
        try:
            with denials():
                call(name)
        except Denied:
            return "hidden"
        except ClientError as error:
            if code(error) in MISSING_CODES:
                return "free"
            raise
        return "there"

    return find


def judge_names(stack: str, names: Iterable[Name]) -> tuple[Check, ...]:
    """What stands in the way, each with what to do; what is hidden comes as one warning."""
    taken = [_taken(stack, name) for name in names if name.presence in ("there", "elsewhere")]
    hidden = [f"{name.what} {name.name}" for name in names if name.presence == "hidden"]
    if hidden:
        found = f"it may not be known whether there is already a {', a '.join(hidden)}"
        taken.append(Check("names", "warning", found, "if the stack can't be made, its events will say so"))
    return tuple(taken) or (Check("names", "ok", "all names are free, or the stack's own"),)


def _taken(stack: str, name: Name) -> Check:
    if name.presence == "elsewhere":
        found = f"the bucket {name.name} is another account's, or in another region"
        return Check(
            "names", "failed", found, "all of AWS shares the names of buckets: choose another for the stack or group"
        )
    found = f"there is a {name.what} {name.name} already, which is not of the stack {stack}"
    remedy = f"choose another name, or delete it if nothing needs it: {_DELETION[name.what].format(name.name)}"
    return Check("names", "failed", found, remedy)


_DELETION = {
    "bucket": "aws s3 rb s3://{} --force",
    "table": "aws dynamodb delete-table --table-name {}",
    "function": "aws lambda delete-function --function-name {}",
    "repository": "aws ecr delete-repository --force --repository-name {}",
    "log group": "aws logs delete-log-group --log-group-name {}",
    "queue": "aws sqs delete-queue --queue-url (the URL of {})",
}
