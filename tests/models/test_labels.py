"""Where labels come from, in which order, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.shared import shared
from lookout.errors import ModelError, UsageError
from lookout.models.labels import (
    COCO,
    COCO_CATEGORY_IDS,
    DARKNET_NAMES,
    canonical,
    check_labels,
    labels_file,
    read_labels,
)

NETWORK = Path("net.onnx")


@pytest.fixture
def network(tmp_path):
    """Where a network would be; its folder is empty so far."""
    return tmp_path / "net-1.1.cfg"


def write(folder, name, text="cat\ndog\n"):
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_the_chosen_file_comes_before_all_others(network, tmp_path):
    write(tmp_path, "net-1.1.names")
    chosen = write(tmp_path, "chosen.txt")
    assert labels_file(network, chosen) == chosen


def test_the_file_of_the_same_stem_comes_before_other_names_files(network, tmp_path):
    write(tmp_path, "coco.names")
    own = write(tmp_path, "net-1.1.names")
    assert labels_file(network) == own


def test_the_only_names_file_is_taken_whatever_its_stem(network, tmp_path):
    only = write(tmp_path, "coco.names")
    write(tmp_path, "coco.txt")
    assert labels_file(network) == only


def test_of_two_names_files_neither_is_taken(network, tmp_path):
    write(tmp_path, "coco.names")
    write(tmp_path, "voc.names")
    assert labels_file(network) is None


def test_no_names_file_is_none(network):
    assert labels_file(network) is None


def test_labels_are_read_one_a_line_without_blanks_and_empty_lines(tmp_path):
    path = write(tmp_path, "a.names", "\n  hot dog \r\n\n\tnaïve ☃\n   \nlast")
    assert read_labels(path) == ("hot dog", "naïve ☃", "last")


def test_a_byte_order_mark_is_no_part_of_the_first_label(tmp_path):
    assert read_labels(write(tmp_path, "a.names", "\ufeffcat\ndog\n")) == ("cat", "dog")


@pytest.mark.parametrize("content", [None, b"caf\xe9\n", b"\xff\xfec\0a\0t\0"])
def test_labels_that_cannot_be_read_are_the_users_mistake(tmp_path, content):
    path = tmp_path / "odd.names"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"odd\.names can't be read"):
        read_labels(path)


def test_a_folder_of_labels_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="can't be read"):
        read_labels(tmp_path)


def test_labels_that_fit_are_kept():
    assert check_labels(("cat", "dog"), 2, NETWORK) == ("cat", "dog")


def test_own_labels_come_before_those_of_coco():
    own = tuple(f"thing {number}" for number in range(80))
    assert check_labels(own, 80, NETWORK) == own


def test_eighty_classes_without_labels_are_those_of_coco():
    assert check_labels(None, 80, NETWORK) == COCO


@pytest.mark.parametrize("classes", [1, 79, 81])
def test_another_number_of_classes_needs_labels(classes):
    with pytest.raises(UsageError, match=rf"net\.onnx has {classes} classes and no labels.*--labels.*net\.names"):
        check_labels(None, classes, NETWORK)


@pytest.mark.parametrize(("classes", "count"), [(2, 0), (2, 1), (2, 3), (2, 80), (80, 0), (80, 79), (80, 81)])
def test_another_number_of_labels_is_refused(classes, count):
    with pytest.raises(ModelError, match=rf"net\.onnx has {classes} classes and {count} labels.*--labels"):
        check_labels(("cat",) * count, classes, NETWORK)


def test_the_labels_of_coco():
    assert len(COCO) == len(set(COCO)) == 80
    assert (COCO[0], COCO[9], COCO[62], COCO[-1]) == ("person", "traffic light", "tv", "toothbrush")
    assert all(label == label.strip() and label for label in COCO)


def test_the_labels_of_coco_are_in_the_published_order():
    respelt = {
        "motorbike": "motorcycle",
        "aeroplane": "airplane",
        "sofa": "couch",
        "pottedplant": "potted plant",
        "diningtable": "dining table",
        "tvmonitor": "tv",
    }
    published = read_labels(shared("models", "coco.names"))
    assert tuple(respelt.get(label, label) for label in published) == COCO


def test_cocos_category_ids_are_those_of_its_own_file():
    document = json.loads(shared("coco", "instances.json").read_text())
    assert {category["name"]: category["id"] for category in document["categories"]} == COCO_CATEGORY_IDS


def test_category_ids_leave_cocos_gaps():
    ids = list(COCO_CATEGORY_IDS.values())
    assert (len(ids), ids[0], ids[11], ids[-1]) == (80, 1, 13, 90)
    assert ids == sorted(set(ids))


def test_darknets_names_are_cocos_under_another_spelling():
    published = read_labels(shared("models", "coco.names"))
    assert tuple(canonical(label) for label in published) == COCO
    assert set(DARKNET_NAMES) == set(published) - set(COCO)


@pytest.mark.parametrize(
    ("label", "known"), [("TVMonitor", "tv"), (" Person ", "person"), ("helmet", "helmet"), ("", "")]
)
def test_spellings_of_a_label_are_one(label, known):
    assert canonical(label) == known
