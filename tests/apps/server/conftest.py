"""The tiny model's detector, in this process."""

from __future__ import annotations

import pytest

from helpers.tiny import CONFIDENCE, make_model
from lookout.core.selection import Selection
from lookout.detector import Detector, open_detector
from lookout.models.store import load_model


@pytest.fixture(scope="package")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    cfg = make_model(tmp_path_factory.mktemp("model"))
    return open_detector(load_model(cfg), selection=Selection(CONFIDENCE))
