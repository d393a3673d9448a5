"""COCO's files: what is read from annotations, which ids results get, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lookout.comparison.coco import Annotations, default_category_ids, default_image_ids, result_entry
from lookout.core.detections import Box, Detection
from lookout.errors import UsageError
from lookout.models.labels import COCO

DOCUMENT: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 3, "file_name": "val/b.jpg"}],
    "categories": [{"id": 62, "name": "chair"}, {"id": 72, "name": "tv"}, {"id": 5, "name": "Helmet"}],
    "annotations": [
        {"id": 0, "image_id": 7, "category_id": 62, "bbox": [1, 2, 3, 4], "area": 9.5, "iscrowd": 1},
        {"id": 1, "image_id": 3, "category_id": 72, "bbox": [0, 0, 10, 20]},
    ],
}


def read(tmp_path: Path, document: Any) -> Annotations:
    path = tmp_path / "annotations.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return Annotations.read(path)


def test_annotations_are_read(tmp_path: Path):
    annotations = read(tmp_path, DOCUMENT)
    assert annotations.image_ids == {"a.jpg": 7, "val/b.jpg": 3}
    assert annotations.categories == {62: "chair", 72: "tv", 5: "Helmet"}
    first, second = annotations.objects
    assert (first.image_id, first.category_id, first.bbox, first.area, first.crowd) == (7, 62, (1, 2, 3, 4), 9.5, True)
    assert (second.area, second.crowd) == (200, False), "what custom files leave out"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("hello", "holds no annotations"),
        ("[]", "holds no annotations"),
        ("[" * 100_000, "holds no annotations"),
        ({"images": []}, "no 'categories'"),
        ({**DOCUMENT, "annotations": [{"id": 1, "image_id": 7, "category_id": 62}]}, "no 'bbox'"),
        ({**DOCUMENT, "annotations": [{"image_id": 7, "category_id": 62, "bbox": [1, 2, 3]}]}, "holds no annotations"),
        ({**DOCUMENT, "annotations": [{"image_id": 7, "category_id": 62, "bbox": [0, 0, 1, "NaN"]}]}, "is no box"),
        ({**DOCUMENT, "annotations": [{"image_id": "7", "category_id": 62, "bbox": [0, 0, 1, 1]}]}, "'7' is no id"),
        ({**DOCUMENT, "annotations": [{"image_id": 7, "category_id": 62, "bbox": [0, 0, -1, 1]}]}, "is no box"),
        ({**DOCUMENT, "annotations": [{"image_id": 7, "category_id": 9, "bbox": [0, 0, 1, 1]}]}, "of category 9"),
        ({**DOCUMENT, "images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}, "names an image twice"),
        ({**DOCUMENT, "images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}]}, "names an image twice"),
    ],
)
def test_what_are_no_annotations_is_said(tmp_path: Path, change: Any, words: str):
    with pytest.raises(UsageError, match=words):
        read(tmp_path, change)


def test_annotations_of_images_that_are_not_listed_are_counted(tmp_path: Path):
    annotations = read(tmp_path, {**DOCUMENT, "images": DOCUMENT["images"][:1]})
    assert (len(annotations.objects), annotations.strays) == (1, 1)


def test_a_file_that_is_missing_is_said(tmp_path: Path):
    with pytest.raises(UsageError, match=r"nowhere\.json can't be read: No such file"):
        Annotations.read(tmp_path / "nowhere.json")


def test_labels_find_their_categories_by_either_name(tmp_path: Path):
    found = read(tmp_path, DOCUMENT).category_ids(["tvmonitor", "chair", "helmet", "dog", "TV"])
    assert found == {"tvmonitor": 72, "chair": 62, "helmet": 5, "TV": 72}


def test_a_category_of_the_very_name_comes_first(tmp_path: Path):
    categories = [{"id": 1, "name": "tvmonitor"}, {"id": 2, "name": "tv"}, {"id": 3, "name": "TV"}]
    found = read(tmp_path, {**DOCUMENT, "categories": categories, "annotations": []}).category_ids(
        ["tv", "tvmonitor", "TV"]
    )
    assert found == {"tv": 2, "tvmonitor": 1, "TV": 3}


@pytest.mark.parametrize(
    ("image", "image_id"),
    [("a.jpg", 7), ("photos/a.jpg", 7), ("x/val/b.jpg", 3), ("b.jpg", None), ("val/a.png", None)],
)
def test_an_image_is_known_by_as_much_of_its_path_as_the_file_has(tmp_path: Path, image: str, image_id: int | None):
    assert read(tmp_path, DOCUMENT).image_id(Path(image)) == image_id


def test_images_are_located_with_or_without_their_folders(tmp_path: Path):
    annotations = read(tmp_path, {**DOCUMENT, "images": [*DOCUMENT["images"], {"id": 9, "file_name": "c.jpg"}]})
    folder = tmp_path / "photos"
    (folder / "val").mkdir(parents=True)
    (folder / "a.jpg").touch()
    (folder / "b.jpg").touch()
    assert annotations.locate(folder) == ({folder / "a.jpg": 7, folder / "b.jpg": 3}, ["c.jpg"])
    (folder / "val" / "b.jpg").touch()
    assert folder / "val" / "b.jpg" in annotations.locate(folder)[0]


def test_two_names_that_lead_to_one_file_are_refused(tmp_path: Path):
    names = [{"id": 1, "file_name": "a/x.jpg"}, {"id": 2, "file_name": "b/x.jpg"}]
    annotations = read(tmp_path, {**DOCUMENT, "images": names, "annotations": []})
    (tmp_path / "x.jpg").touch()
    with pytest.raises(UsageError, match=r"names a/x\.jpg and b/x\.jpg, and .* has one file for both"):
        annotations.locate(tmp_path)


@pytest.mark.parametrize("name", ["../secret.jpg", "/secret.jpg", "x/../../secret.jpg", "", ".", "a" * 300, "a\0b"])
def test_a_name_leads_nowhere_out_of_the_folder(tmp_path: Path, name: str):
    folder = tmp_path / "photos"
    folder.mkdir()
    (tmp_path / "secret.jpg").touch()
    annotations = read(tmp_path, {**DOCUMENT, "images": [{"id": 1, "file_name": name}]})
    assert annotations.locate(folder) == ({}, [name])


def test_cocos_labels_have_cocos_ids_under_any_of_their_names():
    ids = default_category_ids(COCO)
    assert (ids["person"], ids["toothbrush"], len(set(ids.values()))) == (1, 90, 80)
    assert default_category_ids(["sofa", "pottedplant", "car"]) == {"sofa": 63, "pottedplant": 64, "car": 3}


def test_other_labels_are_counted_so_that_no_two_share_an_id():
    assert default_category_ids(["helmet", "person", "helmet"]) == {"helmet": 1, "person": 2}


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["000000000009.jpg", "30.png"], [9, 30]),
        (["9.jpg", "x/9.jpg"], [1, 2]),
        (["9.jpg", "street.jpg"], [1, 2]),
        (["-"], [1]),
        (["²³.jpg"], [1]),
        ([f"{'9' * 30}.jpg"], [1]),
        ([], []),
    ],
)
def test_image_ids_are_the_names_numbers_or_the_order(names: list[str], ids: list[int]):
    assert default_image_ids([Path(name) for name in names]) == ids


def test_a_result_has_cocos_form():
    found = Detection("dog", 0.123456789, Box(1.23456, 2, 3, 4))
    expected = {"image_id": 9, "category_id": 18, "bbox": [1.23, 2, 3, 4], "score": 0.123457}
    assert result_entry(9, 18, found) == expected
