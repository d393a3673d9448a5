"""The folder beside the project: real networks, photographs, and what OpenCV 4 found in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_FOLDER = Path(os.environ.get("LOOKOUT_SHARED") or Path(__file__).resolve().parents[3] / "shared")


def shared(*parts: str) -> Path:
    """A path in that folder; where it is not there, the test that asks is skipped, and says so."""
    path = _FOLDER.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"there is no {path}: set LOOKOUT_SHARED to the folder that holds {parts[0]}/")
    return path
