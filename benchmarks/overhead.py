"""What the emulator itself costs: to be ready, and in every warm invocation.

    .venv/bin/python benchmarks/overhead.py --images 200

Prints four lines. *Ready*: from starting ``lookout emulator`` to its line of JSON. *Import*: of what that is ministack.
*Offloading*: seen by a client that uploads an image and waits for its item, minus the upload, minus the function's own
duration; the client looks into the table every 2 ms. *Host and runtime client*: a function that does nothing, invoked
in the host without the control plane.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.tiny import CONFIDENCE, make_model, make_picture
from lookout.cloud.account import account_of_emulator
from lookout.cloud.emulator.function import FunctionConfig
from lookout.cloud.emulator.host import FunctionHost
from lookout.cloud.emulator.limits import choose_limiter
from lookout.cloud.items import image_url
from lookout.cloud.reports import wait_for_reports
from lookout.cloud.stack import Stack

_LOOK_EVERY_S = 0.002
_WARM_UP = 5

HANDLER = "def handle(event, context):\n    return None\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument(
        "--memory", type=int, default=1769, help="of the function; with less, its quota is seen as well"
    )
    arguments = parser.parse_args()
    ready_s = [ready() for _ in range(5)]
    print(f"ready: {statistics.median(ready_s):.2f} s (median of {len(ready_s)})")
    print(f"import of ministack: {importing():.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        around_ms = offloading(Path(folder), arguments.images, arguments.memory)
        print(f"offloading, warm: {described(around_ms)}")
        print(f"host and runtime client: {described(hosting(Path(folder), arguments.images))}")


def described(values_ms: list[float]) -> str:
    """Median, 95th percentile and count."""
    p95 = sorted(values_ms)[int(0.95 * (len(values_ms) - 1))]
    return f"median {statistics.median(values_ms):.1f} ms, p95 {p95:.1f} ms, n {len(values_ms)}"


@contextmanager
def emulator() -> Iterator[dict[str, str]]:
    """A running emulator's variables."""
    command = [sys.executable, "-m", "lookout", "emulator", "--port", "0", "--json", "--stop-on-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield json.loads(process.stdout.readline())["environment"]
        process.stdin.close()


def ready() -> float:
    """Seconds from the start of an emulator until it answers."""
    start = time.perf_counter()
    with emulator():
        return time.perf_counter() - start


def importing() -> float:
    """Seconds that importing ministack takes."""
    script = "import time; s = time.perf_counter(); import ministack.app; print(time.perf_counter() - s)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(answer.stdout)


def offloading(folder: Path, images: int, memory_mb: int) -> list[float]:
    """What is left of the time of each image, in milliseconds."""
    cfg = make_model(folder / "model")
    with emulator() as variables:
        up = [sys.executable, "-m", "lookout", "stack", "up", "--model", str(cfg), "--yes", "--memory", str(memory_mb)]
        threshold = ["--confidence", str(CONFIDENCE)]
        subprocess.run([*up, *threshold], check=True, capture_output=True, env={**os.environ, **variables})
        account = account_of_emulator(variables)
        deployment = Stack(account, "lookout").find()
        s3, table, began_s = account.s3, account.dynamodb, time.time()
        waited_ms: dict[str, float] = {}
        for number in range(_WARM_UP + images):
            key = f"images/{uuid.uuid4()}.jpg"
            wanted = {"image-url": {"S": image_url(deployment.bucket, key)}}
            s3.put_object(Bucket=deployment.bucket, Key=key, Body=make_picture(number % 50))
            start = time.perf_counter()
            while "Item" not in (answer := table.get_item(TableName=deployment.table, Key=wanted, ConsistentRead=True)):
                time.sleep(_LOOK_EVERY_S)
            elapsed_ms = (time.perf_counter() - start) * 1000
            if number >= _WARM_UP:
                waited_ms[answer["Item"]["lookout"]["M"]["request_id"]["S"]] = elapsed_ms
        reports = wait_for_reports(account.logs, deployment.log_group, waited_ms, began_s)
    return [waited_ms[request_id] - reports[request_id].duration_ms for request_id in reports]


def hosting(folder: Path, invocations: int) -> list[float]:
    """What an invocation of nothing takes, in milliseconds."""
    (folder / "nothing.py").write_text(HANDLER)
    arn = "arn:aws:lambda:us-east-1:000000000000:function:nothing"
    function = FunctionConfig("nothing", arn, "nothing.handle", 1769, 60, {}, folder, sys.executable, "us-east-1", "")
    host = FunctionHost(choose_limiter())
    taken_ms = []
    try:
        for number in range(_WARM_UP + invocations):
            start = time.perf_counter()
            host.invoke(function, b"null", str(uuid.uuid4()))
            if number >= _WARM_UP:
                taken_ms.append((time.perf_counter() - start) * 1000)
    finally:
        host.close()
    return taken_ms


if __name__ == "__main__":
    main()
