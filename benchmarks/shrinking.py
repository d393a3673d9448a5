"""What does ``lookout send --shrink`` change? AP, bytes and milliseconds, of pictures as they are and shrunk.

    .venv/bin/python benchmarks/shrinking.py --shared ../shared

The photographs of ``SHARED/coco`` are sent as they are, and enlarged threefold (JPEG of quality 95). For each network
and size the first line is of pictures that are not shrunk; one line a JPEG quality and margin follows, the margin
being how many times what the network looks at is sent. A line holds AP and AP50 as ``lookout evaluate`` has them
(confidence 0.001, IoU 0.45, at most 100 objects an image) with the differences to the first line, the mean kilobytes
sent, the median milliseconds that shrinking took (one thread) and that an upload to the emulator's bucket on this
machine took, and the seconds that the mean picture takes on a line of 10 Mbit/s.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import cv2

import lookout
from helpers.program import Program
from lookout.cloud.account import account_of_emulator
from lookout.comparison.accuracy import Precision, judge
from lookout.comparison.coco import Annotations
from lookout.comparison.machine import describe_machine
from lookout.comparison.samples import Sample
from lookout.core.detections import Box, Detection
from lookout.executions.protocol import Answer
from lookout.executions.shrinking import Shrunk, shrink
from lookout.executions.uploading import object_key, upload

MODELS = ("yolo-fastest-1.1-xl.cfg", "yolox_nano.onnx")
QUALITIES = (75, 90, 95)
MARGINS = (1.0, 1.5)
MOST = 100
LINE_BITS_PER_S = 10e6

Upload = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph, enlarged ``times``: its path in COCO, and the JPEG."""

    path: Path
    data: bytes
    times: float


@dataclass(frozen=True, slots=True)
class Row:
    """What one way of sending gave."""

    precision: Precision
    kilobytes: float
    shrink_ms: float
    upload_ms: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the folder that holds coco/ and models/")
    parser.add_argument("--models", nargs="+", default=MODELS, help="files in SHARED/models, or paths")
    parser.add_argument("--enlarge", nargs="+", type=float, default=[1.0, 3.0], help="how many times (1 3)")
    parser.add_argument("--qualities", nargs="+", type=int, default=QUALITIES, help="of the JPEGs that are sent")
    parser.add_argument("--margins", nargs="+", type=float, default=MARGINS)
    parser.add_argument("--images", type=int, default=64, help="how many photographs (64)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    machine = describe_machine()
    print(f"{machine['cpu']}, {machine['cores']} cores, {time.strftime('%Y-%m-%d')}", flush=True)
    truth = Annotations.read(arguments.shared / "coco" / "instances.json")
    found, _ = truth.locate(arguments.shared / "coco" / "images")
    paths = sorted(found)[: arguments.images]
    with bucket() as put:
        for name in arguments.models:
            detector = lookout.load(arguments.shared / "models" / name, confidence=0.001, iou=0.45, max_detections=MOST)
            detector.selection = replace(detector.selection, every_class=True)
            for times in arguments.enlarge:
                print(f"{name}, {len(paths)} photographs enlarged {times:g} times", flush=True)
                photographs = [enlarged(path, times) for path in paths]
                compare(detector, truth, found, photographs, put, arguments.qualities, arguments.margins)
            detector.close()


@contextmanager
def bucket() -> Iterator[Upload]:
    """How to upload into a bucket of an emulator that was started for it."""
    with Program("emulator", "--port", "0", "--json") as emulator:
        s3 = account_of_emulator(emulator.ready()["environment"]).s3
        s3.create_bucket(Bucket="shrinking")
        with closing(s3):
            yield lambda data: upload(s3, "shrinking", object_key("image.jpg"), data, "image.jpg")


def enlarged(path: Path, times: float) -> Photograph:
    """A photograph, so many times as wide and as high; once is the file itself."""
    if times == 1:
        return Photograph(path, path.read_bytes(), times)
    picture = cv2.resize(cv2.imread(str(path)), None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    return Photograph(path, data, times)


def compare(
    detector: lookout.Detector,
    truth: Annotations,
    image_ids: Mapping[Path, int],
    photographs: Sequence[Photograph],
    put: Upload,
    qualities: Sequence[int],
    margins: Sequence[float],
) -> None:
    """A line for pictures as they are, and one for each way of shrinking."""
    asis = measure(detector, truth, image_ids, photographs, put, Shrunk)
    tell("as it is", asis, asis)
    for margin in margins:
        for quality in qualities:
            way = partial(shrink, input_format=detector.model.input_format, quality=quality, margin=margin)
            tell(
                f"quality {quality}, margin {margin:g}",
                measure(detector, truth, image_ids, photographs, put, way),
                asis,
            )


def measure(
    detector: lookout.Detector,
    truth: Annotations,
    image_ids: Mapping[Path, int],
    photographs: Sequence[Photograph],
    put: Upload,
    way: Callable[[bytes], Shrunk],
) -> Row:
    """All photographs through the detector, shrunk in this way."""
    samples, sizes, shrink_ms, upload_ms = [], [], [], []
    for photograph in photographs:
        start = time.perf_counter()
        sent = way(photograph.data)
        shrunk = time.perf_counter()
        put(sent.data)
        shrink_ms.append((shrunk - start) * 1000)
        upload_ms.append((time.perf_counter() - shrunk) * 1000)
        sizes.append(len(sent.data))
        result = detector.detect(sent.data)
        objects = tuple(reduced(sent.original(found), photograph.times) for found in result.objects)
        answer = Answer(objects, result.timings["inference"], 1.0, result.timings)
        samples.append(Sample("in-process", str(photograph.path), 0.0, answer))
    chosen = {str(photograph.path): image_ids[photograph.path] for photograph in photographs}
    accuracy = judge(truth, chosen, truth.category_ids(detector.model.labels), samples, MOST)
    return Row(
        accuracy.precision,
        statistics.mean(sizes) / 1000,
        statistics.median(shrink_ms),
        statistics.median(upload_ms),
    )


def reduced(found: Detection, times: float) -> Detection:
    """An object of an enlarged photograph, in the photograph."""
    box = found.box
    return replace(found, box=Box(box.x / times, box.y / times, box.width / times, box.height / times))


def tell(way: str, row: Row, asis: Row) -> None:
    """One line."""
    ap, ap50 = row.precision.ap or 0.0, row.precision.ap50 or 0.0
    line_s = row.kilobytes * 8000 / LINE_BITS_PER_S
    print(
        f"  {way:23} AP {ap:.4f} ({ap - (asis.precision.ap or 0):+.4f})"
        f"  AP50 {ap50:.4f} ({ap50 - (asis.precision.ap50 or 0):+.4f})"
        f"  {row.kilobytes:7.1f} kB  shrink {row.shrink_ms:6.2f} ms  upload {row.upload_ms:6.2f} ms"
        f"  at 10 Mbit/s {line_s:6.3f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
