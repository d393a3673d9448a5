"""The table's item, as the function writes it and the clients read it.

::

    image-url   S   key: https://<bucket>.s3.amazonaws.com/<URL-quoted key>
    <label>     N   one attribute a label found: its highest confidence
    lookout     M   status (done | failed), error, error_kind, objects, model, engine, timings, request id, sequencer,
                    and of the object its version_id, its etag, and its key where image-url could not hold it
    lookout-expires N   where results are not kept for ever: when DynamoDB may delete the item (seconds since 1970)

Values are plain Python here; DynamoDB's own notation is put on and taken off at its client. boto3, which does that, is
imported when it is first needed: the function loads its network before (see ``apps/handler.py``).

DynamoDB takes keys of 2,048 bytes. S3 takes keys of 1,024, of which quoting makes up to three times as many: such a
URL is cut after a whole character and ends in ``#sha256-<digest of the key>``. A quoted key holds no ``#``, so that no
other object's URL can be the same. Function and clients both ask ``image_url``.

Events come at least once, and in any order. An item is therefore written under a condition (``put_arguments``): an
event changes nothing that a later event, or the same, has written.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Any
from urllib.parse import quote

from lookout.cloud.events import comparable
from lookout.core.detections import Detection
from lookout.errors import CloudError

KEY = "image-url"
DETAILS = "lookout"
# As in the template. No label is written as an attribute of one of these names: it is among the details alone.
EXPIRES = "lookout-expires"
_OWN_NAMES = {KEY, DETAILS, EXPIRES}

# DynamoDB's limit for a table's key.
MAX_KEY_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the function did with one object: the objects it found, or the ``error`` that says why not.

    ``error_kind`` is the name of the error's class: some kinds of error another attempt may mend.

    ``sequencer`` orders the events of one key (see ``events``); ``version_id`` and ``etag`` tell which object it was
    that was looked at, and ``key`` what it is called where ``image_url`` had to be cut. ``expires_s`` is when the item
    may be deleted, in seconds since 1970; None for never.
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
    error_kind: str | None = None
    version_id: str | None = None
    etag: str | None = None
    key: str | None = None
    expires_s: int | None = None


def image_url(bucket: str, key: str) -> str:
    """The item's key for an object: its URL, at most ``MAX_KEY_BYTES`` long.

    >>> image_url("pictures", "images/7/two words+ü.jpg")
    'https://pictures.s3.amazonaws.com/images/7/two%20words%2B%C3%BC.jpg'
    """
    url = _url(bucket, key)
    if len(url) <= MAX_KEY_BYTES:
        return url
    mark = f"#sha256-{hashlib.sha256(key.encode()).hexdigest()}"
    ends = list(accumulate(len(quote(character)) for character in key))
    room = MAX_KEY_BYTES - len(_url(bucket, "")) - len(mark)
    return _url(bucket, key[: bisect_right(ends, room)]) + mark


def key_beside(bucket: str, key: str) -> str | None:
    """The key, where ``image_url`` can't hold it whole; else None."""
    return key if len(_url(bucket, key)) > MAX_KEY_BYTES else None


def _url(bucket: str, key: str) -> str:
    return f"https://{bucket}.s3.amazonaws.com/{quote(key)}"


def put_arguments(table: str, outcome: Outcome) -> dict[str, Any]:
    """What DynamoDB's ``put_item`` is called with, so that no later event's item is overwritten."""
    return {
        "TableName": table,
        "Item": to_item(outcome),
        # Without a sequencer there is no item, or it is none that Lookout wrote.
        "ConditionExpression": "attribute_not_exists(#details.#sequencer) OR #details.#sequencer < :sequencer",
        "ExpressionAttributeNames": {"#details": DETAILS, "#sequencer": "sequencer"},
        "ExpressionAttributeValues": {":sequencer": {"S": comparable(outcome.sequencer)}},
    }


def to_item(outcome: Outcome) -> dict[str, Any]:
    """The item, in DynamoDB's notation."""
    from boto3.dynamodb.types import TypeSerializer

    details = {
        "status": "failed" if outcome.error else "done",
        "error": outcome.error,
        "error_kind": outcome.error_kind,
        "objects": [detection.to_json() for detection in outcome.objects],
        "inference_time": round(outcome.inference_ms, 3),
        "timings": {stage: round(ms, 3) for stage, ms in (outcome.timings_ms or {}).items()},
        "model": outcome.model,
        "engine": outcome.engine,
        "request_id": outcome.request_id,
        "sequencer": comparable(outcome.sequencer),
        "version_id": outcome.version_id,
        "etag": outcome.etag,
        **({"key": outcome.key} if outcome.key else {}),
    }
    item = {**_best_by_label(outcome.objects), KEY: outcome.image_url, DETAILS: details}
    if outcome.expires_s is not None:
        item[EXPIRES] = outcome.expires_s
    serialise = TypeSerializer().serialize
    return {name: serialise(_decimals(value)) for name, value in item.items()}


def from_item(item: Mapping[str, Any]) -> Outcome:
    """What an item in DynamoDB's notation tells. Raises ``CloudError`` where it is none of ours."""
    from boto3.dynamodb.types import TypeDeserializer

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
            expires_s=int(deserialise(item[EXPIRES])) if EXPIRES in item else None,
            **{name: details.get(name) for name in ("error_kind", "version_id", "etag", "key")},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CloudError(f"the table holds an item that Lookout did not write: {error!r}") from error


def _best_by_label(objects: tuple[Detection, ...]) -> dict[str, float]:
    """The highest confidence of each label; the first of a label is its best, since objects come ordered.

    DynamoDB has no attribute without a name: a label that is empty is among the details alone.
    """
    return {
        detection.label: round(detection.confidence, 6)
        for detection in reversed(objects)
        if detection.label and detection.label not in _OWN_NAMES
    }


def _decimals(value: Any) -> Any:
    """The same with every float as the decimal that it prints as; DynamoDB takes no floats."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: _decimals(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_decimals(entry) for entry in value]
    return value
