"""Offloading to a stack, on AWS or on the emulator."""

from __future__ import annotations

import uuid
from typing import Any

from lookout.apps.server.offloading import UPLOAD_LIFETIME_S, OffloadName, Upload
from lookout.cloud.account import Account, aws_errors
from lookout.cloud.items import Outcome
from lookout.cloud.stack import Deployment
from lookout.errors import NoSuchUploadError
from lookout.executions.direct import DirectExecution
from lookout.executions.lost import Lost
from lookout.executions.protocol import Answer, Execution
from lookout.executions.remote import RemoteExecution
from lookout.executions.retrying import Retries
from lookout.executions.uploading import folder_below
from lookout.images import MAX_BYTES


class StackOffloading:
    """A stack, seen from the server."""

    def __init__(self, account: Account, deployment: Deployment) -> None:
        self.emulated = account.emulated
        self._bucket = deployment.bucket
        self._folder = folder_below(deployment.parameters.get("Prefix", ""))
        self._s3 = account.s3
        self._remote = RemoteExecution(account, deployment)
        self._executions: dict[OffloadName, Execution] = {
            "remote": self._remote,
            # Whoever asks is told that the function is busy, and when to ask again: that is theirs to decide.
            "direct": DirectExecution(account, deployment, Retries(count=0)),
        }

    def detect(self, execution: OffloadName, data: bytes) -> Answer:
        """See ``Offloading``."""
        return self._executions[execution].detect(data, "upload")

    def new_upload(self) -> Upload:
        """See ``Offloading``."""
        upload_id = str(uuid.uuid4())
        with aws_errors("making a presigned upload"):
            post: dict[str, Any] = self._s3.generate_presigned_post(
                self._bucket,
                self._key(upload_id),
                # An empty file is let through: the function says of it what is said of it elsewhere.
                Conditions=[["content-length-range", 0, MAX_BYTES]],
                ExpiresIn=UPLOAD_LIFETIME_S,
            )
        return Upload(upload_id, post["url"], post["fields"])

    def where(self, upload_id: str) -> Lost:
        """See ``Offloading``."""
        return self._remote.where(self._key(upload_id))

    def result(self, upload_id: str, wait_s: float = 0) -> Outcome | None:
        """See ``Offloading``."""
        key = self._key(upload_id)
        outcome = self._remote.find(key)
        if outcome is None and not self._remote.is_uploaded(key):
            raise NoSuchUploadError(f"no image was uploaded under {upload_id}: send one with the form of POST /uploads")
        return outcome if outcome or not wait_s else self._remote.find(key, wait_s)

    def _key(self, upload_id: str) -> str:
        return f"{self._folder}{upload_id}/upload"
