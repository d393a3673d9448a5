"""Whether whoever asks may do each step, as far as IAM says so beforehand.

``steps`` is what ``lookout stack plan``, ``up`` and ``down`` do: CloudFormation acts in the name of whoever calls it.
The policy in docs/aws-policy.json allows them all, which a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lookout.cloud.account import error_code
from lookout.cloud.lifecycle.presence import named_resources
from lookout.cloud.preflight.check import Check, Denied, Wanted, denials

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import EvaluationResultTypeDef

_CALLER = re.compile(
    r"arn:(?P<partition>[^:]+):(?P<service>iam|sts)::(?P<account>\d{12}):(?P<kind>[^/]+)(?:/(?P<rest>.+))?"
)
# What CloudFormation ends a name with that it makes up.
_MADE_UP = "0123456789ab"


@dataclass(frozen=True, slots=True)
class Step:
    """What is done to one resource: the actions, each as IAM calls it."""

    what: str
    resource: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What IAM says of an action in a step. ``missing``: what the answer hangs on that IAM wasn't told."""

    step: str
    action: str
    allowed: bool
    missing: tuple[str, ...] = ()


def steps(wanted: Wanted, account_id: str, region: str, partition: str = "aws") -> tuple[Step, ...]:
    """All that making, changing and deleting this stack does."""
    settings, stack = wanted.settings, wanted.settings.names.stack
    called = {resource.id: resource.name for resource in named_resources(settings.names, account_id, region)}

    def arn(service: str, resource: str) -> str:
        return f"arn:{partition}:{service}:{region}:{account_id}:{resource}"

    own_role = f"arn:{partition}:iam::{account_id}:role/{stack}-Role-{_MADE_UP}"
    artifacts = f"arn:{partition}:s3:::{stack}-artifacts-{_MADE_UP}"
    return (
        Step("the stack", arn("cloudformation", f"stack/{stack}/*"), _STACK),
        Step("the bucket", f"arn:{partition}:s3:::{called['Bucket']}", _BUCKET),
        Step("the bucket's objects", f"arn:{partition}:s3:::{called['Bucket']}/*", _OBJECTS),
        Step("the artifact bucket", artifacts, _ARTIFACTS),
        Step("the artifact bucket's objects", f"{artifacts}/*", (*_OBJECTS, "s3:PutObject", "s3:GetObject")),
        Step("the table", arn("dynamodb", f"table/{called['Table']}"), _TABLE),
        Step("the function", arn("lambda", f"function:{called['Function']}"), _function(wanted)),
        Step("the log group", arn("logs", f"log-group:{called['LogGroup']}:*"), _LOG_GROUP),
        Step("the queue", arn("sqs", called["FailureQueue"]), _QUEUE),
        Step("the repository", arn("ecr", f"repository/{called['Repository']}"), _repository(wanted)),
        Step("the alarm", arn("cloudwatch", f"alarm:{called['ErrorAlarm']}"), _ALARM),
        *(() if settings.role_arn else (Step("the role", own_role, _ROLE),)),
        Step("giving the function its role", settings.role_arn or own_role, ("iam:PassRole",)),
        *(
            (Step("signing in to the repository", "*", ("ecr:GetAuthorizationToken",)),)
            if _builds_image(wanted)
            else ()
        ),
    )


def _actions(service: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{service}:{name}" for name in names)


_STACK = _actions(
    "cloudformation",
    *("CreateStack", "UpdateStack", "DeleteStack", "DescribeStacks", "DescribeStackEvents", "ListStackResources"),
    *("CreateChangeSet", "DescribeChangeSet", "ListChangeSets", "ExecuteChangeSet", "DeleteChangeSet", "TagResource"),
)
_ARTIFACTS = _actions(
    "s3",
    *("CreateBucket", "DeleteBucket", "ListBucket", "ListBucketVersions", "ListBucketMultipartUploads"),
    *("PutBucketPublicAccessBlock", "PutBucketOwnershipControls", "PutEncryptionConfiguration"),
    *("PutLifecycleConfiguration", "PutBucketTagging", "PutBucketPolicy", "DeleteBucketPolicy"),
)
_BUCKET = (*_ARTIFACTS, "s3:PutBucketNotification")
_OBJECTS = _actions("s3", "DeleteObject", "DeleteObjectVersion", "AbortMultipartUpload")
_TABLE = _actions(
    "dynamodb",
    *("CreateTable", "DescribeTable", "UpdateTable", "DeleteTable", "TagResource"),
    *("UpdateContinuousBackups", "DescribeContinuousBackups", "UpdateTimeToLive", "DescribeTimeToLive"),
)
_LOG_GROUP = _actions("logs", "CreateLogGroup", "PutRetentionPolicy", "TagResource", "DeleteLogGroup")
_QUEUE = _actions(
    "sqs",
    *(
        "CreateQueue",
        "GetQueueUrl",
        "GetQueueAttributes",
        "SetQueueAttributes",
        "TagQueue",
        "PurgeQueue",
        "DeleteQueue",
    ),
)
_ALARM = _actions("cloudwatch", "PutMetricAlarm", "TagResource", "DeleteAlarms")
_ROLE = _actions("iam", "CreateRole", "GetRole", "PutRolePolicy", "TagRole", "DeleteRolePolicy", "DeleteRole")


def _function(wanted: Wanted) -> tuple[str, ...]:
    reserves = wanted.settings.reserved_concurrency is not None
    return _actions(
        "lambda",
        *("CreateFunction", "GetFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration", "DeleteFunction"),
        *("AddPermission", "RemovePermission", "PutFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig"),
        *("TagResource", *(("PutFunctionConcurrency",) if reserves else ())),
    )


def _repository(wanted: Wanted) -> tuple[str, ...]:
    made = (
        *("CreateRepository", "DescribeRepositories", "PutLifecyclePolicy", "SetRepositoryPolicy", "TagResource"),
        *("ListImages", "BatchDeleteImage", "DeleteRepository"),
    )
    pushed = (
        "BatchCheckLayerAvailability",
        "InitiateLayerUpload",
        "UploadLayerPart",
        "CompleteLayerUpload",
        "PutImage",
        "DescribeImages",
    )
    read_by_lambda = ("BatchGetImage", "GetDownloadUrlForLayer")
    return _actions("ecr", *made, *((*pushed, *read_by_lambda) if _builds_image(wanted) else ()))


def _builds_image(wanted: Wanted) -> bool:
    return wanted.package.kind == "image"


def principal(iam: IAMClient, caller_arn: str) -> str | None:
    """The user or role to ask IAM about, None where it can't be asked about. Raises ``Denied``.

    Whoever has assumed a role is known by the role's name, without its path; IAM knows that.
    """
    match = _CALLER.fullmatch(caller_arn)
    if match is None:
        return None
    if match["kind"] == "user":
        return caller_arn
    if match["kind"] != "assumed-role":
        return None
    name = match["rest"].partition("/")[0]
    with denials():
        return iam.get_role(RoleName=name)["Role"]["Arn"]


def is_root(caller_arn: str) -> bool:
    """Whether the account's owner asks, who may do everything."""
    match = _CALLER.fullmatch(caller_arn)
    return match is not None and match["kind"] == "root"


def look_at_permissions(iam: IAMClient, caller_arn: str, wanted: Sequence[Step]) -> tuple[Decision, ...] | None:
    """What IAM says of each action; None where it may not be asked, or not about this caller."""
    try:
        source = principal(iam, caller_arn)
        with denials():
            return None if source is None else tuple(_simulate(iam, source, wanted))
    except Denied:
        return None
    except ClientError as error:
        if error_code(error) in (
            "NoSuchEntity",
            "InvalidInput",
        ):  # a role of another kind than those that can be asked about
            return None
        raise


def _simulate(iam: IAMClient, source: str, wanted: Sequence[Step]) -> Iterator[Decision]:
    for step in wanted:
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=source,
            ActionNames=step.actions,
            ResourceArns=[step.resource],
            ContextEntries=[
                {
                    "ContextKeyName": "iam:PassedToService",
                    "ContextKeyValues": ["lambda.amazonaws.com"],
                    "ContextKeyType": "string",
                }
            ],
        )
        yield from (_decision(step, result) for page in pages for result in page["EvaluationResults"])


def _decision(step: Step, result: EvaluationResultTypeDef) -> Decision:
    allowed = result["EvalDecision"] == "allowed"
    return Decision(step.what, result["EvalActionName"], allowed, tuple(result.get("MissingContextValues", ())))


def judge_permissions(caller_arn: str, decisions: Iterable[Decision] | None) -> tuple[Check, ...]:
    """What may not be done, a check a step; a warning alone where the answer hangs on what IAM wasn't told."""
    if is_root(caller_arn):
        found = "these are the keys of the account's owner, who may do everything"
        return (Check("permissions", "warning", found, "use a user or role with the policy in docs/aws-policy.json"),)
    if decisions is None:
        found = "it can't be known beforehand whether each step is allowed (iam:SimulatePrincipalPolicy, iam:GetRole)"
        return (Check("permissions", "warning", found, "docs/aws-policy.json says what is needed"),)
    denied = [decision for decision in decisions if not decision.allowed]
    checks = [_judge_step(step, denied) for step in dict.fromkeys(decision.step for decision in denied)]
    return tuple(checks) or (Check("permissions", "ok", "every step is allowed"),)


def _judge_step(step: str, denied: Iterable[Decision]) -> Check:
    own = [decision for decision in denied if decision.step == step]
    actions = ", ".join(decision.action for decision in own)
    if all(decision.missing for decision in own):
        keys = ", ".join(sorted({key for decision in own for key in decision.missing}))
        return Check("permissions", "warning", f"{step}: {actions} may be denied, which hangs on {keys}", _ALLOW)
    return Check("permissions", "failed", f"{step}: {actions} is denied", _ALLOW)


_ALLOW = "have it allowed: docs/aws-policy.json has what is needed"
