"""One deployment, made and deleted through CloudFormation from ``stack.yaml``.

There is no state file: everything is found from the stack's name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.template import StackSettings, parameters, tags, template_body
from lookout.errors import StackError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

# On the emulator an image's address stands for the Lookout that is installed.
EMULATED_IMAGE = "lookout:installed"
# Where a function's container image holds its model.
IMAGE_MODEL_FOLDER = "/opt/model"

_WHOLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")

# How often a stack that is at work is looked at, in seconds.
_POLL_EMULATED_S, _POLL_AWS_S = 0.1, 3.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """A stack that is there: the names of its resources, and the template's parameters as they were given.

    ``failure_queue`` is the queue's URL.
    """

    bucket: str
    table: str
    function: str
    log_group: str
    failure_queue: str
    parameters: Mapping[str, str]


class Stack:
    """A stack of that name in an account, there or not."""

    def __init__(self, account: Account, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = name
        self._account = account
        self._client = account.cloudformation
        self._sleep = sleep

    def find(self) -> Deployment:
        """The names of its resources. Raises ``StackError`` where it is not there, or not whole."""
        stack = self._describe()
        if stack is None:
            raise StackError(f"there is no stack {self.name}: make it with lookout stack up --name {self.name}")
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        parameters = {entry["ParameterKey"]: entry["ParameterValue"] for entry in stack.get("Parameters", [])}
        try:
            return Deployment(
                bucket=outputs["Bucket"],
                table=outputs["Table"],
                function=outputs["Function"],
                log_group=outputs["LogGroup"],
                failure_queue=outputs["FailureQueue"],
                parameters=parameters,
            )
        except KeyError as error:
            if stack["StackStatus"] in _WHOLE:
                raise StackError(
                    f"the stack {self.name} was made by another version of Lookout: "
                    f"bring it up to date with lookout stack up --name {self.name}"
                ) from error
            raise StackError(
                f"the stack {self.name} is not whole ({stack['StackStatus']}): see lookout stack down"
            ) from error

    def exists(self) -> bool:
        """Whether CloudFormation knows a stack of that name."""
        return self._describe() is not None

    def up(self, settings: StackSettings) -> Deployment:
        """Make the stack, or bring it to these settings. Raises ``StackError`` with the resource that failed."""
        stack = self._describe()
        # What failed at its first making holds nothing, and CloudFormation will not update it.
        if stack is not None and stack["StackStatus"] in (
            "ROLLBACK_COMPLETE",
            "ROLLBACK_FAILED",
            "CREATE_FAILED",
        ):
            self.down()
            stack = None
        with aws_errors(f"making the stack {self.name}"):
            if stack is None:
                self._client.create_stack(
                    StackName=self.name,
                    TemplateBody=template_body(),
                    Parameters=parameters(settings),
                    Capabilities=["CAPABILITY_IAM"],
                    Tags=tags(self.name),
                )
            elif not self._update(settings):
                return self.find()
        self._wait(*_WHOLE)
        return self.find()

    def down(self) -> bool:
        """Delete the stack with all that its bucket holds; False where there was none. Raises ``StackError``."""
        if self._describe() is None:
            return False
        with aws_errors(f"deleting the stack {self.name}"):
            for bucket in self._buckets():
                self._empty(bucket)
            self._client.delete_stack(StackName=self.name)
        self._wait("DELETE_COMPLETE")
        return True

    def _describe(self) -> StackTypeDef | None:
        with aws_errors(f"looking for the stack {self.name}"):
            try:
                return self._client.describe_stacks(StackName=self.name)["Stacks"][0]
            except ClientError as error:
                if "does not exist" in str(error):
                    return None
                raise

    def _update(self, settings: StackSettings) -> bool:
        """Start an update; False where there is nothing to change."""
        try:
            self._client.update_stack(
                StackName=self.name,
                TemplateBody=template_body(),
                Parameters=parameters(settings),
                Capabilities=["CAPABILITY_IAM"],
                Tags=tags(self.name),
            )
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return False
            raise
        return True

    def _wait(self, *wanted: str) -> None:
        """Until the stack comes to rest. Raises ``StackError`` where that is not one of the ``wanted`` states."""
        while True:
            stack = self._describe()
            status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
            # UPDATE_COMPLETE_CLEANUP_IN_PROGRESS is at work still, whatever it starts with.
            if not status.endswith("_IN_PROGRESS"):
                break
            self._sleep(_POLL_EMULATED_S if self._account.emulated else _POLL_AWS_S)
        if status not in wanted:
            raise StackError(f"the stack {self.name} ended in {status}: {self._first_failure()}")

    def _first_failure(self) -> str:
        """The resource that failed first, and why; the others fail because it did."""
        with aws_errors(f"reading the events of the stack {self.name}"):
            events = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        failures = [event for event in reversed(events) if event["ResourceStatus"].endswith("_FAILED")]
        if not failures:
            return "CloudFormation gives no reason"
        first = failures[0]
        return f"{first['LogicalResourceId']}: {first.get('ResourceStatusReason', 'no reason given')}"

    def _buckets(self) -> list[str]:
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return [
            resource["PhysicalResourceId"]
            for page in pages
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == "AWS::S3::Bucket" and resource.get("PhysicalResourceId")
        ]

    def _empty(self, bucket: str) -> None:
        """Delete every version of every object: CloudFormation deletes no bucket that holds one."""
        s3 = self._account.s3
        try:
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                doomed: list[ObjectIdentifierTypeDef] = [
                    {"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in versions
                ]
                if doomed:
                    s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
        except s3.exceptions.NoSuchBucket:
            return
