"""A smoke run of each benchmark: it still runs, whatever the figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.shared import shared
from helpers.tiny import CFG, make_pictures

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_cpu_share(tmp_path: Path):
    pytest.importorskip("ministack", reason="the extra emulator is not installed")
    cfg = tmp_path / "tiny.cfg"
    cfg.write_text(CFG.replace("classes=3", "classes=80").replace("filters=24", "filters=255"))
    pictures = make_pictures(tmp_path / "pictures", 3)
    command = [sys.executable, BENCHMARKS / "cpu_share.py", "--cfg", cfg, "--images", pictures, "--engine", "opencv"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    first, second, ratio = answer.stdout.splitlines()
    assert first.startswith("opencv, 512 MB: duration ")
    assert second.startswith("opencv, 1769 MB: duration ")
    assert ratio.startswith("ratio of the means: ")


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
