"""How a stack is: what it consists of, and whether that is really there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.lifecycle.stack_state import PLANNED, read, refuse_foreign, told_of
from lookout.cloud.template import option_of, template_body
from lookout.cloud.watching.resources import MISSING, StackResource, look_at_resource
from lookout.errors import StackError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

_WHOLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
# It has what it had before the update that failed.
_ROLLED_BACK = "UPDATE_ROLLBACK_COMPLETE"


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A stack: CloudFormation's word for its state, when it was made and changed, and what it consists of.

    ``parameters`` are the template's, as they were given; ``template_is_ours`` tells whether it was made from this very
    Lookout's template.
    """

    name: str
    state: str
    reason: str
    created: datetime
    updated: datetime | None
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    resources: Sequence[StackResource]
    template_is_ours: bool = True

    def of_kind(self, kind: str) -> StackResource | None:
        """Its resource of a kind that it has one of."""
        return next((resource for resource in self.resources if resource.kind == kind), None)


def look_at_stack(account: Account, name: str) -> StackStatus:
    """How a stack is. Raises ``StackError`` where there is none, or one that Lookout did not make."""
    cloudformation = account.cloudformation
    with aws_errors(f"looking at the stack {name}"):
        described = _describe(cloudformation, name)
        state = read(cloudformation, described)
        refuse_foreign(state)
        # One that is only planned has nothing yet, and no template.
        resources = [] if state.only_planned else _resources(account, name)
        body = template_body()
        template = body if state.only_planned else cloudformation.get_template(StackName=name)["TemplateBody"]
    return StackStatus(
        name=name,
        state=described["StackStatus"],
        reason=described.get("StackStatusReason", ""),
        created=described["CreationTime"],
        updated=described.get("LastUpdatedTime"),
        parameters={entry["ParameterKey"]: entry["ParameterValue"] for entry in described.get("Parameters", [])},
        outputs={output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])},
        resources=resources,
        template_is_ours=str(template).strip() == body.strip(),
    )


def _resources(account: Account, name: str) -> list[StackResource]:
    pages = account.cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    summaries = [summary for page in pages for summary in page["StackResourceSummaries"]]
    return [look_at_resource(account, one) for one in summaries if one["ResourceStatus"] != "DELETE_COMPLETE"]


def troubles(status: StackStatus) -> tuple[str, ...]:
    """What is not as it should be, each a sentence that says what to do; none for a stack that is whole."""
    up, down = (f"lookout stack {command} {option_of(status.name, status.parameters)}" for command in ("up", "down"))
    told = []
    if status.state == PLANNED:
        told.append(f"it is only planned, and nothing of it is made: {up}")
    elif status.state.endswith("_IN_PROGRESS"):
        told.append(f"CloudFormation is at work on it ({status.state}): look again when that is done")
    elif status.state.startswith(("ROLLBACK_", "CREATE_FAILED", "DELETE_FAILED")):
        told.append(f"it was not made, or not all deleted ({status.state}): {down}, then {up}")
    elif status.state == _ROLLED_BACK:
        told.append(
            f"its last change failed, and it is as it was before: see the reason, and change it again with {up}"
        )
    elif status.state not in _WHOLE:
        told.append(f"it is not whole ({status.state}): {up}, or {down}")
    if _lacks_function(status):
        told.append(f"it has no function yet: {up}")
    told += [
        f"{one.logical_id} {one.name}: {one.trouble}{_mending(one, up, down)}"
        for one in status.resources
        if one.trouble
    ]
    return tuple(told)


def is_whole(status: StackStatus) -> bool:
    """Whether all of it is there and works, with its last change or the one before."""
    broken = any(one.trouble for one in status.resources)
    if status.state == _ROLLED_BACK:
        return not broken and not _lacks_function(status)
    return not broken and not troubles(status)


def _lacks_function(status: StackStatus) -> bool:
    """Whether it rests with all but its function: it was never made, or taken away again."""
    return status.state in (*_WHOLE, _ROLLED_BACK) and "Function" not in status.outputs


def _mending(resource: StackResource, up: str, down: str) -> str:
    """CloudFormation makes nothing anew that it made and that was deleted since."""
    return f"; make all anew with {down}, then {up}" if resource.state == MISSING else ""


def _describe(cloudformation: CloudFormationClient, name: str) -> StackTypeDef:
    stack = told_of(cloudformation, name)
    if stack is None:
        raise StackError(f"there is no stack {name}: make it with lookout stack up {option_of(name)}")
    return stack
