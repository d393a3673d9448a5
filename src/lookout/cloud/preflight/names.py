"""Whether the names that a stack gives its resources are free, or its own already.

CloudFormation makes only what is not there: a bucket of somebody else's, or a log group that an earlier function left,
ends a deployment half-way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from lookout.cloud.account import was_denied
from lookout.cloud.lifecycle.presence import Presence, Resource, named_resources, presence
from lookout.cloud.preflight.check import Check
from lookout.errors import CloudError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

    from lookout.cloud.account import Account
    from lookout.cloud.template import Names

# ``own``: the stack has it. ``elsewhere``: another account or region has it. ``hidden``: it may not be known.
Holder = Literal["nobody", "own", "account", "elsewhere", "hidden"]

_HOLDERS: dict[Presence, Holder] = {
    Presence.ABSENT: "nobody",
    Presence.HERE: "account",
    Presence.ELSEWHERE: "elsewhere",
}


@dataclass(frozen=True, slots=True)
class Name:
    """A resource by the name that it is to have, and who has that now."""

    resource: Resource
    holder: Holder


def look_at_names(account: Account, names: Names, account_id: str) -> tuple[Name, ...]:
    """Which of a stack's names are in use, and which of those by the stack itself. Raises ``CloudError``."""
    resources = named_resources(names, account_id, account.region)
    holders = [look_at_holder(account, resource) for resource in resources]
    # Only now: what somebody else's lookout stack up makes in this moment is the stack's, too.
    own = look_at_own(account.cloudformation, names.stack)
    return tuple(
        Name(resource, "own" if resource.name in own else holder)
        for resource, holder in zip(resources, holders, strict=True)
    )


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


def look_at_holder(account: Account, resource: Resource) -> Holder:
    """Who has a name. Raises ``CloudError``."""
    try:
        return _HOLDERS[presence(account, resource)]
    except CloudError as error:
        if was_denied(error):
            return "hidden"
        raise


def judge_names(stack: str, names: Iterable[Name]) -> tuple[Check, ...]:
    """What stands in the way, each with what to do; what is hidden comes as one warning."""
    taken = [_taken(stack, name) for name in names if name.holder in ("account", "elsewhere")]
    hidden = [name.resource.described() for name in names if name.holder == "hidden"]
    if hidden:
        found = f"it may not be known whether there is already {', '.join(hidden)}"
        taken.append(Check("names", "warning", found, "if the stack can't be made, its events will say so"))
    return tuple(taken) or (Check("names", "ok", "all names are free, or the stack's own"),)


def _taken(stack: str, name: Name) -> Check:
    what = name.resource.described()
    if name.holder == "elsewhere":
        found = f"the name of {what} is taken, by another account or in another region"
        remedy = "all of AWS shares the names of buckets: take another with --name or --group"
        return Check("names", "failed", found, remedy)
    remedy = f"take another name, or delete it if nothing needs it: {_DELETION[name.resource.kind]}"
    found = f"{what} is there already, and is none of the stack {stack}"
    return Check("names", "failed", found, remedy.format(name.resource.name))


_DELETION = {
    "AWS::S3::Bucket": "aws s3 rb s3://{} --force",
    "AWS::DynamoDB::Table": "aws dynamodb delete-table --table-name {}",
    "AWS::Lambda::Function": "aws lambda delete-function --function-name {}",
    "AWS::ECR::Repository": "aws ecr delete-repository --force --repository-name {}",
    "AWS::Logs::LogGroup": "aws logs delete-log-group --log-group-name {}",
    "AWS::SQS::Queue": "aws sqs delete-queue, with the address of {}",
    "AWS::CloudWatch::Alarm": "aws cloudwatch delete-alarms --alarm-names {}",
}
