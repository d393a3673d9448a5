"""Emptying what CloudFormation deletes only when it is empty.

That is a bucket with all versions, delete markers and parts of unfinished uploads, and a repository with its images.
The failure queue is emptied as well, so that nobody works on what it holds meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors, error_code
from lookout.cloud.lifecycle.presence import Resource
from lookout.errors import StackError

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

Some = TypeVar("Some")

# Uploads that were under way end while their bucket is emptied; who goes on for longer than that goes on for good.
_ROUNDS = 5
_PILE = 1000
_IMAGES_AT_A_TIME = 100
# After how many deleted objects it is said how far that is.
_TOLD = 20_000
_GONE = {"NoSuchBucket", "NoSuchUpload", "RepositoryNotFoundException", "404"}
_PURGED_JUST_NOW = {"PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress"}

Say = Callable[[str], None]


def empty(account: Account, resource: Resource, say: Say) -> None:
    """Delete all that a resource holds; what is not there, or holds nothing, is as good as empty.

    Raises ``CloudError``, ``StackError`` where something can't be deleted or more keeps coming.
    """
    act = _EMPTY.get(resource.kind)
    if act is not None:
        with aws_errors(f"emptying {resource.described()}"):
            try:
                act(account, resource, say)
            except ClientError as error:
                if error_code(error) not in _GONE and "NonExistentQueue" not in str(error):
                    raise


def deny_uploads(account: Account, resource: Resource) -> None:
    """Let nobody put anything into a bucket that is to be deleted, whoever goes on sending. Raises ``CloudError``."""
    partition = account.s3.meta.partition
    statement = {
        "Sid": "LookoutIsDeletingThisBucket",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:{partition}:s3:::{resource.name}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with aws_errors(f"closing {resource.described()}"):
        try:
            account.s3.put_bucket_policy(Bucket=resource.name, Policy=policy)
        except ClientError as error:
            if error_code(error) not in _GONE:
                raise


def _empty_bucket(account: Account, resource: Resource, say: Say) -> None:
    rounds = 0
    while rounds < _ROUNDS:
        deleted = 0
        for some in chain(_delete_versions(account, resource), _abort_uploads(account, resource)):
            deleted += some
            if deleted // _TOLD > (deleted - some) // _TOLD:
                say(f"Emptying {resource.described()}: {deleted:,} deleted so far")
        if not deleted:
            return
        rounds += deleted < _PILE  # what comes after a pile was deleted is no stream yet
        say(f"Emptied {resource.described()}: {deleted:,} deleted")
    raise StackError(
        f"{resource.described()} does not get empty, as more keeps coming: stop who sends images, and run the same "
        "command again"
    )


def _delete_versions(account: Account, resource: Resource) -> Iterator[int]:
    """Delete what is there now, a thousand at a time; yields how many."""
    s3 = account.s3
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=resource.name):
        doomed: list[ObjectIdentifierTypeDef] = [
            {"Key": entry["Key"], "VersionId": entry["VersionId"]}
            for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        ]
        if doomed:
            answer = s3.delete_objects(Bucket=resource.name, Delete={"Objects": doomed, "Quiet": True})
            for error in answer.get("Errors", []):
                raise StackError(
                    f"{error.get('Key', 'an object')} in {resource.described()} can't be deleted: "
                    f"{error.get('Message') or error.get('Code')}"
                )
            yield len(doomed)


def _abort_uploads(account: Account, resource: Resource) -> Iterator[int]:
    """End unfinished uploads, whose parts are kept, and paid, though nobody sees them."""
    s3 = account.s3
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=resource.name):
        for upload in page.get("Uploads", []):
            try:
                s3.abort_multipart_upload(Bucket=resource.name, Key=upload["Key"], UploadId=upload["UploadId"])
            except ClientError as error:
                if error_code(error) != "NoSuchUpload":  # it was finished meanwhile: the next round finds the object
                    raise
            yield 1


def _empty_repository(account: Account, resource: Resource, say: Say) -> None:
    images = account.images
    pages = images.get_paginator("list_images").paginate(repositoryName=resource.name)
    digests = sorted({image["imageDigest"] for page in pages for image in page["imageIds"] if "imageDigest" in image})
    # An image that lists others, of several architectures, goes before those: else they are in use still.
    for _ in range(2):
        left: list[str] = []
        for some in _at_a_time(digests, _IMAGES_AT_A_TIME):
            answer = images.batch_delete_image(
                repositoryName=resource.name, imageIds=[{"imageDigest": digest} for digest in some]
            )
            left += [failure["imageId"]["imageDigest"] for failure in answer.get("failures", [])]
        if not left:
            break
        digests = left
    if digests:
        say(f"Emptied {resource.described()}")


def _empty_queue(account: Account, resource: Resource, _say: Say) -> None:
    queues = account.queues
    url = queues.get_queue_url(QueueName=resource.name.rpartition("/")[2])["QueueUrl"]
    try:
        queues.purge_queue(QueueUrl=url)
    except ClientError as error:
        if error_code(error) not in _PURGED_JUST_NOW:
            raise


def _at_a_time(things: Sequence[Some], count: int) -> Iterator[Sequence[Some]]:
    for start in range(0, len(things), count):
        yield things[start : start + count]


_EMPTY: Mapping[str, Callable[[Account, Resource, Say], None]] = {
    "AWS::S3::Bucket": _empty_bucket,
    "AWS::ECR::Repository": _empty_repository,
    "AWS::SQS::Queue": _empty_queue,
}
