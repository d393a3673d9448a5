"""For clients without AWS keys: leave to upload an image straight to the bucket, and what was found in it."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, make_response, request

from lookout.apps.server.offloading import UPLOAD_LIFETIME_S, Offloading
from lookout.apps.server.operations import Operation, Parameter, describe
from lookout.apps.server.reading import read_flag, read_wait
from lookout.apps.server.schemas import DetectionAnswer, PendingAnswer, UploadAnswer
from lookout.apps.server.service import Service
from lookout.errors import NoSuchUploadError
from lookout.executions.contract import found_document, image_error
from lookout.images import MAX_BYTES

# Each who waits holds one of the threads that offload.
LONGEST_WAIT_S = 20

_UPLOAD = Operation(
    summary="Get leave to upload one image to the cloud",
    group="Offloading",
    lane="offload",
    answers={201: {"application/json": UploadAnswer}},
    problems=(404, 502, 503),
)
_RESULT = Operation(
    summary="What was found in an uploaded image",
    group="Offloading",
    lane="offload",
    parameters=(
        Parameter("id", "Of POST /uploads.", {"type": "string", "format": "uuid"}, "path", required=True),
        Parameter(
            "wait",
            "The seconds to wait for the result before the answer is 202.",
            {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT_S},
        ),
        Parameter("where", "1: tell of one that is pending how far it came.", {"type": "string", "enum": ["0", "1"]}),
    ),
    answers={200: {"application/json": DetectionAnswer}, 202: {"application/json": PendingAnswer}},
    problems=(400, 404, 422, 502, 503),
)


def blueprint(service: Service) -> Blueprint:
    """``POST /uploads`` and ``GET /results/{id}``."""
    routes = Blueprint("uploads", __name__)

    @routes.post("/uploads")
    @describe(_UPLOAD)
    def upload() -> Response:
        leave = _offloading(service).new_upload()
        document: UploadAnswer = {
            "id": leave.id,
            "url": leave.url,
            "fields": leave.fields,
            "expires_in": UPLOAD_LIFETIME_S,
            "max_bytes": MAX_BYTES,
        }
        return make_response(jsonify(document), 201, {"Location": f"/results/{leave.id}"})

    @routes.get("/results/<uuid:id>")
    @describe(_RESULT)
    def result(id: object) -> Response:  # noqa: A002  the path's
        asks_where = read_flag(request.args, "where")
        outcome = _offloading(service).result(str(id), read_wait(request.args, LONGEST_WAIT_S))
        if outcome is None:
            pending: PendingAnswer = {"id": str(id), "status": "pending"}
            if asks_where:
                lost = _offloading(service).where(str(id))
                pending = {**pending, "stage": lost.stage, "lost": lost.for_good}
            return make_response(jsonify(pending), 202, {"Retry-After": "1"})
        if outcome.error:
            raise image_error(outcome.error_kind, outcome.error)
        return jsonify(found_document(str(id), outcome.objects, outcome.inference_ms, outcome.timings_ms or {}))

    return routes


def _offloading(service: Service) -> Offloading:
    if service.offloading is None:
        raise NoSuchUploadError("no stack is configured: start the server with --stack")
    return service.offloading
