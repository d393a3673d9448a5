"""What is deployed: the template ``stack.yaml``, and the values that its parameters are given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from lookout.errors import UsageError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, TagTypeDef

# By this tag, with the stack's name, all that a stack made can be found again.
STACK_TAG = "lookout:stack"
# And by this, whose stack's a role is, as roles are in no region.
REGION_TAG = "lookout:region"

# What the template's Name allows, for its reasons.
_NAME = re.compile(r"(?=.{2,30}\Z)[a-z][a-z0-9]*(-[a-z0-9]+)*")
GROUP_PREFIX = "object-detection-"
_GROUP = re.compile(r"(?=.{1,13}\Z)[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Names:
    """What a stack and its resources are called; where one is empty, the template makes it from the stack's name."""

    stack: str
    bucket: str = ""
    table: str = ""
    function: str = ""
    repository: str = ""

    @staticmethod
    def of(name: str) -> Names:
        """The names of a stack that is called so. Raises ``UsageError`` where none can be."""
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"a stack can't be called {name!r}: take 2 to 30 lower-case letters, digits and single hyphens, "
                "the first a letter, the last no hyphen"
            )
        return Names(name)

    @staticmethod
    def of_group(group: str) -> Names:
        """The reference's names for a group. Raises ``UsageError`` where they would be none that AWS takes.

        >>> Names.of_group("group41").bucket
        'image-bucket-group41'
        """
        if not _GROUP.fullmatch(group):
            raise UsageError(
                f"a group can't be called {group!r}: take 1 to 13 lower-case letters, digits and single hyphens, "
                "the first and last no hyphen"
            )
        return Names(
            stack=f"{GROUP_PREFIX}{group}",
            bucket=f"image-bucket-{group}",
            table=f"{GROUP_PREFIX}{group}",
            function="object-detection",
            repository="object-detection-lambda",
        )


@dataclass(frozen=True, slots=True)
class Code:
    """What the function runs: an image's URI, or the key of a zip in the artifact bucket, which ``runtime`` runs.

    With neither, the stack is made without its function (the template's first phase).
    """

    image_uri: str = ""
    zip_key: str = ""
    runtime: str = "python3.13"

    def __post_init__(self) -> None:
        if self.image_uri and self.zip_key:
            raise ValueError("a function runs an image or a zip, not both")


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What is deployed: the parameters of ``stack.yaml``.

    ``model`` is its name, for people; ``input`` is ``InputFormat.described``. ``version`` is that of the Lookout in the
    function's package, empty where that is not known. ``expire_days`` are those of uploads,
    ``result_days`` those of items; 0 keeps them. With ``role_arn`` no role is made. ``prefix`` is what keys start with
    whose objects start the function.
    """

    names: Names
    code: Code = Code()
    architecture: str = "x86_64"
    model_folder: str = "/opt/model"
    model: str = ""
    engine: str = "onnxruntime"
    confidence: float = 0.25
    iou: float = 0.45
    input: str = ""
    version: str = ""
    memory_mb: int = 512
    timeout_s: int = 15
    reserved_concurrency: int | None = None
    log_retention_days: int = 14
    expire_days: int = 30
    result_days: int = 0
    prefix: str = ""
    role_arn: str = ""


def option_of(stack: str, given: Mapping[str, str] | None = None) -> str:
    """The option that names a stack to ``lookout stack up``: under another its resources would be made anew.

    ``given``: the template's parameters, as it was made; None of a stack that is not there, whose name alone must tell.

    >>> option_of("object-detection-group41"), option_of("object-detection-group41", {"BucketName": ""})
    ('--group group41', '--name object-detection-group41')
    """
    group = stack.removeprefix(GROUP_PREFIX)
    by_group = group != stack and (_GROUP.fullmatch(group) if given is None else given.get("BucketName"))
    return f"--group {group}" if by_group else f"--name {stack}"


def template_body() -> str:
    """The template, as CloudFormation takes it."""
    return resources.files("lookout.cloud").joinpath("stack.yaml").read_text("utf-8")


def parameters(settings: StackSettings) -> list[ParameterTypeDef]:
    """All parameters of the template, in its order."""
    names, code = settings.names, settings.code
    concurrency = settings.reserved_concurrency
    values = {
        "Name": names.stack,
        "BucketName": names.bucket,
        "TableName": names.table,
        "FunctionName": names.function,
        "RepositoryName": names.repository,
        "ImageUri": code.image_uri,
        "CodeKey": code.zip_key,
        "Runtime": code.runtime,
        "Architecture": settings.architecture,
        "ModelFolder": settings.model_folder,
        "Model": settings.model,
        "Engine": settings.engine,
        "Confidence": settings.confidence,
        "Iou": settings.iou,
        "Input": settings.input,
        "Version": settings.version,
        "Memory": settings.memory_mb,
        "Timeout": settings.timeout_s,
        "ReservedConcurrency": "" if concurrency is None else concurrency,
        "LogRetention": settings.log_retention_days,
        "ExpireDays": settings.expire_days,
        "ResultDays": settings.result_days,
        "Prefix": settings.prefix,
        "RoleArn": settings.role_arn,
    }
    return [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()]


def tags(stack_name: str) -> list[TagTypeDef]:
    """The tags of the stack itself, which CloudFormation passes on to its resources."""
    return [{"Key": STACK_TAG, "Value": stack_name}]
