"""Which of AWS's operations Lookout's clients call, as its source tells, and what IAM calls them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import botocore.session
from botocore import xform_name

SERVICES = [
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "ecr",
    "iam",
    "lambda",
    "logs",
    "resourcegroupstaggingapi",
    "s3",
    "service-quotas",
    "sqs",
    "sts",
]
PREFIXES = {"resourcegroupstaggingapi": "tag", "service-quotas": "servicequotas"}
# Where IAM's name of an operation is not the operation's.
ACTIONS = {
    "lambda:Invoke": ["lambda:InvokeFunction"],
    "s3:DeleteObjects": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject"],
    "s3:ListMultipartUploads": ["s3:ListBucketMultipartUploads"],
    "s3:ListObjectVersions": ["s3:ListBucketVersions"],
    "s3:ListObjects": ["s3:ListBucket"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:CreateMultipartUpload": ["s3:PutObject"],
    "s3:UploadPart": ["s3:PutObject"],
    "s3:CompleteMultipartUpload": ["s3:PutObject"],
    "sqs:ChangeMessageVisibilityBatch": ["sqs:ChangeMessageVisibility"],
    "sqs:DeleteMessageBatch": ["sqs:DeleteMessage"],
    "sqs:SendMessageBatch": ["sqs:SendMessage"],
    "sts:GetCallerIdentity": [],  # nobody needs leave to ask who they are
}
# What boto3 adds to its clients.
HELPERS = {
    "generate_presigned_post": "s3:PutObject",
    "upload_file": "s3:PutObject",
    "upload_fileobj": "s3:PutObject",
    "download_file": "s3:GetObject",
    "download_fileobj": "s3:GetObject",
}
# These are no clients of an account of the user's: the emulator is the other side, the function has a role of its own.
OTHERS = {"emulator", "handler.py"}


@cache
def actions_called(package: str = "lookout") -> dict[str, list[list[str]]]:
    """Of each method of a client's that a package calls: the actions, for each service that has one of that name."""
    operations = _operations()
    return {method: operations[method] for method in _methods_called(package) if method in operations}


def _operations() -> dict[str, list[list[str]]]:
    found = {method: [[action]] for method, action in HELPERS.items()}
    for service in SERVICES:
        for operation in botocore.session.get_session().get_service_model(service).operation_names:
            action = f"{PREFIXES.get(service, service)}:{operation}"
            found.setdefault(xform_name(operation), []).append(ACTIONS.get(action, [action]))
    return found


def _methods_called(package: str) -> Iterator[str]:
    for file in _sources(resources.files(package)):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".get_paginator"):
                yield ast.literal_eval(node.args[0])


def _sources(folder: Traversable) -> Iterator[Traversable]:
    for entry in folder.iterdir():
        if entry.name in OTHERS:
            continue
        if entry.is_dir():
            yield from _sources(entry)
        elif entry.name.endswith(".py"):
            yield entry
