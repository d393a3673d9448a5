"""Walking folders and patterns: what Python's glob says, in order, each path once, a few names at a time."""

from __future__ import annotations

import glob
import os
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lookout import images
from lookout.errors import NoImagesError
from lookout.images.patterns import Pattern, sorted_names

TREE = (
    "a.jpg", "b.png", ".h.jpg", "notes.txt", "a/a.jpg", "a/.h.jpg", "a/b/ab.jpg", "a/b/x.JPG", "a-1/a.jpg",
    "ab/c.jpg/b.png", "ab/a/a/a.gif", ".h/a.jpg", ".h/a/b.jpg", "b/a.b.jpg", "b/.jpg",
)  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    for name in TREE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def globbed(pattern: Path) -> list[Path]:
    """The images that Python's glob finds, and those in the folders that it finds."""

    def matches() -> Iterator[Path]:
        for match in map(Path, glob.glob(str(pattern), recursive=True)):  # noqa: PTH207  the one that takes absolute patterns
            if not match.is_dir():
                yield match
            elif pattern.name != "**":
                yield from match.iterdir()

    return sorted({path for path in matches() if path.suffix.lower() in images.SUFFIXES and path.is_file()})


@settings(max_examples=300)
@given(parts=st.lists(st.sampled_from(["*", "**", "a*", "?", "a", "[ab]", ".*", "*.jpg", "b", "*.[jJ]*"]), max_size=4))
def test_a_pattern_means_what_it_means_to_glob(tree: Path, parts: list[str]):
    pattern = tree.joinpath(*parts)
    assume(glob.has_magic(str(Path(*parts))))
    expected = globbed(pattern)
    try:
        found = images.find([pattern])
    except NoImagesError:
        found = []
    assert found == expected
    in_tree = [tree / name for name in TREE if Path(name).suffix.lower() in images.SUFFIXES]
    assert {path for path in in_tree if Pattern.of(pattern).matches(path)} == set(expected)


def test_an_image_that_several_arguments_name_comes_once(tree: Path):
    arguments = [tree / "a", tree / "a.jpg", tree / "**" / "*.jpg", tree, tree / "a" / "a.jpg"]
    found = images.find(arguments)
    assert len(found) == len(set(found))
    assert set(found) == {path for each in arguments for path in images.find([each])}
    assert found[0] == tree / "a" / ".h.jpg"


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
def test_a_folder_is_sorted_however_few_names_are_held(tmp_path: Path, chunk: int):
    names = sorted(f"{number * 7919 % 1000}.jpg" for number in range(7))
    for name in (*names, "other"):
        (tmp_path / name).write_bytes(b"")
    assert list(sorted_names(tmp_path, lambda name: name != "other", chunk)) == names


# Whatever a file can be called: not text, newlines, a hundred letters.
names = st.binary(min_size=1, max_size=100).filter(lambda name: not {0, ord("/")} & {*name} and name.strip(b"."))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
@given(found=st.sets(names, max_size=40), chunk=st.integers(1, 12))
def test_a_folder_is_sorted_whatever_its_files_are_called(found: set[bytes], chunk: int):
    def wanted(name: str) -> bool:
        return len(name) % 3 > 0

    with tempfile.TemporaryDirectory() as folder:
        for name in found:
            (Path(folder) / os.fsdecode(name)).write_bytes(b"")
        expected = sorted(name for name in map(os.fsdecode, found) if wanted(name))
        assert list(sorted_names(Path(folder), wanted, chunk)) == expected


def test_a_folder_takes_no_more_memory_than_the_names_that_are_held(tmp_path: Path):
    (tmp_path / "first").write_bytes(b"")
    for number in range(1, 4000):
        os.link(tmp_path / "first", tmp_path / f"{number * 7919 % 4000:04}.jpg")

    def peak_bytes(chunk: int) -> int:
        tracemalloc.start()
        try:
            assert sum(1 for _ in sorted_names(tmp_path, lambda _: True, chunk)) == 4000
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_bytes(200) < peak_bytes(4000) / 8


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_said_where_it_is_meant(tmp_path: Path):
    (tmp_path / "day").mkdir(mode=0)
    (tmp_path / "a.jpg").write_bytes(b"")
    assert images.find([tmp_path / "**"]) == [tmp_path / "a.jpg"]
    with pytest.raises(NoImagesError, match="can't be looked at"):
        images.find([tmp_path / "d*"])
