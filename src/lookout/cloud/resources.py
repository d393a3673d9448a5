"""A stack's resources, each as its own service tells of it: CloudFormation does not notice what was deleted since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lookout.cloud.account import Account
from lookout.cloud.preflight.check import Denied, code, denials
from lookout.cloud.preflight.names import MISSING_CODES, Presence, finding, look_at_bucket, look_at_log_group

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

MISSING = "missing"
_PRESENT = "there"

_STATES: Mapping[Presence, str] = {"there": _PRESENT, "free": MISSING, "elsewhere": MISSING, "hidden": "not known"}


@dataclass(frozen=True, slots=True)
class Resource:
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


def look_at_resource(account: Account, summary: StackResourceSummaryTypeDef) -> Resource:
    """A resource that CloudFormation knows, asked for at its own service where that is worth it."""
    kind, name, status = summary["ResourceType"], summary.get("PhysicalResourceId", ""), summary["ResourceStatus"]
    if not status.endswith("_COMPLETE") or not name:
        found = _Found(status, summary.get("ResourceStatusReason") or f"CloudFormation says {status}")
    else:
        found = _look(account, kind, name) or _Found(status)
    # A queue's name is its URL.
    shown = name.rpartition("/")[2] if kind == "AWS::SQS::Queue" else name
    return Resource(summary["LogicalResourceId"], kind, shown, found.state, found.trouble, found.messages)


def _look(account: Account, kind: str, name: str) -> _Found | None:
    """What the service says; None for a kind that is not asked for."""
    if look := _LOOKS.get(kind):
        try:
            with denials():
                return look(account, name)
        except Denied:
            return _of_presence("hidden")
        except ClientError as error:
            if code(error) in MISSING_CODES:
                return _of_presence("free")
            raise
    if presence := _PRESENCES.get(kind):
        return _of_presence(presence(account, name))
    return None


def _of_presence(presence: Presence) -> _Found:
    state = _STATES[presence]
    return _Found(state, "it was deleted by another way than its stack" if state == MISSING else "")


_PRESENCES: Mapping[str, Callable[[Account, str], Presence]] = {
    "AWS::S3::Bucket": lambda account, name: look_at_bucket(account.s3, name),
    "AWS::Logs::LogGroup": lambda account, name: look_at_log_group(account.logs, name),
    "AWS::ECR::Repository": lambda account, name: finding(
        lambda name: account.ecr.describe_repositories(repositoryNames=[name])
    )(name),
    "AWS::IAM::Role": lambda account, name: finding(lambda name: account.iam.get_role(RoleName=name))(name),
}


def _function(account: Account, name: str) -> _Found:
    answer = account.functions.get_function_configuration(FunctionName=name)
    return _Found(answer.get("State", _PRESENT), judge_function(answer))


def judge_function(answer: FunctionConfigurationResponseTypeDef) -> str:
    """What is wrong with a function, "" where nothing is, as with one that is ``Inactive`` for want of images."""
    if answer.get("State") == "Failed":
        return answer.get("StateReason") or "Lambda can't start it"
    if answer.get("LastUpdateStatus") == "Failed":
        return answer.get("LastUpdateStatusReason") or "its last update failed"
    if answer.get("State") == "Pending" or answer.get("LastUpdateStatus") == "InProgress":
        return "Lambda is still making it ready"
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
    return _Found(alarms[0].get("StateValue", _PRESENT)) if alarms else _of_presence("free")


_LOOKS: Mapping[str, Callable[[Account, str], _Found]] = {
    "AWS::Lambda::Function": _function,
    "AWS::DynamoDB::Table": _table,
    "AWS::SQS::Queue": _queue,
    "AWS::CloudWatch::Alarm": _alarm,
}
