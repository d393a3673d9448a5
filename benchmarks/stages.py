"""How long do the detector's own stages take, those around the network? One thread, synthetic outputs, seeded.

    .venv/bin/python benchmarks/stages.py

Post-processing is measured on what YOLOv3 gives at 416 x 416, three maps of 10,647 rows in all, with few, many and all
rows over the confidence; framing on a picture of 640 x 480. Prints the median and the 95th percentile of each, and the
same work done plainly (every row decoded, one loop over boxes) for comparison.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when numpy is imported

import cv2
import numpy as np

from lookout import images
from lookout.core.detections import Candidates, FloatArray
from lookout.core.framing import Frame, InputFormat
from lookout.core.heads import DarknetHead, YoloLayer, darknet_rows, decode
from lookout.core.selection import Selection
from lookout.core.suppression import iou

INPUT_WH = (416, 416)
ANCHORS = (
    ((116.0, 90.0), (156.0, 198.0), (373.0, 326.0)),
    ((30.0, 61.0), (62.0, 45.0), (59.0, 119.0)),
    ((10.0, 13.0), (16.0, 30.0), (33.0, 23.0)),
)
HEAD = DarknetHead(tuple(YoloLayer(anchors, 80) for anchors in ANCHORS))
ROWS = 3 * (13**2 + 26**2 + 52**2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=300)
    repeats = parser.parse_args().repeats
    cv2.setNumThreads(1)
    for over in (60, 1000, ROWS):
        outputs = network_outputs(over)
        show(f"post-processing, {over:,} of {ROWS:,} rows over 0.25", lambda o=outputs: postprocess(o), repeats)
    outputs = network_outputs(60)
    show("the same, 60 rows, done plainly", lambda: plainly(outputs), max(3, repeats // 10))
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for framing in ("stretch", "letterbox"):
        for side in (320, 416, 640):
            fmt = InputFormat(side, side, framing, "rgb", 1 / 255)
            show(f"framing 640 x 480, {framing} to {side}", lambda f=fmt: frame(picture, f), repeats)


def network_outputs(over: int) -> list[FloatArray]:
    """Three maps in which that many rows, anywhere, pass a confidence of 0.25; their boxes differ as in a picture."""
    rng = np.random.default_rng(0)
    maps = [rng.normal(0, 0.5, (3, 85, side, side)).astype(np.float32) for side in (13, 26, 52)]
    passes = np.zeros(ROWS, bool)
    passes[rng.choice(ROWS, over, replace=False)] = True
    start = 0
    for raw in maps:
        raw[:, 4] = -8
        raw[:, 5:] = -6
        count = raw[:, 4].size
        chosen = np.argwhere(passes[start : start + count].reshape(raw[:, 4].shape))
        for anchor, y, x in chosen:
            raw[anchor, 4, y, x] = rng.uniform(0.5, 4)
            raw[anchor, 5 + rng.integers(80), y, x] = rng.uniform(1, 4)
        start += count
    return [raw.reshape(1, 255, *raw.shape[2:]) for raw in maps]


def postprocess(outputs: list[FloatArray]) -> Candidates:
    """What the detector does with a network's outputs."""
    selection = Selection()
    return selection.of(decode(HEAD, outputs, INPUT_WH, selection.confidence))


def plainly(outputs: list[FloatArray]) -> list[int]:
    """Every row decoded, and one loop over boxes, as in most samples."""
    parts = [darknet_rows(layer, output, INPUT_WH) for layer, output in zip(HEAD.layers, outputs, strict=True)]
    boxes, objectness, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    class_ids = scores.argmax(axis=1)
    confidences = objectness * scores.max(axis=1)
    kept: list[int] = []
    for index in np.argsort(-confidences):
        if confidences[index] <= 0.25:
            break
        same = [other for other in kept if class_ids[other] == class_ids[index]]
        if all(iou(boxes[index : index + 1], boxes[other : other + 1])[0, 0] <= 0.45 for other in same):
            kept.append(int(index))
    return kept


def frame(picture: images.ImageArray, input_format: InputFormat) -> FloatArray:
    """What the detector does with a decoded picture."""
    return images.fill(picture, Frame.of(images.size_wh(picture), input_format), input_format)


def show(name: str, work: Callable[[], object], repeats: int) -> None:
    """Print how long the work takes, after a few runs that don't count."""
    for _ in range(3):
        work()
    times_ms = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times_ms.append((time.perf_counter() - start) * 1000)
    p95 = sorted(times_ms)[int(0.95 * (len(times_ms) - 1))]
    print(f"{name}: median {statistics.median(times_ms):.3f} ms, p95 {p95:.3f} ms")


if __name__ == "__main__":
    main()
