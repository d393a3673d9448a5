"""``lookout evaluate`` as a person runs it: the figures, what is missing, and what is left out."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("faster_coco_eval", reason="the extra evaluate is not installed")

from helpers.program import run, run_without_reader
from helpers.shared import shared
from helpers.tiny import CONFIDENCE, make_model, make_pictures


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"), 3)


@pytest.fixture(scope="module")
def truth(cfg: Path, pictures: Path) -> dict[str, Any]:
    """Annotations that mark, under other ids, the one object that the network is most certain of."""
    categories = {"line": 3, "square": 90, "circle": 17}
    answer = run("detect", str(pictures), "--model", str(cfg), "--json", "--confidence", str(CONFIDENCE))
    _, label, number, box = max(
        (found["accuracy"], found["label"], number, found["box"])
        for number, line in enumerate(answer.stdout.splitlines())
        for found in json.loads(line)["objects"]
    )
    return {
        "images": [{"id": 50 - at, "file_name": f"{at}.jpg"} for at in (number, *({0, 1, 2} - {number}))],
        "categories": [{"id": category_id, "name": name} for name, category_id in categories.items()],
        "annotations": [{"id": 0, "image_id": 50 - number, "category_id": categories[label], "bbox": box}],
    }


def truth_label(truth: dict[str, Any]) -> str:
    wanted = truth["annotations"][0]["category_id"]
    return next(category["name"] for category in truth["categories"] if category["id"] == wanted)


def evaluate(folder: Path, truth: Any, tmp_path: Path, cfg: Path, *arguments: str):
    path = tmp_path / "truth.json"
    path.write_text(truth if isinstance(truth, str) else json.dumps(truth))
    return run("evaluate", "--images", str(folder), "--annotations", str(path), "--model", str(cfg), *arguments)


def test_programs_get_numbers(cfg: Path, pictures: Path, truth: dict[str, Any], tmp_path: Path):
    out = tmp_path / "results.json"
    answer = evaluate(pictures, truth, tmp_path, cfg, "--json", "--out", str(out))
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert {"ap", "ap50", "ap75", "images", "ms_per_image"} <= set(document)
    assert document["ap"] == pytest.approx(1), "what is marked is ranked before all others of its label"
    assert (document["images"], document["objects"]) == (3, 1)
    assert document["ms_per_image"] >= document["stages_ms"]["inference"] > 0
    entries = json.loads(out.read_text())
    assert 3 in {entry["category_id"] for entry in entries} <= {3, 17, 90}
    assert {entry["image_id"] for entry in entries} == {48, 49, 50}


def test_people_get_a_table(cfg: Path, pictures: Path, truth: dict[str, Any], tmp_path: Path):
    answer = evaluate(pictures, truth, tmp_path, cfg)
    assert answer.returncode == 0, answer.stderr
    rows = [line.rsplit(maxsplit=1) for line in answer.stdout.splitlines() if line.strip()]
    shown = {row[0].strip(): row[1] for row in rows if len(row) == 2}
    assert float(shown["AP"]) > 0.95
    assert {"AP50", "AP75", "AP small", "ms per image, mean", "ms per image, p50", "inference, mean"} <= set(shown)
    assert "3 images with 1 object of 1 category." in answer.stdout


def test_missing_images_are_named_and_a_subset_is_asked_for(
    cfg: Path, pictures: Path, truth: dict[str, Any], tmp_path: Path
):
    wider = {**truth, "images": [*truth["images"], {"id": 1, "file_name": "lost.jpg"}]}
    answer = evaluate(pictures, wider, tmp_path, cfg, "--json")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "lacks 1 of the 4 images" in answer.stderr
    assert "lost.jpg" in answer.stderr
    assert "--subset" in answer.stderr
    answer = evaluate(pictures, wider, tmp_path, cfg, "--json", "--subset")
    document = json.loads(answer.stdout)
    assert (document["images"], document["missing_images"], document["model"]) == (3, 1, "tiny")
    assert (
        "A subset: 1 image that the annotations name is not in"
        in evaluate(pictures, wider, tmp_path, cfg, "--subset").stdout
    )


def test_images_that_nobody_annotated_are_passed_over(cfg: Path, pictures: Path, truth: dict[str, Any], tmp_path: Path):
    fewer = {**truth, "images": truth["images"][:2]}
    answer = evaluate(pictures, fewer, tmp_path, cfg)
    assert "2 images with" in answer.stdout
    assert "annotations of images that" not in answer.stdout
    assert "Passed over: 1 image in the folder" in answer.stdout


def test_an_image_that_cannot_be_read_is_told_and_counts_as_empty(cfg: Path, truth: dict[str, Any], tmp_path: Path):
    folder = make_pictures(tmp_path / "torn", 3)
    torn = truth["images"][0]["file_name"]
    (folder / torn).write_text("torn")
    answer = evaluate(folder, truth, tmp_path, cfg, "--json")
    assert answer.returncode == 1
    assert f"{torn}: failed: " in answer.stderr
    document = json.loads(answer.stdout)
    assert (document["images"], len(document["failed"])) == (3, 1)
    assert document["ap"] == 0
    for path in folder.iterdir():
        path.write_text("torn")
    answer = evaluate(folder, truth, tmp_path, cfg, "--json")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "none of the 3 images could be read" in answer.stderr


def test_categories_that_are_left_out_are_named(cfg: Path, pictures: Path, truth: dict[str, Any], tmp_path: Path):
    answer = evaluate(pictures, truth, tmp_path, cfg, "--classes", truth_label(truth))
    assert "Left out of the average: 2 categories that no wanted label names (" in answer.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("hello", "holds no annotations"),
        ({"images": [{"id": 1, "file_name": "x.jpg"}]}, "holds none of the 1 images"),
        ({"categories": [{"id": 1, "name": "dog"}], "annotations": []}, "name the right labels with --labels"),
        ({"annotations": []}, "marks no object"),
    ],
)
def test_what_cannot_be_evaluated_is_said(
    change: Any, words: str, cfg: Path, pictures: Path, truth: dict[str, Any], tmp_path: Path
):
    answer = evaluate(pictures, change if isinstance(change, str) else {**truth, **change}, tmp_path, cfg)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_folder_that_is_none_is_said(cfg: Path, truth: dict[str, Any], tmp_path: Path):
    answer = evaluate(tmp_path / "nowhere", truth, tmp_path, cfg)
    assert answer.returncode == 2
    assert "is no folder" in answer.stderr


def test_a_published_network_is_as_good_as_it_is_known_to_be():
    answer = run(
        "evaluate", "--images", str(shared("coco", "images")), "--annotations", str(shared("coco", "instances.json")),
        "--model", str(shared("models", "yolo-fastest-1.1-xl.cfg")), "--json",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert (document["images"], document["categories"], document["unknown_categories"]) == (64, 63, [])
    assert document["ap50"] >= 0.545


@pytest.mark.parametrize("place", ["truth.json", "copy/0.jpg", "tiny.cfg", "tiny.weights", "linked.json"])
def test_nothing_that_is_read_is_written_over(place: str, truth: dict[str, Any], tmp_path: Path):
    folder, cfg = make_pictures(tmp_path / "copy", 3), make_model(tmp_path)
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "linked.json").hardlink_to(tmp_path / "truth.json")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    answer = run(
        "evaluate", "--images", str(folder), "--annotations", str(tmp_path / "truth.json"), "--model", str(cfg),
        "--out", str(tmp_path / place),
    )  # fmt: skip
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "would be written over" in answer.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_results_that_cannot_be_written_are_said_before_the_work(
    cfg: Path, pictures: Path, truth: dict[str, Any], tmp_path: Path
):
    torn = make_pictures(tmp_path / "torn", 3)
    for path in torn.iterdir():
        path.write_text("torn")  # which would be said, had it been tried
    answer = evaluate(torn, truth, tmp_path, cfg, "--out", f"{cfg}/results.json")
    assert answer.returncode == 2
    assert "name another with --out" in answer.stderr
    assert "torn" not in answer.stderr.replace(str(tmp_path), "")
    answer = evaluate(pictures, truth, tmp_path, cfg, "--out", "-")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "name a file with --out" in answer.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="a device of Linux")
def test_figures_are_shown_though_the_results_cannot_be_written(
    cfg: Path, pictures: Path, truth: dict[str, Any], tmp_path: Path
):
    answer = evaluate(pictures, truth, tmp_path, cfg, "--json", "--out", "/dev/full")
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["ap"] == pytest.approx(1)
    assert "/dev/full can't be written: No space left on device" in answer.stderr


def test_annotations_of_images_that_are_not_listed_are_told(
    cfg: Path, pictures: Path, truth: dict[str, Any], tmp_path: Path
):
    stray = {**truth["annotations"][0], "image_id": 1234}
    answer = evaluate(pictures, {**truth, "annotations": [*truth["annotations"], stray]}, tmp_path, cfg)
    assert answer.returncode == 0, answer.stderr
    assert "Passed over: 1 annotation of images that the annotations don't list." in answer.stdout


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_reader_who_has_enough_ends_it_quietly(
    flags: tuple[str, ...], cfg: Path, pictures: Path, truth: dict[str, Any], tmp_path: Path
):
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    arguments = ("evaluate", "--images", str(pictures), "--annotations", str(tmp_path / "truth.json"))
    answer = run_without_reader(*arguments, "--model", str(cfg), "--out", str(tmp_path / "out.json"), *flags)
    assert (answer.returncode, answer.stderr) == (128 + signal.SIGPIPE, "")
    assert json.loads((tmp_path / "out.json").read_text())
