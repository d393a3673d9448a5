"""The JSON that executions speak: local over HTTP, direct as the function's payload.

The names ``id``, ``image_data``, ``objects``, ``label``, ``accuracy`` and ``inference_time`` are given by the
published system and stay. An error is a problem document of RFC 9457.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from lookout.core.detections import Detection
from lookout.detector import Result
from lookout.errors import (
    ExecutionError,
    ImageError,
    ImageGoneError,
    ImageMemoryError,
    LookoutError,
    NoSuchUploadError,
    ResultTimeoutError,
    UsageError,
)
from lookout.executions.protocol import Answer

MAX_ID_LENGTH = 200

# How far an uploaded image came that has no result yet, as a server tells its clients: a sentence's end. Its own log
# and queue tell more, to who may look there.
STAGES = {
    "not uploaded": "it is not in the bucket any more: send it again",
    "not started": "it is in the bucket, and the function was not started for it yet: allow it more with --timeout, "
    "or send it again",
    "given up": "the function failed on it as often as it is tried: send it again, or ask who runs {server} to look at "
    "lookout stack failures",
    "failing": "the function failed on it, and is tried again: allow it more with --timeout",
    "running": "the function is still running: allow it more with --timeout",
}


def request_document(request_id: str, data: bytes) -> dict[str, str]:
    """What asks for an image's detections."""
    return {"id": request_id, "image_data": base64.b64encode(data).decode("ascii")}


def read_request(document: object) -> tuple[str, bytes]:
    """The id and the image of a request. Raises ``UsageError`` with what is wrong with it."""
    if not isinstance(document, dict):
        raise UsageError('the request must be a JSON object: {"id": "...", "image_data": "<base64>"}')
    request_id, encoded = document.get("id"), document.get("image_data")
    if not isinstance(request_id, str) or not 0 < len(request_id) <= MAX_ID_LENGTH:
        raise UsageError(f"id must be a text of 1 to {MAX_ID_LENGTH} characters")
    if not isinstance(encoded, str):
        raise UsageError("image_data must be the image in base64")
    try:
        # Some encoders break lines; nothing else outside the alphabet is let through.
        return request_id, base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"image_data is not base64: {error}") from error


def answer_document(request_id: str, result: Result) -> dict[str, Any]:
    """What answers a request."""
    return {"id": request_id, **result.to_json()}


def relayed_document(request_id: str, answer: Answer) -> dict[str, Any]:
    """What answers a request that was offloaded: ``transfer_time`` is the part that was no computing."""
    elsewhere_ms = answer.elapsed_ms - sum(answer.timings_ms.values())
    transfer_ms = elsewhere_ms if answer.upload_ms is None else answer.upload_ms
    found = found_document(request_id, answer.objects, answer.inference_ms, answer.timings_ms)
    return {**found, "transfer_time": round(max(0.0, transfer_ms), 3)}


def found_document(
    request_id: str, objects: Iterable[Detection], inference_ms: float, timings_ms: Mapping[str, float]
) -> dict[str, Any]:
    """What answers a request, from its parts."""
    return {
        "id": request_id,
        "objects": [detection.to_json() for detection in objects],
        "inference_time": round(inference_ms, 3),
        "timings": {stage: round(ms, 3) for stage, ms in timings_ms.items()},
    }


def problem_document(status: int, title: str, detail: str, kind: str | None = None) -> dict[str, Any]:
    """An error, for programs and people. ``kind`` names the class of an ``ImageError``: see ``image_error``."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return {**document, "kind": kind} if kind else document


_IMAGE_ERRORS = {kind.__name__: kind for kind in (ImageGoneError, ImageMemoryError)}


def image_error(kind: object, message: str) -> ImageError:
    """The error of an image that was looked at elsewhere, from the name of its class."""
    return _IMAGE_ERRORS.get(str(kind), ImageError)(message)


def read_answer(document: Any, elapsed_ms: float, source: str) -> Answer:
    """The answer in a document. Raises what a problem document tells of, ``ExecutionError`` for any other."""
    if isinstance(document, Mapping) and "objects" in document:
        try:
            return Answer(
                objects=tuple(Detection.from_json(entry) for entry in document["objects"]),
                inference_ms=float(document["inference_time"]),
                elapsed_ms=elapsed_ms,
                timings_ms={str(stage): float(ms) for stage, ms in document.get("timings", {}).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ExecutionError(f"{source} answered in a form that is not the contract's: {error!r}") from error
    raise problem_error(document, source)


def problem_error(document: Any, source: str) -> LookoutError:
    """The error that a problem document tells of."""
    if not isinstance(document, Mapping) or "detail" not in document:
        return ExecutionError(f"{source} answered neither objects nor a problem")
    detail, status = str(document["detail"]), document.get("status")
    if status == ImageError.http_status:
        return image_error(document.get("kind"), detail)
    for kind in (UsageError, NoSuchUploadError):  # what these say is the same wherever they are raised
        if status == kind.http_status:
            return kind(detail)
    late = status == ResultTimeoutError.http_status
    return (ResultTimeoutError if late else ExecutionError)(f"{source} refused: {detail}")
