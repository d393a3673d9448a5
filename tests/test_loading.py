"""From the names that people use to what a detector looks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookout.core.framing import InputFormat
from lookout.core.heads import YoloxHead
from lookout.errors import UsageError
from lookout.loading import select
from lookout.models.model import Model


def ids(labels: tuple[str, ...], *classes: str) -> frozenset[int] | None:
    input_format = InputFormat(32, 32, "letterbox", "bgr", 1.0)
    return select(Model("m", Path(), "", input_format, YoloxHead(len(labels)), labels), 0.25, 0.45, classes).class_ids


def test_a_class_is_known_by_cocos_name_and_by_darknets():
    assert ids(("motorbike", "couch"), "motorcycle", "sofa") == {0, 1}
    assert ids(("motorbike", "couch"), "Motorbike") == {0}


def test_the_very_name_comes_before_another_spelling():
    assert ids(("tv", "tvmonitor"), "tv") == {0}
    assert ids(("tv", "tvmonitor"), "tvmonitor") == {1}


def test_a_label_that_a_file_repeats_is_all_its_classes():
    assert ids(("cat", "dog", "cat"), "cat") == {0, 2}


def test_near_matches_are_named():
    with pytest.raises(UsageError, match="no class 'bicicle': name its own labels, such as bicycle"):
        ids(("bicycle", "dog"), "bicicle")
