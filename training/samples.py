"""Writes the pictures that come with Lookout, and what they show: chosen renders of a seed of their own.

python -m training.samples
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2

from lookout.models.bundled import PICTURES
from training.dataset import SAMPLE_SEED
from training.evaluate import annotations, categories, jpeg
from training.scenes import render

SAMPLES = {
    "boards": 27,
    "clock-tower": 22,
    "crossing": 5,
    "donuts": 10,
    "football": 54,
    "frisbees": 11,
    "kite": 51,
    "meadow": 48,
    "pitch": 20,
    "tennis-ball": 38,
    "traffic-lights": 1,
    "umbrella": 12,
}
"""File names, and the numbers of the renders that they hold."""

_QUALITY = 85
_TRUTH = "instances.json"


def write(folder: Path) -> None:
    """Write the pictures, and their objects in COCO's format."""
    folder.mkdir(parents=True, exist_ok=True)
    images, truth = [], []
    for image_id, (name, number) in enumerate(sorted(SAMPLES.items()), start=1):
        picture = render(SAMPLE_SEED, number)
        height, width = picture.pixels.shape[:2]
        (folder / f"{name}.jpg").write_bytes(jpeg(picture, _QUALITY))
        images.append({"id": image_id, "file_name": f"{name}.jpg", "width": width, "height": height})
        truth += annotations(image_id, picture, len(truth) + 1)
    document = {"images": images, "categories": categories(), "annotations": truth}
    (folder / _TRUTH).write_text(_readable(document), "utf-8")


def _readable(document: dict[str, list[dict[str, object]]]) -> str:
    """JSON with a row a line."""
    parts = [
        f' "{key}": [\n  ' + ",\n  ".join(json.dumps(row) for row in rows) + "\n ]" for key, rows in document.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Write them where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PICTURES)
    cv2.setNumThreads(1)
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
