"""The commands as a person runs them: output, exit status, and one clear sentence for what is wrong."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from helpers.program import Program, run, run_into, run_without_reader
from helpers.tiny import CONFIDENCE, make_model, make_picture, make_pictures
from lookout.comparison.results import read_runs
from lookout.comparison.samples import Sample

THRESHOLD = ("--confidence", str(CONFIDENCE))


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"), 3)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A good picture, a truncated one, and a text that calls itself a picture."""
    folder = make_pictures(tmp_path / "mixed", 1)
    (folder / "broken.jpg").write_bytes(make_picture(2)[:-200])
    (folder / "text.jpg").write_text("hello")
    (folder / "notes.txt").write_text("not looked at")
    return folder


@pytest.mark.parametrize(
    "command", [(), ("detect",), ("evaluate",), ("serve",), ("send",), ("compare",), ("emulator",), ("stack",)]
)
def test_every_command_has_help(command: tuple[str, ...]):
    answer = run(*command, "--help")
    assert answer.returncode == 0
    assert "Usage:" in answer.stdout
    assert command in ((), ("stack",)) or "Example:" in answer.stdout


def test_no_short_help_is_cut():
    for command in ((), ("models",), ("stack",)):
        assert "..." not in run(*command, "--help", COLUMNS="80").stdout.partition("Commands:")[2]


def test_detect_prints_a_line_an_image(cfg: Path, pictures: Path):
    answer = run("detect", str(pictures), "--model", str(cfg), *THRESHOLD)
    assert answer.returncode == 0
    lines = answer.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [str(pictures / f"{n}.jpg") for n in range(3)]
    assert all("line" in line or "circle" in line or "square" in line for line in lines)


def test_detect_gives_programs_the_servers_objects(cfg: Path, pictures: Path, served: str):
    here = run("detect", str(pictures), "--model", str(cfg), "--json", *THRESHOLD)
    there = run("send", str(pictures), "--to", served, "--json")
    detected = [json.loads(line) for line in here.stdout.splitlines()]
    sent = [json.loads(line) for line in there.stdout.splitlines()]
    assert [d["objects"] for d in detected] == [s["objects"] for s in sent[:-1]]
    assert all(len(d["objects"]) > 3 for d in detected)
    assert {"image", "objects", "inference_time", "timings"} <= set(detected[0])
    assert sent[-1]["summary"]["images"] == 3


def test_detecting_writes_nothing_into_the_cache_but_the_model(
    cfg: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    assert run("detect", str(pictures), "--model", str(cfg), XDG_CACHE_HOME=str(tmp_path)).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"lookout"}


def test_detect_saves_pictures_with_boxes(cfg: Path, pictures: Path, tmp_path: Path):
    run("detect", str(pictures / "0.jpg"), "--model", str(cfg), "--save", str(tmp_path / "out"), *THRESHOLD)
    drawn, original = cv2.imread(str(tmp_path / "out" / "0.jpg")), cv2.imread(str(pictures / "0.jpg"))
    assert drawn.shape == original.shape
    assert abs(drawn.astype(int) - original).max() > 100


def measured(folder: Path) -> list[Sample]:
    """What a comparison measured that left its samples in a folder, without warm-ups."""
    (run,) = read_runs([folder])
    return [sample for sample in run.points[0].samples if not sample.warm_up]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such name")
def test_any_file_name_will_do(cfg: Path, tmp_path: Path, served: str):
    folder = tmp_path / "names"
    folder.mkdir()
    for name in (b"[b]x.jpg", b"\xff\xfe.jpg", b"a\nb.jpg", "\u00e4 \u00f6.jpg".encode()):
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(make_picture(1))
    for command in (("detect", str(folder), "--model", str(cfg)), ("send", str(folder), "--to", served)):
        for flags in ((), ("--json",)):
            answer = run(*command, *flags)
            assert answer.returncode == 0, answer.stderr
    out = ("--executions", "in-process", "--out", str(tmp_path / "out"))
    answer = run("compare", str(folder), "--model", str(cfg), *out)
    assert answer.returncode == 0, answer.stderr
    assert len(measured(tmp_path / "out")) == 4


def test_an_image_is_one_whatever_its_suffix(cfg: Path, tmp_path: Path, served: str):
    for name in ("a.txt", "a.json", "a"):
        (tmp_path / name).write_bytes(make_picture(1))
        answer = run("send", str(tmp_path / name), "--to", served)
        assert answer.returncode == 0, answer.stderr


def test_files_in_the_working_folder_are_not_taken_for_pythons_own(cfg: Path, pictures: Path, tmp_path: Path):
    (tmp_path / "queue.py").write_text("raise RuntimeError('not mine')")
    arguments = ("compare", str(pictures), "--model", str(cfg), "--executions", "local", "--json")
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "lookout", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_an_execution_alone_agrees_with_nobody(cfg: Path, pictures: Path, tmp_path: Path):
    arguments = ("--executions", "in-process", "--out", str(tmp_path))
    answer = run("compare", str(pictures), str(pictures), "--model", str(cfg), *arguments)
    assert answer.returncode == 0, answer.stderr
    assert "Identical" not in answer.stdout
    assert len(measured(tmp_path)) == 3


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_number_of_the_table_is_cut(columns: int, capsys: pytest.CaptureFixture[str]):
    from rich.console import Console

    from lookout.apps.tables import _print_table
    from lookout.comparison.report import Row
    from lookout.comparison.statistics import summarise

    row = Row("Remote image upload", "Init duration", "ms", summarise([12345.678, 99999.123]))
    _print_table(Console(width=columns, force_terminal=True), [row])
    shown = capsys.readouterr().out
    assert all(number in shown for number in ("56172.40", "95616.45"))
    assert ("12345.68" in shown) == (columns == 120)


def test_pictures_of_one_name_are_all_saved(cfg: Path, tmp_path: Path):
    for folder in ("a", "b"):
        make_pictures(tmp_path / folder, 1)
    run("detect", str(tmp_path / "a"), str(tmp_path / "b"), "--model", str(cfg), "--save", str(tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"0.jpg", "0-2.jpg"}


def test_one_bad_image_does_not_stop_the_others(cfg: Path, mixed: Path):
    answer = run("detect", str(mixed), "--model", str(cfg), "--json", *THRESHOLD)
    assert answer.returncode == 1
    lines = {Path(line["image"]).name: line for line in map(json.loads, answer.stdout.splitlines())}
    assert set(lines) == {"0.jpg", "broken.jpg", "text.jpg"}
    assert lines["0.jpg"]["objects"]
    assert "truncated" in lines["broken.jpg"]["error"]
    assert "objects" not in lines["broken.jpg"]


def test_send_prints_results_and_averages(pictures: Path, served: str):
    answer = run("send", str(pictures), "--to", served)
    assert answer.returncode == 0
    assert "3 images answered, 0 failed, 0 retries" in answer.stdout
    assert "Average inference time:" in answer.stdout
    assert "Round trip" in answer.stdout
    assert "p99" in answer.stdout
    assert "transfer" not in answer.stdout.lower()


def test_send_lists_what_failed(mixed: Path, served: str):
    answer = run("send", str(mixed), "--to", served)
    assert answer.returncode == 1
    assert "1 images answered, 2 failed" in answer.stdout
    assert "text.jpg: failed: not an image" in answer.stderr


def test_compare_without_a_cloud(cfg: Path, pictures: Path, tmp_path: Path):
    answer = run(
        "compare", str(pictures), "--model", str(cfg), "--executions", "in-process,local", "--json",
        "--out", str(tmp_path / "out"), *THRESHOLD,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert [(row["task"], row["n"]) for row in report["rows"]] == [("In-process execution", 3), ("Local execution", 3)]
    assert report["agreement"] == {"images": 3, "identical": 3}
    assert (report["emulated"], report["warnings"]) == (False, [])
    assert len(measured(tmp_path / "out")) == 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_when_it_is_told_to(cfg: Path, number: int):
    with Program("serve", "--model", str(cfg), "--port", "0", "--json") as program:
        url = program.ready()["url"]
        assert program.stop(number) == 0
    assert "no server answers" in run("send", str(cfg), "--to", url).stderr


def test_the_server_ends_when_its_parent_does(cfg: Path):
    with Program("serve", "--model", str(cfg), "--port", "0", "--json", "--stop-on-eof") as program:
        program.ready()
        program.process.stdin.close()
        assert program.process.wait(60) == 0


def test_a_port_in_use_is_said(cfg: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = run("serve", "--model", str(cfg), "--port", str(taken.getsockname()[1]))
    assert answer.returncode == 1
    assert "--port" in answer.stderr
    assert "Traceback" not in answer.stderr


OUTPUTS = [
    ("--help",),
    ("--version",),
    ("detect", "--help"),
    ("models", "list"),
    ("models", "list", "--json"),
    ("models", "info", "yolov3-tiny"),
    ("compare", "{pictures}", "--model", "{cfg}", "--executions", "in-process", "--out", "{out}"),
]


@pytest.mark.skipif(sys.platform != "linux", reason="a device of Linux")
@pytest.mark.parametrize("arguments", OUTPUTS, ids=" ".join)
def test_a_full_disk_is_said(arguments: tuple[str, ...], cfg: Path, pictures: Path, tmp_path: Path):
    with Path("/dev/full").open("wb") as full:
        answer = run_into(full, *(each.format(pictures=pictures, cfg=cfg, out=tmp_path) for each in arguments))
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1] == "Error: standard output can't be written: No space left on device"
    assert "Traceback" not in answer.stderr
    assert "Exception" not in answer.stderr


@pytest.mark.parametrize("arguments", OUTPUTS[:-1], ids=" ".join)
def test_a_reader_who_has_enough_ends_it_quietly(arguments: tuple[str, ...]):
    answer = run_without_reader(*arguments)
    assert (answer.returncode, answer.stderr) == (128 + signal.SIGPIPE, "")


def test_no_standard_output_is_said():
    command = f"exec {shlex.quote(sys.executable)} -m lookout models list >&-"
    answer = subprocess.run(["/bin/sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    assert (answer.returncode, answer.stderr) == (2, "Error: there is no standard output to write to\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("detect", "\x1b[31mred.jpg", "--model", "{cfg}"),
        ("detect", "{pictures}", "--model", "\x1b[31mred"),
        ("models", "pull", "\x1b[31mred"),
        ("models", "info", "\x1b[31mred"),
        ("models", "import", "\x1b[31mred", "{cfg}"),
        ("\x1b[31mred",),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_what_is_said_of_a_name_does_a_terminal_no_harm(arguments: tuple[str, ...], cfg: Path, pictures: Path):
    answer = run(*(each.format(pictures=pictures, cfg=cfg) for each in arguments))
    assert answer.returncode == 2
    assert "x1b[31mred" in answer.stderr
    assert "\x1b" not in answer.stderr


SHORT, LONG = slice(None, -4), slice(None)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("detect", "nowhere", "--model", "{cfg}"), 2, "nowhere does not exist"),
        (("detect", "{empty}", "--model", "{cfg}"), 2, "holds no images"),
        (("detect", "{text}", "--model", "{cfg}"), 1, "not an image"),
        (("detect", "{pictures}", "--model", "yolov99"), 2, "there is no model 'yolov99'"),
        (("detect", "{pictures}", "--model", "{text}"), 2, "is no model"),
        (("detect", "{pictures}", "--model", "{alone}"), 1, "has no weights"),
        (("detect", "{pictures}", "--model", "{short}"), 1, "short.weights"),
        (("detect", "{pictures}", "--model", "{long}"), 1, "long.weights"),
        (("detect", "{pictures}", "--model", "{cfg}", "--labels", "{text}"), 1, "3 classes and 1 labels"),
        (("detect", "{pictures}", "--model", "{cfg}", "--engine", "none"), 2, "'none' is not one of"),
        (("detect", "{pictures}", "--model", "{cfg}", "--confidence", "2"), 2, "--confidence"),
        (("detect", "{pictures}", "--model", "{cfg}", "--confidence", "nan"), 2, "--confidence"),
        (("detect", "{pictures}", "--model", "{cfg}", "--iou", "nan"), 2, "--iou"),
        (("detect", "{pictures}", "--model", "{cfg}", "--save", "{pictures}"), 2, "name another folder"),
        (("detect", "x" * 300, "--model", "{cfg}"), 2, "can't be looked at"),
        (("detect", "{pictures}", "--model", "x" * 300), 2, "can't be looked at"),
        (("detect", "{pictures}"), 2, "--model"),
        (("compare", "nowhere", "--model", "{cfg}"), 2, "nowhere does not exist"),
        (("compare", "{pictures}", "--model", "{cfg}", "--executions", "here"), 2, "in-process, local, remote"),
        (("detect", "{pictures}", "--model", "{cfg}", "--save", "{text}/out"), 2, "can't be written"),
        (("compare", "{pictures}", "--model", "{cfg}", "--out", "{text}/out"), 2, "can't be written"),
        (("send", "{pictures}", "--to", "localhost:5001"), 2, "no address of a server"),
        (("send", "{pictures}", "--to", "http://127.0.0.1:9"), 1, "start one with lookout serve"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    arguments: tuple[str, ...], status: int, words: str, cfg: Path, pictures: Path, tmp_path: Path
):
    weights = cfg.with_suffix(".weights").read_bytes()
    for name, data in (("short", weights[:-4]), ("long", weights + b"1234")):
        make_model(tmp_path, name).with_suffix(".weights").write_bytes(data)
    make_model(tmp_path, "alone").with_suffix(".weights").unlink()
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").mkdir()
    places = {name: tmp_path / f"{name}.cfg" for name in ("short", "long", "alone")}
    places |= {"cfg": cfg, "pictures": pictures, "text": tmp_path / "text", "empty": tmp_path / "empty"}
    answer = run(*(argument.format(**places) for argument in arguments))
    assert answer.returncode == status, answer.stderr
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) <= 4  # click adds its usage lines


@pytest.mark.parametrize(
    ("missing", "command", "extra"),
    [
        ("flask", ("serve", "--model", "{cfg}"), "server"),
        ("ministack", ("emulator",), "emulator"),
        ("ministack", ("compare", "{pictures}", "--model", "{cfg}"), "emulator"),
        ("boto3", ("stack", "down"), "cloud"),
        (
            "faster_coco_eval",
            ("evaluate", "--images", "{pictures}", "--annotations", "a.json", "--model", "{cfg}"),
            "evaluate",
        ),
        ("boto3", ("send", "{pictures}", "--execution", "remote"), "cloud"),
        ("onnxruntime", ("detect", "{pictures}", "--model", "{cfg}", "--engine", "onnxruntime"), "onnxruntime"),
    ],
)
def test_a_missing_extra_is_named(
    missing: str, command: tuple[str, ...], extra: str, cfg: Path, pictures: Path, tmp_path: Path
):
    # Python runs a sitecustomize found on its path first: here it hides one package.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        f"u.find_spec = lambda name, *a: None if name == {missing!r} else find(name, *a)\n"
    )
    answer = run(*(c.format(cfg=cfg, pictures=pictures) for c in command), PYTHONPATH=f"{tmp_path}:{_source()}")
    assert answer.returncode == 1
    assert f"pip install 'lookout-vision[{extra}]'" in answer.stderr


def _source() -> Path:
    import lookout

    return Path(lookout.__file__).parents[1]
