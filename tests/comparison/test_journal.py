"""What is kept of a run: found again, whole or torn, and refused where it doesn't fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookout.comparison.journal import Identity, Journal, Known
from lookout.comparison.samples import Sample
from lookout.core.detections import Box, Detection
from lookout.errors import (
    BusyError,
    ImageError,
    ImageGoneError,
    ImageMemoryError,
    LookoutError,
    OutputError,
    ResultLostError,
    ResultTimeoutError,
    UsageError,
)
from lookout.executions.protocol import Answer, Earlier

SETTINGS = {"execution": "remote", "bucket": "b", "shrink": False}
DOG = Detection("dög", 0.123456, Box(1.5, 2.25, 3, 4))
ANSWER = Answer((DOG, DOG), 4.123456789, 9.5, {"inference": 4.123456789}, 2.5, "request-1", 3)


def image(folder: Path, name: str = "a.jpg") -> tuple[Path, Identity]:
    path = folder / name
    path.write_bytes(b"image")
    identity = Identity.of(path)
    assert identity
    return path, identity


def answered(path: Path) -> Sample:
    return Sample("remote", str(path), 7.5, ANSWER)


def opened(folder: Path, **changes: object) -> closing[Journal]:
    return closing(Journal(folder / "new" / "journal", {**SETTINGS, **changes}))


def test_what_a_run_came_to_is_known_to_the_next(tmp_path: Path):
    (done, one), (torn, two), (busy, three), (begun, four), (never, five) = (
        image(tmp_path, f"{number}.jpg") for number in range(5)
    )
    with opened(tmp_path) as journal:
        journal.note_place(one, "images/1")
        journal.note_outcome(one, answered(done), "images/1")
        journal.note_outcome(two, Sample.failed("remote", str(torn), 1, ImageError("torn")), "images/2")
        journal.note_outcome(three, Sample.failed("remote", str(busy), 1, BusyError("busy")), "images/3")
        journal.note_place(four, "images/4")
        assert journal.known(one, done) == Known()  # of this run it keeps nothing in memory
    with opened(tmp_path) as journal:
        assert journal.known(one, done) == Known(sample=answered(done))
        failed = journal.known(two, torn).sample
        assert (failed.error, failed.error_kind, failed.answer) == ("torn", "ImageError", None)
        assert journal.known(three, busy) == Known(earlier=Earlier("images/3"))
        assert journal.known(four, begun) == Known(earlier=Earlier("images/4"))
        assert journal.known(five, never) == Known()


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (BusyError("busy"), False),
        (ResultTimeoutError("still running"), False),
        (ResultLostError("given up"), True),
        (ImageGoneError("deleted"), True),
        (ImageMemoryError("too large for this function"), True),
    ],
)
def test_what_got_lost_where_it_was_uploaded_is_told_from_what_may_still_come(
    tmp_path: Path, error: LookoutError, lost: bool
):
    path, identity = image(tmp_path)
    with opened(tmp_path) as journal:
        journal.note_outcome(identity, Sample.failed("remote", str(path), 1, error), "images/1")
    with opened(tmp_path) as journal:
        assert journal.known(identity, path) == Known(earlier=Earlier("images/1", lost))


def test_of_several_lines_the_last_holds(tmp_path: Path):
    path, identity = image(tmp_path)
    for place in ("first", "second"):
        with opened(tmp_path) as journal:
            journal.note_place(identity, place)
    with opened(tmp_path) as journal:
        assert journal.known(identity, path).earlier == Earlier("second")
        journal.note_outcome(identity, answered(path))
    with opened(tmp_path) as journal:
        assert journal.known(identity, path).sample == answered(path)


def test_a_file_that_was_changed_is_another(tmp_path: Path):
    path, identity = image(tmp_path)
    with opened(tmp_path) as journal:
        journal.note_outcome(identity, answered(path))
    os.utime(path, ns=(1, identity.mtime_ns + 1))
    with opened(tmp_path) as journal:
        assert journal.known(Identity.of(path), path) == Known()
        path.write_bytes(b"another")
        os.utime(path, ns=(1, identity.mtime_ns))
        assert journal.known(Identity.of(path), path) == Known()


def test_what_is_no_file_has_no_identity(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    assert Identity.of(tmp_path / "pipe") is None
    assert Identity.of(tmp_path / "nothing") is None
    assert Identity.of(tmp_path) is None


def test_a_name_that_is_no_text_is_kept(tmp_path: Path):
    path, identity = image(tmp_path, "\udcff\n.jpg")
    with opened(tmp_path) as journal:
        journal.note_outcome(identity, answered(path))
    with opened(tmp_path) as journal:
        assert journal.known(identity, path).sample.image == str(path)


@given(part=st.floats(0, 1))
def test_a_torn_line_costs_that_line_alone(tmp_path_factory: pytest.TempPathFactory, part: float):
    folder = tmp_path_factory.mktemp("torn")
    places = [image(folder, f"{number}.jpg") for number in range(3)]
    with opened(folder) as journal:
        for path, identity in places:
            journal.note_outcome(identity, answered(path))
    file = folder / "new" / "journal"
    whole = file.read_bytes()
    cut = round(part * len(whole))
    file.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n") - 1
    with opened(folder) as journal:
        known = [journal.known(identity, path).sample is not None for path, identity in places]
        assert known == [number < kept for number in range(3)]
        journal.note_outcome(places[2][1], answered(places[2][0]))
    with opened(folder) as journal:
        assert journal.known(places[2][1], places[2][0]).sample == answered(places[2][0])
    assert all(json.loads(line) for line in file.read_bytes().splitlines())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xd8\xff\xe0 a picture\n and more", "is no journal of lookout send"),
        (b"a text without an end", "is no journal of lookout send"),
        (b"[]\n", "is no journal of lookout send"),
        (b'{"kind":"journal","version":2}\n', "another version of Lookout"),
        (b'{"kind":"journal","version":1,"settings":{"execution":"local"}}\n', "was begun with bucket None"),
    ],
)
def test_what_is_no_journal_of_this_run_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes, words: str):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "journal").write_bytes(content)
    with pytest.raises(UsageError, match=words):
        opened(tmp_path)
    assert (tmp_path / "new" / "journal").read_bytes() == content


@pytest.mark.parametrize(
    ("name", "value"), [("execution", "direct"), ("bucket", "c"), ("shrink", True), ("confidence", 0.5)]
)
def test_other_settings_are_refused_by_name(tmp_path: Path, name: str, value: object):
    with opened(tmp_path):
        pass
    words = f"was begun with {name} {SETTINGS.get(name)}, and this run has {value}: give it the same"
    with pytest.raises(UsageError, match=words):
        opened(tmp_path, **{name: value})


def test_a_line_that_can_not_be_read_is_said_by_its_number(tmp_path: Path):
    _, identity = image(tmp_path)
    with opened(tmp_path) as journal:
        journal.note_place(identity, "a")
    with (tmp_path / "new" / "journal").open("ab") as file:
        file.write(b"{damage\n")
    with pytest.raises(UsageError, match="damaged in line 3"):
        opened(tmp_path)


def test_two_runs_do_not_share_a_journal(tmp_path: Path):
    with opened(tmp_path), pytest.raises(UsageError, match="in use by another run"):
        opened(tmp_path)
    with opened(tmp_path):
        pass


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path):
    (tmp_path / "new").write_text("a file")
    with pytest.raises(UsageError, match="name another file with --resume"):
        opened(tmp_path)


def test_after_a_write_that_failed_nothing_more_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _, identity = image(tmp_path)
    write = os.write
    with opened(tmp_path) as journal:
        monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:20]))
        with pytest.raises(OutputError, match="the disk is full"):
            journal.note_place(identity, "a")
        monkeypatch.undo()
        with pytest.raises(OutputError, match="the disk is full"):
            journal.note_place(identity, "b")
    with opened(tmp_path) as journal:
        assert journal.known(identity, tmp_path) == Known()


def test_the_disk_is_told_to_keep_it_once_a_second_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _, identity = image(tmp_path)
    kept, now = [], [0.0]
    monkeypatch.setattr(os, "fsync", lambda file: kept.append(os.fstat(file).st_size))
    journal = Journal(tmp_path / "journal", SETTINGS, clock=lambda: now[0])
    sizes = []
    for _ in range(25):
        journal.note_place(identity, "a")
        sizes.append((tmp_path / "journal").stat().st_size)
        now[0] += 0.1
    journal.close()
    assert len(kept) == 1 + 2 + 1  # its head, then at 1.0 s and at 2.0 s, and the end
    assert kept[-1] == sizes[-1]


MEMORY = """
import sys
from pathlib import Path
from lookout.comparison.journal import Identity, Journal

count = int(sys.argv[2])
journal = Journal(Path(sys.argv[1]), {})
if count < 0:
    for number in range(-count):
        journal.note_place(Identity(f"/photos/{number:09d}.jpg", number, number), f"images/{number}/" + "x" * 200)
else:
    known = [journal.known(Identity(f"/photos/{n:09d}.jpg", n, n), Path("a")) for n in range(0, count, 997)]
    found = [one.earlier.place for one in known]
    assert found == [f"images/{n}/" + "x" * 200 for n in range(0, count, 997)]
journal.close()
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process's peak memory")
def test_a_hundred_thousand_lines_cost_a_few_bytes_each(tmp_path: Path):
    def run(count: int) -> int:
        command = [sys.executable, "-c", MEMORY, str(tmp_path / f"of {abs(count)}"), str(count)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=600, check=True)
        return int(done.stdout)

    written_kb = [run(-100), run(-100_000)]
    read_kb = [run(100), run(100_000)]
    assert written_kb[1] - written_kb[0] < 2 * 1024, written_kb
    # 32 bytes a line while it is sorted, and numpy's copies: measured 7 MB. The lines themselves are 30.
    assert read_kb[1] - read_kb[0] < 12 * 1024, read_kb
