"""The documents that the server gives and takes, as types: the code is checked against them, and documented by them."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from msgspec import Meta, Raw

from lookout.executions.contract import MAX_ID_LENGTH

Milliseconds = Annotated[float, Meta(ge=0, description="milliseconds")]
Parameters = dict[str, str | int | float | bool | None]
Confidence = Annotated[float, Meta(ge=0, le=1)]

_GREY_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAJElEQVQIHW3BAQ"
    "EAAAABIP4fa5YDqshT5CnyFHmKPEWeIk+RZxykEskvcOowAAAAAElFTkSuQmCC"
)


class DetectionRequest(TypedDict):
    """An image in JSON."""

    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH, description="any; comes back in the answer")]
    image_data: Annotated[
        str, Meta(description="the image file in base64", examples=[_GREY_PNG], extra_json_schema={"format": "byte"})
    ]


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
    kind: NotRequired[Annotated[str, Meta(description="of an image that can't be looked at: the error's class")]]


class UploadAnswer(TypedDict):
    """Leave to upload one image straight to the bucket, by a form."""

    id: Annotated[str, Meta(description="for GET /results/{id}")]
    url: str
    fields: Annotated[dict[str, str], Meta(description="the form's fields; the image follows as the field file")]
    expires_in: Annotated[int, Meta(description="seconds")]
    max_bytes: int


class PendingAnswer(TypedDict):
    """An image that is still worked on, or got lost."""

    id: str
    status: str
    stage: NotRequired[Annotated[str, Meta(description="how far it came: not started, running, failing, given up")]]
    lost: NotRequired[Annotated[bool, Meta(description="no result will come of it, unless it is sent again")]]


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
    input: Annotated[
        list[int], Meta(min_length=2, max_length=2, description="width and height of what the network looks at")
    ]
    fit: Annotated[str, Meta(description="how a picture is laid into it: stretch, letterbox or letterbox-centred")]


class DeepStackPrediction(TypedDict):
    """One object, as DeepStack tells of it: corners in whole pixels."""

    label: str
    confidence: Confidence
    x_min: int
    y_min: int
    x_max: int
    y_max: int


class DeepStackAnswer(TypedDict):
    """What was found in an image, as DeepStack tells it."""

    success: bool
    predictions: list[DeepStackPrediction]
    duration: Milliseconds


class TensorMetadata(TypedDict):
    """A model's input or output; -1 is any size."""

    name: str
    datatype: str
    shape: list[int]


class ServerMetadata(TypedDict):
    """What speaks the Open Inference Protocol here."""

    name: str
    version: str
    extensions: list[str]


class ModelMetadata(TypedDict):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class LiveAnswer(TypedDict):
    """That the server is there."""

    live: bool


class ReadyAnswer(TypedDict):
    """That a model may be asked."""

    ready: bool


class GivenTensor(TypedDict):
    """Numbers or texts of a shape, in a request. ``data`` is read once it is known what it should be."""

    name: Annotated[str, Meta(max_length=100)]
    shape: Annotated[list[Annotated[int, Meta(ge=0, le=1 << 31)]], Meta(max_length=4)]
    datatype: str
    parameters: NotRequired[Parameters]
    data: NotRequired[Annotated[Raw, Meta(description="flat, or nested as the shape says")]]


class Tensor(TypedDict):
    """Numbers or texts of a shape, in an answer; ``data`` is flat."""

    name: str
    shape: list[int]
    datatype: str
    parameters: NotRequired[Parameters]
    data: NotRequired[list[Any]]


class WantedOutput(TypedDict):
    """An output that is asked for."""

    name: str
    parameters: NotRequired[Parameters]


class InferenceRequest(TypedDict):
    """One image as the tensor ``image``: UINT8 (height, width, 3) in RGB, or BYTES (1) with the file in base64."""

    inputs: list[GivenTensor]
    id: NotRequired[Annotated[str, Meta(max_length=MAX_ID_LENGTH)]]
    outputs: NotRequired[list[WantedOutput]]
    parameters: NotRequired[Parameters]


class InferenceAnswer(TypedDict):
    """``boxes`` FP32 (n, 4): x, y, width, height; ``scores`` FP32 (n); ``class_ids`` INT64; ``labels`` BYTES."""

    model_name: str
    model_version: str
    id: NotRequired[str]
    outputs: list[Tensor]
