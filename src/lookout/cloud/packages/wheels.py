"""The wheels that a package is made of: pinned with their checksums in ``wheels.toml``, fetched by pip, and kept.

``wheels.toml`` is made anew by ``python -m lookout.cloud.packages.relock``. The cache is
``$XDG_CACHE_HOME/lookout/wheels``; what is in it is verified whenever it is used.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lookout.errors import PackageError, UsageError
from lookout.models.store import cache_folder

LOCK = Path(__file__).with_name("wheels.toml")
# What every package needs: JPEG is decoded by OpenCV, all else by Pillow.
COMMON = "common"

MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
# Lambda's Pythons from 3.12 on have glibc 2.34.
_NEWEST_GLIBC = 34
_OLDEST_GLIBC = 17

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file on the package index, and its SHA-256."""

    file: str
    sha256: str

    @property
    def requirement(self) -> str:
        """The line of a requirements file that asks for exactly this file."""
        distribution, version = self.file.split("-")[:2]
        return f"{distribution}=={version} --hash=sha256:{self.sha256}"

    def fits(self, python: str, architecture: str) -> bool:
        """Whether it can be installed there. Of those in ``wheels.toml`` all are for CPython on Linux.

        >>> Wheel("pillow-13.0.0-cp313-cp313-manylinux_2_28_x86_64.whl", "").fits("3.13", "arm64")
        False
        """
        interpreters, abi, platforms = self.file.removesuffix(".whl").rsplit("-", 3)[1:]
        own = f"cp{python.replace('.', '')}"
        if abi == own or (abi == "none" and "py3" in interpreters):
            right_python = True
        else:  # the stable interface: of that Python, and of all later ones
            since = interpreters.removeprefix("cp3")
            right_python = abi == "abi3" and since.isdigit() and int(since) <= int(python.split(".")[1])
        return right_python and (platforms == "any" or platforms.endswith(MACHINES[architecture]))


def wanted(engine: str, python: str, architecture: str) -> tuple[Wheel, ...]:
    """The wheels of an engine on a platform. Raises ``UsageError`` where it has none."""
    lock = read_lock()
    found = []
    for group in (COMMON, engine):
        group_wheels = lock.get(group, ())
        for distribution in dict.fromkeys(wheel.file.split("-")[0] for wheel in group_wheels):
            versions = [wheel for wheel in group_wheels if wheel.file.split("-")[0] == distribution]
            fitting = [wheel for wheel in versions if wheel.fits(python, architecture)]
            if not fitting:
                raise UsageError(
                    f"there is no wheel of {distribution} for Python {python} on {architecture}: "
                    "choose another engine, or another architecture"
                )
            found.append(fitting[0])
    return tuple(found)


@cache
def read_lock() -> dict[str, tuple[Wheel, ...]]:
    """All wheels of ``wheels.toml``: those that every package needs, and those of each engine."""
    document = tomllib.loads(LOCK.read_text("utf-8"))
    return {group: tuple(Wheel(*entry) for entry in files.items()) for group, files in document.items()}


def obtain(wheels: Sequence[Wheel], python: str, architecture: str, say: Say, *, offline: bool = False) -> list[Path]:
    """The wheels' files, in the order given; those that are not in the cache are fetched, unless ``offline``.

    Raises ``PackageError`` where one can't be had, or is not what it was.
    """
    folder = cache_folder() / "wheels"
    missing = [wheel for wheel in wheels if not _is_whole(folder / wheel.file, wheel)]
    if missing and offline:
        names = ", ".join(wheel.file.partition("-")[0] for wheel in missing)
        raise PackageError(
            f"the function's packages {names} are not in {folder}, and nothing may be fetched: leave --offline (and "
            "LOOKOUT_OFFLINE) out once, and they are kept there"
        )
    if missing:
        say(f"Fetching {len(missing)} packages for Python {python} on {architecture} ...")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder) as draft:
                _fetch(missing, python, architecture, Path(draft))
                for wheel in missing:
                    if not _is_whole(Path(draft) / wheel.file, wheel):
                        raise PackageError(f"the package index has no {wheel.file} of the right checksum")
                    (Path(draft) / wheel.file).replace(folder / wheel.file)
        except OSError as error:
            raise PackageError(f"the cache {folder} can't be written ({error}): set XDG_CACHE_HOME") from error
    return [folder / wheel.file for wheel in wheels]


def pip_command(python: str, architecture: str, requirements: Path, folder: Path) -> list[str]:
    """What fetches these requirements for another platform, and runs nothing of them."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-cache-dir"]
    command += ["--no-deps", "--require-hashes", *target_options(python, architecture)]
    return [*command, "--dest", str(folder), "--requirement", str(requirements)]


def target_options(python: str, architecture: str) -> list[str]:
    """How pip chooses for another platform. Older tags come first: that is the smaller one of OpenCV's two wheels."""
    platforms = [f"manylinux_2_{minor}_{MACHINES[architecture]}" for minor in range(_OLDEST_GLIBC, _NEWEST_GLIBC + 1)]
    options = ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    return [*options, *(option for platform in platforms for option in ("--platform", platform))]


def _fetch(wheels: Sequence[Wheel], python: str, architecture: str, folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{wheel.requirement}\n" for wheel in wheels), "utf-8")
    command = pip_command(python, architecture, requirements, folder)
    answer = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if answer.returncode:
        raise PackageError(f"pip can't fetch the function's packages: {_told(answer.stderr)}")


def _told(output: str) -> str:
    """What of pip's output tells most: the first error, or else its last line."""
    if "No module named pip" in output:
        return f"it is not installed: {sys.executable} -m ensurepip"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it gives no reason"])[0 if errors else -1]


def _is_whole(path: Path, wheel: Wheel) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == wheel.sha256
    except OSError:
        return False
