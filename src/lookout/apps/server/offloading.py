"""The way to the cloud through this server, for clients that have no keys of their own."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Literal

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.items import KEY, Outcome, from_item, image_url
from lookout.cloud.stack import Deployment
from lookout.errors import NoSuchUploadError
from lookout.executions.direct import DirectExecution
from lookout.executions.protocol import Answer, Execution
from lookout.executions.remote import RemoteExecution
from lookout.images import MAX_BYTES

OffloadName = Literal["remote", "direct"]
UPLOAD_LIFETIME_S = 900


@dataclass(frozen=True, slots=True)
class Upload:
    """Leave to put one image into the bucket: a form of ``fields``, and the image as its last one, ``file``."""

    id: str
    url: str
    fields: dict[str, str]


class Offloading:
    """A stack, seen from the server."""

    names: tuple[OffloadName, ...] = ("remote", "direct")

    def __init__(self, account: Account, deployment: Deployment) -> None:
        self.emulated = account.emulated
        self._deployment = deployment
        self._s3 = account.s3
        self._dynamodb = account.dynamodb
        self._executions: dict[str, Execution] = {
            "remote": RemoteExecution(account, deployment),
            "direct": DirectExecution(account, deployment),
        }

    def detect(self, execution: OffloadName, data: bytes) -> Answer:
        """Offload an image, and wait for what is found in it. Raises as ``Execution.detect`` does."""
        return self._executions[execution].detect("upload", data)

    def new_upload(self) -> Upload:
        """Leave for a client to upload one image, for a quarter of an hour."""
        upload_id = str(uuid.uuid4())
        with aws_errors("making a presigned upload"):
            post: dict[str, Any] = self._s3.generate_presigned_post(
                self._deployment.bucket,
                _key(upload_id),
                Conditions=[["content-length-range", 1, MAX_BYTES]],
                ExpiresIn=UPLOAD_LIFETIME_S,
            )
        return Upload(upload_id, post["url"], post["fields"])

    def result(self, upload_id: str) -> Outcome | None:
        """What was found in an uploaded image; None while it is worked on. Raises ``NoSuchUploadError``."""
        bucket, key = self._deployment.bucket, _key(upload_id)
        with aws_errors("looking for a result"):
            found = self._dynamodb.get_item(
                TableName=self._deployment.table, Key={KEY: {"S": image_url(bucket, key)}}, ConsistentRead=True
            )
            if "Item" in found:
                return from_item(found["Item"])
            listed = self._s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        if not listed.get("KeyCount"):
            raise NoSuchUploadError(f"no image was uploaded under {upload_id}: send one with the form of POST /uploads")
        return None


def _key(upload_id: str) -> str:
    return f"images/{upload_id}/upload"
