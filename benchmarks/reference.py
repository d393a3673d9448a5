"""Is the emulator as slow as Lambda? The reference system's function in it, beside the figures that were published.

    .venv/bin/python benchmarks/reference.py --cfg yolov3-tiny.cfg --images photos/

The function of ``benchmarks/reference/handler.py`` is deployed at some memory sizes, and Lookout's with the same
network; the images are uploaded one by one. Weights are made up (seeded), since only the arithmetic counts. The
reference ran OpenCV 4 on Darknet files: that is installed into a folder of its own with pip (``--opencv4`` names the
folder, and keeps it); ``--onnx`` does without, by Lookout's own OpenCV 5 on the imported network. Prints a table, then
how duration falls with memory, and whether it is what this machine's speed and the function's share of it come to. All
figures but the published ones are emulated.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from helpers.darknet_weights import make_weights
from helpers.program import Program, run, wait_for
from lookout.cloud.account import Account, account_of_emulator
from lookout.cloud.items import image_url
from lookout.cloud.reports import Invocation, parse_report
from lookout.cloud.stack import Stack
from lookout.comparison.machine import describe_machine
from lookout.models.store import load_model

MEMORY_MB = (512, 1024, 1769)
# What the reference's report has of its function's REPORT lines: mean, SD, least, most.
PUBLISHED_MS = (1780.20, 378.99, 1214.06, 3008.06)
PUBLISHED_MB = (452.97, 1.47, 449.00, 454.00)
# What OpenCV 4 takes for YOLOv3-tiny on one thread of a 2-core EPYC (Milan), on which the same function, under the CPU
# share of 512 MB, took 1810 ms on average: it tells how much faster or slower this machine is.
KNOWN_MS = 89.0
# What Lookout's function may take with YOLOv3-tiny.
MOST_MB = 230

_KEY = "image-url"

_NETWORK_ALONE = """
import statistics, sys, time
import cv2, numpy as np
cv2.setNumThreads(1)
network = cv2.dnn.readNetFromDarknet(sys.argv[1], sys.argv[2])
times = []
for _ in range(20):
    network.setInput(np.zeros((1, 3, 416, 416), np.float32))
    start = time.perf_counter()
    network.forward(network.getUnconnectedOutLayersNames())
    times.append(time.perf_counter() - start)
print(statistics.median(times) * 1000)
"""


# The handler's work without an emulator around it: the CPU time that an image takes.
_WORK_ALONE = """
import statistics, sys, time
import cv2, handler
times = []
for path in sys.argv[1:]:
    image = cv2.imread(path)
    start = time.process_time()
    handler.detect(image)
    times.append(time.process_time() - start)
print(statistics.mean(times) * 1000)
"""
# A vCPU of Lambda's, in MB of a function's memory.
_MB_PER_VCPU = 1769


@dataclass(frozen=True)
class Deployed:
    """A function between a bucket and a table."""

    account: Account
    function: str
    bucket: str
    table: str

    def process(self, images: Sequence[Path]) -> list[Invocation]:
        """Put the images into the bucket one by one; what the function reported of each."""
        return [self._processed(image) for image in images]

    def _processed(self, image: Path) -> Invocation:
        known = {report.request_id for report in self._reports()}
        key = f"{uuid.uuid4()}/{image.name}"
        self.account.s3.put_object(Bucket=self.bucket, Key=key, Body=image.read_bytes())
        wait_for(lambda: self._is_done(key))
        # Its item is there before the function is: the next image would start a second one.
        wait_for(lambda: len(self._reports()) > len(known))
        return next(report for report in self._reports() if report.request_id not in known)

    def _is_done(self, object_key: str) -> bool:
        key: Any = {_KEY: {"S": image_url(self.bucket, object_key)}}
        return "Item" in self.account.dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True)

    def _reports(self) -> list[Invocation]:
        pages = self.account.logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{self.function}"
        )
        reports = (parse_report(event["message"]) for page in pages for event in page["events"])
        return [report for report in reports if report]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cfg", type=Path, required=True, help="a Darknet cfg; its weights are made")
    parser.add_argument("--images", type=Path, required=True, help="a folder of images")
    parser.add_argument("--memory", type=int, nargs="+", default=MEMORY_MB, help="memory sizes in MB")
    parser.add_argument("--opencv4", type=Path, help="where OpenCV 4 is, or is put [default: a temporary folder]")
    parser.add_argument("--onnx", action="store_true", help="OpenCV 5 on the imported network instead")
    arguments = parser.parse_args()
    images = sorted(arguments.images.iterdir())
    with tempfile.TemporaryDirectory() as folder:
        cfg = Path(folder) / arguments.cfg.name
        cfg.write_text(arguments.cfg.read_text())
        cfg.with_suffix(".weights").write_bytes(make_weights(cfg.read_text()))
        variables = reference_variables(cfg, arguments.opencv4, onnx=arguments.onnx)
        with Program("emulator", "--port", "0", "--json") as emulator:
            settings = emulator.ready()["environment"]
            account = account_of_emulator(settings)
            rows = {}
            for memory_mb in arguments.memory:
                reference = deploy_reference(account, memory_mb, variables)
                rows["reference", memory_mb] = reference.process(images)
                rows["lookout", memory_mb] = deploy_lookout(account, memory_mb, cfg, settings).process(images)
        tell(rows, arguments.memory)
        means_ms = {size: statistics.mean(r.duration_ms for r in rows["reference", size]) for size in arguments.memory}
        tell_share(images, variables, means_ms)
        if not arguments.onnx:
            tell_speed(cfg, variables, means_ms[arguments.memory[0]])


def tell_share(images: Sequence[Path], variables: dict[str, str], means_ms: dict[int, float]) -> None:
    """Print what the reference's durations should be on this machine: its CPU time by the share of a core."""
    names = {"AWS_DEFAULT_REGION": "us-east-1", "TABLE": "none"}  # its clients are made, and never called
    environment = {"PATH": os.environ["PATH"], **names, **variables}
    command = [sys.executable, "-c", _WORK_ALONE, *map(str, images)]
    alone = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    cpu_ms = float(alone.stdout)
    print(f"reference: its detection alone takes {cpu_ms:.0f} ms of CPU time here; by the share of a core that is")
    for size, mean_ms in means_ms.items():
        expected_ms = cpu_ms * max(1.0, _MB_PER_VCPU / size)
        print(f"  {expected_ms:.0f} ms at {size} MB; emulated {mean_ms:.0f} ms ({mean_ms / expected_ms - 1:+.0%})")


def tell_speed(cfg: Path, variables: dict[str, str], mean_ms: float) -> None:
    """Print how fast this machine is, and what the reference's mean would be on one whose speed is known."""
    command = [sys.executable, "-c", _NETWORK_ALONE, str(cfg), str(cfg.with_suffix(".weights"))]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": variables["PYTHONPATH"]}
    run_alone = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    alone_ms = float(run_alone.stdout)
    there_ms = mean_ms * KNOWN_MS / alone_ms
    print(
        f"the network alone, OpenCV 4, one thread: {alone_ms:.1f} ms here, {KNOWN_MS:g} on the known machine; at its "
        f"speed the reference's mean would be {there_ms:.0f} ms, {there_ms / PUBLISHED_MS[0] - 1:+.0%} against the "
        "published one"
    )


def reference_variables(cfg: Path, opencv4: Path | None, *, onnx: bool) -> dict[str, str]:
    """The environment of the reference's function."""
    model = load_model(cfg)
    labels = cfg.with_suffix(".labels")
    labels.write_text("\n".join(model.labels))
    if onnx:
        return {"NETWORK": str(model.network), "LABELS": str(labels), "PYTHONPATH": str(HERE / "reference")}
    packages = opencv4 or cfg.parent / "opencv4"
    if not (packages / "cv2").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", packages, "opencv-python-headless<5"], check=True)
    return {"NETWORK": str(cfg), "LABELS": str(labels), "PYTHONPATH": f"{HERE / 'reference'}:{packages}"}


def deploy_reference(account: Account, memory_mb: int, variables: dict[str, str]) -> Deployed:
    """The reference's function at a memory size; made without CloudFormation, as it was."""
    name = f"reference-{memory_mb}"
    account.s3.create_bucket(Bucket=name)
    account.dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": _KEY, "AttributeType": "S"}],
        KeySchema=[{"AttributeName": _KEY, "KeyType": "HASH"}],
    )
    account.logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
    function = account.functions.create_function(
        FunctionName=name,
        PackageType="Image",
        Code={"ImageUri": "reference:1"},
        ImageConfig={"Command": ["handler.handle"]},
        Role=f"arn:aws:iam::{account.account_id()}:role/LabRole",
        MemorySize=memory_mb,
        Timeout=15,
        Environment={"Variables": {"TABLE": name, **variables}},
    )
    account.functions.add_permission(
        FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    account.s3.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                {"LambdaFunctionArn": function["FunctionArn"], "Events": ["s3:ObjectCreated:*"]}
            ]
        },
    )
    return Deployed(account, name, name, name)


def deploy_lookout(account: Account, memory_mb: int, cfg: Path, settings: dict[str, str]) -> Deployed:
    """Lookout's own function at a memory size."""
    name = f"lookout-{memory_mb}"
    up = run("stack", "up", "--name", name, "--model", str(cfg), "--memory", str(memory_mb), "--yes", **settings)
    if up.returncode:
        raise SystemExit(up.stderr)
    deployment = Stack(account, name).find()
    return Deployed(account, deployment.function, deployment.bucket, deployment.table)


def tell(rows: dict[tuple[str, int], list[Invocation]], memory_mb: Sequence[int]) -> None:
    """Print the table, and how duration falls with memory."""
    print(f"{'':24}{'duration (ms)':^44}{'memory used (MB)':^36}")
    print(f"{'':24}{'mean':>11}{'SD':>11}{'min':>11}{'max':>11}{'mean':>9}{'SD':>9}{'min':>9}{'max':>9}{'n':>6}")
    print(f"{'published, 512 MB':24}{_figures(PUBLISHED_MS, 11)}{_figures(PUBLISHED_MB, 9)}")
    for (name, size), reports in rows.items():
        durations = _summary([report.duration_ms for report in reports])
        used = _summary([report.used_mb for report in reports])
        print(f"{f'{name}, {size} MB':24}{_figures(durations, 11)}{_figures(used, 9)}{len(reports):6}")
    first = memory_mb[0]
    for name in ("reference", "lookout"):
        work = {size: size * statistics.mean(r.duration_ms for r in rows[name, size]) for size in memory_mb}
        told = ", ".join(f"{size} MB {work[size] / work[first]:.2f}" for size in memory_mb)
        print(f"{name}: duration x memory, of that at {first} MB: {told} (1.00: duration falls as 1/memory)")
    mean_ms = statistics.mean(report.duration_ms for report in rows["reference", first])
    print(f"reference at {first} MB: {mean_ms / PUBLISHED_MS[0] - 1:+.0%} against the published mean, at 512 MB")
    most = max(report.used_mb for (name, _), reports in rows.items() if name == "lookout" for report in reports)
    print(f"lookout: at most {most} MB used (to be under {MOST_MB} with YOLOv3-tiny)")
    machine = describe_machine()
    print(f"measured on {machine['cpu']}, {machine['cores']} cores: another machine's speed is another mean")


def _summary(values: Sequence[float]) -> tuple[float, float, float, float]:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.mean(values), spread, min(values), max(values)


def _figures(summary: Sequence[float], width: int) -> str:
    return "".join(f"{value:{width}.2f}" for value in summary)


if __name__ == "__main__":
    main()
