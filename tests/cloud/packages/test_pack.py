"""A zip whose bytes depend on its members alone, read by the standard library's reader."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from lookout.cloud.packages.pack import FileMember, MadeMember, Member, WheelMember, write_zip


def wheel_members(path: Path) -> list[WheelMember]:
    with zipfile.ZipFile(path) as archive:
        return [WheelMember(path, info) for info in archive.infolist()]


def written(members: list[Member]) -> bytes:
    file = io.BytesIO()
    digest = write_zip(members, file)
    assert digest == hashlib.sha256(file.getvalue()).hexdigest()
    return file.getvalue()


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "some.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b/squeezed.txt", b"a" * 100_000, zipfile.ZIP_DEFLATED)
        archive.writestr("b/stored.txt", b"stored", zipfile.ZIP_STORED)
        archive.writestr("b/empty.py", b"")
        with archive.open("b/large.txt", "w", force_zip64=True) as file:  # which adds a field before the data
            file.write(b"large" * 1000)
    return path


def test_what_is_written_is_read_again(wheel: Path, tmp_path: Path):
    (tmp_path / "model").write_bytes(os.urandom(3_000_000))
    made = MadeMember("ü/made.pyc", b"made")
    members = [made, FileMember("a/model", tmp_path / "model"), *wheel_members(wheel)]
    with zipfile.ZipFile(io.BytesIO(written(members))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(member.name for member in members)
        assert {name: archive.read(name) for name in archive.namelist()} == {
            member.name: member.read() for member in members
        }
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.getinfo("b/squeezed.txt").compress_size < 1000


def test_its_bytes_are_the_same_whatever_the_order_place_and_time(wheel: Path, tmp_path: Path):
    first, second = tmp_path / "one", tmp_path / "two"
    for path, mode, time_s in ((first, 0o600, 1), (second, 0o755, 2_000_000_000)):
        path.write_bytes(b"the same")
        path.chmod(mode)
        os.utime(path, (time_s, time_s))
    moved = wheel.rename(tmp_path / "another.whl")
    one = written([FileMember("file", first), *wheel_members(moved)])
    moved.rename(wheel)
    other = written([*reversed(wheel_members(wheel)), FileMember("file", second)])
    assert one == other


def test_what_was_packed_is_taken_over_as_it_is(wheel: Path):
    # Of the highest compression, which nothing here would choose.
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("text", b"".join(str(number).encode() for number in range(50_000)))
    (member,) = wheel_members(wheel)
    packed = b"".join(member.packed().chunks)
    assert packed in wheel.read_bytes()
    assert packed in written([member])


def test_a_zip_without_members_is_one():
    assert zipfile.ZipFile(io.BytesIO(written([]))).namelist() == []


def test_more_files_than_a_plain_zip_holds_are_refused():
    with pytest.raises(ValueError, match="65536 files are more than a zip holds"):
        written([MadeMember(str(number), b"") for number in range(65_536)])
