"""Measures the network through Lookout itself: AP50 on held-out renders, and on photographs in COCO's format.

    python -m training.evaluate                                       # 500 renders that were not trained on
    python -m training.evaluate --photographs ../shared/coco          # images/ and instances.json

Pictures go in as JPEG files, as in use; precision is COCO's, as ``lookout evaluate`` has it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from lookout.comparison.accuracy import precision_of
from lookout.core.selection import Selection
from lookout.detector import Detector, open_detector
from lookout.models.bundled import CFG
from lookout.models.store import load_model
from training.dataset import HELD_OUT_SEED
from training.objects import LABELS
from training.scenes import Picture, render

_QUALITY = 90
_MOST = 100
# As of ``lookout evaluate``.
_SELECTION = Selection(confidence=0.001, max_detections=_MOST, every_class=True)


@dataclass(frozen=True, slots=True)
class Score:
    """How many objects there are, and the average precision at IoU 0.5 and over IoUs from 0.5 to 0.95."""

    objects: int
    ap50: float
    ap: float


def jpeg(picture: Picture, quality: int = _QUALITY) -> bytes:
    """The picture as a JPEG file."""
    return cv2.imencode(".jpg", picture.pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def annotations(image_id: int, picture: Picture, first_id: int) -> list[dict[str, Any]]:
    """A picture's objects in COCO's format; categories count from 1, in the order of ``LABELS``."""
    return [
        {
            "id": first_id + index,
            "image_id": image_id,
            "category_id": int(class_id) + 1,
            "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
            "area": float((right - left) * (bottom - top)),
            "iscrowd": 0,
        }
        for index, ((left, top, right, bottom), class_id) in enumerate(
            zip(picture.boxes_xyxy, picture.class_ids, strict=True)
        )
    ]


def categories() -> list[dict[str, Any]]:
    """The labels as COCO's categories, counted from 1."""
    return [{"id": number, "name": label} for number, label in enumerate(LABELS, start=1)]


def on_renders(detector: Detector, seed: int, count: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The truth about rendered pictures, and what the detector finds in them, both in COCO's format."""
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number in range(count):
        picture = render(seed, number)
        truth += annotations(number, picture, len(truth) + 1)
        found += _detections(detector, number, jpeg(picture))
    images = [{"id": number} for number in range(count)]
    return {"images": images, "categories": categories(), "annotations": truth}, found


def on_photographs(detector: Detector, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same for a folder with ``images/`` and ``instances.json``, of its photographs that hold a label of ours."""
    document = json.loads((folder / "instances.json").read_text("utf-8"))
    ours = {
        category["id"]: LABELS.index(category["name"]) + 1
        for category in document["categories"]
        if category["name"] in LABELS
    }
    truth = [
        {**row, "category_id": ours[row["category_id"]]}
        for row in document["annotations"]
        if row["category_id"] in ours
    ]
    holding = {row["image_id"] for row in truth}
    images = [image for image in document["images"] if image["id"] in holding]
    found: list[dict[str, Any]] = []
    for image in images:
        found += _detections(detector, image["id"], (folder / "images" / image["file_name"]).read_bytes())
    return {"images": images, "categories": categories(), "annotations": truth}, found


def score(truth: dict[str, Any], found: Sequence[dict[str, Any]]) -> dict[str, Score]:
    """The score of each label that occurs, and of "all": the mean over labels, as COCO has it."""
    labels = {label: number for number, label in enumerate(LABELS, start=1)}
    present = {row["category_id"] for row in truth["annotations"] if not row["iscrowd"]}
    scores = {label: _score(truth, found, {number}) for label, number in labels.items() if number in present}
    return {**scores, "all": _score(truth, found, present)}


def _score(truth: dict[str, Any], found: Sequence[dict[str, Any]], numbers: set[int]) -> Score:
    """The score of some categories alone."""
    rows = [row for row in truth["annotations"] if row["category_id"] in numbers]
    kept = [category for category in truth["categories"] if category["id"] in numbers]
    entries = [row for row in found if row["category_id"] in numbers]
    precision = precision_of({**truth, "categories": kept, "annotations": rows}, entries, _MOST)
    return Score(sum(not row["iscrowd"] for row in rows), precision.ap50 or 0.0, precision.ap or 0.0)


def _detections(detector: Detector, image_id: int, data: bytes) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image_id,
            "category_id": LABELS.index(found.label) + 1,
            "bbox": [found.box.x, found.box.y, found.box.width, found.box.height],
            "area": found.box.width * found.box.height,
            "score": found.confidence,
            "iscrowd": 0,
        }
        for found in detector.detect(data).objects
    ]


def table(scores: dict[str, Score]) -> str:
    """The scores as a table in Markdown."""
    lines = ["| label | objects | AP50 | AP |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {row.objects} | {row.ap50:.3f} | {row.ap:.3f} |" for name, row in scores.items()]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cfg", type=Path, default=CFG, help="the network; its weights and names lie beside it")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    parser.add_argument("--count", type=int, default=500, help="how many renders")
    parser.add_argument("--photographs", type=Path, help="measure on these, and not on renders")
    arguments = parser.parse_args()
    detector = open_detector(load_model(arguments.cfg), selection=_SELECTION)
    if arguments.photographs:
        truth, found = on_photographs(detector, arguments.photographs)
    else:
        truth, found = on_renders(detector, arguments.seed, arguments.count)
    print(f"{len(truth['images'])} pictures")
    print(table(score(truth, found)))


if __name__ == "__main__":
    main()
