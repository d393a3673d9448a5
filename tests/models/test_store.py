"""From files to a model in the cache: imported once, whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from helpers.darknet_weights import make_weights
from lookout.core.framing import InputFormat
from lookout.core.heads import DarknetHead, YoloLayer, YoloxHead
from lookout.errors import DarknetError, ModelError, UnknownModelError, UsageError
from lookout.models import store
from lookout.models.catalog import CATALOG
from lookout.models.labels import COCO
from lookout.models.model import Model
from lookout.models.store import cache_folder, load_model

CFG = """\
[net]
width=64
height=32

[convolutional]
filters=7
size=3
stride=8
pad=1
activation=linear

[yolo]
classes=2
anchors=10,14
"""
COCO_CFG = CFG.replace("filters=7", "filters=85").replace("classes=2", "classes=80")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    """A folder with a Darknet network of two classes, its weights and its labels."""
    return write_network(tmp_path / "networks")


def write_network(folder, cfg=CFG, labels="cat\ndog\n", name="tiny"):
    folder.mkdir()
    (folder / f"{name}.cfg").write_text(cfg)
    (folder / f"{name}.weights").write_bytes(make_weights(cfg))
    if labels is not None:
        (folder / f"{name}.names").write_text(labels)
    return folder


def no_import(*args, **kwargs):
    raise AssertionError("imported again")


def imported(cache):
    """What lies among the imported networks: drafts too, if any were left."""
    return sorted(path.name for path in (cache / "networks").iterdir()) if (cache / "networks").exists() else []


def yolox_file(path, classes=80):
    """A network in YOLOX's form: it says 0 everywhere."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 21, 5 + classes])
    zeros = helper.make_tensor("value", TensorProto.FLOAT, [1], [0])
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [1, 21, 5 + classes])
    node = helper.make_node("ConstantOfShape", ["shape"], ["output"], value=zeros)
    path.write_bytes(helper.make_model(helper.make_graph([node], "g", [images], [output], [shape])).SerializeToString())
    return path


def test_a_darknet_network_becomes_a_model(folder, cache):
    model = load_model(folder / "tiny.cfg", cache=cache)
    assert model.name == "tiny"
    assert model.labels == ("cat", "dog")
    assert model.input_format == InputFormat(64, 32, "stretch", "rgb", 1 / 255)
    assert model.head == DarknetHead((YoloLayer(((10, 14),), 2),))
    assert model.folder == cache / "networks" / model.digest
    onnx.checker.check_model(onnx.load(model.network))
    assert Model.open(model.folder) == model


def test_an_onnx_network_becomes_a_model_of_the_same_bytes(tmp_path, cache):
    path = yolox_file(tmp_path / "nano.onnx")
    model = load_model(path, cache=cache)
    assert (model.name, model.head, model.labels) == ("nano", YoloxHead(80), COCO)
    assert model.network.read_bytes() == path.read_bytes()


def test_a_reference_may_be_text(folder, cache):
    assert load_model(str(folder / "tiny.cfg"), cache=cache) == load_model(folder / "tiny.cfg", cache=cache)


def test_the_second_time_nothing_is_imported(folder, cache, monkeypatch):
    first = load_model(folder / "tiny.cfg", cache=cache)
    monkeypatch.setattr(store, "import_darknet", no_import)
    assert load_model(folder / "tiny.cfg", cache=cache) == first
    with pytest.raises(AssertionError, match="imported again"):
        load_model(folder / "tiny.cfg", cache=cache.with_name("another cache"))


def test_the_second_time_an_onnx_file_is_not_looked_into(tmp_path, cache, monkeypatch):
    first = load_model(yolox_file(tmp_path / "nano.onnx"), cache=cache)
    monkeypatch.setattr(store, "read_onnx", no_import)
    assert load_model(tmp_path / "nano.onnx", cache=cache) == first


def test_the_same_files_elsewhere_are_the_same_model(tmp_path, cache):
    here, there = (load_model(write_network(tmp_path / name) / "tiny.cfg", cache=cache) for name in ("a", "b"))
    assert here == there


def other_weights(folder):
    (folder / "tiny.weights").write_bytes(make_weights(CFG, seed=1))


def other_cfg(folder):
    (folder / "tiny.cfg").write_text(CFG.replace("10,14", "10,15"))


def other_labels(folder):
    (folder / "tiny.names").write_text("cat\nmouse\n")


def labels_in_another_order(folder):
    (folder / "tiny.names").write_text("dog\ncat\n")


@pytest.mark.parametrize("change", [other_weights, other_cfg, other_labels, labels_in_another_order])
def test_other_content_is_another_model(folder, cache, change):
    before = load_model(folder / "tiny.cfg", cache=cache)
    change(folder)
    after = load_model(folder / "tiny.cfg", cache=cache)
    assert after.digest != before.digest
    assert Model.open(before.folder) == before
    assert imported(cache) == sorted([before.digest, after.digest])


def test_another_name_is_another_model(folder, cache):
    before = load_model(folder / "tiny.cfg", cache=cache)
    for path in list(folder.iterdir()):
        path.rename(path.with_stem("small"))
    after = load_model(folder / "small.cfg", cache=cache)
    assert after.digest != before.digest
    assert after.name == "small"


def test_another_importer_is_another_model(folder, cache, monkeypatch):
    before = load_model(folder / "tiny.cfg", cache=cache)
    monkeypatch.setattr(store, "IMPORTER", "lookout-importer of the future")
    assert load_model(folder / "tiny.cfg", cache=cache).digest != before.digest


def test_chosen_labels_are_taken(folder, cache, tmp_path):
    (tmp_path / "mine.txt").write_text("Katze\nHund\n")
    assert load_model(folder / "tiny.cfg", labels=tmp_path / "mine.txt", cache=cache).labels == ("Katze", "Hund")


def test_a_network_of_eighty_classes_without_labels_has_those_of_coco(tmp_path, cache):
    folder = write_network(tmp_path / "coco", COCO_CFG, labels=None)
    assert load_model(folder / "tiny.cfg", cache=cache).labels == COCO


def test_an_empty_labels_file_is_too_few_labels_though_there_is_a_model_without(tmp_path, cache):
    folder = write_network(tmp_path / "coco", COCO_CFG, labels=None)
    load_model(folder / "tiny.cfg", cache=cache)
    (folder / "tiny.names").write_text("\n")
    with pytest.raises(ModelError, match="80 classes and 0 labels"):
        load_model(folder / "tiny.cfg", cache=cache)


def test_a_network_of_other_classes_needs_labels(tmp_path, cache):
    folder = write_network(tmp_path / "unnamed", labels=None)
    with pytest.raises(UsageError, match="2 classes and no labels"):
        load_model(folder / "tiny.cfg", cache=cache)
    assert imported(cache) == []


@pytest.mark.parametrize("labels", ["cat\n", "cat\ndog\nmouse\n"])
def test_a_wrong_number_of_labels_leaves_nothing_in_the_cache(tmp_path, cache, labels):
    folder = write_network(tmp_path / "misnamed", labels=labels)
    with pytest.raises(ModelError, match="name the right file"):
        load_model(folder / "tiny.cfg", cache=cache)
    assert imported(cache) == []


def test_missing_chosen_labels_are_the_users_mistake(folder, cache, tmp_path):
    with pytest.raises(UsageError, match="can't be read"):
        load_model(folder / "tiny.cfg", labels=tmp_path / "missing.names", cache=cache)


def test_an_imported_folder_is_a_model(folder, cache, monkeypatch):
    model = load_model(folder / "tiny.cfg", cache=cache)
    assert load_model(model.folder, cache=cache) == model
    monkeypatch.chdir(model.folder.parent)
    assert load_model(model.digest, cache=cache) == model
    with pytest.raises(UsageError, match="leave --labels out"):
        load_model(model.folder, labels=folder / "tiny.names", cache=cache)


def test_a_folder_that_holds_no_model_is_refused(tmp_path, cache):
    with pytest.raises(ModelError, match="holds no readable model"):
        load_model(tmp_path, cache=cache)


def test_an_unknown_name_is_answered_with_the_catalog(cache):
    with pytest.raises(UnknownModelError) as caught:
        load_model("yolo-nonsense", cache=cache)
    assert "no model 'yolo-nonsense'" in str(caught.value)
    assert all(name in str(caught.value) for name in CATALOG)
    assert not cache.exists()


@pytest.mark.parametrize("name", ["tiny.weights", "tiny.names"])
def test_a_file_of_another_kind_is_no_model(folder, cache, name):
    with pytest.raises(UnknownModelError, match=r"is no model: name a Darknet \.cfg"):
        load_model(folder / name, cache=cache)


def test_missing_weights_are_named(folder, cache):
    (folder / "tiny.weights").unlink()
    with pytest.raises(ModelError, match=r"tiny\.cfg has no weights: put tiny\.weights beside it"):
        load_model(folder / "tiny.cfg", cache=cache)


@pytest.mark.parametrize("difference", [-4, -1, 1, 4])
def test_weights_of_another_length_name_both_files(folder, cache, difference):
    whole = (folder / "tiny.weights").read_bytes()
    (folder / "tiny.weights").write_bytes((whole + bytes(4))[: len(whole) + difference])
    with pytest.raises(DarknetError) as caught:
        load_model(folder / "tiny.cfg", cache=cache)
    message = f"tiny.weights holds {len(whole) + difference} bytes where tiny.cfg needs {len(whole)}"
    assert message in str(caught.value)
    assert imported(cache) == []


def test_a_cfg_that_is_not_text_is_no_network(folder, cache):
    (folder / "tiny.cfg").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DarknetError, match=r"tiny\.cfg"):
        load_model(folder / "tiny.cfg", cache=cache)


def test_an_onnx_file_of_another_family_is_named(tmp_path, cache):
    (tmp_path / "page.onnx").write_bytes(b"<html>")
    with pytest.raises(ModelError, match=r"page\.onnx is no ONNX file"):
        load_model(tmp_path / "page.onnx", cache=cache)
    assert imported(cache) == []


BREAKAGES = {
    "no description": lambda folder: (folder / "model.json").unlink(),
    "no network": lambda folder: (folder / "network.onnx").unlink(),
    "nothing in it": lambda folder: [path.unlink() for path in folder.iterdir()],
    "an empty description": lambda folder: (folder / "model.json").write_text(""),
    "a truncated description": lambda folder: (folder / "model.json").write_text('{"format": 1, "name"'),
}


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES)
def test_a_broken_folder_in_the_cache_is_made_again(folder, cache, breakage):
    model = load_model(folder / "tiny.cfg", cache=cache)
    network = model.network.read_bytes()
    breakage(model.folder)
    assert load_model(folder / "tiny.cfg", cache=cache) == model
    assert model.network.read_bytes() == network
    assert imported(cache) == [model.digest]


def test_threads_that_import_at_once_leave_one_whole_folder(folder, cache, monkeypatch):
    count = 8
    everybody_imports = threading.Barrier(count)
    real = store.import_darknet

    def wait_for_the_others(*args, **kwargs):
        everybody_imports.wait(60)
        return real(*args, **kwargs)

    monkeypatch.setattr(store, "import_darknet", wait_for_the_others)
    with ThreadPoolExecutor(count) as pool:
        models = list(pool.map(lambda _: load_model(folder / "tiny.cfg", cache=cache), range(count)))
    assert len(set(models)) == 1
    assert imported(cache) == [models[0].digest]
    onnx.checker.check_model(onnx.load(models[0].network))


CHILD = """
import sys
from pathlib import Path
from lookout.models import store

real = store.import_darknet

def wait_for_the_other(*args, **kwargs):
    print("importing", flush=True)
    sys.stdin.readline()
    return real(*args, **kwargs)

store.import_darknet = wait_for_the_other
print(store.load_model(sys.argv[1], cache=Path(sys.argv[2])).digest, flush=True)
"""


def test_processes_that_import_at_once_leave_one_whole_folder(folder, cache):
    environment = {**os.environ, "PYTHONPATH": str(Path(store.__file__).parents[2])}
    command = [sys.executable, "-c", CHILD, str(folder / "tiny.cfg"), str(cache)]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) for _ in range(2)]
    try:
        assert [child.stdout.readline() for child in children] == ["importing\n"] * 2
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        answers = [child.communicate(timeout=60)[0].strip() for child in children]
    finally:
        for child in children:
            child.kill()
            child.communicate()
    assert [child.returncode for child in children] == [0, 0]
    assert imported(cache) == [answers[0]] == [answers[1]]
    assert load_model(folder / "tiny.cfg", cache=cache).digest == answers[0]


def test_somebody_who_is_quicker_between_the_look_and_the_move_wins(folder, cache, tmp_path, monkeypatch):
    theirs = load_model(folder / "tiny.cfg", cache=tmp_path / "their cache")
    real = Path.rename

    def be_beaten(draft, target):
        if not target.exists():
            real(theirs.folder, target)
        return real(draft, target)

    monkeypatch.setattr(Path, "rename", be_beaten)
    model = load_model(folder / "tiny.cfg", cache=cache)
    assert model.digest == theirs.digest
    assert imported(cache) == [model.digest]


def test_an_interrupted_import_leaves_nothing(folder, cache, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_model(folder / "tiny.cfg", cache=cache)
    assert imported(cache) == []


def test_a_full_disk_is_named_and_leaves_nothing(folder, cache, monkeypatch):
    def fill_up(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(ModelError, match=r"can't be written .*No space left.*: set XDG_CACHE_HOME"):
        load_model(folder / "tiny.cfg", cache=cache)
    assert imported(cache) == []


@pytest.mark.parametrize("blocked", ["", "networks"])
def test_a_cache_that_cannot_be_written_is_named(folder, cache, blocked):
    (cache / blocked).parent.mkdir(exist_ok=True)
    (cache / blocked).write_text("a file where a folder should be")
    with pytest.raises(ModelError, match=r"can't be written .*: set XDG_CACHE_HOME") as caught:
        load_model(folder / "tiny.cfg", cache=cache)
    assert str(cache / "networks") in str(caught.value)


def test_the_cache_is_where_xdg_says(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "lookout"
    assert load_model(folder / "tiny.cfg").folder.parent == tmp_path / "xdg" / "lookout" / "networks"


@pytest.mark.parametrize("value", ["", None])
def test_without_xdg_the_cache_is_at_home(tmp_path, monkeypatch, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME")
    if value is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert cache_folder() == tmp_path / ".cache" / "lookout"


def test_the_cache_of_tests_is_not_the_users(tmp_path_factory):
    assert cache_folder().is_relative_to(tmp_path_factory.getbasetemp())
