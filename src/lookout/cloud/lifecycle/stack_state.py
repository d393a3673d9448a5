"""A stack as CloudFormation describes it, and what is to be done about it before it can be changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.template import STACK_TAG
from lookout.errors import StackError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

# What is the name of every change set that Lookout makes.
CHANGE_SET_PREFIX = "lookout-"
# How the template's description begins: a stack made before there were tags is known by it.
_DESCRIPTION = "Lookout:"
# Of a stack that is nothing but the name of its first change set.
PLANNED = "REVIEW_IN_PROGRESS"


class Before(Enum):
    """What a stack's state asks for before its settings can be changed."""

    CREATE = auto()  # there is none
    UPDATE = auto()  # nothing: it is at rest
    FOLLOW = auto()  # somebody else's change must end first
    REMOVE = auto()  # its first making failed, or was only ever planned: it can't be updated
    FINISH_ROLLBACK = auto()  # its last change failed, and taking that back failed too
    FINISH_REMOVAL = auto()  # it was to be deleted, and could not be


# All that is not here, and not in progress, is at rest and can be updated.
_BEFORE = {
    PLANNED: Before.REMOVE,
    "CREATE_FAILED": Before.REMOVE,
    "ROLLBACK_COMPLETE": Before.REMOVE,
    "ROLLBACK_FAILED": Before.REMOVE,
    "UPDATE_ROLLBACK_FAILED": Before.FINISH_ROLLBACK,
    "DELETE_FAILED": Before.FINISH_REMOVAL,
    "DELETE_COMPLETE": Before.CREATE,
}


@dataclass(frozen=True, slots=True)
class StackState:
    """What CloudFormation says of a stack. ``is_lookouts``: Lookout made it; ``is_protected``: from being deleted."""

    name: str
    id: str
    status: str
    is_lookouts: bool
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    reason: str = ""
    is_protected: bool = False

    @property
    def at_work(self) -> bool:
        """Whether something goes on. A stack that was only planned rests, whatever its status is called."""
        return self.status.endswith("_IN_PROGRESS") and self.status != PLANNED

    @property
    def only_planned(self) -> bool:
        """Whether it is nothing but the name under which a first change set was made."""
        return self.status == PLANNED

    @property
    def has_code(self) -> bool:
        """Whether it has a function, and not only what a function's package is put into."""
        return "Function" in self.outputs


def look(account: Account, name_or_id: str) -> StackState | None:
    """The stack, None where there is none of that name. Raises ``CloudError``."""
    with aws_errors(f"looking for the stack {name_or_id}"):
        return describe(account.cloudformation, name_or_id)


def describe(client: CloudFormationClient, name_or_id: str) -> StackState | None:
    """As ``look``; raises AWS's own errors."""
    stack = told_of(client, name_or_id)
    return read(client, stack) if stack else None


def told_of(client: CloudFormationClient, name_or_id: str) -> StackTypeDef | None:
    """What CloudFormation tells of a stack; None where there is none. Raises AWS's own errors."""
    try:
        return client.describe_stacks(StackName=name_or_id)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def read(client: CloudFormationClient, stack: StackTypeDef) -> StackState:
    """A stack as ``told_of`` tells of it. Raises AWS's own errors."""
    name, status = stack["StackName"], stack["StackStatus"]
    tags = {tag["Key"] for tag in stack.get("Tags", [])}
    is_lookouts = STACK_TAG in tags or stack.get("Description", "").startswith(_DESCRIPTION)
    if not is_lookouts and status == PLANNED:  # it has neither yet
        is_lookouts = _planned_by_lookout(client, name)
    return StackState(
        name=name,
        id=stack.get("StackId", name),
        status=status,
        is_lookouts=is_lookouts,
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        parameters={entry["ParameterKey"]: entry["ParameterValue"] for entry in stack.get("Parameters", [])},
        reason=stack.get("StackStatusReason", ""),
        is_protected=stack.get("EnableTerminationProtection", False),
    )


def _planned_by_lookout(client: CloudFormationClient, name: str) -> bool:
    """Whether all of a planned stack's change sets are Lookout's, or it has none left."""
    found = client.list_change_sets(StackName=name).get("Summaries", [])
    return all(change_set["ChangeSetName"].startswith(CHANGE_SET_PREFIX) for change_set in found)


def before_change(state: StackState | None) -> Before:
    """What to do first with a stack that is to be changed."""
    if state is None:
        return Before.CREATE
    if state.at_work:
        return Before.FOLLOW
    return _BEFORE.get(state.status, Before.UPDATE)


def refuse_foreign(state: StackState | None) -> None:
    """Raise ``StackError`` where a stack of that name is there and Lookout did not make it."""
    if state is not None and not state.is_lookouts:
        raise StackError(
            f"there is a stack {state.name} that Lookout did not make, and which it leaves alone: "
            "take another name with --name"
        )


def refuse_protected(state: StackState) -> None:
    """Raise ``StackError`` where CloudFormation would not delete it, before anything in it is emptied for that."""
    if state.is_protected:
        raise StackError(
            f"the stack {state.name} is protected from being deleted, and nothing was touched: lift that with aws "
            f"cloudformation update-termination-protection --no-enable-termination-protection --stack-name {state.name}"
        )
