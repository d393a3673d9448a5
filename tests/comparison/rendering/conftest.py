from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from helpers import findings


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with small copies of its pictures, but for the one that is lost."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "pictures").mkdir()
    for place, size_wh in ((1, (320, 240)), (2, (320, 240)), (3, (240, 320))):
        Image.linear_gradient("L").resize(size_wh).save(folder / "pictures" / f"{place}.jpg")
    return folder


@pytest.fixture(scope="session")
def page(folder: Path) -> str:
    """The page of a whole run, and of one that measured nothing."""
    pytest.importorskip("matplotlib", reason="the extra report is not installed")
    from lookout.comparison.rendering import render_html

    return render_html([findings.whole(), findings.almost_empty()], folder)
