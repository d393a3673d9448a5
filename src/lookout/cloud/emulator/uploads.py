"""Uploads are answered when the object and its events are kept, and fail where they can't be.

ministack would tell of an object in a thread, after its upload is answered, and goes on without what can't be written.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lookout.cloud.emulator.event_queue import EventQueue


def keep_uploads(events: EventQueue) -> None:
    """Change ministack so. It serves S3 in one thread."""
    from ministack.services import lambda_svc, s3

    unkept: list[Exception] = []
    persist_object, write = s3._persist_object, s3._atomic_write

    @contextmanager
    def complete() -> Iterator[None]:
        unkept.clear()
        yield
        if unkept:
            raise unkept[0]

    def fire(bucket: str, key: str, event_name: str, *described: Any, **more: Any) -> None:
        if bucket in s3._bucket_notifications:
            with complete():
                sequencer = s3._next_event_sequencer(event_name)
                s3._fire_s3_event(bucket, key, event_name, *described, sequencer=sequencer, **more)

    def invoke_later(record: Mapping[str, Any], event: object) -> None:
        try:
            events.put(record["config"]["FunctionArn"], json.dumps(event).encode())
        except sqlite3.Error as error:
            unkept.append(error)
            raise

    def persist(bucket: str, key: str, record: Any) -> None:
        with complete():
            persist_object(bucket, key, record)
            if isinstance(record, dict) and record.get("body") is not None:  # it is taken out once it is on disk
                unkept.append(OSError(f"the object {key} can't be written"))

    def write_or_tell(*what: Any, **how: Any) -> None:
        try:
            write(*what, **how)
        except OSError as error:
            unkept.append(error)
            raise

    lambda_svc.invoke_async_with_retry = invoke_later
    s3._fire_s3_event_async, s3._persist_object, s3._atomic_write = fire, persist, write_or_tell
