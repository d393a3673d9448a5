"""What is billed of an offloaded image beside its milliseconds: the log, looks at the table, items and answers.

    .venv/bin/python benchmarks/offloaded_bytes.py --shared ../shared

Sends the photographs of ``SHARED/coco``, one after the other, through ``remote`` and ``direct`` to a stack on an
emulator that is started for it, and prints the mean an image of

- the bytes and the events that the function logged (messages alone, as CloudWatch's ``IncomingBytes`` counts them),
- how often a client asked the table for its result,
- the bytes that came back to the client, headers included (the emulator's: AWS sends others),
- the item's bytes and write units, as DynamoDB counts them,

and how often a client would ask on AWS: its pace against waits that are drawn as S3's notifications were measured
(``lookout.comparison.service_latencies``), seeded.

*Emulated: not AWS.* ``Workload``'s defaults in ``lookout.comparison.costs`` are from here.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.program import Program, run
from lookout.cloud.account import Account, account_of_emulator
from lookout.cloud.reports import wait_for_reports
from lookout.cloud.stack import Deployment, Stack
from lookout.comparison.service_latencies import PUBLISHED
from lookout.executions.direct import DirectExecution
from lookout.executions.pace import Pace
from lookout.executions.protocol import Execution
from lookout.executions.remote import RemoteExecution

# Of a map or a list, and of each that is in it: DynamoDB's rules of item sizes.
_CONTAINER_BYTES, _ELEMENT_BYTES = 3, 1


@dataclass(slots=True)
class Traffic:
    """What clients asked for and got."""

    looks: int = 0
    received_bytes: int = 0

    def watch(self, client: Any) -> Any:
        """Count what a client of boto3's does from now on."""
        client.meta.events.register("before-parameter-build.dynamodb.BatchGetItem", self._look_at_many)
        client.meta.events.register("before-parameter-build.dynamodb.GetItem", self._look)
        client.meta.events.register("after-call", self._received)
        return client

    def _look_at_many(self, params: Mapping[str, Any], **_: object) -> None:
        self.looks += sum(len(table["Keys"]) for table in params["RequestItems"].values())

    def _look(self, **_: object) -> None:
        self.looks += 1

    def _received(self, http_response: Any, **_: object) -> None:
        headers = http_response.headers.items()
        self.received_bytes += sum(len(name) + len(value) + 4 for name, value in headers) + 17  # "HTTP/1.1 200 OK" CRLF
        self.received_bytes += int(http_response.headers.get("Content-Length", 0))


class Watched:
    """An account whose clients' traffic is counted."""

    def __init__(self, account: Account, traffic: Traffic) -> None:
        self._account, self._traffic = account, traffic

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._account, name)
        if name == "functions_within":
            return lambda timeout_s: self._traffic.watch(found(timeout_s))
        return self._traffic.watch(found) if name in ("s3", "dynamodb", "functions") else found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the folder that holds coco/ and models/")
    parser.add_argument("--model", default="yolo-fastest-1.1-xl.cfg", help="a file in SHARED/models, or a path")
    parser.add_argument("--images", type=int, default=64, help="how many photographs (64)")
    parser.add_argument("--memory", type=int, default=512, help="MB of the function (512)")
    arguments = parser.parse_args()
    paths = sorted((arguments.shared / "coco" / "images").iterdir())[: arguments.images]
    model = arguments.shared / "models" / arguments.model
    with Program("emulator", "--port", "0", "--json") as emulator:
        variables = emulator.ready()["environment"]
        up = ("stack", "up", "--model", str(model), "--memory", str(arguments.memory), "--yes")
        made = run(*up, **variables)
        if made.returncode:
            sys.exit(made.stderr)
        account = account_of_emulator(variables)
        deployment = Stack(account, "lookout").find()
        print(f"{arguments.model}, {len(paths)} photographs, {arguments.memory} MB, {time.strftime('%Y-%m-%d')}")
        for kind in (RemoteExecution, DirectExecution):
            traffic = Traffic()
            with closing(kind(Watched(account, traffic), deployment)) as execution:
                measure(execution, paths[:1], account, deployment)  # its function is warm from now on
                traffic.looks = traffic.received_bytes = 0
                logged, events = measure(execution, paths, account, deployment)
            each = len(paths)
            print(
                f"{execution.name:7} log {logged / each:6.0f} bytes in {events / each:.1f} events"
                f"  looks {traffic.looks / each:5.2f}  received {traffic.received_bytes / each:6.0f} bytes"
            )
        sizes = [item_bytes(item) for item in items(account, deployment.table)]
        units = statistics.mean(math.ceil(size / 1024) for size in sizes)
        print(f"items   {statistics.mean(sizes):.0f} bytes, the largest {max(sizes)}, {units:.2f} write units")
    for work_ms in (100, 400, 1600):
        print(f"on AWS  looks {looks_on_aws(work_ms / 1000):5.2f} where the function takes {work_ms} ms (simulated)")


def measure(execution: Execution, paths: Sequence[Path], account: Account, deployment: Deployment) -> tuple[int, int]:
    """The bytes and the events that were logged while these were detected."""
    since = time.time()
    ids = [execution.detect(path.read_bytes(), path.name).request_id or "" for path in paths]
    wait_for_reports(account.logs, deployment.log_group, ids, since)
    pages = account.logs.get_paginator("filter_log_events").paginate(
        logGroupName=deployment.log_group, startTime=int(since * 1000)
    )
    lines = [event["message"] for page in pages for event in page["events"]]
    ours = [line for line in lines if any(request_id in line for request_id in ids) and "LOOKOUT_HOST" not in line]
    return sum(len(line.rstrip("\n").encode()) for line in ours), len(ours)


def looks_on_aws(work_s: float, images: int = 2000) -> float:
    """The mean looks at an image, one image after the other, where notifications take as long as they were measured."""
    notification, pace = PUBLISHED.figures["notification"], Pace()
    draw = random.Random(0)  # noqa: S311  waits, and no secrets
    # Lognormal, through the median and the p99.
    spread = math.log((notification.p99_ms or notification.p50_ms) / notification.p50_ms) / 2.326
    total = 0
    for _ in range(images):
        there_s = notification.p50_ms / 1000 * math.exp(draw.gauss(0, spread)) + work_s
        looked_s, looks = pace.first_look_s(), 1
        while looked_s < there_s:
            looked_s += pace.pause_s(looks)
            looks += 1
        pace.learn(work_s, looked_s)
        total += looks
    return total / images


def items(account: Account, table: str) -> Iterator[Mapping[str, Any]]:
    """All of a table's."""
    for page in account.dynamodb.get_paginator("scan").paginate(TableName=table):
        yield from page["Items"]


def item_bytes(item: Mapping[str, Any]) -> int:
    """An item's size by DynamoDB's rules: names, and values by their type.

    >>> item_bytes({"a": {"S": "text"}, "b": {"L": [{"N": "1.25"}]}})
    13
    """
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def value_bytes(value: Mapping[str, Any]) -> int:
    """A value's."""
    ((kind, held),) = value.items()
    if kind == "S":
        return len(held.encode())
    if kind == "N":  # a byte for two significant digits, and one
        return (len(held.replace(".", "").lstrip("-0")) + 1) // 2 + 1
    if kind == "M":
        return _CONTAINER_BYTES + sum(
            _ELEMENT_BYTES + len(name.encode()) + value_bytes(one) for name, one in held.items()
        )
    if kind == "L":
        return _CONTAINER_BYTES + sum(_ELEMENT_BYTES + value_bytes(one) for one in held)
    return 1


if __name__ == "__main__":
    main()
