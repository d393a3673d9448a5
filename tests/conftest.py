"""What holds for every test: nothing outside is touched, and no test fails because a machine is slow."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("lookout", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lookout")

# Tests import ONNX Runtime themselves, too; see lookout/engines/onnx_runtime.py.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep the user's cache out of it, here and in every process that a test starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
