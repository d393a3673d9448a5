"""What stays of a stack after it was deleted, asked of the services themselves.

CloudFormation's own list is not trusted: what it skipped, what a service made again by itself, and what a deletion left
that was broken off, are found by the stack's tag, by what the stack was known to hold, and by the names that the
template makes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors, was_denied
from lookout.cloud.lifecycle.presence import Presence, Resource, named_resources, presence
from lookout.cloud.template import REGION_TAG, STACK_TAG, Names
from lookout.errors import CloudError

# For so long what AWS has deleted may be shown still, and is looked for again.
_SETTLING_S, _PAUSE_S = 90.0, 5.0

_TAGGED = "by the stack's tag"
_BY_TAG = "it has the stack's tag"
_BY_RECORD = "it was the stack's"
_BY_NAME = "it is called as the stack's would be, and has not its tag: Lookout does not know whose it is"
_BY_NAME_ALONE = "it is called as the stack's would be, and whether it has its tag may not be asked: look whose it is"

# What has the stack's tag and is nothing that the template makes: somebody gave it the tag. It is called by its ARN.
_OTHER = "resource"

# How the services' ARNs name what we make: the beginning of the last part, and the type.
_ARNS = (
    ("s3", "", "AWS::S3::Bucket"),
    ("dynamodb", "table/", "AWS::DynamoDB::Table"),
    ("lambda", "function:", "AWS::Lambda::Function"),
    ("logs", "log-group:", "AWS::Logs::LogGroup"),
    ("sqs", "", "AWS::SQS::Queue"),
    ("ecr", "repository/", "AWS::ECR::Repository"),
    ("iam", "role/", "AWS::IAM::Role"),
    ("cloudwatch", "alarm:", "AWS::CloudWatch::Alarm"),
)


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that is there still. ``is_stacks``: it was the stack's for certain."""

    resource: Resource
    why: str
    is_stacks: bool = True

    def described(self) -> str:
        """In words."""
        return f"{self.resource.described()}: {self.why}"

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"type": self.resource.kind, "name": self.resource.name, "why": self.why}


@dataclass(frozen=True, slots=True)
class Search:
    """What was found. ``unsearched`` says what could not be asked, and why."""

    leftovers: tuple[Leftover, ...]
    unsearched: tuple[str, ...] = ()


def find_leftovers(
    account: Account,
    names: Names,
    known: Mapping[Resource, str],
    sleep: Callable[[float], None] = time.sleep,
) -> Search:
    """Look for what stays of a stack that should be gone. ``known``: what it held, with why it may stay.

    What is found is looked for again for a while, as AWS shows for a while what it has deleted. Raises ``CloudError``.
    """
    waited_s = 0.0
    while True:
        search = _search(account, names, known)
        certain = any(leftover.is_stacks for leftover in search.leftovers)
        if not certain or account.emulated or waited_s >= _SETTLING_S:
            return search
        sleep(_PAUSE_S)
        waited_s += _PAUSE_S


def _search(account: Account, names: Names, known: Mapping[Resource, str]) -> Search:
    found: dict[tuple[str, str], Leftover] = {}
    unsearched: dict[str, str] = {}

    def add(leftovers: Iterable[Leftover]) -> None:
        for leftover in leftovers:
            resource = leftover.resource
            key = (resource.kind, resource.name.rpartition("/")[2] if resource.is_queue else resource.name)
            try:
                if key not in found and _is_here(account, resource):
                    found[key] = leftover
            except CloudError as error:
                if not was_denied(error):
                    raise
                unsearched[resource.described()] = _refusal(error)

    add(Leftover(resource, why or _BY_RECORD) for resource, why in known.items())
    for what, look in ((_TAGGED, _tagged), ("for its role by its name", _roles)):
        try:
            with aws_errors(f"looking for what stays of the stack {names.stack}, {what}"):
                add(list(look(account, names.stack)))
        except CloudError as error:
            if not was_denied(error):
                raise
            unsearched[what] = _refusal(error)
    why = _BY_NAME_ALONE if _TAGGED in unsearched else _BY_NAME
    add(Leftover(resource, why, is_stacks=False) for resource in _named(account, names))
    return Search(tuple(found.values()), tuple(f"{what}: {why}" for what, why in unsearched.items()))


def _is_here(account: Account, resource: Resource) -> bool:
    return resource.kind == _OTHER or presence(account, resource) is Presence.HERE


def _refusal(error: CloudError) -> str:
    """What a service said to who may not ask it."""
    cause = error.__cause__
    message = cause.response.get("Error", {}).get("Message") if isinstance(cause, ClientError) else ""
    return message or str(cause)


def _named(account: Account, names: Names) -> tuple[Resource, ...]:
    return named_resources(names, account.account_id(), account.region)


def _tagged(account: Account, stack: str) -> Iterator[Leftover]:
    pages = account.tagged.get_paginator("get_resources").paginate(TagFilters=[{"Key": STACK_TAG, "Values": [stack]}])
    for page in pages:
        for entry in page["ResourceTagMappingList"]:
            arn = entry["ResourceARN"]
            if arn.split(":")[2] != "cloudformation":  # the stack itself, which is shown for a while
                yield Leftover(read_arn(arn) or Resource("", _OTHER, arn), _BY_TAG)


def _roles(account: Account, stack: str) -> Iterator[Leftover]:
    """AWS finds no role by its tags; CloudFormation calls ours after the stack, which may be in another region."""
    for page in account.iam.get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            if role["RoleName"].startswith(f"{stack}-Role-"):
                listed = account.iam.list_role_tags(RoleName=role["RoleName"])["Tags"]
                tags = {tag["Key"]: tag["Value"] for tag in listed}
                if tags.get(STACK_TAG) == stack and tags.get(REGION_TAG, account.region) == account.region:
                    yield Leftover(Resource("Role", "AWS::IAM::Role", role["RoleName"]), _BY_TAG)


def read_arn(arn: str) -> Resource | None:
    """What an ARN names, None where it is nothing that the template makes.

    >>> read_arn("arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/lookout:*").name
    '/aws/lambda/lookout'
    """
    _, _, service, _, _, rest = arn.split(":", 5)
    for of_service, prefix, kind in _ARNS:
        if service == of_service and rest.startswith(prefix):
            name = rest.removeprefix(prefix).removesuffix(":*")
            return Resource("", kind, name.rpartition("/")[2] if kind == "AWS::IAM::Role" else name)
    return None
