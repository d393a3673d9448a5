"""S3's events, as they reach the function and the failure queue: which objects came into which bucket.

A record tells of one object. Its key is quoted as in a form (a space is ``+``). Its sequencer orders the events of one
key, and of no two keys: S3 documents that of two the shorter is filled up with zeros on its right, and that the
greater text is then the later event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from lookout.errors import UsageError

# What S3 sends once, when a bucket is told to notify somebody.
_TEST_EVENT = "s3:TestEvent"


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """One object that came: where, which of the key's versions, and its place among the events of the key.

    ``version_id`` is None in a bucket without versions; there ``etag`` tells what was put from what came later.
    """

    bucket: str
    key: str
    sequencer: str = ""
    version_id: str | None = None
    etag: str | None = None
    size_bytes: int | None = None


def is_test(event: object) -> bool:
    """Whether S3 only tries out whether it may send events."""
    return isinstance(event, Mapping) and event.get("Event") == _TEST_EVENT


def records_of(event: object) -> list[Any] | None:
    """The records of an event that has some, None for any other; they may be another service's than S3's."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    return records if isinstance(records, list) else None


def read_record(record: object) -> ObjectCreated | None:
    """The object that a record tells of; None where S3 tells of something else than that one came.

    Raises ``UsageError`` where the record is none of S3's.
    """
    try:
        if not str(record.get("eventName", "ObjectCreated")).startswith("ObjectCreated"):  # type: ignore[attr-defined]
            return None
        described = record["s3"]["object"]  # type: ignore[index]
        size = described.get("size")
        return ObjectCreated(
            bucket=str(record["s3"]["bucket"]["name"]),  # type: ignore[index]
            key=unquote_plus(described["key"]),
            sequencer=str(described.get("sequencer") or ""),
            version_id=described.get("versionId"),
            etag=described.get("eTag"),
            size_bytes=None if size is None else int(size),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UsageError("a record is none of S3's: let the bucket itself, and nothing else, start the function") from (
            error
        )


def comparable(sequencer: str) -> str:
    """A sequencer that can be compared as text, whatever its length.

    To leave out the zeros on the right says the same as to fill them up, and asks for no greatest length.

    >>> comparable("0A2f00") < comparable("0A2F01"), comparable("0A") == comparable("0A00")
    (True, True)
    """
    return sequencer.upper().rstrip("0")
