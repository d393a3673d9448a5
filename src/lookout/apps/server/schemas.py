"""The documents that the server gives and takes, as types: the code is checked against them, and documented by them."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from lookout.executions.contract import MAX_ID_LENGTH

Milliseconds = Annotated[float, Meta(ge=0, description="milliseconds")]
Confidence = Annotated[float, Meta(ge=0, le=1)]


class DetectionRequest(TypedDict):
    """An image in JSON."""

    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH, description="any; comes back in the answer")]
    image_data: Annotated[str, Meta(description="the image file in base64", extra_json_schema={"format": "byte"})]


class FoundObject(TypedDict):
    """One object in an image."""

    label: str
    accuracy: Annotated[Confidence, Meta(description="the confidence")]
    box: Annotated[
        list[float], Meta(min_length=4, max_length=4, description="x, y, width, height in pixels of the upright image")
    ]


class DetectionAnswer(TypedDict):
    """What was found in an image."""

    id: str
    objects: list[FoundObject]
    inference_time: Annotated[Milliseconds, Meta(description="of the network alone, in milliseconds")]
    timings: Annotated[dict[str, Milliseconds], Meta(description="of every stage, in milliseconds")]
    transfer_time: NotRequired[Annotated[Milliseconds, Meta(description="of the image to the cloud, in milliseconds")]]


class ProblemDocument(TypedDict):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Meta(description="one sentence that says what to do")]


class UploadAnswer(TypedDict):
    """Leave to upload one image straight to the bucket, by a form."""

    id: Annotated[str, Meta(description="for GET /results/{id}")]
    url: str
    fields: Annotated[dict[str, str], Meta(description="the form's fields; the image follows as the field file")]
    expires_in: Annotated[int, Meta(description="seconds")]
    max_bytes: int


class PendingAnswer(TypedDict):
    """An image that is still worked on."""

    id: str
    status: str


class HealthAnswer(TypedDict):
    """That the server is there, and what it runs."""

    status: str
    model: str
    engine: str


class InfoAnswer(TypedDict):
    """What a client may want to know before it asks."""

    model: str
    engine: str
    labels: list[str]
    confidence: Confidence
    iou: Confidence
    executions: list[str]
    emulated: bool
    authentication: bool
    max_body_bytes: int
