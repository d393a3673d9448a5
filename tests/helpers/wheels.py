"""Packages' wheels for tests: fetched once, or the test is skipped where no package index can be reached."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import pytest

from lookout.errors import PackageError

Made = TypeVar("Made")


def with_wheels(make: Callable[[], Made]) -> Made:
    """What a function gives that needs wheels; a skip where they are not here, and nobody can be asked for them."""
    try:
        return make()
    except PackageError:
        if _index_answers():
            raise
        pytest.skip("the function's packages are not here, and no package index can be reached")


@cache
def _index_answers() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "six"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
