"""Putting an image into the bucket: in one request, and in parts where it is large."""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from lookout.cloud.account import aws_errors, missing
from lookout.errors import CloudError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 * 1024 * 1024
_MAX_NAME_LENGTH = 200
_FOLDER = "images/"

# No threads of the library's own: it starts ten for each image that is under way, and waits for them at the
# interpreter's end. Many images under way fill the line as well. What is lost is sent again part by part.
_IN_PARTS = TransferConfig(multipart_threshold=PART_BYTES + 1, multipart_chunksize=PART_BYTES, use_threads=False)


def object_key(name: str, prefix: str = "") -> str:
    """A new key for an image of that name: ``images/<id>/<name>``, the name bounded, its end kept.

    ``prefix``: what keys must start with whose objects start the function.

    >>> object_key("a.jpg", "incoming/").startswith("incoming/"), object_key("a.jpg", "ima").startswith("images/")
    (True, True)
    """
    readable = name.encode("utf-8", "replace").decode("utf-8")[-_MAX_NAME_LENGTH:]
    return f"{folder_below(prefix)}{uuid.uuid4()}/{readable}"


def folder_below(prefix: str) -> str:
    """Where Lookout's clients put images: ``images/``, or below what keys must start with."""
    return _FOLDER if _FOLDER.startswith(prefix) else prefix


def upload(s3: S3Client, bucket: str, key: str, data: bytes, name: str) -> None:
    """Put an image there. Raises ``CloudError`` and ``UnreachableError``; then no part of it is left."""
    with aws_errors(f"uploading {name}"):
        try:
            if len(data) <= PART_BYTES:
                s3.put_object(Bucket=bucket, Key=key, Body=data)
            else:
                s3.upload_fileobj(io.BytesIO(data), bucket, key, Config=_IN_PARTS)
        except (ClientError, Boto3Error) as error:
            if "NoSuchBucket" in str(error):  # of an upload in parts nothing but the words is left
                raise missing(f"bucket {bucket}") from error
            if isinstance(error, ClientError):
                raise
            raise CloudError(f"uploading {name}: {error}") from error
