"""Finding and reading image files."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from lookout import images
from lookout.errors import ImageError, NoImagesError, UsageError


def make(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"whatever")


def test_the_images_of_a_folder_are_sorted_and_other_files_passed_over(tmp_path):
    names = ("b.jpg", "a.PNG", "c.JpEg", "10.tif", "9.tiff", "d.webp", "e.BMP", "f.gif")
    make(tmp_path, *names, "notes.txt", "jpg", "f.jpg.txt")
    make(tmp_path / "folder.jpg", "inside.jpg")
    found = [path.name for path in images.find([tmp_path])]
    assert found == ["10.tif", "9.tiff", "a.PNG", "b.jpg", "c.JpEg", "d.webp", "e.BMP", "f.gif"]


def test_paths_are_taken_in_the_order_given_and_each_once(tmp_path):
    make(tmp_path / "z", "2.jpg", "1.jpg")
    make(tmp_path / "a", "3.jpg")
    single = tmp_path / "z" / "2.jpg"
    found = images.find([tmp_path / "z", single, tmp_path / "a"])
    assert found == [tmp_path / "z" / "1.jpg", single, tmp_path / "a" / "3.jpg"]


@pytest.mark.parametrize("name", ["upload.tmp", "no suffix", "ünïcode.jpg"])
def test_a_file_is_taken_whatever_its_name(tmp_path, name):
    make(tmp_path, name)
    assert images.find([tmp_path / name]) == [tmp_path / name]


def test_a_missing_path_is_the_users_mistake(tmp_path):
    make(tmp_path, "here.jpg")
    with pytest.raises(NoImagesError, match=r"gone\.jpg does not exist"):
        images.find([tmp_path / "here.jpg", tmp_path / "gone.jpg"])


@pytest.mark.parametrize("names", [[], ["notes.txt"]])
def test_a_folder_without_images_is_the_users_mistake(tmp_path, names):
    make(tmp_path, *names)
    with pytest.raises(NoImagesError, match=r"holds no images: .*\.gif, \.jpeg, \.jpg, \.png"):
        images.find([tmp_path])


def test_no_paths_are_no_images():
    assert images.find([]) == []


def test_files_are_read_whole_or_refused(tmp_path):
    make(tmp_path, "a.jpg")
    assert images.read(tmp_path / "a.jpg") == b"whatever"
    with pytest.raises(ImageError, match=r"gone\.jpg can't be read: No such file"):
        images.read(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="can't be read"):
        images.read(tmp_path)


def test_a_file_over_the_limit_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)
    monkeypatch.setattr(type(path), "open", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ImageError, match="bytes"):
        images.read(path)


def test_the_limit_can_be_set(tmp_path):
    make(tmp_path, "a.jpg")
    assert images.read(tmp_path / "a.jpg", images.ImageLimits(max_bytes=8)) == b"whatever"
    with pytest.raises(ImageError, match="has 8 bytes; at most 7 are taken"):
        images.read(tmp_path / "a.jpg", images.ImageLimits(max_bytes=7))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no endless file here")
def test_an_endless_file_is_refused():
    with pytest.raises(ImageError, match="bytes"):
        images.read(Path("/dev/zero"), images.ImageLimits(max_bytes=1000))


@pytest.fixture
def album(tmp_path):
    make(tmp_path, "b.jpg", "a.gif", "notes.txt", ".hidden.jpg")
    make(tmp_path / "day", "c.png", "d.JPG", "list.txt")
    make(tmp_path / "day" / "night", "e.bmp")
    make(tmp_path / "empty", "nothing.txt")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["b.jpg"]),
        ("?.[gj]*", ["a.gif", "b.jpg"]),
        ("**/*.[jJ]*", ["b.jpg", "day/d.JPG"]),
        ("**", ["a.gif", "b.jpg", "day/c.png", "day/d.JPG", "day/night/e.bmp"]),
        ("*", ["a.gif", "b.jpg", "day/c.png", "day/d.JPG"]),
        ("d*", ["day/c.png", "day/d.JPG"]),
        ("day/n*t/*", ["day/night/e.bmp"]),
    ],
)
def test_a_pattern_that_no_shell_expanded_is_looked_up(album, pattern, expected):
    assert images.find([album / pattern]) == [album / name for name in expected]


def test_a_relative_pattern_is_looked_up_here(album, monkeypatch):
    monkeypatch.chdir(album)
    assert images.find([Path("day/*.png"), Path("*.gif")]) == [Path("day/c.png"), Path("a.gif")]


@pytest.mark.parametrize("place", [".", "day", "day/", "./day", "day/c.png", "da?", "../{}/day"])
def test_an_image_is_called_as_its_path_would_be(album, monkeypatch, place):
    monkeypatch.chdir(album)
    path = Path(place.format(album.name))
    names = list(images.walk([path]))
    assert names == [str(Path(name)) for name in names]
    assert [Path(name) for name in names] == images.find([path])
    assert all(str(path.parent) in {".", name[: len(str(path.parent))]} for name in names)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may look at every file")
def test_a_folder_whose_files_may_not_be_looked_at_is_said(tmp_path):
    make(tmp_path / "day", "a.jpg")
    (tmp_path / "day").chmod(0o400)
    try:
        with pytest.raises(NoImagesError, match="can't be looked at"):
            images.find([tmp_path / "day"])
    finally:
        (tmp_path / "day").chmod(0o700)


@pytest.mark.parametrize("pattern", ["*.webp", "e*", "gone/*", "*.txt", "[", "[a"])
def test_a_pattern_without_images_is_the_users_mistake(album, pattern):
    with pytest.raises(NoImagesError):
        images.find([album / pattern])


def test_a_file_that_is_called_like_a_pattern_is_that_file(tmp_path):
    make(tmp_path, "a[1].jpg", "a1.jpg")
    assert images.find([tmp_path / "a[1].jpg"]) == [tmp_path / "a[1].jpg"]


def test_names_that_are_not_text_are_found(tmp_path):
    name = os.fsdecode(b"\xff\xfe.jpg")
    try:
        make(tmp_path, name)
    except OSError:
        pytest.skip("this file system takes text only")
    for path in (tmp_path, tmp_path / name, tmp_path / "*.jpg"):
        assert images.find([path]) == [tmp_path / name]
    assert images.read(tmp_path / name) == b"whatever"


def test_a_picture_replaces_a_link_and_leaves_nothing_half_done(tmp_path):
    make(tmp_path, "real.jpg")
    (tmp_path / "link.jpg").symlink_to("real.jpg")
    images.write(np.zeros((4, 4, 3), np.uint8), tmp_path / "link.jpg")
    assert (tmp_path / "real.jpg").read_bytes() == b"whatever"
    assert images.read(tmp_path / "link.jpg").startswith(b"\xff\xd8")
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(UsageError, match="name another folder"):
        images.write(np.zeros((4, 4, 3), np.uint8), tmp_path / "folder.jpg")
    assert {path.name for path in tmp_path.iterdir()} == {"real.jpg", "link.jpg", "folder.jpg"}


@pytest.mark.parametrize("path", ["", "*", "*.jpg", "**"])
def test_a_link_that_leads_nowhere_is_found_so_that_reading_it_fails(tmp_path, path):
    make(tmp_path, "a.jpg")
    (tmp_path / "lost.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    (tmp_path / "lost").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert images.find([tmp_path / path]) == [tmp_path / name for name in ("a.jpg", "circle.jpg", "lost.jpg")]
    with pytest.raises(ImageError, match=r"lost\.jpg can't be read: No such file"):
        images.read(tmp_path / "lost.jpg")


def test_a_pipe_that_is_named_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writing = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b"whatever"), daemon=True)
    writing.start()
    (found,) = images.find([tmp_path / "pipe"])
    assert images.read(found) == b"whatever"
    writing.join()


def test_a_folder_with_images_only_in_the_folders_in_it_gets_a_hint(tmp_path):
    make(tmp_path / "day", "a.jpg")
    with pytest.raises(NoImagesError, match=r"; for the folders in it too, name '.*/\*\*'"):
        images.find([tmp_path])
