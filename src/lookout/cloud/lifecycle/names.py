"""Whether the names that a stack is to give its resources are free.

CloudFormation makes only what is not there: a bucket of somebody else's, or a log group that an earlier function left,
ends a deployment half-way; and the emulator would write over it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lookout.cloud.account import Account, was_denied
from lookout.cloud.lifecycle.contents import listed
from lookout.cloud.lifecycle.presence import Presence, Resource, named_resources, presence
from lookout.cloud.template import Names
from lookout.errors import CloudError, StackError

_HOW_TO_DELETE = {
    "AWS::S3::Bucket": "aws s3 rb s3://{} --force",
    "AWS::DynamoDB::Table": "aws dynamodb delete-table --table-name {}",
    "AWS::Lambda::Function": "aws lambda delete-function --function-name {}",
    "AWS::ECR::Repository": "aws ecr delete-repository --force --repository-name {}",
    "AWS::Logs::LogGroup": "aws logs delete-log-group --log-group-name {}",
    "AWS::SQS::Queue": "aws sqs delete-queue, with the address of {}",
    "AWS::CloudWatch::Alarm": "aws cloudwatch delete-alarms --alarm-names {}",
}


def refuse_taken_names(
    account: Account, names: Names, made: Mapping[str, str] | None = None, freed: Collection[Resource] = ()
) -> None:
    """Raise ``StackError`` where something that is to be made is there, outside of the stack: of all that is.

    ``made``: what is to be made, and what it is called now where it is there; None for all. ``freed`` is deleted first.
    """
    wanted = [
        resource
        for resource in named_resources(names, account.account_id(), account.region)
        if made is None or (resource.id in made and not made[resource.id].endswith(resource.name))
    ]
    free = {(resource.kind, resource.called) for resource in freed}
    found = {one: _presence(account, one) for one in wanted if (one.kind, one.called) not in free}
    here = [resource for resource, state in found.items() if state is Presence.HERE]
    elsewhere = [resource for resource, state in found.items() if state is Presence.ELSEWHERE]
    told = [*_told_here(here, names.stack), *_told_elsewhere(elsewhere)]
    if told:
        raise StackError("; and ".join(told))


def _presence(account: Account, resource: Resource) -> Presence | None:
    """None where that may not be asked: CloudFormation will say it."""
    try:
        return presence(account, resource)
    except CloudError as error:
        if not was_denied(error):
            raise
        return None


def _told_here(here: list[Resource], stack: str) -> list[str]:
    if not here:
        return []
    what = listed([resource.described() for resource in here])
    ways = "; ".join(_HOW_TO_DELETE[resource.kind].format(resource.name) for resource in here)
    are, belong, them = ("is", "belongs", "it") if len(here) == 1 else ("are", "belong", "them")
    return [
        f"{what} {are} there already, and {belong} to no stack {stack}: delete {them} if nobody needs {them} ({ways}), "
        "or take other names with --name or --group"
    ]


def _told_elsewhere(elsewhere: list[Resource]) -> list[str]:
    return [
        f"the name of {resource.described()} is taken, by another AWS account or in another region, as all of AWS "
        "shares these names: take another with --name or --group"
        for resource in elsewhere
    ]
