"""A run as ``lookout compare --full`` leaves it, made up: what everything takes is known to the digit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from lookout.cloud.reports import Invocation, Work
from lookout.comparison.conditions import Condition
from lookout.comparison.load import Load
from lookout.comparison.network import Network
from lookout.comparison.results import AveragePrecision, Point, ResultsLog, Run
from lookout.comparison.samples import Sample
from lookout.core.detections import Box, Detection
from lookout.executions.protocol import Answer

EXECUTIONS = ("in-process", "local", "remote", "direct")
# One of a core's time for an image, and what else an execution takes over loopback, in ms.
CPU_MS = 40.0
OVERHEAD_MS = {"in-process": 0.5, "local": 3.0, "remote": 12.0, "direct": 6.0}
ROUND_TRIPS = {"in-process": 0, "local": 1, "remote": 3, "direct": 1}
SENT_SHARE = {"in-process": 0.0, "local": 1.0, "remote": 1.0, "direct": 4 / 3}
IMAGE_BYTES = 100_000
USED_MB = 140
DOG = (Detection("dog", 0.9, Box(10, 20, 30, 40)),)
MACHINE = {"cpu": "test", "cores": 2, "memory_mb": 4096, "system": "Linux", "python": "3.11", "packages": {}}
ABOUT = {
    "model": "tiny", "model_digest": "abc", "engine": "onnxruntime", "confidence": 0.25, "iou": 0.45,
    "executions": list(EXECUTIONS), "images": 12, "asked": {},
}  # fmt: skip
CLOUD = {"emulated": True, "memory_mb": 512, "architecture": "x86_64"}


class World:
    """Makes samples of a machine on which time passes as it is told."""

    def __init__(self, seed: int = 1, noise: float = 0.01) -> None:
        self._random = random.Random(seed)  # noqa: S311  no secret
        self._noise = noise
        self._now = 1_000_000.0
        self._number = 0

    def point(self, condition: Condition, images: int, *, waiting_ms: float = 0.0, number: int = 1) -> Point:
        """A point; the first offloaded sample of it, a warm-up, is cold. ``waiting_ms`` more is what a queue adds."""
        samples = []
        for execution in condition.executions:
            if condition.load.warm_up:
                samples.append(self._sample(execution, condition, "w.jpg", waiting_ms, warm_up=True))
            samples += [self._sample(execution, condition, f"{at}.jpg", waiting_ms) for at in range(images)]
        peaks = {"local": 190.0} if "local" in condition.executions else {}
        return Point(f"run-{number}", condition, tuple(samples), peaks)

    def _sample(
        self, execution: str, condition: Condition, image: str, waiting_ms: float, *, warm_up: bool = False
    ) -> Sample:
        self._number += 1
        self._now += 10 if condition.load.concurrency == 1 else 0.05  # then they overlap
        offloaded = execution in ("remote", "direct")
        share = min(1.0, (condition.memory_mb or 1769) / 1769) if offloaded else 1.0
        compute_ms = CPU_MS / share * self._random.uniform(1 - self._noise, 1 + self._noise)
        stages = {"decode": 0.1 * compute_ms, "preprocess": 0.05 * compute_ms, "inference": 0.8 * compute_ms}
        stages["postprocess"] = 0.05 * compute_ms
        network = condition.network
        way_ms = OVERHEAD_MS[execution]
        if network and execution != "in-process":
            way_ms += ROUND_TRIPS[execution] * network.rtt_ms
            way_ms += IMAGE_BYTES * SENT_SHARE[execution] * 8e-3 / network.up_mbit_s
        init_ms = 400.0 if offloaded and warm_up else 0.0
        elapsed_ms = way_ms + waiting_ms + compute_ms + init_ms
        start = self._now
        ended = start + elapsed_ms / 1000
        request_id = f"r{self._number}" if offloaded else None
        answer = Answer(
            DOG, stages["inference"], elapsed_ms, stages,
            upload_ms=way_ms * 0.7 if execution == "remote" else None, request_id=request_id,
        )  # fmt: skip
        invocation = None
        if offloaded:
            began = start + (way_ms * 0.8 + waiting_ms + init_ms) / 1000
            work = Work(began, began + compute_ms / 1000, stages)
            duration_ms = compute_ms + 1
            memory_mb = condition.memory_mb or 512
            billed_ms = float(int(duration_ms + init_ms) + 1)
            invocation = Invocation(
                str(request_id), duration_ms, billed_ms, memory_mb, USED_MB, init_ms or None, work=work
            )
        scheduled = start if condition.load.rate_per_s else None
        return Sample(
            execution, image, start, answer, invocation=invocation, ended=ended, scheduled=scheduled,
            size_bytes=IMAGE_BYTES, warm_up=warm_up,
        )  # fmt: skip


def base(executions: Sequence[str] = EXECUTIONS, network: Network | None = None) -> Condition:
    return Condition("single-stream", tuple(executions), Load(warm_up=1), network, 512)


def full_run(noise: float = 0.01) -> Run:
    """All kinds of points."""
    world, over = World(noise=noise), ("local", "remote", "direct")
    conditions = [(base(), 12, 0.0)]
    for rtt_ms, up in ((5, 50), (5, 5), (40, 20), (40, 2), (100, 10), (200, 50)):
        conditions.append((base(over, Network("", rtt_ms, up, 4 * up)), 5, 0.0))
    conditions += [
        (Condition("single-stream", ("direct",), Load(warm_up=1), None, memory_mb), 8, 0.0)
        for memory_mb in (1024, 1769, 3008)
    ]
    conditions.append((Condition("offline", ("local",), Load(8, warm_up=8), None, None, 16), 16, 0.0))
    for rate, waiting_ms in ((5, 1), (10, 10), (15, 100), (20, 900)):
        conditions.append((Condition("server", ("local",), Load(rate_per_s=rate), None, None, 30), 30, waiting_ms))
    conditions.append((Condition("burst", ("remote",), Load(burst=4), None, 512, 4), 4, 0.0))
    points = [
        world.point(condition, images, waiting_ms=waiting_ms, number=number)
        for number, (condition, images, waiting_ms) in enumerate(conditions, 1)
    ]
    precisions = tuple(AveragePrecision(execution, 0.3, 0.5, 12) for execution in EXECUTIONS)
    return Run("run", 1_000_000.0, ABOUT, MACHINE, CLOUD, emulated=True, points=tuple(points), precisions=precisions)


def write_run(run: Run, path: Path) -> None:
    """Into a file, as comparing does."""
    about = {**run.description, "emulated": run.emulated, "machine": run.machine, "cloud": run.cloud}
    with ResultsLog(path, about, run.started) as log:
        for point in run.points:
            at = log.begin(point.condition)
            for sample in point.samples:
                log.add_sample(at, sample)
            for sample in point.samples:
                log.add_invocation(at, sample)
            for execution, peak_mb in point.peaks_mb.items():
                log.add_peak(at, execution, peak_mb)
        for precision in run.precisions:
            log.add_precision(precision)
        log.end()
