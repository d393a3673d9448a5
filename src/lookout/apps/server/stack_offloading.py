"""Offloading to a stack, on AWS or on the emulator."""

from __future__ import annotations

import uuid
from typing import Any

from lookout.apps.server.offloading import UPLOAD_LIFETIME_S, OffloadName, Upload
from lookout.cloud.account import Account, aws_errors
from lookout.cloud.items import KEY, Outcome, from_item, image_url
from lookout.cloud.stack import Deployment
from lookout.errors import NoSuchUploadError
from lookout.executions.direct import DirectExecution
from lookout.executions.protocol import Answer, Execution
from lookout.executions.remote import RemoteExecution
from lookout.images import MAX_BYTES


class StackOffloading:
    """A stack, seen from the server."""

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
        """See ``Offloading``."""
        return self._executions[execution].detect(data, "upload")

    def new_upload(self) -> Upload:
        """See ``Offloading``."""
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
        """See ``Offloading``."""
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
