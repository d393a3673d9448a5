from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from lookout.cloud.reports import Invocation, Work
from lookout.comparison.conditions import Condition
from lookout.comparison.load import Load
from lookout.comparison.network import Network
from lookout.comparison.results import AveragePrecision, Picture, Point, ResultsLog, Run, check_folder, read_runs
from lookout.comparison.samples import Sample
from lookout.core.detections import Box, Detection
from lookout.errors import ImageError, UsageError
from lookout.executions.protocol import Answer

DOG = (Detection("dog", 0.9, Box(0, 0, 1, 1)),)
WORK = Work(100.01, 100.09, {"fetch": 5.0, "decode": 20.0, "inference": 50.0, "store": 5.0})
INVOCATION = Invocation("7f", 81.5, 482, 512, 150, 400.0, work=WORK)
REMOTE = Sample(
    "remote",
    "ä.jpg",
    100.0,
    Answer(DOG, 50.0, 98.0, {"decode": 20.0}, upload_ms=6.0, request_id="7f"),
    invocation=INVOCATION,
    ended=100.1,
    size_bytes=1234,
    warm_up=True,
)
LOCAL = Sample("local", "b.jpg", 101.0, Answer(DOG, 3.0, 9.0, {"queue": 1.0, "decode": 4.0}, retries=2), ended=101.5)
FAILED = dataclasses.replace(Sample.failed("local", "c.jpg", 102.0, ImageError("no image")), ended=102.1)
CONDITION = Condition("open-loop", ("local", "remote"), Load(rate_per_s=2.5, warm_up=1), Network("x", 40, 10, 50), 512)
ABOUT = {"emulated": True, "machine": {"cpu": "test"}, "cloud": {"memory_mb": 512}, "model": "tiny"}


def write(path: Path, *, end: bool = True) -> Run:
    """A run with a point; what should be read of it."""
    with ResultsLog(path, ABOUT, 99.0) as log:
        point = log.begin(CONDITION)
        for sample in (dataclasses.replace(REMOTE, invocation=None), LOCAL, FAILED):
            log.add_sample(point, sample)
        log.add_invocation(point, REMOTE)
        log.add_invocation(point, LOCAL)  # of which there is nothing to tell
        log.add_peak(point, "local", 190.14)
        log.add_picture(Picture("b.jpg", "pictures/1.jpg", (640, 480)))
        log.add_precision(AveragePrecision("local", 0.29, 0.55, 64))
        log.warn("mind the gap")
        if end:
            log.end()
    return Run(
        id=log.run,
        started=99.0,
        description={"model": "tiny"},
        machine={"cpu": "test"},
        cloud={"memory_mb": 512},
        emulated=True,
        points=(Point(point, CONDITION, (REMOTE, LOCAL, FAILED), {"local": 190.1}),),
        pictures=(Picture("b.jpg", "pictures/1.jpg", (640, 480)),),
        precisions=(AveragePrecision("local", 0.29, 0.55, 64),),
        warnings=("mind the gap",),
        is_complete=end,
    )


def test_what_is_written_is_read_again(tmp_path: Path):
    run = write(tmp_path / "out" / "samples.jsonl")
    assert read_runs([tmp_path / "out"]) == (run,)


def test_runs_are_appended_and_files_may_be_given_twice(tmp_path: Path):
    first, second = write(tmp_path / "samples.jsonl"), write(tmp_path / "samples.jsonl", end=False)
    other = write(tmp_path / "other.jsonl")
    assert read_runs([tmp_path, tmp_path / "other.jsonl", tmp_path / "samples.jsonl"]) == (first, second, other)


def test_a_run_that_was_killed_at_any_byte_leaves_whole_samples(tmp_path: Path):
    """Cut anywhere behind the run's own line, the file is read, with every sample whose line is whole."""
    path = tmp_path / "samples.jsonl"
    write(path)
    data = path.read_bytes()
    for end in range(data.index(b"\n") + 1, len(data), 7):
        path.write_bytes(data[:end])
        (run,) = read_runs([path])
        whole = [json.loads(line) for line in data[:end].split(b"\n")[:-1]]
        expected = sum(line["kind"] == "sample" for line in whole)
        assert sum(len(point.samples) for point in run.points) in (expected, expected + 1)  # without its line's end
        assert not run.is_complete


def test_another_run_may_follow_a_torn_line(tmp_path: Path):
    path = tmp_path / "samples.jsonl"
    write(path)
    path.write_bytes(path.read_bytes()[:-30])
    second = write(path)
    assert [run.is_complete for run in read_runs([path])] == [False, True]
    assert read_runs([path])[1] == second


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{torn", "is damaged in line 2"),
        ("[]", "is damaged in line 2"),
        ('{"kind": "sample", "point": "x"}', "is damaged in line 2"),
        ('{"kind": "run", "format": 2, "run": "x"}', "another version of Lookout .format 2"),
    ],
)
def test_what_is_no_run_of_ours_is_refused_with_its_line(tmp_path: Path, line: str, message: str):
    path = tmp_path / "samples.jsonl"
    write(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, *lines[1:]]))
    with pytest.raises(UsageError, match=message):
        read_runs([path])


def test_an_empty_file_and_none_at_all_are_told(tmp_path: Path):
    with pytest.raises(UsageError, match="can't be read: No such file"):
        read_runs([tmp_path])
    (tmp_path / "samples.jsonl").touch()
    with pytest.raises(UsageError, match="no run is in what was given"):
        read_runs([tmp_path])


def test_a_file_that_can_not_be_written_is_told(tmp_path: Path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="name another folder with --out"):
        ResultsLog(tmp_path / "out" / "samples.jsonl", {}, 0.0)


@pytest.mark.parametrize("held", ["{torn\n{}\n", '{"kind": "run", "format": 2, "run": "x"}\n'])
def test_what_new_samples_can_not_stand_behind_is_told_before_they_are_taken(tmp_path: Path, held: str):
    (tmp_path / "samples.jsonl").write_text(held)
    with pytest.raises(UsageError, match=r"is damaged in line 1|another version"):
        check_folder(tmp_path)


def test_a_folder_that_can_not_be_made_is_told_before_anything_is_measured(tmp_path: Path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(UsageError, match="name another folder with --out"):
        check_folder(tmp_path / "file" / "out")
    check_folder(tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()


def test_every_sample_is_raw_and_there_before_the_file_is_closed(tmp_path: Path):
    with ResultsLog(tmp_path / "samples.jsonl", ABOUT, 99.0) as log:
        point = log.begin(CONDITION)
        log.add_sample(point, LOCAL)
        log.add_sample(point, FAILED)
        log.add_invocation(point, REMOTE)
        lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text("utf-8").splitlines()]
    run, _, local, failed, invocation = lines
    assert (run["kind"], run["format"], run["model"]) == ("run", 3, "tiny")
    assert local["objects"] == [DOG[0].to_json()]
    assert local["stages_ms"]["decode"] == 4.0
    assert (failed["error"], failed["error_kind"], failed["stages_ms"]) == ("no image", "ImageError", None)
    assert "objects" not in failed
    assert (invocation["cold"], invocation["init_ms"]) == (True, 400.0)
    assert invocation["stages_ms"]["inference"] == 50.0
