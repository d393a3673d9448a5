"""From the names that people use for models, engines and labels to a detector."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from lookout.core.detections import CONFIDENCE, IOU
from lookout.core.selection import MAX_DETECTIONS, Selection
from lookout.detector import Detector, open_detector
from lookout.errors import UsageError
from lookout.models.labels import canonical
from lookout.models.model import Model
from lookout.models.onnx_heads import OnnxFamily
from lookout.models.store import load_model


def load(  # noqa: PLR0913  each setting by its name
    model: str | Path,
    *,
    engine: str | None = None,
    threads: int | None = None,
    confidence: float = CONFIDENCE,
    iou: float = IOU,
    classes: Iterable[str] | None = None,
    max_detections: int = MAX_DETECTIONS,
    labels: str | Path | None = None,
    head: OnnxFamily | None = None,
    offline: bool | None = None,
) -> Detector:
    """A detector, ready to be called.

    ``model``: a Darknet ``.cfg`` with its ``.weights`` beside it, an ``.onnx`` file, a folder that an import
    made, or a name in the catalog, which is then fetched. ``engine``: ``onnxruntime``, ``opencv`` or
    ``openvino``; without one, ONNX Runtime where it is installed, else OpenCV. ``threads``: how many cores one
    inference may use; None for all. ``confidence``, ``iou``, ``max_detections``: see ``Selection``.
    ``classes``: the labels wanted; None for all. ``labels``: a file with one label a line. ``head``: the
    family of an ``.onnx`` file's head, where its shapes don't tell. ``offline``: fetch nothing; None leaves it to
    ``LOOKOUT_OFFLINE``.

    Raises ``UsageError`` (with ``UnknownModelError``, ``UnknownEngineError``), ``ModelError``, ``EngineError``
    and ``MissingExtraError``.
    """
    loaded = load_model(model, labels=labels, head=head, offline=offline)
    return open_detector(loaded, engine, threads, select(loaded, confidence, iou, classes, max_detections))


def select(
    model: Model, confidence: float, iou: float, classes: Iterable[str] | None = None, most: int = MAX_DETECTIONS
) -> Selection:
    """What counts as an object of this model, its classes by their labels. Raises ``UsageError`` for unknown ones."""
    return Selection(confidence, iou, None if classes is None else _class_ids(model, classes), most)


def _class_ids(model: Model, classes: Iterable[str]) -> frozenset[int]:
    return frozenset(class_id for label in classes for class_id in _ids_of(model, label))


def _ids_of(model: Model, label: str) -> list[int]:
    """The classes of that label: one, but for a labels file that repeats itself; COCO's and Darknet's names both do."""
    ids = [class_id for class_id, known in enumerate(model.labels) if known == label]
    if not ids:
        ids = [class_id for class_id, known in enumerate(model.labels) if canonical(known) == canonical(label)]
    if not ids:
        near = difflib.get_close_matches(label, model.labels, n=3) or model.labels[:5]
        raise UsageError(f"{model.name} knows no class {label!r}: name its own labels, such as {', '.join(near)}")
    return ids
