"""A server of the tiny model, as its own process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.program import Program
from helpers.tiny import CONFIDENCE, make_model


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running ``lookout serve``."""
    pytest.importorskip("gunicorn", reason="the extra server is not installed")
    cfg = make_model(tmp_path_factory.mktemp("served"))
    with Program(
        "serve", "--model", str(cfg), "--port", "0", "--json", "--confidence", str(CONFIDENCE), "--log-level", "warning"
    ) as program:
        yield program.ready()["url"]
