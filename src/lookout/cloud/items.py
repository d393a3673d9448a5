"""The table's item, as the function writes it and the clients read it.

::

    image-url   S   key: https://<bucket>.s3.amazonaws.com/<URL-quoted key>
    <label>     N   one attribute a label found: its highest confidence
    lookout     M   status (done | failed), error, objects, model, engine, timings, request id, sequencer

Values are plain Python here; DynamoDB's own notation is put on and taken off at its client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from lookout.core.detections import Detection
from lookout.errors import CloudError

KEY = "image-url"
DETAILS = "lookout"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the function did with one object: the objects it found, or the ``error`` that says why not.

    ``sequencer`` orders the versions of one key, as S3's event gives it.
    """

    image_url: str
    model: str
    engine: str
    request_id: str
    sequencer: str = ""
    objects: tuple[Detection, ...] = ()
    inference_ms: float = 0.0
    timings_ms: Mapping[str, float] | None = None
    error: str | None = None


def image_url(bucket: str, key: str) -> str:
    """The item's key for an object.

    >>> image_url("pictures", "images/7/two words+ü.jpg")
    'https://pictures.s3.amazonaws.com/images/7/two%20words%2B%C3%BC.jpg'
    """
    return f"https://{bucket}.s3.amazonaws.com/{quote(key)}"


def to_item(outcome: Outcome) -> dict[str, Any]:
    """The item, in DynamoDB's notation."""
    details = {
        "status": "failed" if outcome.error else "done",
        "error": outcome.error,
        "objects": [detection.to_json() for detection in outcome.objects],
        "inference_time": round(outcome.inference_ms, 3),
        "timings": {stage: round(ms, 3) for stage, ms in (outcome.timings_ms or {}).items()},
        "model": outcome.model,
        "engine": outcome.engine,
        "request_id": outcome.request_id,
        "sequencer": outcome.sequencer,
    }
    # The item's own names come last: a label that is called like one of them never takes its place.
    item = {**_best_by_label(outcome.objects), KEY: outcome.image_url, DETAILS: details}
    serialise = TypeSerializer().serialize
    return {name: serialise(_decimals(value)) for name, value in item.items()}


def from_item(item: Mapping[str, Any]) -> Outcome:
    """What an item in DynamoDB's notation tells. Raises ``CloudError`` where it is none of ours."""
    deserialise = TypeDeserializer().deserialize
    try:
        details = deserialise(item[DETAILS])
        return Outcome(
            image_url=deserialise(item[KEY]),
            model=details["model"],
            engine=details["engine"],
            request_id=details["request_id"],
            sequencer=details["sequencer"],
            objects=tuple(Detection.from_json(entry) for entry in details["objects"]),
            inference_ms=float(details["inference_time"]),
            timings_ms={stage: float(ms) for stage, ms in details["timings"].items()},
            error=details["error"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CloudError(f"the table holds an item that Lookout did not write: {error!r}") from error


def _best_by_label(objects: tuple[Detection, ...]) -> dict[str, float]:
    """The highest confidence of each label; the first of a label is its best, since objects come ordered."""
    return {detection.label: round(detection.confidence, 6) for detection in reversed(objects)}


def _decimals(value: Any) -> Any:
    """The same with every float as the decimal that it prints as; DynamoDB takes no floats."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: _decimals(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_decimals(entry) for entry in value]
    return value
