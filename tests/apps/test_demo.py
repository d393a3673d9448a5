"""``lookout demo``: everything that comes with the package, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.program import run
from helpers.tiny import make_model, make_pictures
from lookout.models import bundled

for module in ("flask", "gunicorn", "ministack", "awslambdaric"):
    pytest.importorskip(module, reason="the extras server and emulator are not installed")


def test_the_demo_compares_both_executions_without_network_or_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    answer = run("demo", "--json", LOOKOUT_OFFLINE="1", HTTPS_PROXY="http://127.0.0.1:1")
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    pictures = len(list(bundled.PICTURES.glob("*.jpg")))
    assert report["agreement"] == {"images": pictures, "identical": pictures}
    samples = [json.loads(line) for line in Path(report["samples"]).read_text().splitlines()]
    found = {obj["label"] for sample in samples for obj in (sample.get("answer") or sample).get("objects", [])}
    assert {"stop sign", "clock", "sports ball"} <= found


def test_the_demo_takes_pictures_and_a_model_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    pictures, model = make_pictures(tmp_path / "pictures", 2), make_model(tmp_path / "model")
    answer = run("demo", str(pictures), "--model", str(model), "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["agreement"]["images"] == 2
    assert "lookout-tiny" not in answer.stderr


def test_photographs_without_a_model_are_told_what_lookout_tiny_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    answer = run("demo", str(make_pictures(tmp_path / "pictures", 1)), "--json")
    assert answer.returncode == 0, answer.stderr
    assert "for these, name a model, such as --model yolov3-tiny" in answer.stderr
