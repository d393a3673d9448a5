"""The function: what Lambda runs for an object that came into the bucket, or for an image sent to it directly.

Configured by its environment: ``LOOKOUT_MODEL`` (a folder that an import made), ``LOOKOUT_TABLE``,
``LOOKOUT_ENGINE``, ``LOOKOUT_CONFIDENCE``, ``LOOKOUT_IOU`` and ``LOOKOUT_RESULT_DAYS``, after which results may be
deleted (none, or 0: never).

What becomes of an object:

- Its image was looked at: an item that is ``done``.
- Its image can't be: it is none, too large, or was deleted meanwhile. Trying again would not help, so an item that is
  ``failed`` tells the reason, and the event is done with.
- It was put anew meanwhile, in a bucket without versions: nothing. The newer object has an event of its own.
- Something else failed: the network, S3, DynamoDB, memory. That is raised, once all other objects of the event are
  dealt with. Lambda tries the event again, twice, and then puts it into the failure queue. What was stored already
  is then found in the table, and left alone.
"""

from __future__ import annotations

import gc
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from lookout.apps.function_log import Log, start_logging
from lookout.apps.function_memory import free_bytes
from lookout.cloud.events import ObjectCreated, is_test, read_record, records_of
from lookout.cloud.items import Outcome, image_url, key_beside, put_arguments
from lookout.core.selection import Selection
from lookout.detector import Detector, Result, open_detector
from lookout.errors import ImageError, ImageGoneError, UnfinishedError, UsageError
from lookout.executions.contract import answer_document, problem_document, read_request
from lookout.images import limits
from lookout.models.model import Model

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

# Lambda gives a function memory / 1769 MB of a vCPU.
_MB_PER_VCPU = 1769
_DAY_S = 86_400

# Of an event with many faults the first few are told; the log has them all.
_TOLD_FAULTS = 3
_TOLD_CHARACTERS = 500

_DELETED = {"NoSuchKey", "NoSuchVersion", "MethodNotAllowed"}  # the last: a version that only marks a deletion
_CHANGED = {"PreconditionFailed", "412"}
_ARCHIVED = "InvalidObjectState"


class Function:
    """A detector between a bucket and a table; made once for a sandbox."""

    def __init__(
        self,
        detector: Detector,
        s3: S3Client,
        dynamodb: DynamoDBClient,
        table: str,
        log: Log | None = None,
        result_days: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._detector = detector
        self._s3 = s3
        self._dynamodb = dynamodb
        self._table = table
        self._log = log or Log()
        self._result_days = result_days
        self._clock = clock

    @staticmethod
    def of_environment(environment: Mapping[str, str]) -> Function:
        """The function that the environment describes, its detector warmed up.

        AWS's clients are made beside the network, which Python need not wait for while it is loaded. To load it takes
        twice its size for a moment; to that, a function's peak of memory, the clients add their 20 MB.
        """
        memory_mb = int(environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", _MB_PER_VCPU))
        # More threads than the CPU share has cores would only wait for each other.
        threads = max(1, memory_mb // _MB_PER_VCPU)
        cv2.setNumThreads(threads)
        with ThreadPoolExecutor(1) as beside:
            clients = beside.submit(_clients)
            detector = open_detector(
                Model.open(Path(environment["LOOKOUT_MODEL"])),
                environment["LOOKOUT_ENGINE"],
                threads=threads,
                selection=Selection(float(environment["LOOKOUT_CONFIDENCE"]), float(environment["LOOKOUT_IOU"])),
            )
            detector.warm_up()
            s3, dynamodb = clients.result()
        # Only now that all else has its memory is it known how much an image may take.
        within = limits.within(free_bytes(memory_mb))
        detector = Detector(detector.model, detector.engine, detector.selection, within)
        result_days = int(environment.get("LOOKOUT_RESULT_DAYS", 0))
        return Function(detector, s3, dynamodb, environment["LOOKOUT_TABLE"], result_days=result_days)

    def __call__(self, event: object, request_id: str) -> dict[str, Any]:
        """Answer an event: S3's, or the local execution's JSON.

        Raises ``UnfinishedError`` where an object must be tried again, ``UsageError`` for another service's event.
        """
        if is_test(event):
            self._log.info("test event", request_id)
            return {"processed": 0}
        if (records := records_of(event)) is not None:
            return self._process(records, request_id)
        if isinstance(event, Mapping) and ("detail-type" in event or "requestContext" in event):
            raise UsageError(
                "this event is neither S3's nor an image: let the bucket start the function, "
                'or send {"id": "...", "image_data": "<base64>"}'
            )
        return self._answer(event, request_id)

    def _answer(self, document: object, request_id: str) -> dict[str, Any]:
        """The direct execution. What is wrong with the request is an answer, not a fault of the function."""
        began, start = self._clock(), time.perf_counter()
        try:
            image_id, data = read_request(document)
            fetch_ms = _milliseconds_since(start)
            result = self._detector.detect(data)
        except (UsageError, ImageError) as error:
            self._log.warning("direct", request_id, status="failed", error=str(error))
            kind = type(error).__name__
            return problem_document(error.http_status, kind, str(error), kind)
        except Exception as error:
            self._log.error("direct", request_id, status="fault", **_fault(error))
            raise
        start = time.perf_counter()
        answer = answer_document(image_id, result)
        figures = _figures(
            result, len(data), {"fetch": fetch_ms, **result.timings, "store": _milliseconds_since(start)}
        )
        self._log.info("direct", request_id, status="done", **self._when(began), **figures)
        return answer

    def _process(self, records: Sequence[object], request_id: str) -> dict[str, Any]:
        """All objects of an event, each by itself: of those that can be dealt with, none waits for another."""
        processed = 0
        faults: list[str] = []
        for number, record in enumerate(records, 1):
            place = f"record {number}"
            try:
                created = read_record(record)
                if created is None:
                    continue
                place = image_url(created.bucket, created.key)
                # A function that is killed, or takes too long, can't say afterwards what it was at.
                self._log.info("object", request_id, url=place, status="begun", bytes=created.size_bytes)
                self._take(created, place, request_id)
                processed += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised below
                # In words: the error itself would hold on to the image.
                faults.append(f"{place}: {_described(error)}")
                self._log.error("object", request_id, url=place, status="fault", **_fault(error))
        if faults:
            raise _unfinished(faults, len(records))
        return {"processed": processed}

    def _take(self, created: ObjectCreated, url: str, request_id: str) -> None:
        began = self._clock()
        outcome, figures = self._look(created, url, request_id)
        start = time.perf_counter()
        if outcome is None:
            self._log.warning("object", request_id, url=url, status="replaced by a newer object")
            return
        stored = self._store(outcome)
        figures["timings_ms"] = {**figures.get("timings_ms", {}), "store": _milliseconds_since(start)}
        told = self._log.warning if outcome.error else self._log.info
        status = "failed" if outcome.error else "done"
        figures |= self._when(began)
        told("object", request_id, url=url, status=status, stored=stored, error=outcome.error, **figures)

    def _when(self, began: float) -> dict[str, float]:
        """When an image was begun with, and that it is done with now: by these a client splits what it has waited."""
        return {"began": round(began, 6), "ended": round(self._clock(), 6)}

    def _look(self, created: ObjectCreated, url: str, request_id: str) -> tuple[Outcome | None, dict[str, Any]]:
        """What is in an object's image; None where the object is no longer there, but a newer one of its key."""
        start = time.perf_counter()
        outcome = Outcome(
            image_url=url,
            model=self._detector.model.name,
            engine=self._detector.engine.name,
            request_id=request_id,
            sequencer=created.sequencer,
            version_id=created.version_id,
            etag=created.etag,
            key=key_beside(created.bucket, created.key),
            expires_s=int(self._clock()) + self._result_days * _DAY_S if self._result_days else None,
        )
        figures: dict[str, Any] = {"bytes": created.size_bytes}
        try:
            data = self._fetch(created)
            if data is None:
                return None, figures
            fetch_ms = _milliseconds_since(start)
            result = self._detector.detect(data)
        except ImageError as error:
            return replace(outcome, error=str(error), error_kind=type(error).__name__), figures
        timings_ms = {"fetch": fetch_ms, **result.timings}
        outcome = replace(
            outcome, objects=result.objects, inference_ms=result.timings["inference"], timings_ms=timings_ms
        )
        return outcome, _figures(result, len(data), timings_ms)

    def _fetch(self, created: ObjectCreated) -> bytes | None:
        """The object's bytes; None where another was put in its place. Raises ``ImageError`` where it can't be had."""
        from botocore.exceptions import ClientError

        if created.size_bytes is not None:
            self._detector.limits.check_bytes(created.size_bytes)
        wanted: GetObjectRequestTypeDef = {"Bucket": created.bucket, "Key": created.key}
        if created.version_id:
            wanted["VersionId"] = created.version_id
        if created.etag:
            wanted["IfMatch"] = f'"{created.etag}"'
        try:
            answer = self._s3.get_object(**wanted)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _CHANGED:
                return None
            if code in _DELETED:
                raise ImageGoneError("the image was deleted before it was looked at") from error
            if code == _ARCHIVED:
                raise ImageGoneError("the image is archived: restore it, and put it into the bucket anew") from error
            raise
        with closing(answer["Body"]) as body:  # as a context itself it would hand over a stream that nobody checks
            self._detector.limits.check_bytes(answer["ContentLength"])
            return body.read()

    def _store(self, outcome: Outcome) -> bool:
        """Write the item; False where the table has this event's, or a later one's, already."""
        from botocore.exceptions import ClientError

        try:
            self._dynamodb.put_item(**put_arguments(self._table, outcome))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True


def handle(event: object, context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    return _function()(event, context.aws_request_id)


def _clients() -> tuple[S3Client, DynamoDBClient]:
    """AWS's clients, which give up a service that does not answer while there is time to say so: 15 s by default."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("s3", config=config), boto3.client("dynamodb", config=config)


def _figures(result: Result, size_bytes: int, timings_ms: Mapping[str, float]) -> dict[str, Any]:
    """What a line of the log tells of an image that was looked at."""
    return {
        "bytes": size_bytes,
        "image_wh": result.image_wh,
        "objects": len(result.objects),
        "timings_ms": {stage: round(ms, 3) for stage, ms in timings_ms.items()},
    }


def _unfinished(faults: Sequence[str], records: int) -> UnfinishedError:
    told = "; ".join(faults[:_TOLD_FAULTS])
    more = f"; and {len(faults) - _TOLD_FAULTS} more" if len(faults) > _TOLD_FAULTS else ""
    return UnfinishedError(f"{len(faults)} of {records} objects could not be dealt with: {told}{more}")


def _fault(error: Exception) -> dict[str, str]:
    """What a line of the log tells of an error that nobody expected."""
    return {"error": _described(error), "trace": "".join(traceback.format_exception(error))}


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_TOLD_CHARACTERS]


def _milliseconds_since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 3)


@cache
def _function() -> Function:
    return Function.of_environment(os.environ)


if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    start_logging()
    # Within Lambda's initialisation, which has all its CPU; not in the first invocation. All that is made here stays:
    # the garbage collector need not look through it, now or, at a fraction of a CPU, later.
    gc.disable()
    _function()
    gc.freeze()
    gc.enable()
