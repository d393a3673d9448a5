"""What does decoding large JPEGs at a reduced size change? AP and milliseconds, decoded in full and reduced.

    .venv/bin/python benchmarks/reduced_decoding.py --shared ../shared

The photographs of ``SHARED/coco`` are enlarged threefold and stored as JPEG of quality 95, in memory. For each network
and margin (``images.pixels.MARGIN``; with 1e9 nothing is large) two lines are printed: with every JPEG decoded in
full, and with the large ones decoded at a reduced size. A line holds AP and AP50 by
faster-coco-eval (confidence 0.001, IoU 0.45, at most 100 objects an image), the second line's differences to the
first, by how much was reduced, and the medians of the milliseconds that decoding and preprocessing took, at one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2

import lookout
from lookout.core.framing import Frame
from lookout.images import decoding, pixels

MODELS = ("yolox_nano.onnx", "yolo-fastest-1.1-xl.cfg")
MARGINS = (1e9, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph, enlarged: COCO's id of it, its size, and the JPEG."""

    image_id: int
    size_wh: tuple[int, int]
    data: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """What one way of decoding gave."""

    ap: float
    ap50: float
    decode_ms: float
    preprocess_ms: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the folder that holds coco/ and models/")
    parser.add_argument("--models", nargs="+", default=MODELS, help="files in SHARED/models, or paths")
    parser.add_argument("--margins", nargs="+", type=float, default=MARGINS)
    parser.add_argument("--enlarge", type=float, default=3.0, help="how many times (3)")
    parser.add_argument("--images", type=int, default=64, help="how many photographs (64)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    truth = json.loads((arguments.shared / "coco" / "instances.json").read_text())
    photographs = enlarged(truth, arguments.shared / "coco" / "images", arguments.enlarge, arguments.images)
    for name in arguments.models:
        print(f"{name}, {len(photographs)} photographs enlarged {arguments.enlarge:g} times", flush=True)
        detector = lookout.load(arguments.shared / "models" / name, confidence=0.001, iou=0.45, max_detections=100)
        for margin in arguments.margins:
            with patch.object(pixels, "MARGIN", margin):
                compare(margin, detector, truth, photographs, arguments.enlarge)
        detector.close()


def enlarged(truth: dict[str, Any], folder: Path, times: float, count: int) -> list[Photograph]:
    """The first photographs, so many times as wide and as high."""
    made = []
    for entry in truth["images"][:count]:
        picture = cv2.imread(str(folder / entry["file_name"]))
        picture = cv2.resize(picture, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        made.append(Photograph(entry["id"], picture.shape[1::-1], data))
    return made


def compare(
    margin: float, detector: lookout.Detector, truth: dict[str, Any], photographs: list[Photograph], times: float
) -> None:
    """Two lines: decoded in full, and reduced."""
    by = {reduction_of(photograph, detector) for photograph in photographs}
    with decoded_in_full():
        full = measure(detector, truth, photographs, times)
    reduced = measure(detector, truth, photographs, times)
    reductions = ", ".join(str(one) for one in sorted(by))
    for name, row in (("full", full), ("reduced", reduced)):
        print(
            f"  margin {margin:<5g} by {reductions:5} {name:7}"
            f"  AP {row.ap:.4f} ({row.ap - full.ap:+.4f})  AP50 {row.ap50:.4f} ({row.ap50 - full.ap50:+.4f})"
            f"  decode {row.decode_ms:6.2f} ms  preprocess {row.preprocess_ms:5.2f} ms",
            flush=True,
        )


def reduction_of(photograph: Photograph, detector: lookout.Detector) -> int:
    """By how much Lookout reduces it."""
    content_wh = Frame.of(photograph.size_wh, detector.model.input_format).content_wh
    return pixels.reduction(photograph.size_wh, content_wh)


@contextlib.contextmanager
def decoded_in_full() -> Iterator[None]:
    """Leave the reducing to what fills the network's input."""
    with patch.object(decoding, "reduction", lambda *_: 1):
        yield


def measure(detector: lookout.Detector, truth: dict[str, Any], photographs: list[Photograph], times: float) -> Row:
    """All photographs through the detector."""
    # By their order, since some files spell COCO's labels otherwise.
    category_ids = dict(zip(detector.model.labels, (entry["id"] for entry in truth["categories"]), strict=True))
    found, timings = [], []
    for photograph in photographs:
        result = detector.detect(photograph.data)
        timings.append(result.timings)
        for detected in result.objects:
            box = detected.box
            bbox = [value / times for value in (box.x, box.y, box.width, box.height)]
            about = {"image_id": photograph.image_id, "category_id": category_ids[detected.label]}
            found.append({**about, "bbox": bbox, "score": detected.confidence})
    decode_ms, preprocess_ms = (
        statistics.median(timing[stage] for timing in timings) for stage in ("decode", "preprocess")
    )
    return Row(*evaluate(truth, {photograph.image_id for photograph in photographs}, found), decode_ms, preprocess_ms)


def evaluate(truth: dict[str, Any], image_ids: set[int], found: list[dict[str, Any]]) -> tuple[float, float]:
    """AP and AP50 over these images."""
    from faster_coco_eval import COCO, COCOeval_faster

    kept = {
        "images": [entry for entry in truth["images"] if entry["id"] in image_ids],
        "annotations": [entry for entry in truth["annotations"] if entry["image_id"] in image_ids],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(truth | kept)
        evaluation = COCOeval_faster(coco, coco.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


if __name__ == "__main__":
    main()
