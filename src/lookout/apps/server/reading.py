"""What a client asks for, out of its request."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qs

import msgspec
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.wrappers import Request

from lookout.apps.server.forms import MEDIA_TYPE, read_form
from lookout.apps.server.schemas import DetectionRequest
from lookout.apps.server.wsgi import QUEUE_MS, request_id_in
from lookout.core.selection import Selection
from lookout.errors import UsageError
from lookout.executions.contract import MAX_ID_LENGTH, read_request
from lookout.loading import select
from lookout.models.model import Model

Document = TypeVar("Document")

# As a program writes one; Python's own reading takes other scripts' digits, and underscores between them.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_TRUE, _FALSE = {"1", "true"}, {"", "0", "false"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted: a request's query, its body, what it is called, and how long it has waited (milliseconds)."""

    arguments: Mapping[str, Sequence[str]]
    content_type: str
    body: bytes
    request_id: str
    queue_ms: float

    @staticmethod
    def of(request: Request) -> Asked:
        """What a request of Flask's asks for."""
        arguments, content_type = read_query(request.query_string), request.headers.get("Content-Type", "")
        queue_ms = request.environ.get(QUEUE_MS, 0.0)
        return Asked(arguments, content_type, request.get_data(), request_id_in(request.environ), queue_ms)

    @property
    def media_type(self) -> str:
        """The body's, without parameters."""
        return self.content_type.partition(";")[0].strip().lower()


def read_query(query: bytes) -> Mapping[str, Sequence[str]]:
    """The parameters of a query, as it came: each with its values."""
    return parse_qs(query.decode("utf-8", "replace"), keep_blank_values=True) if query else {}


def read_image(asked: Asked) -> tuple[str, bytes]:
    """The request's id and image, whichever of the three forms it came in."""
    media_type = asked.media_type
    if media_type == "application/json":
        return read_request(read_json(asked.body, DetectionRequest))
    if media_type == MEDIA_TYPE:
        return _query_id(asked), image_of(read_form_of(asked))
    if media_type.startswith("image/") or media_type == "application/octet-stream":
        return _query_id(asked), asked.body
    raise UnsupportedMediaType("send application/json, image/*, or multipart/form-data with a file named image")


def read_json(body: bytes, kind: type[Document]) -> Document:
    """The body's JSON, as a document of that kind: what it knows nothing of is passed over, at no cost.

    Raises ``UsageError``.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"the body is not the JSON object that is taken here: {error}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:  # the second of brackets within brackets
        raise UsageError("the body is not JSON") from error


def read_form_of(asked: Asked) -> Mapping[str, bytes]:
    """The parts of the form that a request is. Raises ``UsageError``."""
    if asked.media_type != MEDIA_TYPE:
        raise UnsupportedMediaType("send multipart/form-data with a file named image")
    return read_form(asked.content_type, asked.body)


def image_of(form: Mapping[str, bytes]) -> bytes:
    """The file named ``image`` of a form. Raises ``UsageError``."""
    if "image" not in form:
        raise UsageError("the form has no file named image")
    return form["image"]


def read_selection(
    arguments: Mapping[str, str], classes: Sequence[str], model: Model, usual: Selection
) -> Selection | None:
    """What counts as an object for this request; None where it doesn't say. Raises ``UsageError``."""
    if not classes and not {"confidence", "iou"} & arguments.keys():
        return None
    # As CSV: a label that has a comma of its own stands in double quotes.
    wanted = [label.strip() for row in csv.reader(classes, skipinitialspace=True) for label in row if label.strip()]
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
    if text and not _NUMBER.fullmatch(text):
        raise UsageError(f"{name} is {text[:20]!r}: give a number from 0 to 1")
    return float(text) if text else usual


def _query_id(asked: Asked) -> str:
    """The id of a request whose body is no JSON: the query's ``id``, or its own. Raises ``UsageError``."""
    given = asked.arguments.get("id", [""])[0]
    if len(given) > MAX_ID_LENGTH:
        raise UsageError(f"id must be a text of 1 to {MAX_ID_LENGTH} characters")
    return given or asked.request_id
