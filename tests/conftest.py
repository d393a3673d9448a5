"""What holds for every test: nothing outside is touched, and no test fails because a machine is slow."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from helpers.world import World, running_world

settings.register_profile("lookout", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lookout")

# A shell lets its jobs in the background ignore Ctrl-C, and what they start with them: here it is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests import ONNX Runtime themselves, too; see lookout/engines/onnx_runtime.py.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep the user's cache out of it, here and in every process that a test starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def kept_wheels(own_cache: None, pytestconfig: pytest.Config) -> Path:
    """Wheels stay from one run of the tests to the next; nothing else of the cache does."""
    kept = pytestconfig.cache.mkdir("wheels")
    link = Path(os.environ["XDG_CACHE_HOME"], "lookout", "wheels")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(kept)
    return kept


@pytest.fixture(scope="session")
def world(own_cache: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An emulator with a stack, and a server that offloads to it, for all tests that leave them as they are."""
    for name, extra in (("ministack", "emulator"), ("awslambdaric", "emulator"), ("gunicorn", "server")):
        pytest.importorskip(name, reason=f"the extra {extra} is not installed")
    with running_world(tmp_path_factory.mktemp("world")) as world:
        yield world
