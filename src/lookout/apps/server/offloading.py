"""The way to the cloud through this server, for clients that have no keys of their own.

``stack_offloading.py`` goes it; a server without a stack needs none of AWS's packages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from lookout.executions.protocol import Answer

if TYPE_CHECKING:
    from lookout.cloud.items import Outcome
    from lookout.executions.lost import Lost

OffloadName = Literal["remote", "direct"]
NAMES: tuple[OffloadName, ...] = get_args(OffloadName)
UPLOAD_LIFETIME_S = 900


@dataclass(frozen=True, slots=True)
class Upload:
    """Leave to put one image into the bucket: a form of ``fields``, and the image as its last one, ``file``."""

    id: str
    url: str
    fields: dict[str, str]


class Offloading(Protocol):
    """A cloud that finds objects. ``emulated``: it is none, but the emulator."""

    emulated: bool

    def detect(self, execution: OffloadName, data: bytes) -> Answer:
        """Offload an image, and wait for what is found in it. Raises as ``Execution.detect`` does."""
        ...

    def new_upload(self) -> Upload:
        """Leave for a client to upload one image, for a quarter of an hour."""
        ...

    def where(self, upload_id: str) -> Lost:
        """How far an uploaded image came that has no result yet."""
        ...

    def result(self, upload_id: str, wait_s: float = 0) -> Outcome | None:
        """What was found in an uploaded image; None where that isn't known after ``wait_s``.

        Raises ``NoSuchUploadError``.
        """
        ...
