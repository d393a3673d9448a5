"""One world for the tests of all executions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.world import World, running_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    for name, extra in (("ministack", "emulator"), ("awslambdaric", "emulator"), ("gunicorn", "server")):
        pytest.importorskip(name, reason=f"the extra {extra} is not installed")
    with running_world(tmp_path_factory.mktemp("world")) as world:
        yield world
