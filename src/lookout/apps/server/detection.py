"""The local execution's own route, and what offloads through it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Literal, cast

import msgspec
from flask import Blueprint, Response, request

from lookout import images
from lookout.apps.server import offloading
from lookout.apps.server.offloading import OffloadName
from lookout.apps.server.operations import Operation, Parameter, describe
from lookout.apps.server.problems import Reply
from lookout.apps.server.reading import Asked, read_flag, read_image, read_selection
from lookout.apps.server.schemas import DetectionAnswer, DetectionRequest
from lookout.apps.server.service import Service
from lookout.apps.server.wsgi import response_of, server_timing
from lookout.core.detections import Detection
from lookout.core.selection import Selection
from lookout.errors import UsageError
from lookout.executions.contract import answer_document, relayed_document

BINARY = {"type": "string", "format": "binary"}
IMAGE_FORM = {"type": "object", "properties": {"image": BINARY}, "required": ["image"]}
UNIT = {"type": "number", "minimum": 0, "maximum": 1}

_DETECT = Operation(
    summary="Find the objects in an image",
    group="Detection",
    lane="compute",
    parameters=(
        Parameter("confidence", "Objects at or below this score are left out.", UNIT),
        Parameter("iou", "Of two boxes of one label that overlap more, the less confident goes.", UNIT),
        Parameter("classes", "The labels wanted, with commas between them.", {"type": "string"}),
        Parameter("annotated", "1: answer the image with boxes, as a JPEG.", {"type": "string", "enum": ["0", "1"]}),
        Parameter(
            "execution",
            "Where: here, through S3 and Lambda, or through Lambda alone.",
            {"type": "string", "enum": ["local", "remote", "direct"]},
        ),
        Parameter(
            "id",
            "Comes back in the answer, in place of X-Request-ID; for bodies that are not JSON.",
            {"type": "string", "maxLength": 200},
        ),
    ),
    bodies={
        "application/json": DetectionRequest,
        "multipart/form-data": IMAGE_FORM,
        "image/*": BINARY,
        "application/octet-stream": BINARY,
    },
    answers={200: {"application/json": DetectionAnswer, "image/jpeg": BINARY}},
    problems=(400, 408, 413, 415, 422, 500, 502, 503, 504),
)


def blueprint(service: Service) -> Blueprint:
    """``POST /object-detection``."""
    routes = Blueprint("detection", __name__)
    answer = partial(_answer, service)

    @routes.post("/object-detection")
    @describe(dataclasses.replace(_DETECT, answer=answer))
    def detect() -> Response:
        return response_of(answer(Asked.of(request)))

    return routes


def _answer(service: Service, asked: Asked) -> Reply:
    arguments = {name: values[0] for name, values in asked.arguments.items()}
    execution, annotated = _execution(arguments), read_flag(arguments, "annotated")
    selection = read_selection(arguments, asked.arguments.get("classes", ()), service.model, service.selection)
    if execution != "local" and selection:
        raise UsageError("confidence, iou and classes are the stack's own where the execution is remote or direct")
    request_id, data = read_image(asked)
    if execution == "local":
        found = _detect_here(service, request_id, data, selection, asked.queue_ms)
    else:
        found = _offload(service, execution, request_id, data)
    body = _annotated(data, found) if annotated else msgspec.json.encode(found)
    content_type = "image/jpeg" if annotated else "application/json"
    timing = server_timing({"queue": asked.queue_ms, **found["timings"]})
    return Reply(200, (("Content-Type", content_type), ("Server-Timing", timing)), body)


def _execution(arguments: Mapping[str, str]) -> Literal["local"] | OffloadName:
    name = arguments.get("execution", "local")
    if name not in ("local", *offloading.NAMES):
        raise UsageError(f"there is no execution {name[:20]!r}: ask for local, remote or direct")
    return cast(Literal["local"] | OffloadName, name)


def _detect_here(
    service: Service, request_id: str, data: bytes, selection: Selection | None, queue_ms: float
) -> DetectionAnswer:
    answer = cast(DetectionAnswer, answer_document(request_id, service.detect(data, selection)))
    answer["timings"] = {"queue": round(queue_ms, 3), **answer["timings"]}
    return answer


def _offload(service: Service, execution: OffloadName, request_id: str, data: bytes) -> DetectionAnswer:
    if service.offloading is None:
        raise UsageError(f"no stack is configured for {execution}: start the server with --stack")
    answer = service.offloading.detect(execution, data)
    service.metrics.observe_offload(execution, answer.elapsed_ms)
    return cast(DetectionAnswer, relayed_document(request_id, answer))


def _annotated(data: bytes, answer: DetectionAnswer) -> bytes:
    pixels = images.draw(images.decode(data).pixels_bgr, [Detection.from_json(found) for found in answer["objects"]])
    return images.encode_jpeg(pixels)
