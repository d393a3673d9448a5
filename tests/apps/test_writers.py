"""The forms of the output, from objects that a test makes: what is in them, and that nothing in a name breaks them."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookout.apps.pictures import Outcome
from lookout.apps.streams import Stream
from lookout.apps.writers import (
    CocoWriter,
    CsvWriter,
    JsonWriter,
    PictureWriter,
    TableWriter,
    TextWriter,
    VideoWriter,
    Writer,
    YoloWriter,
)
from lookout.core.detections import Box, Detection
from lookout.detector import Result
from lookout.errors import OutputError, UsageError

LABELS = ("person", "dog")
TIMINGS = {"decode": 1.0, "preprocess": 1.0, "inference": 5.5, "postprocess": 1.0}
DOG = Detection("dog", 0.9, Box(10, 20, 40, 50))
PERSON = Detection("person", 0.5, Box(0, 0, 200, 100))


def outcome(name: str, *objects: Detection, **more: Any) -> Outcome:
    """Of a picture of 200 x 100 pixels."""
    return Outcome(
        name, Result(objects, dict(TIMINGS), (200, 100), np.zeros((100, 200, 3), np.uint8)), elapsed_ms=8.25, **more
    )


def failed(name: str) -> Outcome:
    return Outcome(name, error="torn")


def frame(number: int, *objects: Detection) -> Outcome:
    return outcome("a.avi", *objects, frame=number, time_s=number / 30, of_video=True)


class Memory(Stream):
    """A stream that is kept here."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def close(self) -> None:
        pass


def written(writer: Writer, *outcomes: Outcome) -> str:
    for each in outcomes:
        writer.write(each)
    writer.close()
    return writer.stream.text  # type: ignore[attr-defined]


def test_text_is_a_line_an_image_and_none_for_a_failure():
    text = written(
        TextWriter(Memory()), outcome("a.jpg", DOG, PERSON), outcome("b.jpg"), failed("c.jpg"), frame(3, DOG)
    )
    assert text.splitlines() == [
        "a.jpg: dog (0.90), person (0.50) in 8.2 ms (inference 5.5)",
        "b.jpg: no objects in 8.2 ms (inference 5.5)",
        "a.avi frame 3 (0.10 s): dog (0.90) in 8.2 ms (inference 5.5)",
    ]


@pytest.mark.parametrize("kind", [TextWriter, lambda stream: TableWriter(stream, ["x"], LABELS)])
def test_a_name_does_a_terminal_no_harm(kind: Any):
    text = written(kind(Memory()), outcome("a\nb\x1b[2J\udcff.jpg", DOG))
    assert "a\\nb\\x1b[2J\\udcff.jpg" in text
    assert text.isprintable() or set(text) - {"\n"} == {c for c in text if c.isprintable()}


def test_the_table_has_a_line_an_object_in_columns():
    names = ["a.jpg", "a-longer-name.jpg"]
    text = written(TableWriter(Memory(), names, LABELS), outcome("a.jpg", DOG, PERSON), outcome(names[1]), failed("c"))
    assert text.splitlines() == [
        "image              label   confidence       x       y   width  height",
        "a.jpg              dog          0.900    10.0    20.0    40.0    50.0",
        "a.jpg              person       0.500     0.0     0.0   200.0   100.0",
        "a-longer-name.jpg  no objects",
    ]


def test_json_lines_tell_failures_from_images_without_objects():
    text = written(JsonWriter(Memory()), outcome("a.jpg", DOG), outcome("b.jpg"), failed("c.jpg"))
    first, second, third = map(json.loads, text.splitlines())
    assert first == {
        "image": "a.jpg",
        "width": 200,
        "height": 100,
        "objects": [DOG.to_json()],
        "inference_time": 5.5,
        "timings": TIMINGS,
        "round_trip": 8.25,
    }
    assert second["objects"] == []
    assert third == {"image": "c.jpg", "error": "torn"}


def test_json_lines_of_a_video_say_which_frame_and_when():
    torn = Outcome("a.avi", error="the video breaks off", of_video=True)
    first, second = map(json.loads, written(JsonWriter(Memory()), frame(3, DOG), torn).splitlines())
    assert (first["video"], first["frame"], first["time"], first["objects"]) == ("a.avi", 3, 0.1, [DOG.to_json()])
    assert second == {"video": "a.avi", "error": "the video breaks off"}


def test_csv_has_a_row_an_object():
    text = written(CsvWriter(Memory()), outcome("a.jpg", DOG, PERSON), outcome("b.jpg"), failed("c.jpg"))
    assert text == (
        "image,label,confidence,x,y,width,height\n"
        "a.jpg,dog,0.9,10,20,40,50\n"
        "a.jpg,person,0.5,0,0,200,100\n"
    )  # fmt: skip


def test_csv_of_a_video_has_frame_and_time():
    text = written(CsvWriter(Memory(), video=True), frame(3, DOG))
    assert text == "video,frame,time,label,confidence,x,y,width,height\na.avi,3,0.1,dog,0.9,10,20,40,50\n"


@given(name=st.text(min_size=1), label=st.text(min_size=1))
def test_csv_keeps_any_name_and_label(name: str, label: str):
    text = written(CsvWriter(Memory()), outcome(name, Detection(label, 0.5, Box(1, 2, 3, 4))))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[1:] == [[name, label, "0.5", "1", "2", "3", "4"]]


def test_a_name_that_is_no_utf8_leaves_as_it_came(tmp_path: Path):
    writer = CsvWriter(Stream(tmp_path / "out.csv"))
    writer.write(outcome(os.fsdecode(b"\xff\xe9.jpg"), DOG))
    writer.close()
    assert (tmp_path / "out.csv").read_bytes().splitlines()[1] == b"\xff\xe9.jpg,dog,0.9,10,20,40,50"


def test_coco_results_are_one_list_with_the_ids_that_were_given():
    writer = CocoWriter(Memory(), {"a.jpg": 9, "b.jpg": 30, "c.jpg": 36}, {"dog": 18})
    text = written(writer, outcome("a.jpg", DOG, PERSON), outcome("b.jpg"), failed("c.jpg"))
    assert json.loads(text) == [{"image_id": 9, "category_id": 18, "bbox": [10, 20, 40, 50], "score": 0.9}]


def test_coco_results_of_nothing_are_an_empty_list():
    assert json.loads(written(CocoWriter(Memory(), {"a.jpg": 1}, {}), outcome("a.jpg"))) == []


def test_coco_results_of_a_video_are_by_frame():
    entries = json.loads(written(CocoWriter(Memory(), {}, {"dog": 18}), frame(0, DOG), frame(5, DOG)))
    assert [entry["image_id"] for entry in entries] == [0, 5]


def test_coco_results_get_their_name_when_they_are_whole(tmp_path: Path):
    path = tmp_path / "new" / "results.json"
    writer = CocoWriter(Stream(path, whole=True), {"a.jpg": 1}, {"dog": 18})
    writer.write(outcome("a.jpg", DOG))
    assert not path.exists()
    writer.close()
    writer.discard()
    assert len(json.loads(path.read_text())) == 1
    assert list(path.parent.iterdir()) == [path]


def test_coco_results_that_were_given_up_leave_the_former_ones(tmp_path: Path):
    path = tmp_path / "results.json"
    path.write_text("former")
    writer = CocoWriter(Stream(path, whole=True), {"a.jpg": 1}, {"dog": 18})
    writer.write(outcome("a.jpg", DOG))
    writer.discard()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("results.json", "former")]


def test_what_a_link_leads_to_is_written_and_not_the_link(tmp_path: Path):
    (tmp_path / "real.json").write_text("former")
    (tmp_path / "link.json").symlink_to("real.json")
    stream = Stream(tmp_path / "link.json", whole=True)
    stream.write("new")
    stream.close()
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"


def test_yolo_files_hold_parts_of_the_image(tmp_path: Path):
    writer = YoloWriter(tmp_path / "out", LABELS)
    for each in (outcome("x/a.jpg", DOG, PERSON), outcome("b.jpg"), failed("c.jpg"), frame(7, DOG)):
        writer.write(each)
    files = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert files == {
        "classes.txt": "person\ndog\n",
        "a.txt": "1 0.150000 0.450000 0.200000 0.500000 0.900000\n0 0.500000 0.500000 1.000000 1.000000 0.500000\n",
        "b.txt": "",
        "a_000007.txt": "1 0.150000 0.450000 0.200000 0.500000 0.900000\n",
    }


def test_an_earlier_runs_yolo_file_is_not_taken_for_that_of_an_image_that_failed(tmp_path: Path):
    YoloWriter(tmp_path, LABELS).write(outcome("c.jpg", DOG))
    YoloWriter(tmp_path, LABELS).write(failed("c.jpg"))
    assert [path.name for path in tmp_path.iterdir()] == ["classes.txt"]


@pytest.mark.parametrize(
    "files",
    [
        {"c.txt": "0 0.5 0.5 1 1 0.9\n"},
        {"c.txt": "", "classes.txt": "cat\n"},
        {"classes.txt": "cat\n"},
        {"c.txt": "0 0.5 0.5 1 1\n", "classes.txt": "person\ndog\n"},
    ],
    ids=["no classes", "other classes", "other classes alone", "what is true"],
)
def test_text_files_that_are_somebody_elses_are_not_written_over(files: dict[str, str], tmp_path: Path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match="name another folder with --out"):
        YoloWriter(tmp_path, LABELS)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_a_link_among_yolo_files_is_somebody_elses(tmp_path: Path):
    (tmp_path / "true.txt").write_text("")
    YoloWriter(tmp_path / "out", LABELS)
    (tmp_path / "out" / "c.txt").symlink_to("../true.txt")
    with pytest.raises(UsageError, match="name another folder with --out"):
        YoloWriter(tmp_path / "out", LABELS)


def test_pictures_of_one_name_are_numbered(tmp_path: Path):
    writer = PictureWriter(tmp_path)
    for each in (outcome("x/a.png", DOG), outcome("y/a.jpg", DOG), failed("b.jpg"), outcome("-", DOG)):
        writer.write(each)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-2.jpg", "a.jpg", "stdin.jpg"]
    assert cv2.imread(str(tmp_path / "a.jpg")).max() > 100, "a box on black"


@pytest.mark.parametrize("place", ["{file}/x.csv", "{folder}"])
def test_a_place_that_cannot_be_written_is_the_users_mistake(tmp_path: Path, place: str):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="--out"):
        Stream(Path(place.format(file=tmp_path / "file", folder=tmp_path)))


def test_a_folder_for_yolo_that_is_a_file_is_the_users_mistake(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="name a folder"):
        YoloWriter(tmp_path / "file", LABELS)


def test_a_full_disk_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    stream = Stream(tmp_path / "out.csv")
    stream.close()
    monkeypatch.setattr(stream, "_file", Full())
    with pytest.raises(OutputError, match=r"out\.csv can't be written: No space left on device"):
        stream.write("x")


def test_a_file_that_takes_a_part_at_a_time_gets_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Slow(io.BytesIO):
        def write(self, data: Any) -> int:
            return super().write(bytes(data[:3]))

    stream, slow = Stream(tmp_path / "out.csv"), Slow()
    stream.close()
    monkeypatch.setattr(stream, "_file", slow)
    stream.write("hello world")
    assert slow.getvalue() == b"hello world"


def test_a_video_that_was_given_up_leaves_no_folder_that_was_made_for_it(tmp_path: Path):
    writer = VideoWriter(tmp_path / "new" / "out" / "a.mp4", 30)
    assert (tmp_path / "new" / "out").is_dir(), "made before any work"
    writer.write(frame(0, DOG))
    writer.discard()
    assert list(tmp_path.iterdir()) == []
    PictureWriter(tmp_path).discard()
    assert tmp_path.is_dir(), "it was there before"


def test_a_name_that_is_a_numbered_one_already_is_passed_over(tmp_path: Path):
    writer = PictureWriter(tmp_path)
    for name in ("x/a-2.jpg", "x/a.jpg", "y/a.jpg", "z/a.jpg"):
        writer.write(outcome(name))
    assert {path.name for path in tmp_path.iterdir()} == {"a-2.jpg", "a.jpg", "a-3.jpg", "a-4.jpg"}
