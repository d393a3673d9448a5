"""What was changed behind CloudFormation's back, by its own drift detection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lookout.cloud.account import Account, aws_errors
from lookout.errors import StackError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackResourceDriftTypeDef

_PAUSE_EMULATED_S, _PAUSE_AWS_S = 0.1, 2.0
_MOST_S = 300.0


@dataclass(frozen=True, slots=True)
class Difference:
    """A property that is not as the stack made it. ``actual`` is "null" for one that is gone."""

    path: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class Drift:
    """A resource that is not as the stack made it: ``MODIFIED`` or ``DELETED``."""

    logical_id: str
    state: str
    differences: tuple[Difference, ...] = ()


def find_drift(account: Account, stack: str, sleep: Callable[[float], None] = time.sleep) -> tuple[Drift, ...]:
    """The resources that have drifted; looks at all of them, which takes AWS some seconds.

    Raises ``StackError`` where CloudFormation does not get to an end, or not at a stack in this state.
    """
    cloudformation = account.cloudformation
    with aws_errors(f"looking for the drift of the stack {stack}"):
        _detect(cloudformation, stack, _PAUSE_EMULATED_S if account.emulated else _PAUSE_AWS_S, sleep)
        return tuple(map(_drift, _drifted(cloudformation, stack)))


def _detect(cloudformation: CloudFormationClient, stack: str, pause_s: float, sleep: Callable[[float], None]) -> None:
    detection = cloudformation.detect_stack_drift(StackName=stack)["StackDriftDetectionId"]
    for _ in range(round(_MOST_S / pause_s)):
        told = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if told["DetectionStatus"] == "DETECTION_COMPLETE":
            return
        if told["DetectionStatus"] == "DETECTION_FAILED":
            # It has looked at what it could all the same; what it could not would look as if it were well.
            reason = told.get("DetectionStatusReason", "CloudFormation gives no reason")
            raise StackError(f"the drift of the stack {stack} can't be found: {reason}")
        sleep(pause_s)
    raise StackError(f"CloudFormation did not find the drift of the stack {stack} within {_MOST_S:.0f} s: try again")


def _drifted(cloudformation: CloudFormationClient, stack: str) -> Iterator[StackResourceDriftTypeDef]:
    """Page by page; botocore has no paginator for it."""
    token: dict[str, Any] = {}
    while True:
        page = cloudformation.describe_stack_resource_drifts(
            StackName=stack, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"], **token
        )
        yield from page["StackResourceDrifts"]
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def _drift(found: StackResourceDriftTypeDef) -> Drift:
    differences = tuple(
        Difference(entry["PropertyPath"], entry["ExpectedValue"], entry["ActualValue"])
        for entry in found.get("PropertyDifferences", ())
    )
    return Drift(found["LogicalResourceId"], found["StackResourceDriftStatus"], differences)
