"""Measures the network through Lookout itself: AP50 on held-out renders, and on photographs in COCO's format.

    python -m training.evaluate                                       # 500 renders that were not trained on
    python -m training.evaluate --photographs ../shared/coco          # images/ and instances.json

Pictures go in as JPEG files, as in use; ``pycocotools`` computes AP from all detections over a confidence of 0.001.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lookout.detector import Detector, open_detector
from lookout.models.bundled import CFG
from lookout.models.store import load_model
from training.dataset import HELD_OUT_SEED
from training.objects import LABELS
from training.scenes import Picture, render

_QUALITY = 90
_CONFIDENCE = 0.001
_AT_IOU_50, _ALL_AREAS, _MOST_DETECTIONS = 0, 0, -1  # of COCOeval's tables


@dataclass(frozen=True, slots=True)
class Score:
    """``objects`` there are, ``ap50``, and the share of them ``found`` at confidence 0.25 and IoU 0.5."""

    objects: int
    ap50: float
    ap: float
    found: float


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


def score(truth: dict[str, Any], found: Iterable[dict[str, Any]]) -> dict[str, Score]:
    """The score of each label that occurs, and of "all": the mean over labels, as COCO has it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        answers = COCO()
        answers.dataset = {**truth, "annotations": [{**row, "id": n} for n, row in enumerate(found, start=1)]}
        answers.createIndex()
        evaluation = COCOeval(coco, answers, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, _ALL_AREAS, _MOST_DETECTIONS]
    scores = {}
    for index, label in enumerate(LABELS):
        count = sum(row["category_id"] == index + 1 and not row["iscrowd"] for row in truth["annotations"])
        if count:
            at_50 = float(precision[_AT_IOU_50, :, index].mean())
            scores[label] = Score(
                count, at_50, float(precision[:, :, index].mean()), _found(evaluation, index + 1, count)
            )
    rows = list(scores.values())
    count = sum(row.objects for row in rows)
    means = [float(np.mean([getattr(row, name) for row in rows])) for name in ("ap50", "ap")]
    return {**scores, "all": Score(count, *means, sum(row.found * row.objects for row in rows) / count)}


def _found(evaluation: Any, category: int, count: int, confidence: float = 0.25) -> float:
    """The share of a category's objects that are found at a confidence that is in use."""
    hits = 0
    for row in evaluation.evalImgs:
        if row and row["category_id"] == category and row["aRng"] == evaluation.params.areaRng[_ALL_AREAS]:
            taken = (row["dtMatches"][_AT_IOU_50] > 0) & ~row["dtIgnore"][_AT_IOU_50].astype(bool)
            hits += int(np.count_nonzero(taken & (np.array(row["dtScores"]) > confidence)))
    return hits / count


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
    lines = ["| label | objects | AP50 | AP | found at 0.25 |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {name} | {row.objects} | {row.ap50:.3f} | {row.ap:.3f} | {row.found:.3f} |" for name, row in scores.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cfg", type=Path, default=CFG, help="the network; its weights and names lie beside it")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    parser.add_argument("--count", type=int, default=500, help="how many renders")
    parser.add_argument("--photographs", type=Path, help="measure on these, and not on renders")
    arguments = parser.parse_args()
    detector = open_detector(load_model(arguments.cfg), confidence=_CONFIDENCE)
    if arguments.photographs:
        truth, found = on_photographs(detector, arguments.photographs)
    else:
        truth, found = on_renders(detector, arguments.seed, arguments.count)
    print(f"{len(truth['images'])} pictures, {len(truth['annotations'])} objects")
    print(table(score(truth, found)))


if __name__ == "__main__":
    main()
