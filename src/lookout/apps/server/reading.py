"""What a client asks for, out of its request."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from flask import Request, json
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from lookout.core.selection import Selection
from lookout.errors import UsageError
from lookout.executions.contract import MAX_ID_LENGTH, read_request
from lookout.loading import select
from lookout.models.model import Model

_TRUE, _FALSE = {"1", "true"}, {"", "0", "false"}


def read_image(request: Request) -> tuple[str, bytes]:
    """The request's id and image, whichever of the three forms it came in."""
    if request.content_encoding:
        raise UnsupportedMediaType("send the body as it is, without a Content-Encoding")
    media_type = request.mimetype
    if media_type == "application/json":
        return read_request(read_json(request))
    if media_type == "multipart/form-data":
        return _query_id(request), read_form_image(request)
    if media_type.startswith("image/") or media_type == "application/octet-stream":
        return _query_id(request), request.get_data()
    raise UnsupportedMediaType("send application/json, image/*, or multipart/form-data with a file named image")


def read_json(request: Request) -> object:
    """The body's JSON."""
    try:
        document: object = json.loads(request.get_data())
    except (ValueError, RecursionError) as error:  # the second of brackets within brackets
        raise BadRequest("the body is not JSON") from error
    return document


def read_form_image(request: Request) -> bytes:
    """The file named ``image`` of a form."""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("send multipart/form-data with a file named image")
    if "image" not in request.files:
        raise BadRequest("the form has no file named image")
    data: bytes = request.files["image"].read()
    return data


def read_selection(
    arguments: Mapping[str, str], classes: list[str], model: Model, usual: Selection
) -> Selection | None:
    """What counts as an object for this request; None where it doesn't say. Raises ``UsageError``."""
    if not classes and not {"confidence", "iou"} & arguments.keys():
        return None
    wanted = [label for text in classes for label in map(str.strip, text.split(",")) if label]
    asked = select(
        model,
        _number(arguments, "confidence", usual.confidence),
        _number(arguments, "iou", usual.iou),
        wanted or None,
        usual.max_detections,
    )
    if asked.class_ids is not None or usual.class_ids is None:
        return asked
    return Selection(asked.confidence, asked.iou, usual.class_ids, usual.max_detections)


def read_flag(arguments: Mapping[str, str], name: str) -> bool:
    """A parameter that is 1 or 0. Raises ``UsageError``."""
    text = arguments.get(name, "").lower()
    if text not in _TRUE | _FALSE:
        raise UsageError(f"{name} is {text[:20]!r}: give 1 or 0")
    return text in _TRUE


def read_wait(arguments: Mapping[str, str], longest_s: float) -> float:
    """How many seconds a client wants to wait: the parameter ``wait``, 0 unless told. Raises ``UsageError``."""
    text = arguments.get("wait", "0")
    try:
        wait_s = float(text)
    except ValueError:
        wait_s = -1
    if not 0 <= wait_s <= longest_s:
        raise UsageError(f"wait is {text[:20]!r}: give seconds from 0 to {longest_s:g}")
    return wait_s


def _number(arguments: Mapping[str, str], name: str, usual: float) -> float:
    text = arguments.get(name, "")
    try:
        return float(text) if text else usual
    except ValueError as error:
        raise UsageError(f"{name} is {text[:20]!r}: give a number from 0 to 1") from error


def _query_id(request: Request) -> str:
    """The id of a request whose body is no JSON: the query's ``id``, or a new one."""
    return request.args.get("id", "")[:MAX_ID_LENGTH] or str(uuid.uuid4())
