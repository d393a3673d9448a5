"""What the catalog says: that it is whole, and true to the published files."""

from __future__ import annotations

import hashlib

import pytest

from helpers.shared import shared
from lookout.models.catalog import CATALOG
from lookout.models.darknet import parse_cfg, weight_count


def test_the_catalog_is_by_name():
    assert list(CATALOG) == [spec.name for spec in CATALOG.values()]
    assert len(CATALOG) >= 10


@pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG)
def test_an_entry_can_be_fetched_and_loaded(spec):
    suffixes = [file.name.removeprefix(spec.name) for file in spec.files]
    assert suffixes in ([".onnx"], [".cfg", ".weights", ".names"])
    assert "/" not in spec.name
    assert spec.licence
    assert spec.size == sum(file.size for file in spec.files)
    assert spec.network == tuple(file for file in spec.files if not file.name.endswith(".names"))
    assert spec.input_size % 32 == 0
    assert spec.accuracy.input_size % 32 == 0
    assert any(0 < figure < 100 for figure in (spec.accuracy.ap, spec.accuracy.ap50) if figure is not None)
    for file in spec.files:
        assert len(file.sha256) == 64
        assert set(file.sha256) <= set("0123456789abcdef")
        assert file.size > 0
        assert file.urls
        assert all(url.startswith("https://") for url in file.urls)


@pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG)
def test_addresses_end_as_the_file_does(spec):
    for file in spec.files:
        for url in file.urls:
            assert url.endswith(file.name.rpartition(".")[2])
            assert "/master/" not in url  # what a branch holds today is not what was hashed


def published(name, suffix):
    (file,) = [file for file in CATALOG[name].files if file.name == f"{name}{suffix}"]
    return file


@pytest.mark.parametrize("name", ["yolo-fastest-1.1", "yolo-fastest-1.1-xl"])
@pytest.mark.parametrize("suffix", [".cfg", ".weights", ".names"])
def test_sizes_and_checksums_are_those_of_the_published_files(name, suffix):
    data = shared("models", "coco.names" if suffix == ".names" else f"{name}{suffix}").read_bytes()
    file = published(name, suffix)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)


@pytest.mark.parametrize("name", ["yolov3-tiny", "yolov4-tiny", "yolov4"])
def test_sizes_and_checksums_are_those_of_the_published_configurations(name):
    data = shared("models", "cfg", f"{name}.cfg").read_bytes()
    file = published(name, ".cfg")
    assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)


@pytest.mark.parametrize("name", ["yolo-fastest-1.1", "yolo-fastest-1.1-xl", "yolov3-tiny", "yolov4-tiny", "yolov4"])
def test_input_and_weights_are_as_large_as_the_configuration_says(name):
    folder = () if name.startswith("yolo-fastest") else ("cfg",)
    sections = parse_cfg(shared("models", *folder, f"{name}.cfg").read_text("utf-8"), name)
    assert CATALOG[name].input_size == sections[0].integer("width") == sections[0].integer("height")
    assert published(name, ".weights").size == 20 + 4 * weight_count(sections)  # a header of 20 bytes, then float32
