"""What every execution takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from lookout.core.detections import Detection


@dataclass(frozen=True, slots=True)
class Answer:
    """What an execution found in one image, and what it took.

    ``elapsed_ms`` is the whole, as the caller saw it; ``timings_ms`` the detector's own stages;
    ``upload_ms`` the transfer to the bucket, and ``request_id`` Lambda's, where there were such. ``encode_ms``: to
    bring the image into the form that it is sent in. ``retries``: how often it was asked again; ``elapsed_ms`` is then
    of the attempt that was answered. ``fetched``: an earlier run
    sent the image, and this one only came for what was found in it; then ``elapsed_ms`` tells nothing of the whole.
    """

    objects: tuple[Detection, ...]
    inference_ms: float
    elapsed_ms: float
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    upload_ms: float | None = None
    request_id: str | None = None
    retries: int = 0
    fetched: bool = False
    encode_ms: float = 0.0


class Execution(Protocol):
    """One way to get an image's detections."""

    @property
    def name(self) -> str:
        """The execution's name, as ``--execution`` takes it."""
        ...

    def detect(self, data: bytes, name: str = "image") -> Answer:
        """Find the objects in an encoded image that is called ``name``; from many threads at once, if need be.

        Raises ``ImageError`` for what is no image, ``UnreachableError`` where nobody answers, and
        ``ExecutionError`` where this image got no answer.
        """
        ...

    def close(self) -> None:
        """Give connections and memory back."""
        ...


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier run was told of an image: the ``place`` that it noted.

    ``lost``: what was uploaded there came to nothing, and never will.
    """

    place: str
    lost: bool = False


@runtime_checkable
class UploadingExecution(Execution, Protocol):
    """An execution that puts the image somewhere first, where its result can be found later, too."""

    def detect_noted(
        self, data: bytes, name: str, note: Callable[[str], None], earlier: Earlier | None = None
    ) -> Answer:
        """As ``detect``; ``note`` is told, before anything is uploaded, where the image goes.

        What an ``earlier`` run has uploaded is not uploaded again, its result is fetched; but what got lost is
        uploaded anew, to another place.
        """
        ...
