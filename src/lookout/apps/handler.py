"""The function: what Lambda runs for an object that came into the bucket, or for an image sent to it directly.

Configured by its environment: ``LOOKOUT_MODEL`` (a folder that an import made), ``LOOKOUT_TABLE``,
``LOOKOUT_ENGINE``, ``LOOKOUT_CONFIDENCE`` and ``LOOKOUT_IOU``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import boto3
from botocore.exceptions import ClientError

from lookout.cloud.items import KEY, Outcome, image_url, to_item
from lookout.core.selection import Selection
from lookout.detector import Detector, open_detector
from lookout.errors import ImageError, LookoutError
from lookout.executions.contract import answer_document, problem_document, read_request
from lookout.models.model import Model

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

# Lambda gives a function memory / 1769 MB of a vCPU.
_MB_PER_VCPU = 1769


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """One record of S3's event: which object, and where it stands among the versions of its key."""

    bucket: str
    key: str
    sequencer: str


class Function:
    """A detector between a bucket and a table; made once for a sandbox."""

    def __init__(self, detector: Detector, s3: S3Client, dynamodb: DynamoDBClient, table: str) -> None:
        self._detector = detector
        self._s3 = s3
        self._dynamodb = dynamodb
        self._table = table

    @staticmethod
    def of_environment(environment: Mapping[str, str]) -> Function:
        """The function that the environment describes, its detector warmed up."""
        memory_mb = int(environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", _MB_PER_VCPU))
        detector = open_detector(
            Model.open(Path(environment["LOOKOUT_MODEL"])),
            environment["LOOKOUT_ENGINE"],
            # More threads than the CPU share has cores would only wait for each other.
            threads=max(1, memory_mb // _MB_PER_VCPU),
            selection=Selection(float(environment["LOOKOUT_CONFIDENCE"]), float(environment["LOOKOUT_IOU"])),
        )
        detector.warm_up()
        return Function(detector, boto3.client("s3"), boto3.client("dynamodb"), environment["LOOKOUT_TABLE"])

    def __call__(self, event: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        """Answer an event: S3's, or the local execution's JSON."""
        if "Records" not in event:
            return self._detect(event)
        created = list(_created(event))
        for entry in created:
            self._store(self._process(entry, request_id))
        return {"processed": len(created)}

    def _detect(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The direct execution. What is wrong with the request is an answer, not a fault of the function."""
        try:
            request_id, data = read_request(document)
            return answer_document(request_id, self._detector.detect(data))
        except LookoutError as error:
            return problem_document(error.http_status, type(error).__name__, str(error))

    def _process(self, created: ObjectCreated, request_id: str) -> Outcome:
        url = image_url(created.bucket, created.key)
        about = (url, self._detector.model.name, self._detector.engine.name, request_id, created.sequencer)
        try:
            start = time.perf_counter()
            data = self._fetch(created)
            fetch_ms = (time.perf_counter() - start) * 1000
            result = self._detector.detect(data)
        except LookoutError as error:  # trying again would not help: the client is told at once
            return Outcome(*about, error=str(error))
        return Outcome(
            *about,
            objects=result.objects,
            inference_ms=result.timings["inference"],
            timings_ms={"fetch": fetch_ms, **result.timings},
        )

    def _fetch(self, created: ObjectCreated) -> bytes:
        try:
            return self._s3.get_object(Bucket=created.bucket, Key=created.key)["Body"].read()
        except self._s3.exceptions.NoSuchKey as error:
            raise ImageError("the image was deleted before it was looked at") from error

    def _store(self, outcome: Outcome) -> None:
        """Write the item, unless the table has this version's, or a newer one's, already."""
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=to_item(outcome),
                ConditionExpression="attribute_not_exists(#key) OR #lookout.#sequencer < :sequencer",
                ExpressionAttributeNames={"#key": KEY, "#lookout": "lookout", "#sequencer": "sequencer"},
                ExpressionAttributeValues={":sequencer": {"S": outcome.sequencer}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    return _function()(event, context.aws_request_id)


def _created(event: Mapping[str, Any]) -> Iterator[ObjectCreated]:
    for record in event["Records"]:
        described = record["s3"]["object"]
        yield ObjectCreated(
            bucket=record["s3"]["bucket"]["name"],
            key=unquote_plus(described["key"]),
            sequencer=described.get("sequencer", ""),
        )


@cache
def _function() -> Function:
    return Function.of_environment(os.environ)


if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    _function()  # within Lambda's initialisation, which has all its CPU; not in the first invocation
