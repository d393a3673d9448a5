"""What stays of a stack after it was deleted, or changed, asked of the services themselves.

CloudFormation's own list is not trusted: what it skipped, what a service made again by itself, and what a deletion left
that was broken off, are found by the stack's tag, by what the stack was known to hold, and by the names that the
template makes. Whose something is, is proven by CloudFormation's list, or by the tags that CloudFormation gives all
that it makes, which nobody else can give; Lookout's own tag anybody can.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors, was_denied
from lookout.cloud.lifecycle.presence import Presence, Resource, named_resources, presence
from lookout.cloud.lifecycle.stack_state import StackState
from lookout.cloud.template import REGION_TAG, STACK_TAG, Names
from lookout.errors import CloudError

# For so long what AWS has deleted may be shown still, and is looked for again.
_SETTLING_S, _PAUSE_S = 90.0, 5.0

# CloudFormation's tags: of which stack, by its name and by its id, it made something, and as what of the template.
_MADE_FOR, _MADE_FOR_ID = "aws:cloudformation:stack-name", "aws:cloudformation:stack-id"
_MADE_AS = "aws:cloudformation:logical-id"
# The two searches that somebody may be refused.
_TAGGED, _ROLES = "by the stack's tag", "for its role by its name"

_BY_RECORD = "it was the stack's"
_BY_CLOUDFORMATION = "CloudFormation made it for the stack"
_BY_TAG = "it has the stack's tag, and CloudFormation did not make it for the stack: look whose it is"
_BY_NAME = "it is called as the stack's would be, and has not its tag: Lookout does not know whose it is"
_BY_NAME_ALONE = "it is called as the stack's would be, and whether it has its tag may not be asked: look whose it is"

# What has the stack's tag and is nothing that the template makes: somebody gave it the tag. It is called by its ARN.
_OTHER = "resource"
_ROLE = "AWS::IAM::Role"

# How the services' ARNs name what we make: the beginning of the last part, and the type.
_ARNS = (
    ("s3", "", "AWS::S3::Bucket"),
    ("dynamodb", "table/", "AWS::DynamoDB::Table"),
    ("lambda", "function:", "AWS::Lambda::Function"),
    ("logs", "log-group:", "AWS::Logs::LogGroup"),
    ("sqs", "", "AWS::SQS::Queue"),
    ("ecr", "repository/", "AWS::ECR::Repository"),
    ("iam", "role/", _ROLE),
    ("cloudwatch", "alarm:", "AWS::CloudWatch::Alarm"),
)


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that is there still.

    ``is_stacks``: it was the stack's, or has its tag. ``is_proven``: it was the stack's beyond doubt, and may be
    deleted. ``made_for``: the id of the stack that CloudFormation made it for, where its tags tell.
    """

    resource: Resource
    why: str
    is_stacks: bool = True
    is_proven: bool = False
    made_for: str = ""

    def described(self) -> str:
        """In words."""
        return f"{self.resource.described()}: {self.why}"

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"type": self.resource.kind, "name": self.resource.name, "why": self.why}


@dataclass(frozen=True, slots=True)
class Unsearched:
    """What could not be looked for, why, and how somebody who may looks for it."""

    what: str
    why: str
    how: str

    def described(self) -> str:
        """In words."""
        return f"{self.what}: {self.why.rstrip('. ')}; {self.how}"


@dataclass(frozen=True, slots=True)
class Search:
    """What was found. ``unsearched``: what could not be asked, and no other question answers."""

    leftovers: tuple[Leftover, ...]
    unsearched: tuple[Unsearched, ...] = ()

    @property
    def proven(self) -> tuple[Leftover, ...]:
        """What was the stack's beyond doubt."""
        return tuple(leftover for leftover in self.leftovers if leftover.is_proven)


def find_settled(
    account: Account,
    names: Names,
    known: Mapping[Resource, str],
    sleep: Callable[[float], None] = time.sleep,
) -> Search:
    """As ``find_leftovers``, again for a while where something is found, as AWS shows for a while what it deleted."""
    waited_s = 0.0
    while True:
        search = find_leftovers(account, names, known)
        certain = any(leftover.is_stacks for leftover in search.leftovers)
        if not certain or account.emulated or waited_s >= _SETTLING_S:
            return search
        sleep(_PAUSE_S)
        waited_s += _PAUSE_S


def find_leftovers(account: Account, names: Names, known: Mapping[Resource, str]) -> Search:
    """Look for what stays of a stack that should be gone. ``known``: what it held, with why it may stay.

    Raises ``CloudError``.
    """
    found: dict[tuple[str, str], Leftover] = {}
    denied: dict[Resource, str] = {}
    doubtful: dict[Resource, str] = {}

    def add(leftovers: Iterable[Leftover], refused: dict[Resource, str]) -> None:
        for leftover in leftovers:
            key = (leftover.resource.kind, leftover.resource.called)
            answer = key in found or _is_here(account, leftover)
            if isinstance(answer, str):
                refused[leftover.resource] = answer
            elif answer:
                found.setdefault(key, leftover)

    add((Leftover(resource, why or _BY_RECORD, is_proven=True) for resource, why in known.items()), denied)
    hidden: dict[str, str] = {}
    for search, look in ((_TAGGED, tagged), (_ROLES, _roles)):
        try:
            with aws_errors(f"looking for what stays of the stack {names.stack}, {search}"):
                add(list(look(account, names.stack)), doubtful)
        except CloudError as error:
            if not was_denied(error):
                raise
            hidden[search] = _refusal(error)
    why = _BY_NAME_ALONE if _TAGGED in hidden else _BY_NAME
    add((Leftover(resource, why, is_stacks=False) for resource in _named(account, names)), denied)
    return Search(tuple(found.values()), unanswered(names.stack, known, denied, hidden, doubtful))


def unanswered(
    stack: str,
    known: Collection[Resource],
    denied: Mapping[Resource, str],
    hidden: Mapping[str, str],
    doubtful: Mapping[Resource, str],
) -> tuple[Unsearched, ...]:
    """What of all that could not be asked no other question answers. Pure.

    ``denied`` resources, and ``hidden`` searches, each with why. The tag finds everything of a stack's but its role:
    where it was searched, no other resource need be asked by its name, but those that it found (``doubtful``), as it
    shows for a while what is deleted. A role is found by its name, which the stack that was there told, or among all
    roles. Nothing stands in for the tag: what a stack let go of has names that nobody knows.
    """
    answered_by_search = {one for one in denied if (_ROLES if one.kind == _ROLE else _TAGGED) not in hidden}
    asked_in_vain = {**{one: why for one, why in denied.items() if one not in answered_by_search}, **doubtful}
    told = [
        Unsearched(resource.described(), why, "look for it in AWS's console") for resource, why in asked_in_vain.items()
    ]
    role_is_answered = known and not any(resource.kind == _ROLE for resource in denied)
    told += [
        Unsearched(search, why, f"whoever may sees it with {_HOW[search].format(stack)}")
        for search, why in hidden.items()
        if search == _TAGGED or not role_is_answered
    ]
    return tuple(told)


_HOW = {
    _TAGGED: f"aws resourcegroupstaggingapi get-resources --tag-filters Key={STACK_TAG},Values={{}} (tag:GetResources)",
    _ROLES: "aws iam list-roles --query \"Roles[?starts_with(RoleName, '{}-Role-')].RoleName\" (iam:ListRoles)",
}


def let_go(account: Account, state: StackState, held: Iterable[Resource]) -> tuple[Resource, ...]:
    """What CloudFormation made for a stack that is there, and that is there still though the stack ``held`` it not.

    Raises ``CloudError``.
    """
    names = {(resource.kind, resource.called) for resource in held}
    with aws_errors(f"looking for what earlier changes of the stack {state.name} left"):
        made = [one.resource for one in tagged(account, state.name) if one.made_for == state.id]
    left = [one for one in made if (one.kind, one.called) not in names]
    return tuple(one for one in left if presence(account, one) is Presence.HERE)


def _is_here(account: Account, leftover: Leftover) -> bool | str:
    """Whether it is there; in words, why that may not be known."""
    if leftover.resource.kind == _OTHER:
        return True
    try:
        found = presence(account, leftover.resource)
    except CloudError as error:
        if not was_denied(error):
            raise
        return _refusal(error)
    if found is Presence.ELSEWHERE and leftover.is_stacks:
        return "S3 answers alike who may not look at a bucket, and who asks for one of somebody else's"
    return found is Presence.HERE


def _refusal(error: CloudError) -> str:
    """What a service said to who may not ask it."""
    cause = error.__cause__
    message = cause.response.get("Error", {}).get("Message") if isinstance(cause, ClientError) else ""
    return message or str(cause)


def _named(account: Account, names: Names) -> tuple[Resource, ...]:
    return named_resources(names, account.account_id(), account.region)


def tagged(account: Account, stack: str) -> Iterator[Leftover]:
    """All that has a stack's tag, there or gone since. Raises AWS's own errors."""
    pages = account.tagged.get_paginator("get_resources").paginate(TagFilters=[{"Key": STACK_TAG, "Values": [stack]}])
    for page in pages:
        for entry in page["ResourceTagMappingList"]:
            arn = entry["ResourceARN"]
            if arn.split(":")[2] != "cloudformation":  # the stack itself, which is shown for a while
                tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])}
                yield _with_tags(read_arn(arn) or Resource("", _OTHER, arn), tags, stack)


def _roles(account: Account, stack: str) -> Iterator[Leftover]:
    """AWS finds no role by its tags; CloudFormation calls ours after the stack, which may be in another region."""
    for page in account.iam.get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            if role["RoleName"].startswith(f"{stack}-Role-"):
                listed = account.iam.list_role_tags(RoleName=role["RoleName"])["Tags"]
                tags = {tag["Key"]: tag["Value"] for tag in listed}
                if tags.get(STACK_TAG) == stack and tags.get(REGION_TAG, account.region) == account.region:
                    yield _with_tags(Resource("Role", _ROLE, role["RoleName"]), tags, stack)


def _with_tags(resource: Resource, tags: Mapping[str, str], stack: str) -> Leftover:
    if resource.kind == _OTHER or tags.get(_MADE_FOR) != stack:
        return Leftover(resource, _BY_TAG)
    made = replace(resource, id=tags.get(_MADE_AS, ""))
    return Leftover(made, _BY_CLOUDFORMATION, is_proven=True, made_for=tags.get(_MADE_FOR_ID, ""))


def read_arn(arn: str) -> Resource | None:
    """What an ARN names, None where it is nothing that the template makes.

    >>> read_arn("arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/lookout:*").name
    '/aws/lambda/lookout'
    """
    _, _, service, _, _, rest = arn.split(":", 5)
    for of_service, prefix, kind in _ARNS:
        if service == of_service and rest.startswith(prefix):
            name = rest.removeprefix(prefix).removesuffix(":*")
            return Resource("", kind, name.rpartition("/")[2] if kind == _ROLE else name)
    return None
