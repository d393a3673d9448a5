"""From files to a model in the cache: imported once, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import onnx
import pytest
from onnx import TensorProto, helper

from helpers.darknet_weights import make_weights
from helpers.file_server import PROXIES, Page, file_server
from lookout.core.framing import InputFormat
from lookout.core.heads import DarknetHead, YoloLayer, YoloxHead
from lookout.errors import DarknetError, ModelError, UnknownModelError, UsageError
from lookout.models import store
from lookout.models.catalog import CATALOG, ModelSpec, RemoteFile
from lookout.models.labels import COCO
from lookout.models.model import Model
from lookout.models.store import bundled, cache_folder, import_darknet_pair, load_model, presence

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
WIDE_CFG = CFG.replace("[conv", "[convolutional]\nfilters=16\nsize=3\npad=1\nactivation=linear\n\n[conv", 1)
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
    with pytest.raises(UsageError, match="leave --labels and --head out"):
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
    "no weights": lambda folder: (folder / "network.onnx.data").unlink(),
    "cut weights": lambda folder: os.truncate(folder / "network.onnx.data", 1000),
    "nothing in it": lambda folder: [path.unlink() for path in folder.iterdir()],
    "an empty description": lambda folder: (folder / "model.json").write_text(""),
    "a truncated description": lambda folder: (folder / "model.json").write_text('{"format": 1, "name"'),
}


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES)
def test_a_broken_folder_in_the_cache_is_made_again(tmp_path, cache, breakage):
    # Of so many filters that their kernels lie in a file of their own.
    cfg = write_network(tmp_path / "wide", WIDE_CFG, name="wide") / "wide.cfg"
    model = load_model(cfg, cache=cache)
    contents = {path.name: path.read_bytes() for path in model.files}
    breakage(model.folder)
    assert load_model(cfg, cache=cache) == model
    assert {path.name: path.read_bytes() for path in model.folder.iterdir()} == contents
    assert len(contents) == 3
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


@pytest.mark.parametrize("looks", [1, 2])
def test_a_whole_folder_that_comes_in_between_is_not_moved_away(folder, cache, monkeypatch, looks):
    """Somebody else may have opened it: also where it comes right after a look that found none."""
    real = store._is_whole
    seen, others = [], []

    def look(place):
        whole = real(place)
        seen.append(whole)
        if len(seen) == looks and not whole:
            others.append(load_model(folder / "tiny.cfg", cache=cache).folder.stat().st_ino)
        return whole

    monkeypatch.setattr(store, "_is_whole", look)
    model = load_model(folder / "tiny.cfg", cache=cache)
    assert all(inode == model.folder.stat().st_ino for inode in others)
    assert imported(cache) == [model.digest]


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

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_model(folder / "tiny.cfg", cache=cache)
    assert imported(cache) == []


def test_a_full_disk_is_named_and_leaves_nothing(folder, cache, monkeypatch):
    def fill_up(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(ModelError, match=r"can't be written .*No space left.*: set XDG_CACHE_HOME"):
        load_model(folder / "tiny.cfg", cache=cache)
    assert imported(cache) == []


def test_a_network_that_was_cut_short_in_the_cache_is_imported_again(folder, cache):
    model = load_model(folder / "tiny.cfg", cache=cache)
    whole = model.network.read_bytes()
    model.network.write_bytes(whole[:100])
    assert load_model(folder / "tiny.cfg", cache=cache).network.read_bytes() == whole


def test_a_network_whose_name_is_no_text_is_imported(tmp_path, cache):
    folder = write_network(tmp_path / "odd")
    stem = os.fsdecode(b"odd \xff")
    for path in list(folder.glob("tiny.*")):
        path.rename(folder / f"{stem}{path.suffix}")
    assert load_model(folder / f"{stem}.cfg", cache=cache).name == "odd ?"


@pytest.mark.parametrize("reference", ["a\0b", "x" * 5000])
def test_a_name_that_can_be_no_file_is_unknown(reference, cache):
    with pytest.raises(UnknownModelError, match=r"can't be looked at|there is no model"):
        load_model(reference, cache=cache)


def test_an_unknown_head_is_named(folder, cache):
    with pytest.raises(UsageError, match="there is no head 'yolov99': name one of yolox"):
        load_model(folder / "tiny.cfg", head="yolov99", cache=cache)


def test_labels_may_be_text_and_suffixes_in_capitals(folder, tmp_path, cache):
    (tmp_path / "mine.txt").write_text("one\ntwo\n")
    shutil.copy(folder / "tiny.cfg", folder / "BIG.CFG")
    shutil.copy(folder / "tiny.weights", folder / "BIG.weights")
    assert load_model(folder / "BIG.CFG", labels=str(tmp_path / "mine.txt"), cache=cache).labels == ("one", "two")


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


# Names: what is fetched for them, and what is taken from where it lies. The server stands for the real ones.

FILES = {"pet.cfg": CFG.encode(), "pet.weights": make_weights(CFG), "pet.names": b"cat\ndog\n"}
WHOLE = {f"pet/{name}": body for name, body in FILES.items()}


@pytest.fixture
def server(monkeypatch):
    """A web server that offers the files of a model under /good/."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    with file_server() as server:
        server.pages = {f"/good/{name}": Page(body) for name, body in FILES.items()}
        yield server


def offer(monkeypatch, *places):
    """Put the model "pet" into the catalog, its files at these addresses."""
    files = [
        RemoteFile(name, len(body), hashlib.sha256(body).hexdigest(), tuple(f"{place}/{name}" for place in places))
        for name, body in FILES.items()
    ]
    monkeypatch.setitem(CATALOG, "pet", ModelSpec("pet", tuple(files), "none", 64, None))
    return CATALOG["pet"]


def put(cache, **changes):
    """Put the published files where downloads go, some of them changed."""
    folder = cache / "downloads" / "pet"
    folder.mkdir(parents=True)
    for name, body in FILES.items():
        (folder / name).write_bytes(changes.get(name.partition(".")[2], body))
    return folder


def downloaded(cache):
    """The files below the cache's downloads: parts too, if any were left."""
    folder = cache / "downloads"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_model_is_fetched_by_its_name(server, cache, monkeypatch):
    spec = offer(monkeypatch, f"{server.url}/good")
    assert presence(spec, cache) == "no"
    news = []
    model = load_model("pet", cache=cache, notify=news.append)
    assert (model.name, model.labels) == ("pet", ("cat", "dog"))
    assert downloaded(cache) == WHOLE
    assert server.paths == ["/good/pet.cfg", "/good/pet.weights", "/good/pet.names"]
    assert [entry for entry in news if isinstance(entry, str)] == [
        f"fetching {name} from {server.url}/good/{name}" for name in FILES
    ]
    assert presence(spec, cache) == "downloaded"


def test_the_second_time_nothing_is_asked_for(server, cache, monkeypatch):
    offer(monkeypatch, f"{server.url}/good")
    first = load_model("pet", cache=cache)
    server.asked.clear()
    assert load_model("pet", cache=cache) == first
    assert server.asked == []


@pytest.mark.parametrize("missing", FILES)
def test_only_what_is_missing_is_fetched(server, cache, monkeypatch, missing):
    spec = offer(monkeypatch, f"{server.url}/good")
    (put(cache) / missing).unlink()
    assert presence(spec, cache) == "partly"
    load_model("pet", cache=cache)
    assert server.paths == [f"/good/{missing}"]
    assert downloaded(cache) == WHOLE


def test_what_was_imported_needs_its_weights_no_more(server, cache, monkeypatch):
    spec = offer(monkeypatch, f"{server.url}/good")
    first = load_model("pet", cache=cache)
    (cache / "downloads" / "pet" / "pet.weights").unlink()
    assert presence(spec, cache) == "imported"
    assert load_model("pet", cache=cache, offline=True) == first


def test_a_name_and_its_files_are_the_same_model(server, cache, monkeypatch, tmp_path):
    offer(monkeypatch, f"{server.url}/good")
    for name, body in FILES.items():
        (tmp_path / name).write_bytes(body)
    assert load_model("pet", cache=cache) == load_model(tmp_path / "pet.cfg", cache=cache)


def test_files_that_were_put_there_by_hand_are_taken(server, cache, monkeypatch):
    offer(monkeypatch, f"{server.url}/good")
    put(cache)
    assert load_model("pet", cache=cache).labels == ("cat", "dog")
    assert server.asked == []


WRONG = {
    "cut short": lambda body: body[:-1],
    "changed": lambda body: b"?" + body[1:],
    "no text": lambda body: b"\xff" * len(body),
    "empty": lambda body: b"",
}


@pytest.mark.parametrize("suffix", ["cfg", "weights", "names"])
@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_damaged_file_is_fetched_again(server, cache, monkeypatch, suffix, change):
    offer(monkeypatch, f"{server.url}/good")
    put(cache, **{suffix: change(FILES[f"pet.{suffix}"])})
    news = []
    assert load_model("pet", cache=cache, notify=news.append).labels == ("cat", "dog")
    assert server.paths == [f"/good/pet.{suffix}"]
    assert downloaded(cache) == WHOLE
    assert news[0].endswith("it is fetched again")


@pytest.mark.parametrize("suffix", ["cfg", "weights", "names"])
@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_damaged_file_is_not_used_offline(server, cache, monkeypatch, suffix, change):
    offer(monkeypatch, f"{server.url}/good")
    put(cache, **{suffix: change(FILES[f"pet.{suffix}"])})
    with pytest.raises(ModelError, match=rf"pet\.{suffix} has .* published"):
        load_model("pet", cache=cache, offline=True)
    assert server.asked == []
    assert imported(cache) == []


@pytest.mark.parametrize("labels", [b"cow\nhen\n", b"\xff" * 8, b""])
def test_labels_that_were_changed_after_the_import_are_noticed(server, cache, monkeypatch, labels):
    offer(monkeypatch, f"{server.url}/good")
    load_model("pet", cache=cache)
    (cache / "downloads" / "pet" / "pet.names").write_bytes(labels)
    assert load_model("pet", cache=cache).labels == ("cat", "dog")
    assert server.paths[-1] == "/good/pet.names"


def test_offline_nothing_is_asked_for_and_the_user_told_what_to_fetch(server, cache, monkeypatch):
    offer(monkeypatch, f"{server.url}/good", "http://mirror.example")
    (put(cache) / "pet.cfg").unlink()
    (cache / "downloads" / "pet" / "pet.names").unlink()
    with pytest.raises(ModelError) as caught:
        load_model("pet", cache=cache, offline=True)
    message = str(caught.value)
    for name in ("pet.cfg", "pet.names"):
        assert f"get it from {server.url}/good/{name} or http://mirror.example/{name}" in message
        assert f"put it at {cache / 'downloads' / 'pet' / name}" in message
    assert "pet.weights" not in message
    assert server.asked == []


def test_offline_what_is_here_is_used(server, cache, monkeypatch):
    offer(monkeypatch, f"{server.url}/good")
    put(cache)
    assert load_model("pet", cache=cache, offline=True).labels == ("cat", "dog")
    assert server.asked == []


def test_a_failure_keeps_the_files_that_came_before_it(server, cache, monkeypatch):
    del server.pages["/good/pet.names"]
    offer(monkeypatch, f"{server.url}/good")
    with pytest.raises(ModelError, match=r"pet\.names is not here and could not be fetched"):
        load_model("pet", cache=cache)
    assert downloaded(cache) == {name: body for name, body in WHOLE.items() if name != "pet/pet.names"}
    assert imported(cache) == []


def test_a_failure_names_all_that_is_missing(server, cache, monkeypatch):
    server.pages.clear()
    offer(monkeypatch, f"{server.url}/good")
    with pytest.raises(ModelError) as caught:
        load_model("pet", cache=cache)
    for name in FILES:
        assert f"{server.url}/good/{name}" in str(caught.value)
        assert f"put it at {cache / 'downloads' / 'pet' / name}" in str(caught.value)
    assert server.paths == ["/good/pet.cfg"]
    assert downloaded(cache) == {}


def test_a_cache_for_downloads_that_cannot_be_written_is_named(server, cache, monkeypatch):
    cache.write_text("a file where a folder should be")
    offer(monkeypatch, f"{server.url}/good")
    with pytest.raises(ModelError, match="XDG_CACHE_HOME"):
        load_model("pet", cache=cache)


def test_an_imported_folder_of_that_name_comes_before_the_catalog(tmp_path, monkeypatch, server, cache):
    offer(monkeypatch, f"{server.url}/good")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pet").mkdir()
    (tmp_path / "pet" / "model.json").write_text("{}")
    with pytest.raises(ModelError, match="holds no readable model"):
        load_model("pet", cache=cache)
    assert server.asked == []


def test_another_folder_does_not_hide_a_name(tmp_path, monkeypatch, server, cache):
    offer(monkeypatch, f"{server.url}/good")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pet").mkdir()
    assert load_model("pet", cache=cache).name == "pet"


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_the_environment_says_offline_where_nobody_else_does(value, monkeypatch, server, cache):
    offer(monkeypatch, f"{server.url}/good")
    monkeypatch.setenv("LOOKOUT_OFFLINE", value)
    with pytest.raises(ModelError, match="is not here"):
        load_model("pet", cache=cache)
    assert server.asked == []
    assert load_model("pet", cache=cache, offline=False).name == "pet"


@pytest.fixture
def bundle(folder, monkeypatch):
    """A package that has a network of its own."""
    module = ModuleType("lookout.models.bundled")
    module.NAME, module.CFG = "lookout-tiny", folder / "tiny.cfg"
    monkeypatch.setitem(sys.modules, "lookout.models.bundled", module)


def test_the_network_of_the_package_is_a_model_by_its_name(bundle, cache):
    model = load_model("lookout-tiny", cache=cache, offline=True)
    assert model.labels == ("cat", "dog")
    assert not (cache / "downloads").exists()


def test_it_is_named_among_the_others(bundle, cache):
    with pytest.raises(UnknownModelError, match=r"lookout-tiny, yolo-fastest-1\.1"):
        load_model("lookout-huge", cache=cache)


def test_a_package_without_a_network_has_the_catalog_alone(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "lookout.models.bundled", None)
    assert bundled() is None
    with pytest.raises(UnknownModelError, match="there is no model 'lookout-tiny'"):
        load_model("lookout-tiny", cache=cache)


def test_a_fault_within_the_bundle_is_not_taken_for_its_absence(monkeypatch):
    def fail(name):
        raise ModuleNotFoundError("No module named 'elsewhere'", name="elsewhere")

    monkeypatch.setattr(store, "import_module", fail)
    with pytest.raises(ModuleNotFoundError):
        bundled()


# A pair of Darknet files of any names.


@pytest.fixture
def pair(folder):
    return folder / "tiny.cfg", (folder / "tiny.weights").rename(folder / "best_9000.backup")


def test_a_pair_of_any_names_becomes_a_model_in_the_cache(pair, cache):
    model = import_darknet_pair(*pair, cache=cache)
    assert (model.name, model.labels) == ("tiny", ("cat", "dog"))
    assert model.folder == cache / "networks" / model.digest


def test_a_pair_becomes_a_folder_that_is_a_model_without_it(pair, tmp_path, cache):
    out = tmp_path / "some" / "where"
    model = import_darknet_pair(*pair, out=out, cache=cache)
    for path in pair:
        path.unlink()
    assert model.folder == out
    assert load_model(out, cache=cache) == model
    assert not cache.exists()


def test_importing_a_pair_again_changes_nothing(pair, tmp_path, cache, monkeypatch):
    first = import_darknet_pair(*pair, out=tmp_path / "out", cache=cache)
    monkeypatch.setattr(store, "import_darknet", no_import)
    assert import_darknet_pair(*pair, out=tmp_path / "out", cache=cache) == first


def test_a_pair_goes_into_an_empty_folder(pair, tmp_path, cache, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    assert import_darknet_pair(*pair, out=Path(), cache=cache).folder == tmp_path / "out"


def test_a_folder_with_something_else_in_it_is_not_touched(pair, tmp_path, cache):
    (tmp_path / "notes.txt").write_text("dear")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="holds something else already: name another folder with --out"):
        import_darknet_pair(*pair, out=tmp_path, cache=cache)
    other = tmp_path / "other.names"
    other.write_text("cow\nhen\n")
    model = import_darknet_pair(*pair, out=tmp_path / "out", cache=cache)
    with pytest.raises(UsageError, match="holds something else"):
        import_darknet_pair(*pair, labels=other, out=tmp_path / "out", cache=cache)
    assert Model.open(tmp_path / "out") == model
    assert set(before) <= set(tmp_path.rglob("*"))


def test_what_comes_into_the_folder_meanwhile_is_not_lost(pair, tmp_path, cache, monkeypatch):
    real = store.import_darknet

    def somebody_writes_there(*args, **kwargs):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "notes.txt").write_text("dear")
        return real(*args, **kwargs)

    monkeypatch.setattr(store, "import_darknet", somebody_writes_there)
    with pytest.raises(ModelError, match=r"can't be written .*name another folder with --out"):
        import_darknet_pair(*pair, out=tmp_path / "out", cache=cache)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_a_missing_file_of_a_pair_is_named(pair, tmp_path, cache):
    with pytest.raises(ModelError, match=r"none\.weights can't be read"):
        import_darknet_pair(pair[0], tmp_path / "none.weights", cache=cache)


def test_a_pair_that_does_not_belong_together_names_both(pair, tmp_path, cache):
    pair[1].write_bytes(pair[1].read_bytes()[:-4])
    with pytest.raises(DarknetError, match=r"best_9000\.backup holds .* where tiny\.cfg needs"):
        import_darknet_pair(*pair, out=tmp_path / "out", cache=cache)
    assert not (tmp_path / "out").exists()
