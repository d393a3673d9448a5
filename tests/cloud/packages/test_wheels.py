"""The pinned wheels, and how they are had: from the cache, or by pip. No index is asked here."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from lookout.cloud.packages.recipe import ARCHITECTURES, PYTHONS
from lookout.cloud.packages.wheels import Wheel, obtain, read_lock, wanted
from lookout.engines import NAMES as ENGINES
from lookout.errors import DISTRIBUTION, PackageError, UsageError


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_has_wheels_for_every_platform_but_for_what_is_not_published(
    engine: str, python: str, architecture: str
):
    if (engine, architecture) == ("openvino", "arm64"):
        with pytest.raises(UsageError, match=f"no wheel of openvino for Python {python} on arm64: choose another"):
            wanted(engine, python, architecture)
        return
    files = [wheel.file for wheel in wanted(engine, python, architecture)]
    names = [file.split("-")[0] for file in files]
    assert names == ["numpy", "opencv_python_headless", "pillow", *([] if engine == "opencv" else [engine])]
    machine = "aarch64" if architecture == "arm64" else architecture
    for file in files:
        own = f"-cp{python.replace('.', '')}-"
        assert own in file or "-abi3-" in file
        assert file.endswith(f"_{machine}.whl")
        assert int(re.search(r"manylinux_2_(\d+)_\w+\.whl$", file)[1]) <= 34  # the glibc of Lambda's Pythons


def test_the_lock_has_one_version_of_each_and_checksums():
    wheels = [wheel for group in read_lock().values() for wheel in group]
    assert len(wheels) == len({wheel.file for wheel in wheels})
    assert all(re.fullmatch("[0-9a-f]{64}", wheel.sha256) for wheel in wheels)
    versions: dict[str, set[str]] = {}
    for wheel in wheels:
        versions.setdefault(wheel.file.split("-")[0], set()).add(wheel.file.split("-")[1])
    assert all(len(found) == 1 for found in versions.values()), versions


def test_the_locked_versions_are_those_that_the_package_itself_takes():
    versions = {wheel.file.split("-")[0]: wheel.file.split("-")[1] for group in read_lock().values() for wheel in group}
    wanted_here = [Requirement(line) for line in importlib.metadata.requires(DISTRIBUTION)]
    checked = {}
    for requirement in wanted_here:
        name = requirement.name.replace("-", "_")
        if name in versions and not requirement.url:
            checked[name] = requirement.specifier.contains(versions[name])
    assert checked == dict.fromkeys(versions, True)


@pytest.mark.parametrize(
    ("file", "python", "architecture", "fits"),
    [
        ("a-1-cp313-cp313-manylinux_2_28_x86_64.whl", "3.13", "x86_64", True),
        ("a-1-cp313-cp313-manylinux_2_28_x86_64.whl", "3.12", "x86_64", False),
        ("a-1-cp313-cp313-manylinux_2_28_aarch64.whl", "3.13", "arm64", True),
        ("a-1-22-cp313-cp313-manylinux_2_28_x86_64.whl", "3.13", "x86_64", True),
        ("a-1-cp37-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "3.14", "x86_64", True),
        ("a-1-cp314-abi3-manylinux_2_28_x86_64.whl", "3.13", "x86_64", False),
        ("a-1-cp313-cp313t-manylinux_2_28_x86_64.whl", "3.13", "x86_64", False),
        ("a-1-py3-none-any.whl", "3.11", "arm64", True),
        ("a-1-py2.py3-none-any.whl", "3.11", "arm64", True),
        ("a-1-py2-none-any.whl", "3.11", "arm64", False),
    ],
)
def test_a_wheels_name_tells_where_it_fits(file: str, python: str, architecture: str, fits: bool):
    assert Wheel(file, "").fits(python, architecture) == fits


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A package in a folder, which is all that pip looks into, and an empty cache."""
    file = tmp_path / "index" / "tiny-1.0-cp37-abi3-manylinux_2_28_aarch64.whl"
    file.parent.mkdir()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp37-abi3-manylinux_2_28_aarch64\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(file.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Wheel(file.name, hashlib.sha256(file.read_bytes()).hexdigest())


def fetch(wheel: Wheel) -> tuple[Path, list[str]]:
    """A wheel for another machine than this, and what was said."""
    said: list[str] = []
    (path,) = obtain([wheel], "3.13", "arm64", said.append)
    return path, said


def test_a_wheel_is_fetched_once(index: Wheel, tmp_path: Path):
    path, said = fetch(index)
    assert path == tmp_path / "cache" / "lookout" / "wheels" / index.file
    assert said == ["Fetching 1 packages for Python 3.13 on arm64 ..."]
    (tmp_path / "index" / index.file).unlink()
    assert fetch(index) == (path, [])
    assert list(path.parent.iterdir()) == [path]


def test_offline_no_wheel_is_fetched(index: Wheel):
    with pytest.raises(PackageError, match=r"the function's packages tiny are not in .*wheels.*leave --offline .* out"):
        obtain([index], "3.13", "arm64", print, offline=True)
    path, _ = fetch(index)
    assert obtain([index], "3.13", "arm64", print, offline=True) == [path]


def test_a_wheel_that_was_damaged_in_the_cache_is_fetched_again(index: Wheel):
    path, _ = fetch(index)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    path, said = fetch(index)
    assert path.read_bytes() == whole
    assert len(said) == 1


def test_another_file_of_the_same_name_is_refused(index: Wheel, tmp_path: Path):
    published = tmp_path / "index" / index.file
    published.write_bytes(published.read_bytes() + b"?")
    with pytest.raises(
        PackageError, match="pip can't fetch the function's packages: ERROR: THESE PACKAGES DO NOT MATCH"
    ):
        fetch(index)
    assert list((tmp_path / "cache" / "lookout" / "wheels").iterdir()) == []


def test_a_wheel_that_is_nowhere_is_named(index: Wheel, tmp_path: Path):
    (tmp_path / "index" / index.file).unlink()
    with pytest.raises(PackageError, match=r"pip can't fetch the function's packages: ERROR: .*tiny"):
        fetch(index)


def test_a_cache_that_cannot_be_written_says_what_to_set(index: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(PackageError, match=r"can't be written .*: set XDG_CACHE_HOME"):
        fetch(index)
