"""The Open Inference Protocol (v2), for programs that speak to KServe, Triton or MLServer already.

https://github.com/kserve/open-inference-protocol, ``inference_rest.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from flask import Blueprint, Response, g, make_response, request
from werkzeug.exceptions import NotFound

from lookout.apps.server import tensors
from lookout.apps.server.operations import Operation, Parameter, describe
from lookout.apps.server.reading import read_selection
from lookout.apps.server.schemas import (
    InferenceAnswer,
    InferenceRequest,
    LiveAnswer,
    ModelMetadata,
    ReadyAnswer,
    ServerMetadata,
    TensorMetadata,
)
from lookout.apps.server.service import Service
from lookout.core.detections import Detection
from lookout.models.model import Model

_Readiness = tuple[ReadyAnswer, int, dict[str, str]]
_GROUP = "What others speak"
_VERSION = "1"
_JSON = "application/json"
_BINARY = {"type": "string", "format": "binary"}
_NAME = Parameter("name", "The model's.", {"type": "string"}, "path", required=True)
_LENGTH = Parameter(
    tensors.LENGTH_HEADER, "Where tensors in binary follow: the JSON's length.", {"type": "integer"}, "header"
)
_INPUTS: list[TensorMetadata] = [{"name": tensors.INPUT, "datatype": "UINT8", "shape": [-1, -1, 3]}]
_OUTPUTS: list[TensorMetadata] = [
    {"name": "boxes", "datatype": "FP32", "shape": [-1, 4]},
    {"name": "scores", "datatype": "FP32", "shape": [-1]},
    {"name": "class_ids", "datatype": "INT64", "shape": [-1]},
    {"name": "labels", "datatype": "BYTES", "shape": [-1]},
]
_SERVER = Operation("The server, to the Open Inference Protocol", _GROUP, answers={200: {_JSON: ServerMetadata}})
_LIVE = Operation("Whether the server is there", _GROUP, public=True, answers={200: {_JSON: LiveAnswer}})
_READY = Operation(
    "Whether the network has warmed up",
    _GROUP,
    public=True,
    answers={200: {_JSON: ReadyAnswer}, 503: {_JSON: ReadyAnswer}},
)
_MODEL = Operation(
    "What the model takes and gives",
    _GROUP,
    parameters=(_NAME,),
    answers={200: {_JSON: ModelMetadata}},
    problems=(404,),
)
_MODEL_READY = Operation(
    "Whether the model may be asked",
    _GROUP,
    parameters=(_NAME,),
    answers={200: {_JSON: ReadyAnswer}, 503: {_JSON: ReadyAnswer}},
    problems=(404,),
)
_INFER = Operation(
    "Find the objects in an image, as a tensor or a file",
    _GROUP,
    lane="compute",
    parameters=(_NAME, _LENGTH),
    bodies={_JSON: InferenceRequest, "application/octet-stream": _BINARY},
    answers={200: {_JSON: InferenceAnswer, "application/octet-stream": _BINARY}},
    problems=(400, 404, 408, 413, 415, 422, 500, 503),
)


def blueprint(service: Service) -> Blueprint:
    """``/v2`` and what is below it."""
    routes = Blueprint("open_inference", __name__, url_prefix="/v2")

    @routes.get("")
    @describe(_SERVER)
    def server() -> ServerMetadata:
        return {"name": "lookout", "version": _VERSION, "extensions": ["binary_tensor_data"]}

    @routes.get("/health/live")
    @describe(_LIVE)
    def live() -> LiveAnswer:
        return {"live": True}

    @routes.get("/health/ready")
    @describe(_READY)
    def ready() -> _Readiness:
        return _readiness(service)

    @routes.get("/models/<name>")
    @describe(_MODEL)
    def model(name: str) -> ModelMetadata:
        _check_name(name, service.model)
        platform = f"{service.engine}_onnx"
        return {"name": name, "versions": [_VERSION], "platform": platform, "inputs": _INPUTS, "outputs": _OUTPUTS}

    @routes.get("/models/<name>/ready")
    @describe(_MODEL_READY)
    def model_ready(name: str) -> _Readiness:
        _check_name(name, service.model)
        return _readiness(service)

    @routes.post("/models/<name>/infer")
    @describe(_INFER)
    def infer(name: str) -> InferenceAnswer | Response:
        _check_name(name, service.model)
        asked = tensors.read_request(request.get_data(), request.headers.get(tensors.LENGTH_HEADER))
        result = service.detect(asked.image, _selection(asked.parameters, service))
        g.timings_ms = result.timings
        outputs, binary = tensors.write_tensors(_outputs(result.objects, service.model), asked)
        answer: InferenceAnswer = {"model_name": name, "model_version": _VERSION, "outputs": outputs}
        if asked.id is not None:
            answer["id"] = asked.id
        return _in_binary(answer, binary) if any("data" not in tensor for tensor in outputs) else answer

    return routes


def _check_name(name: str, model: Model) -> None:
    if name != model.name:
        raise NotFound(f"there is no model {name[:100]!r}: this server has {model.name}")


def _readiness(service: Service) -> _Readiness:
    return ({"ready": True}, 200, {}) if service.ready else ({"ready": False}, 503, {"Retry-After": "1"})


def _selection(parameters: Mapping[str, Any], service: Service) -> Any:
    asked = {name: str(parameters[name]) for name in ("confidence", "iou") if name in parameters}
    classes = [str(parameters["classes"])] if "classes" in parameters else []
    return read_selection(asked, classes, service.model, service.selection)


def _outputs(objects: tuple[Detection, ...], model: Model) -> dict[str, Any]:
    boxes = [(found.box.x, found.box.y, found.box.width, found.box.height) for found in objects]
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.array([found.confidence for found in objects], np.float32),
        "class_ids": np.array([model.labels.index(found.label) for found in objects], np.int64),
        "labels": [found.label for found in objects],
    }


def _in_binary(answer: InferenceAnswer, binary: bytes) -> Response:
    body, length = tensors.join(answer, binary)
    headers = {"Content-Type": "application/octet-stream", tensors.LENGTH_HEADER: str(length)}
    return make_response(body, 200, headers)
