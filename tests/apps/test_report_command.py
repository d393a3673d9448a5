from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from helpers.program import run
from helpers.runs import full_run, write_run
from lookout.comparison.analysis import Settings
from lookout.comparison.prices import PRICES
from lookout.comparison.service_latencies import NOTHING
from lookout.models.bundled import PICTURES

pytest.importorskip("matplotlib", reason="the extra report is not installed")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    write_run(full_run(), folder / "samples.jsonl")
    return folder


def test_a_report_is_made_from_samples_alone(results: Path, tmp_path: Path):
    """That it is the same each time, test_offloading.py and rendering/test_page.py show."""
    answer = run("report", str(results), "--out", str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    for file in ("report.html", "report.md"):
        text = (tmp_path / file).read_text("utf-8")
        for words in ("is fastest: ", "Predicted", "Published", "emulated"):
            assert words in text
    assert "In-process is fastest" in answer.stdout


def test_other_assumptions_make_another_report(results: Path, tmp_path: Path):
    (tmp_path / "prices.json").write_text('{"region": "mars-1", "as_of": "2027-01", "million_invocations": 900}')
    more = ("--machine-cost", "7", "--prices", str(tmp_path / "prices.json"), "--latencies", "none", "--deadline", "55")
    answer = run("report", str(results), "--out", str(tmp_path), *more, "--json")
    assert answer.returncode == 0, answer.stderr
    (told,) = json.loads(answer.stdout)["runs"]
    assert any("a machine of $7.00 an hour" in sentence for sentence in told["answer"])
    assert "deadline 55 ms" in told["recommended_memory_mb"]
    assert "1345" not in (tmp_path / "report.md").read_text()
    assert "mars-1" in (tmp_path / "report.html").read_text()


def test_what_a_run_was_made_with_holds_for_all_that_is_not_named(tmp_path: Path):
    asked = Settings(dataclasses.replace(PRICES, region="mars-1"), NOTHING, deadline_ms=55.0).to_json()
    made = dataclasses.replace(full_run(), description={**full_run().description, "asked": asked})
    write_run(made, tmp_path / "samples.jsonl")
    answer = run("report", str(tmp_path), "--machine-cost", "7", "--json")
    assert answer.returncode == 0, answer.stderr
    (told,) = json.loads(answer.stdout)["runs"]
    assert any("a machine of $7.00 an hour" in sentence for sentence in told["answer"])
    assert "deadline 55 ms" in told["recommended_memory_mb"]
    assert (told["emulated"], told["complete"]) == (True, True)
    text = (tmp_path / "report.md").read_text()
    assert "mars-1" in text
    assert "1345" not in text


@pytest.mark.parametrize("option", ["--machine-cost", "--deadline"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_no_number_is_refused(results: Path, option: str, value: str):
    answer = run("report", str(results), option, value)
    assert (answer.returncode, "is not in the range" in answer.stderr) == (2, True), answer.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rate", "nan"), "is not in the range"),
        (("--idle", "3"), "give --burst N too"),
        (("--executions", "in-process", "--network", "4g"), "in-process needs no network"),
    ],
)
def test_what_makes_no_sense_together_is_told_before_anything_is_started(options: tuple[str, ...], words: str):
    answer = run("compare", str(PICTURES), "--model", "lookout-tiny", *options)
    assert (answer.returncode, words in answer.stderr) == (2, True), answer.stderr


def test_runs_of_two_machines_stand_apart(results: Path, tmp_path: Path):
    other = dataclasses.replace(full_run(), machine={**full_run().machine, "cpu": "another"})
    write_run(other, tmp_path / "other.jsonl")
    answer = run("report", str(results), str(tmp_path / "other.jsonl"), "--out", str(tmp_path), "--json")
    assert answer.returncode == 0, answer.stderr
    assert len(json.loads(answer.stdout)["runs"]) == 2
    assert "not pooled" in (tmp_path / "report.html").read_text()


def test_what_is_no_run_is_told(tmp_path: Path):
    (tmp_path / "samples.jsonl").write_text("{}\nnonsense\n{}\n")
    answer = run("report", str(tmp_path))
    assert answer.returncode == 2
    assert "is damaged in line 1" in answer.stderr
    (tmp_path / "samples.jsonl").write_text("")
    answer = run("report", str(tmp_path))
    assert (answer.returncode, "no run is in" in answer.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--memories", "512"), "two or more numbers of MB"),
        (("--memories", "512,lots"), "two or more numbers of MB"),
        (("--memories", "64,512"), "two or more numbers of MB"),
    ],
)
def test_what_is_no_memory_is_told(options: tuple[str, ...], words: str, tmp_path: Path):
    answer = run("tune", str(tmp_path), "--model", "x.cfg", *options)
    assert (answer.returncode, words in answer.stderr) == (2, True), answer.stderr
