"""Videos frame by frame: which frames come, when, and what is said of a video that is none or breaks off."""

from __future__ import annotations

import os
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from helpers.tiny import make_picture
from helpers.video import FPS, SIZE_WH, break_off, make_video, pixels
from lookout import video as video_module
from lookout.errors import OutputError, UsageError, VideoError
from lookout.video import Video, VideoFile


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    return make_video(tmp_path / "ten.avi", 10)


def test_a_video_says_what_it_is(ten: Path):
    with Video(ten) as video:
        assert (video.frames, video.fps, (video.width, video.height)) == (10, FPS, SIZE_WH)


def test_every_frame_comes_with_its_number_and_time(ten: Path):
    with Video(ten) as video:
        frames = list(video.read())
    assert [frame.number for frame in frames] == list(range(10))
    assert [frame.time_s for frame in frames] == pytest.approx([number / FPS for number in range(10)])
    for number, frame in enumerate(frames):
        assert np.abs(frame.image_bgr.astype(int) - pixels(number)).mean() < 8


@pytest.mark.parametrize(("every", "numbers"), [(3, [0, 3, 6, 9]), (4, [0, 4, 8]), (10, [0]), (99, [0])])
def test_each_nth_frame_is_taken(ten: Path, every: int, numbers: list[int]):
    with Video(ten) as video:
        assert [frame.number for frame in video.read(every)] == numbers
        assert video.decoded == 10


def test_frames_that_were_looked_at_are_let_go(ten: Path):
    alive: list[weakref.ref[np.ndarray]] = []
    with Video(ten) as video:
        for frame in video.read():
            alive = [reference for reference in alive if reference() is not None]
            assert len(alive) <= 1
            alive.append(weakref.ref(frame.image_bgr))


@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_a_video_that_breaks_off_says_so_after_its_frames(ten: Path, tmp_path: Path, every: int):
    numbers = []
    with Video(break_off(tmp_path / "half.avi", ten)) as video:
        with pytest.raises(VideoError, match=r"breaks off: \d of 10 frames"):
            numbers.extend(frame.number for frame in video.read(every))
        assert 2 <= video.decoded < 9


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 5000])
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a.avi").write_bytes(content)
    with pytest.raises(VideoError, match=r"a\.avi is no video"):
        Video(tmp_path / "a.avi")


@pytest.mark.parametrize("name", ["nowhere.avi", ".", "rtsp://127.0.0.1/x", "%d.jpg"])
def test_only_a_file_is_a_video(tmp_path: Path, name: str):
    (tmp_path / "1.jpg").write_bytes(make_picture(1))
    with pytest.raises(UsageError, match="name a video file"):
        Video(tmp_path / name)


def test_a_video_of_absurd_size_is_refused(ten: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(video_module, "MAX_PIXELS", 100)
    with pytest.raises(VideoError, match="160 x 120 pixels; at most 100"):
        Video(ten)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such name")
def test_a_name_that_is_no_utf8_can_be_read(ten: Path, tmp_path: Path):
    odd = tmp_path / os.fsdecode(b"\xff.avi")
    ten.rename(odd)
    with Video(odd) as video:
        assert len(list(video.read())) == 10


def test_what_is_written_can_be_read_again(tmp_path: Path):
    pictures = [pixels(number) for number in range(6)]
    file = VideoFile(tmp_path / "new" / "out.mp4", 5)
    for picture in pictures:
        file.write(picture)
    assert not file.path.exists(), "it gets its name when it is whole"
    file.close()
    assert [path.name for path in file.path.parent.iterdir()] == ["out.mp4"]
    with Video(file.path) as video:
        frames = list(video.read())
        assert video.fps == 5
    assert len(frames) == 6
    for picture, frame in zip(pictures, frames, strict=True):
        assert np.abs(frame.image_bgr.astype(int) - picture).mean() < 12


def test_a_video_that_is_given_up_leaves_nothing(tmp_path: Path):
    file = VideoFile(tmp_path / "out.mp4", 5)
    file.write(pixels(1))
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_lost_frames_in_writing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = VideoFile(tmp_path / "out.mp4", 5)
    file.write(pixels(1))
    monkeypatch.setattr(file, "_count", 2)
    with pytest.raises(OutputError, match="disk is full"):
        file.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="name another folder"):
        VideoFile(tmp_path / "file" / "out.mp4", 5).write(pixels(1))
