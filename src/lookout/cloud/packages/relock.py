"""Makes ``wheels.toml`` anew: the newest versions that pyproject.toml allows, one for all Pythons and architectures.

    .venv/bin/python -m lookout.cloud.packages.relock

Asks PyPI itself, whatever indexes pip is set up with here; nothing but metadata is fetched.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from lookout.cloud.packages.recipe import ARCHITECTURES, PYTHONS
from lookout.cloud.packages.wheels import COMMON, LOCK, Wheel, target_options
from lookout.errors import DISTRIBUTION, PackageError

_COMMON = ("numpy", "opencv-python-headless", "pillow")
# What engines say that they need, but need only for tools that a package leaves out, or to report on their users.
_UNWANTED = {"flatbuffers", "packaging", "protobuf", "openvino-telemetry"}
_PYPI = "https://pypi.org/simple"

_HEAD = """\
# The wheels that function packages are made of, with their SHA-256.
# Made by python -m lookout.cloud.packages.relock; don't edit.
"""


def main() -> None:
    """Write ``wheels.toml``."""
    groups = {COMMON: list(_COMMON), "onnxruntime": ["onnxruntime"], "openvino": ["openvino"]}
    lock: dict[str, dict[str, str]] = {group: {} for group in groups}
    asked = [_requirement(name) for names in groups.values() for name in names]
    for architecture in ARCHITECTURES:
        # An engine may have no wheels for an architecture; those that it has are of the versions of the first one.
        for python in PYTHONS:
            for name, wheel in _resolve(asked, python, architecture).items():
                group = next((group for group, names in groups.items() if name in names), None)
                if group is not None:
                    lock[group][wheel.file] = wheel.sha256
                elif name not in _UNWANTED:
                    raise PackageError(f"{name} is needed now: say in relock.py whether a function needs it")
            if python == PYTHONS[0] and architecture == ARCHITECTURES[0]:  # the oldest Python has the last word
                asked = [f"{file.split('-')[0]}=={file.split('-')[1]}" for files in lock.values() for file in files]
    text = _HEAD + "".join(_section(group, files) for group, files in lock.items())
    LOCK.write_text(text, "utf-8")
    print(f"{LOCK} has {sum(map(len, lock.values()))} wheels.")  # noqa: T201 - a command for maintainers


def _requirement(name: str) -> str:
    """What pyproject.toml says of a package, such as ``numpy>=2.0``."""
    for requirement in importlib.metadata.requires(DISTRIBUTION) or ():
        wanted = requirement.partition(";")[0].strip()
        if re.match(r"[\w.-]+", wanted).group() == name:  # type: ignore[union-attr]
            return wanted
    raise PackageError(f"pyproject.toml does not name {name}")


def _resolve(asked: list[str], python: str, architecture: str) -> dict[str, Wheel]:
    """What pip would install there, by name; without OpenVINO where that has no wheels."""
    items = _report(asked, python, architecture) or _report(asked[:-1], python, architecture)
    wheels = {}
    for item in items:
        file = item["download_info"]["url"].rpartition("/")[2]
        checksum = item["download_info"]["archive_info"]["hashes"]["sha256"]
        wheels[item["metadata"]["name"].lower()] = Wheel(file, checksum)
    return wheels


def _report(requirements: list[str], python: str, architecture: str) -> list[dict[str, Any]]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PIP_") or name == "PIP_CERT"
    }
    environment["PIP_CONFIG_FILE"] = os.devnull
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
        command += ["--index-url", _PYPI, "--target", folder, "--report", str(report)]
        command += [*target_options(python, architecture), *requirements]
        answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if answer.returncode and "No matching distribution" in answer.stderr and architecture != ARCHITECTURES[0]:
            return []
        if answer.returncode:
            raise PackageError(answer.stderr)
        return list(json.loads(report.read_text("utf-8"))["install"])


def _section(group: str, files: dict[str, str]) -> str:
    return f"\n[{group}]\n" + "".join(f'"{file}" = "{sha256}"\n' for file, sha256 in sorted(files.items()))


if __name__ == "__main__":
    main()
