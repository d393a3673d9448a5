"""From the options that name a model to the model, or to a detector of it; what has to be fetched is shown."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookout.apps.progress import Downloads
from lookout.errors import UsageError

if TYPE_CHECKING:
    from lookout.core.selection import Selection
    from lookout.detector import Detector
    from lookout.models.model import Model
    from lookout.models.onnx_heads import OnnxFamily


def load_model(model: str, labels: Path | None, head: OnnxFamily | None, *, offline: bool) -> Model:
    """The model that a command runs with; what has to be fetched for it is shown. Raises as the store does."""
    from lookout.models.store import load_model as load

    with Downloads() as downloads:
        return load(model, labels=labels, head=head, offline=offline, notify=downloads.notify)


def take_model(settings: dict[str, Any]) -> Model:
    """The model that ``options.model`` asks for; its settings are taken out of a command's."""
    return load_model(**{name: settings.pop(name) for name in ("model", "labels", "head", "offline")})


def load_detector(*, engine: str | None, threads: int | None, **settings: Any) -> Detector:
    """The detector that ``options.detection`` asks for."""
    from lookout.detector import open_detector

    model = take_model(settings)
    return open_detector(model, engine, threads, selection_of(model, **settings))


def selection_of(model: Model, confidence: float, iou: float, classes: Sequence[str], max_detections: int) -> Selection:
    """What the options of ``options.detection`` let count as an object."""
    from lookout.loading import select

    return select(model, confidence, iou, _split(classes), max_detections)


def _split(texts: Sequence[str]) -> list[str] | None:
    """The labels in ``person,dog``; one that has a comma of its own is put in double quotes."""
    if not texts:
        return None
    labels = [label.strip() for row in csv.reader(texts, skipinitialspace=True) for label in row if label.strip()]
    if not labels:
        raise UsageError("--classes names no label: name some of the model's, with commas between them")
    return labels
