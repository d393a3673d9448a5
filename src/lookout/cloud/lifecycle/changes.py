"""What CloudFormation would do to a stack: a change set, read into a value, and never left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors, error_code
from lookout.cloud.lifecycle.following import Patience
from lookout.cloud.lifecycle.reasons import advice, explain_change_set
from lookout.cloud.lifecycle.stack_state import CHANGE_SET_PREFIX, StackState, look
from lookout.cloud.template import StackSettings, parameters, tags, template_body
from lookout.errors import CloudError, StackError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import (
        ChangeSetSummaryTypeDef,
        DescribeChangeSetOutputTypeDef,
        ResourceChangeDetailTypeDef,
        ResourceChangeTypeDef,
    )

CAPABILITIES: Sequence[Literal["CAPABILITY_IAM"]] = ("CAPABILITY_IAM",)
_POLL_EMULATED_S, _POLL_AWS_S = 0.05, 1.0
# How CloudFormation calls a change set in which nothing changes.
_NOTHING = ("didn't contain changes", "No updates are to be performed")
# A change set is looked at and executed, or deleted, within minutes; one that is older nobody will do anything with.
_FORGOTTEN_AFTER = timedelta(hours=6)
# For how long a change set that is still being made resists deletion.
_DELETE_ATTEMPTS = 30


class Action(StrEnum):
    """What becomes of a resource."""

    ADD = "add"
    CHANGE = "change"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one resource.

    ``details`` names what of it changes. ``may_replace``: CloudFormation knows only when it gets there whether the
    resource must be made anew. ``is_kept``: the old one stays in the account, outside of the stack.
    """

    action: Action
    resource: str
    kind: str
    name: str = ""
    details: tuple[str, ...] = ()
    may_replace: bool = False
    is_kept: bool = False

    @property
    def makes(self) -> bool:
        """Whether a resource is made, for which its name must be free."""
        return self.action in (Action.ADD, Action.REPLACE)

    @property
    def loses(self) -> bool:
        """Whether what the resource holds is, or may be, lost."""
        return not self.is_kept and (self.may_replace or self.action in (Action.REPLACE, Action.REMOVE))

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "action": str(self.action),
            "resource": self.resource,
            "type": self.kind,
            "name": self.name,
            "details": list(self.details),
            "may_replace": self.may_replace,
        }


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change set that is there. ``is_empty``: CloudFormation has nothing to do.

    Where it is not, and there are no ``changes``, what the stack tells of its resources changes: its outputs.
    """

    id: str
    stack_id: str
    changes: tuple[Change, ...]
    is_empty: bool = False


def changed_settings(settings: StackSettings, state: StackState | None) -> Mapping[str, tuple[str, str]]:
    """The template's parameters that differ from those of a stack that is there: before and after."""
    before = state.parameters if state else {}
    after = {entry["ParameterKey"]: entry["ParameterValue"] for entry in parameters(settings)}
    return {
        key: (before.get(key, ""), value) for key, value in after.items() if before and before.get(key, "") != value
    }


def switches_package(state: StackState, wanted: StackSettings) -> bool:
    """Whether the function goes from an image to a zip, or back: CloudFormation replaces none that has a name."""
    code = wanted.code
    before, after = state.parameters, code.image_uri or code.zip_key
    return bool(after and state.has_code) and bool(before.get("CodeKey")) != bool(code.zip_key)


@contextmanager
def change_set(
    account: Account,
    settings: StackSettings,
    state: StackState | None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[ChangeSet]:
    """A change set that brings the stack to these settings; without changes where nothing is to be done.

    It is deleted at the end, whatever happens, unless it was executed. Of a stack that is not there (``state`` is None,
    or only planned) all is added; the name under which that was planned is deleted as well. Raises ``CloudError``.
    """
    name, stack = f"{CHANGE_SET_PREFIX}{uuid4().hex}", settings.names.stack
    is_new = state is None or state.only_planned
    try:
        with aws_errors(f"asking what would change in the stack {stack}"):
            made = account.cloudformation.create_change_set(
                StackName=stack,
                ChangeSetName=name,
                ChangeSetType="CREATE" if is_new else "UPDATE",
                TemplateBody=template_body(),
                Parameters=parameters(settings),
                Capabilities=list(CAPABILITIES),
                Tags=tags(stack),
            )
            changes = _changes(account, made["Id"], stack, sleep)
        yield ChangeSet(made["Id"], made["StackId"], changes or (), is_empty=changes is None)
    except BaseException:
        with suppress(CloudError):  # what is told is the first error
            _clear(account, stack, name, sleep)
        raise
    _clear(account, stack, name, sleep)


def _clear(account: Account, stack: str, name: str, sleep: Callable[[float], None]) -> None:
    """Delete a change set, those that were forgotten, and a stack that is nothing but planned."""
    with aws_errors(f"removing what was only a plan of the stack {stack}"):
        state = look(account, stack)
        if state is None:
            return
        _delete(account, stack, name, sleep)
        found = account.cloudformation.list_change_sets(StackName=stack)["Summaries"]
        left = [summary for summary in found if summary["ChangeSetName"] != name]  # which may be shown for a while
        for summary in filter(_is_forgotten, left):
            _delete(account, stack, summary["ChangeSetName"], sleep)
        if state.only_planned and all(map(_is_forgotten, left)):
            # By its id: a stack of that name that somebody makes in this very moment is another.
            account.cloudformation.delete_stack(StackName=state.id)


def _is_forgotten(summary: ChangeSetSummaryTypeDef) -> bool:
    """Whether a change set is one of Lookout's that could not be deleted when it was done with."""
    if not summary["ChangeSetName"].startswith(CHANGE_SET_PREFIX) or "CreationTime" not in summary:
        return False
    return datetime.now(UTC) - summary["CreationTime"] > _FORGOTTEN_AFTER


def _changes(
    account: Account, change_set_id: str, stack: str, sleep: Callable[[float], None]
) -> tuple[Change, ...] | None:
    """What changes, once that is known; None where there is nothing to do."""
    client, patience = account.cloudformation, Patience(sleep)

    def described() -> DescribeChangeSetOutputTypeDef:
        return patience.ask(lambda: client.describe_change_set(ChangeSetName=change_set_id))

    while (found := described())["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
        sleep(_POLL_EMULATED_S if account.emulated else _POLL_AWS_S)
    if found["Status"] == "FAILED":
        reason = found.get("StatusReason", "")
        if any(words in reason for words in _NOTHING):
            return None
        why = explain_change_set(client, change_set_id, reason)
        raise StackError(" ".join(filter(None, (f"the stack {stack} can't be changed so: {why}.", advice(why)))))
    pages = client.get_paginator("describe_change_set").paginate(ChangeSetName=change_set_id)
    changes = patience.ask(lambda: [change for page in pages for change in page["Changes"]])
    return tuple(_read(change["ResourceChange"]) for change in changes if "ResourceChange" in change)


def _read(change: ResourceChangeTypeDef) -> Change:
    replacement = change.get("Replacement")
    actions = {"Add": Action.ADD, "Import": Action.ADD, "Remove": Action.REMOVE}
    action = actions.get(change["Action"], Action.REPLACE if replacement == "True" else Action.CHANGE)
    return Change(
        action=action,
        resource=change["LogicalResourceId"],
        kind=change["ResourceType"],
        name=change.get("PhysicalResourceId", ""),
        details=_details(change.get("Details", [])),
        may_replace=replacement == "Conditional",
        is_kept=change.get("PolicyAction", "") in ("Retain", "ReplaceAndRetain"),
    )


def _details(details: Sequence[ResourceChangeDetailTypeDef]) -> tuple[str, ...]:
    """What changes of a resource, each property once."""
    targets = (detail.get("Target", {}) for detail in details)
    names = (target.get("Name") or target.get("Attribute", "") for target in targets)
    return tuple(dict.fromkeys(filter(None, names)))


def _delete(account: Account, stack: str, name: str, sleep: Callable[[float], None]) -> None:
    """Delete a change set. One that was executed, or whose stack is gone, is no more."""
    for _ in range(_DELETE_ATTEMPTS):
        try:
            account.cloudformation.delete_change_set(StackName=stack, ChangeSetName=name)
        except ClientError as error:
            if error_code(error) == "InvalidChangeSetStatus":  # it is still being made, or executed
                if look(account, stack) is None or _is_executed(account, stack, name):
                    return
                sleep(_POLL_EMULATED_S if account.emulated else _POLL_AWS_S)
                continue
            if error_code(error) == "ChangeSetNotFound" or "does not exist" in str(error):
                return
            raise
        return


def _is_executed(account: Account, stack: str, name: str) -> bool:
    with suppress(ClientError):
        described = account.cloudformation.describe_change_set(StackName=stack, ChangeSetName=name)
        return described.get("ExecutionStatus", "").startswith("EXECUTE")
    return True
