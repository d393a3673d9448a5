"""A smoke run of each benchmark: it still runs, whatever the figures."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.shared import shared
from helpers.tiny import CFG, make_model, make_pictures
from helpers.wheels import with_wheels

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(name: str, *arguments: object) -> list[str]:
    command = [sys.executable, BENCHMARKS / name, *map(str, arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()


def test_stages():
    lines = run("stages.py", "--repeats", 2)
    assert [line.partition(": median ")[0] for line in lines[:2]] == [
        "post-processing, 60 of 10,647 rows over 0.25",
        "post-processing, 1,000 of 10,647 rows over 0.25",
    ]
    assert len(lines) == 10
    assert all(float(line.split()[-2]) > 0 for line in lines)


def test_initialisation(tmp_path: Path):
    pytest.importorskip("onnxruntime", reason="the extra onnxruntime is not installed")
    model = make_model(tmp_path)
    head, line, *rows = run("initialisation.py", "--model", model, "--starts", 1)
    assert (head, line) == ("| part | ms | the reference's, too |", "|---|---:|---|")
    figures = {row.split("|")[1].strip(): int(row.split("|")[2]) for row in rows[:-1]}
    assert len(figures) == 9
    assert all(ms >= 0 for ms in figures.values())
    assert abs(int(rows[-1].split("|")[2]) - sum(figures.values())) <= len(figures)


def test_servers(tmp_path: Path):
    pytest.importorskip("gunicorn", reason="the extra server is not installed")
    picture = next(make_pictures(tmp_path / "pictures", 1).iterdir())
    options = ["--count", 5, "--connections", 4, "--servers", "lookout"]
    head, line, row = run("servers.py", "--model", make_model(tmp_path), "--picture", picture, *options)
    assert head.startswith("| server | alone (ms) | 8 clients (/s) |")
    assert line.startswith("|---|---:|")
    name, *figures = row.strip("| ").split(" | ")
    assert name == "lookout"
    assert len(figures) == 4
    assert all(float(figure) > 0 for figure in figures)


def test_offloaded_bytes(tmp_path: Path):
    pytest.importorskip("ministack", reason="the extra emulator is not installed")
    make_pictures(tmp_path / "coco" / "images", 2)
    head, remote, direct, items, *simulated = run(
        "offloaded_bytes.py", "--shared", tmp_path, "--model", make_model(tmp_path)
    )
    assert "2 photographs, 512 MB" in head
    # START, two lines of ours, END and REPORT; an invoked function tells of an image once.
    assert re.match(r"remote  log +\d{3,} bytes in 5.0 events  looks +[1-9]", remote)
    assert re.match(r"direct  log +\d{3,} bytes in 4.0 events  looks  0.00  received +\d{3,} bytes", direct)
    assert re.match(r"items   \d{3,} bytes", items)
    # As often as a workload is taken to be looked for.
    assert all(7 <= float(line.split()[3]) <= 8 for line in simulated)


def test_cpu_share(tmp_path: Path):
    pytest.importorskip("ministack", reason="the extra emulator is not installed")
    cfg = tmp_path / "tiny.cfg"
    cfg.write_text(CFG.replace("classes=3", "classes=80").replace("filters=24", "filters=255"))
    pictures = make_pictures(tmp_path / "pictures", 3)
    first, second, ratio = run("cpu_share.py", "--cfg", cfg, "--images", pictures, "--engine", "opencv")
    assert first.startswith("opencv, 512 MB: duration ")
    assert second.startswith("opencv, 1769 MB: duration ")
    assert ratio.startswith("ratio of the means: ")


def test_shaping():
    head, line, last = run("shaping.py", "--rtt", 5, "--mbit", 10, "--seconds", 0.05)
    assert "round trip" in head
    assert float(line.split()[4]) >= 5  # busy or not: never faster than what was asked for
    assert last.startswith("within bounds: ")


def test_overhead():
    pytest.importorskip("ministack", reason="the extra emulator is not installed")
    lines = run("overhead.py", "--images", 3)
    assert [line.partition(":")[0] for line in lines] == [
        "ready",
        "import of ministack",
        "offloading, warm",
        "host and runtime client",
    ]


def test_reduced_decoding():
    pytest.importorskip("faster_coco_eval", reason="faster-coco-eval is not installed")
    command = [sys.executable, BENCHMARKS / "reduced_decoding.py", "--shared", shared("coco").parent]
    options = ["--images", "2", "--models", "yolo-fastest-1.1-xl.cfg", "--margins", "2"]
    answer = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    title, full, reduced = answer.stdout.splitlines()
    assert title == "yolo-fastest-1.1-xl.cfg, 2 photographs enlarged 3 times"
    assert full.startswith("  margin 2     by 2     full     AP 0.")
    assert reduced.startswith("  margin 2     by 2     reduced  AP 0.")


def test_reference(tmp_path: Path):
    pytest.importorskip("ministack", reason="the extra emulator is not installed")
    cfg = tmp_path / "tiny.cfg"
    cfg.write_text(CFG.replace("classes=3", "classes=80").replace("filters=24", "filters=255"))
    pictures = make_pictures(tmp_path / "pictures", 2)
    # SIZE is the reference's own, and so is the network's input here.
    cfg.write_text(cfg.read_text().replace("width=64", "width=416").replace("height=64", "height=416"))
    options = ["--onnx", "--memory", 512, 1769]
    lines = run("reference.py", "--cfg", cfg, "--images", pictures, *options)
    starts = ["published, 512 MB", "reference, 512 MB", "lookout, 512 MB", "reference, 1769 MB", "lookout, 1769 MB"]
    assert [line[:24].strip() for line in lines[2:7]] == starts
    assert all(line.split()[-1] == "2" for line in lines[3:7])
    assert lines[7].startswith("reference: duration x memory, of that at 512 MB: 512 MB 1.00, 1769 MB ")
    assert "against the published mean" in lines[9]


def test_shrinking():
    pytest.importorskip("faster_coco_eval", reason="faster-coco-eval is not installed")
    pytest.importorskip("ministack", reason="the extra emulator is not installed")
    options = ["--images", 2, "--models", "yolo-fastest-1.1-xl.cfg", "--qualities", 90, "--margins", 1, "--enlarge", 3]
    _, title, asis, shrunk = run("shrinking.py", "--shared", shared("coco").parent, *options)
    assert title == "yolo-fastest-1.1-xl.cfg, 2 photographs enlarged 3 times"
    assert asis.startswith("  as it is")
    assert shrunk.startswith("  quality 90, margin 1")
    kilobytes = [float(line.partition(" kB")[0].split()[-1]) for line in (asis, shrunk)]
    assert kilobytes[1] < kilobytes[0] / 4


@pytest.mark.skipif(platform.machine() != "x86_64", reason="runs a zip of this machine's")
def test_packages(kept_wheels: Path):
    pytest.importorskip("awslambdaric", reason="the extra emulator is not installed")
    from lookout.cloud.packages.recipe import deployable_python, running_python
    from lookout.cloud.packages.wheels import obtain, wanted

    options = ["--engines", "opencv", "--architectures", "x86_64", "--starts", 1]
    for python in {deployable_python(), running_python()}:
        with_wheels(lambda python=python: obtain(wanted("opencv", python, "x86_64"), python, "x86_64", print))
    lines = run("packages.py", *options)
    assert lines[0].startswith("| engine | architecture | zip (MB) |")
    assert re.match(r"\| opencv \| x86_64 \| \d+ \| \d+ \| \d+\.\d \| [0-9a-f]{12} \.\.\. \|$", lines[2])
    assert lines[4] == "| engine | init with bytecode (ms) | without (ms) |"
    assert re.match(r"\| opencv \| [1-9]\d* \| [1-9]\d* \|$", lines[6])
