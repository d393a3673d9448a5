"""A stack's resources, each as its own service tells of it: CloudFormation does not notice what was deleted since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors, was_denied
from lookout.cloud.lifecycle import presence
from lookout.cloud.lifecycle.presence import Presence
from lookout.errors import CloudError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

MISSING = "missing"
_PRESENT, _HIDDEN = "there", "not known"


@dataclass(frozen=True, slots=True)
class StackResource:
    """One resource. ``state`` is its own service's word, else CloudFormation's.

    ``trouble`` says why it is not well. ``messages`` counts those of a queue.
    """

    logical_id: str
    kind: str
    name: str
    state: str
    trouble: str = ""
    messages: int | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    state: str
    trouble: str = ""
    messages: int | None = None


_GONE = _Found(MISSING, "it was deleted by another way than its stack")
# S3 answers alike who may not look at a bucket, and who asks for one of somebody else's.
_SEEN = {Presence.HERE: _Found(_PRESENT), Presence.ABSENT: _GONE, Presence.ELSEWHERE: _Found(_HIDDEN)}


def look_at_resource(account: Account, summary: StackResourceSummaryTypeDef) -> StackResource:
    """A resource that CloudFormation knows, asked for at its own service. Raises ``CloudError``."""
    kind, name, status = summary["ResourceType"], summary.get("PhysicalResourceId", ""), summary["ResourceStatus"]
    resource = presence.Resource(summary["LogicalResourceId"], kind, name)
    if not status.endswith("_COMPLETE") or not name:
        found = _Found(status, summary.get("ResourceStatusReason") or f"CloudFormation says {status}")
    else:
        found = _look(account, resource) if kind in _ASKED else _Found(status)
    return StackResource(resource.id, kind, resource.called, found.state, found.trouble, found.messages)


def _look(account: Account, resource: presence.Resource) -> _Found:
    look = _LOOKS.get(resource.kind)
    try:
        if look:
            with aws_errors(f"looking at {resource.described()}"):
                return look(account, resource.name)
        return _SEEN[presence.presence(account, resource)]
    except CloudError as error:
        if was_denied(error):
            return _Found(_HIDDEN)
        if isinstance(error.__cause__, ClientError) and presence.means_absent(error.__cause__):
            return _GONE
        raise


def _function(account: Account, name: str) -> _Found:
    answer = account.functions.get_function_configuration(FunctionName=name)
    return _Found(answer.get("State", _PRESENT), judge_function(answer))


def judge_function(answer: FunctionConfigurationResponseTypeDef) -> str:
    """What is wrong with a function; none is one that is being made ready, or ``Inactive``."""
    if answer.get("State") == "Failed":
        return answer.get("StateReason") or "Lambda can't start it"
    if answer.get("LastUpdateStatus") == "Failed":
        return answer.get("LastUpdateStatusReason") or "its last update failed"
    return ""


def _table(account: Account, name: str) -> _Found:
    status = account.dynamodb.describe_table(TableName=name)["Table"].get("TableStatus", _PRESENT)
    return _Found(status, "" if status in ("ACTIVE", "UPDATING") else f"DynamoDB says {status}")


def _queue(account: Account, url: str) -> _Found:
    attributes = account.queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    hidden = int(attributes.get("ApproximateNumberOfMessagesNotVisible", 0))
    return _Found(_PRESENT, messages=int(attributes.get("ApproximateNumberOfMessages", 0)) + hidden)


def _alarm(account: Account, name: str) -> _Found:
    alarms = account.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return _Found(alarms[0].get("StateValue", _PRESENT)) if alarms else _GONE


# What tells more than that it is there.
_LOOKS: Mapping[str, Callable[[Account, str], _Found]] = {
    "AWS::Lambda::Function": _function,
    "AWS::DynamoDB::Table": _table,
    "AWS::SQS::Queue": _queue,
    "AWS::CloudWatch::Alarm": _alarm,
}

# All else is there together with one of these.
_ASKED = {*_LOOKS, "AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::ECR::Repository", "AWS::IAM::Role"}
