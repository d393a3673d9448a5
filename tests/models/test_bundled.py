"""The network and the pictures in the package: small, whole, and fit for each other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from lookout import images
from lookout.core.detections import Box
from lookout.detector import open_detector
from lookout.models import bundled
from lookout.models.darknet import make_plan, parse_cfg
from lookout.models.labels import COCO
from lookout.models.store import load_model


@pytest.fixture(scope="module")
def truth():
    return json.loads((bundled.PICTURES / "instances.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(bundled.CFG, cache=tmp_path_factory.mktemp("cache"))


def overlap(one: Box, bbox: list[float]) -> float:
    x, y, width, height = bbox
    across = min(one.x + one.width, x + width) - max(one.x, x)
    down = min(one.y + one.height, y + height) - max(one.y, y)
    common = max(0.0, across) * max(0.0, down)
    return common / (one.width * one.height + width * height - common)


def test_all_of_it_takes_less_than_three_megabytes():
    files = [path for path in bundled.CFG.parent.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.suffix for path in files} == {".py", ".md", ".cfg", ".weights", ".names", ".jpg", ".json"}
    assert sum(path.stat().st_size for path in files) < 3_000_000


def test_the_network_has_less_than_half_a_million_parameters():
    plan = make_plan(parse_cfg(bundled.CFG.read_text("utf-8")))
    assert 100_000 < plan.value_count <= 500_000
    assert bundled.CFG.with_suffix(".weights").stat().st_size == 20 + 4 * plan.value_count


def test_the_network_knows_labels_of_coco(model):
    assert model.name == bundled.NAME
    assert len(model.labels) == 8
    assert set(model.labels) <= set(COCO)


def test_every_picture_decodes_and_is_described(truth):
    described = {image["file_name"]: (image["width"], image["height"]) for image in truth["images"]}
    found = images.find([bundled.PICTURES])
    assert len(found) == 12
    assert {path.name: images.decode(images.read(path)).size_wh for path in found} == described


def test_the_pictures_show_every_label(truth, model):
    names = {category["id"]: category["name"] for category in truth["categories"]}
    shown = Counter(names[row["category_id"]] for row in truth["annotations"])
    assert set(shown) == set(model.labels)


def test_the_network_finds_most_of_what_the_pictures_show(truth, model):
    names = {category["id"]: category["name"] for category in truth["categories"]}
    detector = open_detector(model)
    hits, reported = 0, 0
    for image in truth["images"]:
        objects = detector.detect(images.read(bundled.PICTURES / image["file_name"])).objects
        reported += len(objects)
        for row in truth["annotations"]:
            if row["image_id"] == image["id"]:
                label = names[row["category_id"]]
                hits += any(o.label == label and overlap(o.box, row["bbox"]) > 0.5 for o in objects)
    assert hits >= 0.8 * len(truth["annotations"])
    assert hits >= 0.8 * reported


def test_naming_the_bundle_loads_nothing_heavy():
    code = "import sys, lookout.models.bundled; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "lookout.models.bundled" in loaded
    assert loaded & {"numpy", "cv2", "onnx", "urllib3"} == set()
