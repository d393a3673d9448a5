"""``lookout models`` as a person, or a program, uses it; what is fetched comes from a server here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner, Result

from helpers.file_server import PROXIES, FileServer, Page, file_server
from helpers.program import run
from helpers.tiny import CONFIDENCE, make_model, make_pictures
from lookout.apps.cli import main
from lookout.models import store
from lookout.models.catalog import CATALOG, Accuracy, ModelSpec, RemoteFile


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no proxy, and no bundled network but what a test makes."""
    for name in (*PROXIES, "LOOKOUT_OFFLINE", "LOOKOUT_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setitem(sys.modules, "lookout.models.bundled", None)
    return tmp_path / "xdg" / "lookout"


@pytest.fixture
def cfg(tmp_path: Path) -> Path:
    return make_model(tmp_path / "networks", "pet")


@pytest.fixture
def server(cfg: Path, monkeypatch: pytest.MonkeyPatch):
    """The network "pet" is in the catalog, and a server offers it."""
    with file_server() as server:
        files = []
        for suffix in (".cfg", ".weights", ".names"):
            body = cfg.with_suffix(suffix).read_bytes()
            server.pages[f"/pet{suffix}"] = Page(body)
            urls = (f"{server.url}/pet{suffix}",)
            files.append(RemoteFile(f"pet{suffix}", len(body), hashlib.sha256(body).hexdigest(), urls))
        spec = ModelSpec("pet", tuple(files), "its own", 64, Accuracy(64, ap=1.5))
        monkeypatch.setitem(CATALOG, "pet", spec)
        yield server


def lookout(*arguments: str) -> Result:
    """Run a command in this process, where the catalog has "pet"."""
    return CliRunner().invoke(main, ["models", *arguments])


def folder_of(cache: Path) -> Path:
    """The one imported network in the cache."""
    (folder,) = (cache / "networks").iterdir()
    return folder


@pytest.mark.parametrize("command", ["list", "info", "pull", "import"])
def test_every_command_has_help_with_an_example(command: str):
    answer = lookout(command, "--help")
    assert answer.exit_code == 0
    assert f"Example: lookout models {command}" in answer.stdout


def test_the_list_has_a_line_a_model():
    answer = run("models", "list")
    assert answer.returncode == 0
    lines = [line.split() for line in answer.stdout.splitlines() if line.strip()]
    assert lines[0] == ["Name", "MB", "Input", "AP", "AP50", "at", "Licence", "Here"]
    assert [line[0] for line in lines[2:]] == ["lookout-tiny", *CATALOG]
    assert lines[2] == ["lookout-tiny", "1.8", "320", "-", "-", "-", "Apache-2.0", "bundled"]
    assert ["yolov3-tiny", "35.4", "416", "-", "33.1", "416", "public", "domain", "no"] in lines


def test_the_list_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "presence", lambda spec, cache: "downloaded")  # the longest that it can be
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    answer = lookout("list")
    assert "…" not in answer.stdout
    assert answer.stdout.count("public domain  downloaded") == 2


@pytest.mark.parametrize(
    ("columns", "names"), [("60", "Input AP AP50 at Here"), ("54", "MB Input AP AP50 Here"), ("20", "MB AP AP50 Here")]
)
def test_a_narrow_terminal_does_without_columns_and_not_with_half_a_number(
    columns: str, names: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    answer = lookout("list")
    assert "…" not in answer.stdout
    assert " ".join(click.unstyle(answer.stdout).split("\n")[0].split()).endswith(names)
    assert all(f"{spec.size / 1e6:.1f}" in answer.stdout for spec in CATALOG.values())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such name")
def test_info_of_a_folder_of_any_name_is_shown(cfg: Path, tmp_path: Path):
    folder = tmp_path / os.fsdecode(b"imp\xff")
    assert (
        lookout("import", str(cfg), str(cfg.with_suffix(".weights")), "--out", str(tmp_path / "plain")).exit_code == 0
    )
    (tmp_path / "plain").rename(folder)
    answer = run("models", "info", str(folder))
    assert answer.returncode == 0, answer.stderr
    assert "imp\\udcff" in answer.stdout


def test_programs_get_the_list_as_numbers():
    (tiny,) = [entry for entry in json.loads(lookout("list", "--json").stdout) if entry["name"] == "yolov4"]
    assert tiny == {
        "name": "yolov4",
        "size": 257717640 + 12231 + 625,
        "licence": "YOLO licence",
        "input_size": 608,
        "accuracy": {"input_size": 416, "ap": 41.2, "ap50": None},
        "here": "no",
    }


def test_the_list_and_info_tell_what_is_here(server: FileServer, cache: Path):
    def here() -> str:
        listed = {entry["name"]: entry["here"] for entry in json.loads(lookout("list", "--json").stdout)}
        assert listed["pet"] == json.loads(lookout("info", "pet", "--json").stdout)["here"]
        return listed["pet"]

    assert here() == "no"
    server.pages["/pet.weights"].cut_after = 1000
    assert lookout("pull", "pet").exit_code == 1
    assert here() == "partly"
    server.pages["/pet.weights"].cut_after = None
    assert lookout("pull", "pet").exit_code == 0
    assert here() == "downloaded"
    shutil.rmtree(cache)
    assert here() == "no"


def test_the_network_of_the_package_is_listed_first_and_known(cfg: Path, monkeypatch: pytest.MonkeyPatch):
    module = ModuleType("lookout.models.bundled")
    module.NAME, module.CFG = "pet", cfg
    monkeypatch.setitem(sys.modules, "lookout.models.bundled", module)
    listed = json.loads(lookout("list", "--json").stdout)
    assert (listed[0]["name"], listed[0]["here"], listed[0]["accuracy"]) == ("pet", "bundled", None)
    assert "bundled" in lookout("list").stdout
    assert json.loads(lookout("info", "pet", "--json").stdout)["head"] == "darknet"
    assert lookout("pull", "pet").exit_code == 0


def test_info_tells_addresses_checksums_and_places(cache: Path):
    answer = lookout("info", "yolov3-tiny")
    assert answer.exit_code == 0
    assert "public domain" in answer.stdout
    assert "COCO AP50 33.1 at 416 x 416" in answer.stdout
    for file in CATALOG["yolov3-tiny"].files:
        assert f"{file.name}: is not here" in answer.stdout
        assert all(text in answer.stdout for text in (*file.urls, file.sha256, f"{file.size:,} bytes"))
        assert str(cache / "downloads" / "yolov3-tiny" / file.name) in answer.stdout
    assert not cache.exists()


def test_info_verifies_what_is_here(server: FileServer, cache: Path):
    lookout("pull", "pet")
    known = json.loads(lookout("info", "pet", "--json").stdout)
    assert [file["state"] for file in known["files"]] == ["verified"] * 3
    assert known["imported"]["folder"] == str(folder_of(cache))
    assert known["imported"]["digest"] == folder_of(cache).name
    weights = cache / "downloads" / "pet" / "pet.weights"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    assert "pet.weights: has another SHA-256 here than as published" in lookout("info", "pet").stdout


def test_info_of_a_file_or_a_folder_tells_what_it_is(cfg: Path, cache: Path):
    text = lookout("info", str(cfg)).stdout
    for words in ("pet\n", "Head      darknet", "Labels    3: square, circle, line", str(folder_of(cache))):
        assert words in text
    known = [json.loads(lookout("info", str(path), "--json").stdout) for path in (cfg, folder_of(cache))]
    assert known[0] == known[1]
    assert known[0]["digest"] == folder_of(cache).name


def test_pull_fetches_and_prints_the_folder_that_a_model_takes(server: FileServer, cache: Path, tmp_path: Path):
    answer = lookout("pull", "pet")
    assert answer.exit_code == 0
    assert answer.stdout == f"{folder_of(cache)}\n"
    assert answer.stderr.splitlines() == [f"fetching pet{s} from {server.url}/pet{s}" for s in server_suffixes(server)]
    pictures = make_pictures(tmp_path / "pictures", 1)
    taken = run("detect", str(pictures), "--model", answer.stdout.strip(), "--confidence", str(CONFIDENCE))
    assert taken.returncode == 0, taken.stderr


def server_suffixes(server: FileServer) -> list[str]:
    return [path.removeprefix("/pet") for path in server.paths]


def test_pull_of_what_is_here_asks_for_nothing_and_says_no_more_than_the_folder(server: FileServer):
    first = lookout("pull", "pet")
    server.asked.clear()
    again = lookout("pull", "pet", "--json")
    assert json.loads(again.stdout)["folder"] == first.stdout.strip()
    assert again.stderr == ""
    assert server.asked == []


def test_on_a_terminal_a_bar_shows_how_far_it_is(server: FileServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    answer = lookout("pull", "pet")
    assert answer.exit_code == 0
    assert "pet.weights" in answer.stderr
    assert "━" in answer.stderr
    assert "━" not in answer.stdout


def test_one_model_that_fails_does_not_stop_the_others(server: FileServer, monkeypatch: pytest.MonkeyPatch):
    files = (RemoteFile("bad.onnx", 1, "0" * 64, (f"{server.url}/bad.onnx",)),)
    monkeypatch.setitem(CATALOG, "bad", ModelSpec("bad", files, "none", 64, None))
    answer = lookout("pull", "bad", "pet")
    assert answer.exit_code == 1
    assert "Error: bad.onnx is not here and could not be fetched" in answer.stderr
    assert len(answer.stdout.splitlines()) == 1


def test_a_misspelt_name_is_said_before_anything_is_fetched(server: FileServer):
    answer = lookout("pull", "pet", "yolo-nonsense")
    assert answer.exit_code == 2
    assert "there is no model 'yolo-nonsense'" in answer.stderr
    assert server.asked == []


@pytest.mark.parametrize(("arguments", "variable"), [(("--offline",), None), ((), "1"), ((), "true")])
def test_offline_pull_fetches_nothing(
    server: FileServer, arguments: tuple[str, ...], variable: str | None, monkeypatch: pytest.MonkeyPatch, cache: Path
):
    if variable:
        monkeypatch.setenv("LOOKOUT_OFFLINE", variable)
    answer = lookout("pull", "pet", *arguments)
    assert answer.exit_code == 1
    assert f"{server.url}/pet.cfg and put it at {cache / 'downloads' / 'pet' / 'pet.cfg'}" in answer.stderr
    assert server.asked == []


@pytest.mark.parametrize("command", [("detect",), ("compare", "--executions", "in-process")])
def test_whoever_takes_a_model_may_be_offline(
    server: FileServer, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pictures = make_pictures(tmp_path / "pictures", 1)
    arguments = [*command, str(pictures), "--model", "pet"]
    out = ["--out", str(tmp_path / "out")] if "compare" in command else []
    refused = CliRunner().invoke(main, [*arguments, *out, "--offline"])
    assert refused.exit_code == 1
    assert "pet is not here whole, and offline nothing is fetched" in refused.stderr
    assert server.asked == []
    fetched = CliRunner().invoke(main, [*arguments, *out])
    assert fetched.exit_code == 0, fetched.stderr
    assert len(server.asked) == 3
    monkeypatch.setenv("LOOKOUT_OFFLINE", "1")
    assert CliRunner().invoke(main, [*arguments, *out]).exit_code == 0
    assert len(server.asked) == 3


def test_the_server_too_may_be_offline():
    answer = run("serve", "--model", "yolov3-tiny", LOOKOUT_OFFLINE="1")
    assert answer.returncode == 1
    assert "offline nothing is fetched" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_pair_of_any_names_is_imported(cfg: Path, tmp_path: Path, cache: Path):
    weights = cfg.with_suffix(".weights").rename(tmp_path / "best.backup")
    out = tmp_path / "mine"
    answer = lookout("import", str(cfg), str(weights), "--out", str(out))
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout == f"{out}\n"
    pictures = make_pictures(tmp_path / "pictures", 1)
    assert run("detect", str(pictures), "--model", str(out)).returncode == 0
    cached = json.loads(lookout("import", str(cfg), str(weights), "--json").stdout)
    assert cached["folder"] == str(folder_of(cache))
    assert cached["labels"] == ["square", "circle", "line"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("info", "nonsense"), 2, "there is no model 'nonsense'"),
        (("info", "x" * 300), 2, "can't be looked at"),
        (("info", "yolov3-tiny", "--labels", "none"), 2, "yolov3-tiny is a name of the catalog"),
        (("info", "yolov3-tiny", "--head", "yolox"), 2, "yolov3-tiny is a name of the catalog"),
        (("info", "{here}"), 1, "holds no readable model"),
        (("info", "{weights}"), 2, "is no model"),
        (("pull",), 2, "Missing argument"),
        (("pull", "../../etc"), 2, "there is no model '../../etc'"),
        (("import", "{cfg}"), 2, "Missing argument 'WEIGHTS'"),
        (("import", "{here}/none.cfg", "{weights}"), 2, "none.cfg' does not exist"),
        (("import", "{here}", "{weights}"), 2, "is a directory"),
        (("import", "{weights}", "{cfg}"), 1, "pet.weights"),
        (("import", "{cfg}", "{weights}", "--out", "{here}"), 2, "holds something else already"),
        (("import", "{cfg}", "{weights}", "--out", "{cfg}/out"), 2, "can't be written"),
        (("import", "{cfg}", "{weights}", "--labels", "none"), 2, "can't be read"),
        (("import", "{cfg}", "{cfg}"), 1, "is it the weights file of another network"),
    ],
)
def test_bad_input_gets_one_clear_sentence(arguments: tuple[str, ...], status: int, words: str, cfg: Path):
    places = {"cfg": cfg, "weights": cfg.with_suffix(".weights"), "here": cfg.parent}
    answer = lookout(*(argument.format(**places) for argument in arguments))
    assert answer.exit_code == status, answer.stderr
    assert words in answer.stderr
    assert len(answer.stderr.strip().splitlines()) <= 4  # click adds its usage lines
    assert answer.stdout == ""
