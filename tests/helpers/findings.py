"""Findings as of a whole comparison, and as of next to nothing; made up, and always the same."""

from __future__ import annotations

import dataclasses
import random
from functools import cache

from lookout.comparison.conditions import Condition
from lookout.comparison.findings import (
    Cell,
    CostCurve,
    CostPart,
    Costs,
    CostTable,
    Difference,
    Distribution,
    Findings,
    MemoryPoint,
    MemorySweep,
    NetworkMap,
    Peak,
    Prediction,
    RateCurve,
    RatePoint,
    Seen,
    StageBar,
)
from lookout.comparison.load import Load
from lookout.comparison.network import PRESETS
from lookout.comparison.report import Agreement, Failure, Report, Row
from lookout.comparison.results import AveragePrecision, Picture, Point, Run
from lookout.comparison.samples import Sample
from lookout.comparison.statistics import Interval, interval, mean_of, percentile_of, summarise
from lookout.core.detections import Box, Detection
from lookout.errors import ExecutionError

_RANDOM = random.Random(7)  # noqa: S311  no secret


def _times(median_ms: float, spread: float, n: int) -> tuple[float, ...]:
    return tuple(sorted(median_ms * _RANDOM.lognormvariate(0, spread) for _ in range(n)))


def distribution(execution: str, *, cold: bool, values_ms: tuple[float, ...]) -> Distribution:
    intervals = [interval(values_ms, of) for of in (mean_of, percentile_of(50), percentile_of(95))]
    return Distribution(execution, cold, values_ms, *intervals)


_WARM = {
    "in-process": _times(23.5, 0.12, 64),
    "local": _times(27.9, 0.16, 64),
    "remote": _times(231, 0.22, 640),
    "direct": _times(188, 0.18, 64),
}
_COLD = {"remote": _times(1950, 0.08, 6), "direct": _times(1820, 0.1, 1)}

_DETECTOR = {"decode": 3.4, "preprocess": 1.2, "inference": 18.1, "postprocess": 0.6}
_SLOW = {"decode": 12.1, "preprocess": 4.2, "inference": 121.4, "postprocess": 2.2}
_STAGES = (
    StageBar("in-process", False, 64, 23.6, {"encode": 0.1, **_DETECTOR}, 0.2),
    StageBar("local", False, 64, 28.2, {"encode": 0.1, "upload": 3.1, "waiting": 1.4, **_DETECTOR}, 0.3),
    StageBar(
        "remote",
        False,
        640,
        236.4,
        {"encode": 0.2, "upload": 12.4, "waiting": 21.3, "fetch": 14.2, **_SLOW, "store": 18.2, "notice": 28.1},
        2.1,
    ),
    StageBar("direct", False, 64, 191.3, {"encode": 1.2, "upload": 21.3, "fetch": 1.2, **_SLOW, "notice": 25.6}, 2.1),
    StageBar(
        "remote",
        True,
        6,
        1961.0,
        {
            "encode": 0.2,
            "upload": 12.4,
            "waiting": 21.3,
            "init": 1650.0,
            "fetch": 24.2,
            **_SLOW,
            "store": 58.2,
            "notice": 51.1,
        },
        2.9,
    ),
    StageBar("direct", True, 1, 1830.0, {"encode": 1.2, "upload": 21.3, "init": 1640.0, **_SLOW, "notice": 25.6}, 2.0),
)


def _rates(base_ms: float, most: float) -> tuple[RatePoint, ...]:
    points = [
        RatePoint(
            rate, base_ms / (1 - rate / most) ** 0.4, base_ms * 1.6 / (1 - rate / most), 200, int(rate > 0.9 * most)
        )
        for rate in (most * share for share in (0.05, 0.2, 0.4, 0.6, 0.8, 0.95))
    ]
    predicted = [
        RatePoint(rate, base_ms / (1 - rate / most) ** 0.45, base_ms * 1.7 / (1 - rate / most), 0, 0, predicted=True)
        for rate in (most * share for share in (0.1, 0.5, 0.9))
    ]
    beyond = RatePoint(most * 1.1, float("inf"), float("inf"), 0, 0, predicted=True)
    return (*points, *predicted, beyond)


_CURVE_RATES = tuple(10 ** (place / 10) for place in range(-30, 21))
_COSTS = Costs(
    tables=(
        CostTable(
            "remote",
            (
                CostPart("Lambda, duration", "87.5 GB-s", 0.001458),
                CostPart("Lambda, requests", "1,000", 0.0002),
                CostPart("S3, PUT", "1,000", 0.005),
                CostPart("S3, GET", "1,000", 0.0004),
                CostPart("DynamoDB, writes", "1,000", 0.000625),
                CostPart("DynamoDB, reads spent waiting", "4,000", 0.0005),
                CostPart("Transfer out", "0.0009 GB", 0.0000081),
            ),
            0.0081911,
            "Lambda's free tier would take off $0.0017 of it, up to 4.5 million images a month.",
        ),
        CostTable(
            "direct",
            (
                CostPart("Lambda, duration", "81.2 GB-s", 0.001353),
                CostPart("Lambda, requests", "1,000", 0.0002),
            ),
            0.001553,
            "",
        ),
    ),
    curves=(
        CostCurve("remote", _CURVE_RATES, tuple(0.0081911 for _ in _CURVE_RATES)),
        CostCurve("direct", _CURVE_RATES, tuple(0.001553 for _ in _CURVE_RATES)),
        CostCurve(
            "a machine of your own at $0.05 an hour (up to 35 images/s)",
            _CURVE_RATES,
            tuple(0.05 / 3.6 * (1 + rate // 35) / rate for rate in _CURVE_RATES),
        ),
    ),
    break_evens=(
        "From 1.7 images a second on, day and night, a machine of your own is cheaper than remote.",
        "From 8.9 images a second on, day and night, a machine of your own is cheaper than direct.",
    ),
    source="Prices: us-east-1, 2026-05. Not in it: taxes, support, transfer in.",
    meeting_points=((1.696, 0.0081911), (8.943, 0.001553)),
)

_MEMORY = MemorySweep(
    "remote",
    (
        MemoryPoint(128, 0, None, None, None, None, None, excluded="it ran out of memory"),
        MemoryPoint(256, 12, 742.0, 810.0, 0.00331, 2910.0, 149.0),
        MemoryPoint(512, 12, 368.0, 402.0, 0.00327, 1760.0, 152.0),
        MemoryPoint(1024, 12, 182.0, 201.0, 0.00324, 1510.0, 152.0),
        MemoryPoint(1769, 12, 104.0, 119.0, 0.0032, 1480.0, 153.0),
        MemoryPoint(3008, 12, 71.0, 82.0, 0.00368, 1470.0, 155.0, predicted=True),
        MemoryPoint(5120, 12, 68.0, 80.0, 0.00587, 1470.0, 155.0, predicted=True),
        MemoryPoint(10240, 12, 66.0, 79.0, 0.0112, 1470.0, 155.0, predicted=True),
    ),
    {"cheapest": 1769, "balanced": 1769, "fastest": 10240},
    ("From 1,769 MB on the function has a whole vCPU, and one thread no more use of it.",),
)

_RTTS_MS, _UPS_MBIT_S = (1.0, 10.0, 25.0, 50.0, 100.0, 300.0), (0.768, 3.0, 9.0, 20.0, 50.0, 200.0)


def _cell(rtt_ms: float, up_mbit_s: float) -> Cell:
    transfer_ms = 0.19e6 * 8e-3 / up_mbit_s
    latencies_ms = {
        "local": 180.0,
        "remote": 110 + 3 * rtt_ms + transfer_ms,
        "direct": 88 + 1.2 * rtt_ms + transfer_ms * 1.33,
    }
    winner = min(latencies_ms, key=lambda name: latencies_ms[name])
    return Cell(
        rtt_ms, up_mbit_s, latencies_ms, winner, predicted=rtt_ms not in (1.0, 50.0, 300.0) or up_mbit_s in (3.0, 20.0)
    )


_NETWORK_MAP = NetworkMap(_RTTS_MS, _UPS_MBIT_S, tuple(tuple(_cell(rtt, up) for up in _UPS_MBIT_S) for rtt in _RTTS_MS))

_PREDICTION = Prediction(
    0.047,
    (
        ("remote over 4g", 402.0, 391.0),
        ("direct over 4g", 371.0, 389.0),
        ("remote over 25 ms, 20 Mbit/s", 262.0, 248.0),
        ("direct over 25 ms, 20 Mbit/s", 201.0, 213.0),
        ("local over 25 ms, 20 Mbit/s", 121.0, 118.0),
        ("remote over 3g", 2380.0, 2291.0),
    ),
)

OBJECTS = (
    Detection("dog", 0.91, Box(30, 120, 260, 330)),
    Detection("person", 0.84, Box(300, 20, 190, 440)),
    Detection("bicycle", 0.43, Box(520, 260, 115, 200)),
)
_SEEN = tuple(
    Seen(Picture(f"photos/{name}", f"pictures/{place}.jpg", size_wh), OBJECTS if place < 3 else ())
    for place, (name, size_wh) in enumerate(
        (
            ("000000000139.jpg", (640, 480)),
            ("000000000785.jpg", (640, 480)),
            ("a very long name of a picture, as people give.jpg", (480, 640)),
            ("lost.jpg", (640, 480)),
        ),
        1,
    )
)

_MACHINE = {
    "cpu": "AMD EPYC 7713 64-Core Processor",
    "cores": 2,
    "memory_mb": 7957,
    "system": "Linux-6.1.0-18-amd64-x86_64-with-glibc2.36",
    "python": "3.11.2",
    "packages": {"lookout-vision": "0.6.0", "numpy": "2.3.5", "onnxruntime": "1.32.0"},
}
_DESCRIPTION = {
    "model": "yolov3-tiny",
    "model_digest": "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c",
    "engine": "onnxruntime",
    "confidence": 0.25,
    "iou": 0.45,
    "executions": ["in-process", "local", "remote", "direct"],
    "images": 64,
    "commit": None,
}
_CLOUD = {
    "endpoint": "http://127.0.0.1:40001",
    "region": "us-east-1",
    "memory_mb": 512,
    "cpu_limiter": "cgroup v2",
    "emulated": True,
}


def _row(task: str, metric: str, unit: str, median: float, spread: float, n: int = 64) -> Row:
    return Row(task, metric, unit, summarise(_times(median, spread, n)))


_REPORT = Report(
    rows=(
        Row("In-process execution", "Duration", "ms", summarise(_WARM["in-process"])),
        Row("Local execution", "Duration", "ms", summarise(_WARM["local"])),
        _row("Remote image upload", "Duration", "ms", 12.1, 0.3),
        _row("Remote execution", "Duration", "ms", 152, 0.2),
        _row("Remote execution", "Memory used", "MB", 152, 0.01),
        Row("Remote, end to end", "Duration", "ms", summarise(_WARM["remote"])),
        _row("Remote cold start", "Init duration", "ms", 1650, 0.05, 6),
        _row("Remote cold start", "Duration", "ms", 183, 0.05, 6),
        _row("Direct execution", "Duration", "ms", 141, 0.1),
        _row("Direct cold start", "End to end", "ms", 1830, 0, 1),
        Row("Direct, end to end", "Duration", "ms", None),
    ),
    agreement=Agreement(64, 63),
    cold_starts=7,
    failures=(Failure("remote", "photos/000000000885.jpg", "no answer within 30 s"),),
    unreported=1,
)


@cache
def whole() -> Findings:
    """Findings with everything in them, of an emulated cloud."""
    executions = ("in-process", "local", "remote", "direct")
    failed = Sample.failed(
        "remote", "photos/000000000885.jpg", 1_800_000_001.0, ExecutionError("no answer within 30 s")
    )
    points = (
        Point("p1", Condition("single-stream", executions, Load(warm_up=2), None, 512), (failed,)),
        Point("p2", Condition("open-loop", ("remote",), Load(rate_per_s=4), PRESETS["4g"], 512), ()),
    )
    run = Run(
        id="5f2c7c1e",
        started=1_800_000_000.0,
        description=_DESCRIPTION,
        machine=_MACHINE,
        cloud=_CLOUD,
        emulated=True,
        points=points,
        pictures=tuple(seen.picture for seen in _SEEN),
        precisions=tuple(AveragePrecision(name, 0.2871, 0.5524, 64) for name in executions),
        warnings=("2 invocations wanted more of the machine than it has, and took too long.",),
    )
    warm = (distribution(name, cold=False, values_ms=values) for name, values in _WARM.items())
    cold = (distribution(name, cold=True, values_ms=values) for name, values in _COLD.items())
    return Findings(
        run=run,
        report=_REPORT,
        answer=(
            "Detect here: local is 8.3 times as fast as remote, and cheaper from 1.7 images a second on.",
            "Latency: local answers within 27.9 ms (26.8 to 28.9) at the median, remote (emulated) within 231 ms.",
            "Throughput: local keeps p99 below 100 ms up to 31 images a second, remote at least up to 48.",
            "Cost: at 1 image a second remote costs $0.0082 for 1,000 images, a machine at $0.05 an hour $0.0139.",
            "It turns where the network has less than 9 Mbit/s up: below, here is faster whatever the round trip.",
        ),
        added=(
            "Uploads go over loopback: AWS would add about 20 to 60 ms to each, from within its region.",
            "S3 tells Lambda at once here, and within about a second on AWS.",
        ),
        sources=("S3 tells Lambda: median 900 ms, measured 2024-01. A paper: https://example.org/paper",),
        distributions=(*warm, *cold),
        differences=(
            Difference("local", "remote", Interval(203.2, 190.1, 216.9), 64),
            Difference("remote", "direct", Interval(1.2, -3.0, 5.5), 64),
        ),
        stages=_STAGES,
        rates=(
            RateCurve("local", _rates(28, 34), 27.2),
            RateCurve("remote", _rates(230, 60), None),
        ),
        costs=_COSTS,
        memory=_MEMORY,
        network_map=_NETWORK_MAP,
        prediction=_PREDICTION,
        peaks=(Peak("local", 212.4), Peak("remote, Lambda's Max Memory Used", 155.0), Peak("in-process", 198.1)),
        seen=_SEEN,
        caveats=(
            "The emulator and the local server share this machine's two cores.",
            "The images are of COCO's training set.",
        ),
        method=(
            "Each image went through each execution in turn, in an order shuffled with the seed 1.",
            "Intervals are 95 % bootstrap intervals, bias-corrected and accelerated, of 2,000 draws.",
        ),
    )


def almost_empty() -> Findings:
    """Findings of a run that was killed before it had measured anything."""
    run = dataclasses.replace(
        whole().run,
        id="0a",
        description={"model": "lookout-tiny"},
        machine={"cpu": "other"},
        cloud=None,
        emulated=False,
        points=(),
        pictures=(),
        precisions=(),
        warnings=(),
        is_complete=False,
    )
    return Findings(
        run=run,
        report=Report((), Agreement(0, 0), 0, (), 0),
        answer=(),
        added=(),
        sources=(),
        distributions=(),
        differences=(),
        stages=(),
        rates=(),
        costs=None,
        memory=None,
        network_map=None,
        prediction=None,
        peaks=(),
        seen=(),
        caveats=(),
        method=(),
    )
