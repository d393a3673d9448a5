"""Why CloudFormation could not make something, and what a person can do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lookout.cloud.lifecycle.following import Follower

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

    from lookout.cloud.lifecycle.stack_state import StackState

# What the reasons of AWS say, in lower case, and what helps; the first that fits.
_ADVICE = (
    (
        r"already exists|alreadyexists|already owned|bucketalready|name conflict",
        "Something of that name is there outside of the stack: delete it, or take other names with --name or --group.",
    ),
    (
        r"iam:(createrole|putrolepolicy|tagrole|deleterole|getrole|deleterolepolicy)",
        "These credentials may make no role: name one that is there with --role-arn, such as the LabRole of a student "
        "account.",
    ),
    (
        r"cannot be assumed by lambda|trust|is not authorized to perform: iam:passrole",
        "Lambda can't work under that role: it must trust lambda.amazonaws.com, and these credentials must be allowed "
        "to pass it (iam:PassRole).",
    ),
    (
        r"accessdenied|access denied|not authorized|unauthorized",
        "These credentials may not do that: docs/aws.md has the permissions that they need.",
    ),
    (
        r"unreservedconcurrentexecution",
        "The account has too few concurrent executions to set so many aside: give a smaller --reserved-concurrency, "
        "or none.",
    ),
    (
        r"limit ?exceeded|quota|toomanybuckets|memorysize.*less than or equal",
        "The account's quota is reached: delete what is not needed, or ask AWS for more (Service Quotas).",
    ),
    (r"source image .* (does not exist|is not valid)|image manifest", "Lambda does not find, or take, that image."),
    (r"unzipped size must be smaller|codestorageexceeded", "The package is too large for Lambda."),
    (r"expiredtoken|security token .* expired", "The credentials expired meanwhile: renew them."),
)


def advice(reason: str) -> str:
    """What helps against a failure with that reason; empty where nobody knows.

    >>> advice("Resource of type 'AWS::S3::Bucket' with identifier 'b' already exists.").partition(":")[0]
    'Something of that name is there outside of the stack'
    """
    text = reason.lower()
    return next((words for pattern, words in _ADVICE if re.search(pattern, text)), "")


def hint(why: str) -> str:
    """``advice`` as a part of a longer text."""
    words = advice(why)
    return f"{words} " if words else ""


def after_making(ended: StackState | None) -> str:
    """What is left of a stack that could not be made, and what to do."""
    if ended is not None and ended.status in ("ROLLBACK_FAILED", "CREATE_FAILED"):
        return (
            f"CloudFormation could not take all of it back: lookout stack down --name {ended.name} deletes what stays"
        )
    return "CloudFormation took back all that it had made: remove the reason, and run the same command again"


def after_changing(ended: StackState | None) -> str:
    """What is left after a change that could not be made, and what to do."""
    if ended is None:
        return "The stack is gone: somebody deleted it meanwhile"
    if ended.status == "UPDATE_ROLLBACK_FAILED":
        return (
            "CloudFormation could not take the change back either: remove the reason and run the same command again, "
            f"or delete it all with lookout stack down --name {ended.name}"
        )
    if not ended.has_code:
        return (
            "The stack is there without its function, as it was before: remove the reason and run the same command "
            f"again, or take it back with lookout stack down --name {ended.name}"
        )
    return "The stack is as it was before: remove the reason, and run the same command again"


def explain(follower: Follower, client: CloudFormationClient, stack_id: str) -> str:
    """What failed first of what a follower saw, in words: the resource and the reason."""
    first = follower.first_failure()
    if first is None:
        return "CloudFormation gives no reason"
    if first.of_stack:  # it failed before any resource was touched
        return "; ".join(_validation_errors(client, StackName=stack_id)) or first.reason or "no reason given"
    return f"{first.resource} ({first.kind}): {(first.reason or 'no reason given').rstrip('. ')}"


def explain_change_set(client: CloudFormationClient, change_set_id: str, reason: str) -> str:
    """Why a change set could not be made, in words."""
    return "; ".join(_validation_errors(client, ChangeSetName=change_set_id)) or reason or "no reason given"


def _validation_errors(client: CloudFormationClient, **of_what: str) -> list[str]:
    """What CloudFormation found wrong before it touched anything; empty where it does not say."""
    try:
        events = client.describe_events(**of_what, Filters={"FailedEvents": True})["OperationEvents"]
    except (ClientError, BotoCoreError):  # an endpoint that doesn't know the call; there is a reason in words still
        return []
    return [
        f"{event.get('LogicalResourceId', '')}: {event['ValidationStatusReason']}"
        for event in events
        if event.get("ValidationStatus") == "FAILED" and event.get("ValidationStatusReason")
    ]
