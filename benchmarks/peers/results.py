"""What is kept of a run: JSON lines, a file a part, in ``benchmarks/results/<date>-<machine>/``; and reading them.

A line is written as soon as it is known; when a part is done its file is compressed, always to the same bytes.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from lookout.comparison.machine import describe_machine

RESULTS = Path(__file__).resolve().parents[1] / "results"
_MACHINE = "machine.json"

Line = dict[str, Any]


def folder_of_today(results: Path = RESULTS) -> Path:
    """Where today's run on this machine is kept; made, with the machine's description, where it is not there."""
    machine = {**describe_machine(), "commit": commit()}
    name = re.sub(r"[^a-z0-9]+", "-", f"{machine['cpu']} {machine['cores']} cores".lower()).strip("-")
    folder = results / f"{date.today().isoformat()}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MACHINE).write_text(json.dumps(machine, indent=1) + "\n")
    return folder


def commit() -> str | None:
    """The commit that is measured, with a + where files differ from it; None where that isn't known."""
    if (git := shutil.which("git")) is None:
        return None
    command = [git, "-C", str(RESULTS.parent), "describe", "--always", "--abbrev=9", "--dirty=+"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return told.stdout.strip() or None


def newest(results: Path = RESULTS) -> Path:
    """The newest run. Raises ``FileNotFoundError`` where there is none."""
    folders = sorted(path.parent for path in results.glob(f"*/{_MACHINE}"))
    if not folders:
        raise FileNotFoundError(f"there are no results in {results}: run make bench")
    return folders[-1]


class Recorder:
    """Writes a part's lines; use it in a ``with``."""

    def __init__(self, folder: Path, part: str) -> None:
        self._plain, self._packed = folder / f"{part}.jsonl", folder / f"{part}.jsonl.gz"

    def __enter__(self) -> Recorder:
        self._file = self._plain.open("w")
        return self

    def write(self, **line: object) -> Line:
        """Keep a line, which is given back."""
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()
        return line

    def __exit__(self, kind: object, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._packed.write_bytes(gzip.compress(self._plain.read_bytes(), 9, mtime=0))
            self._plain.unlink()


def read(folder: Path, part: str) -> list[Line]:
    """The lines of a part, or of all whose names match; none where it was not measured."""
    return [line for path in sorted(folder.glob(f"{part}.jsonl.gz")) for line in _lines(path)]


def machine(folder: Path) -> Mapping[str, Any]:
    """The machine that a run was measured on."""
    return dict(json.loads((folder / _MACHINE).read_text()))


def _lines(path: Path) -> Iterator[Line]:
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        yield json.loads(line)
