"""A virtual environment for each contender: its packages pinned in ``requirements/``, Lookout's detector beside them.

They lie in a cache folder, and are made anew when what they are made of changes. The packages that the detector runs on
have the versions of the environment that runs the benchmark, so that every contender has the same detector.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REQUIREMENTS = HERE / "requirements"
# What the detector runs on.
SHARED = ("numpy", "onnxruntime", "opencv-python-headless")


def cache_folder() -> Path:
    """Where the environments lie: ``LOOKOUT_BENCHMARK_CACHE``, or ``lookout-benchmarks`` in the user's cache."""
    chosen = os.environ.get("LOOKOUT_BENCHMARK_CACHE")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(chosen) if chosen else cache / "lookout-benchmarks"


def python_of(name: str, tell: Callable[[str], None]) -> Path:
    """The interpreter of a contender's environment, which is made where it is not there.

    Raises ``subprocess.CalledProcessError`` where its packages can't be had.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    with_lookout = name != "reference"
    wanted = digest(requirements.read_text(), with_lookout=with_lookout)
    folder = cache_folder() / name
    stamp, python = folder / "made-of", folder / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    tell(f"making the environment of {name} in {folder} ...")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *arguments(requirements, folder, with_lookout=with_lookout)], check=True)
    stamp.write_text(wanted)
    return python


def packages_of(python: Path) -> Path:
    """The folder of an environment's packages."""
    return next((python.parents[1] / "lib").glob("python*/site-packages"))


def arguments(requirements: Path, folder: Path, *, with_lookout: bool) -> list[str]:
    """What pip is asked for: the contender's packages, and Lookout on the versions that it has here."""
    if not with_lookout:
        return ["-r", str(requirements)]
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(shared_versions()))
    return ["-r", str(requirements), "-c", str(constraints), "-e", f"{ROOT}[onnxruntime]"]


def shared_versions() -> list[str]:
    """The pins of what the detector runs on."""
    return [f"{package}=={version(package)}" for package in SHARED]


def digest(requirements: str, *, with_lookout: bool) -> str:
    """What an environment is made of, in short."""
    parts = [requirements, sys.version, str(ROOT), *(shared_versions() if with_lookout else ())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
