"""Image bytes in, objects and stage timings out: the one detector that every execution runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lookout import images
from lookout.core.detections import CONFIDENCE, IOU, Box, Candidates, Detection, FloatArray
from lookout.core.framing import Frame
from lookout.core.heads import decode
from lookout.core.suppression import suppress
from lookout.engines import Engine, open_engine
from lookout.errors import ModelError
from lookout.models.model import Model


@dataclass(frozen=True, slots=True)
class Result:
    """What was found in one image, the most confident first, and what each stage took."""

    objects: tuple[Detection, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The part of the contract that every execution answers with."""
        return {
            "objects": [detection.to_json() for detection in self.objects],
            "inference_time": round(self.timings_ms["inference"], 3),
            "timings": {stage: round(ms, 3) for stage, ms in self.timings_ms.items()},
        }


class Detector:
    """A model in an engine, with its thresholds. May be called from many threads.

    ``confidence``: what a detection must score over. ``iou``: how much two boxes of one label may overlap
    before the less confident goes.
    """

    def __init__(self, model: Model, engine: Engine, confidence: float = CONFIDENCE, iou: float = IOU) -> None:
        self.model = model
        self.engine = engine
        self.confidence = confidence
        self.iou = iou

    def detect(self, data: bytes) -> Result:
        """Find the objects in an encoded image.

        Raises ``ImageError`` when the bytes are no image, ``EngineError`` when the network can't be run.
        """
        clock = _StageClock()
        with clock.stage("decode"):
            image_bgr = images.decode(data)
        return self.detect_pixels(image_bgr, clock)

    def detect_pixels(self, image_bgr: images.ImageArray, clock: _StageClock | None = None) -> Result:
        """Find the objects in pixels: BGR, uint8, (height, width, 3)."""
        clock = clock or _StageClock()
        with clock.stage("preprocess"):
            frame = Frame.of(images.size_wh(image_bgr), self.model.input_format)
            blob = images.fill(image_bgr, frame, self.model.input_format)
        with clock.stage("inference"):
            outputs = self.engine.infer(blob)
        with clock.stage("postprocess"):
            objects = self._objects(self._candidates(outputs), frame)
        return Result(objects, clock.timings_ms)

    def warm_up(self) -> None:
        """Run the network once on nothing, so that the first image doesn't pay for its set-up."""
        width, height = self.model.input_format.size_wh
        self.detect_pixels(images.blank(width, height))

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.close()

    def _candidates(self, outputs: list[FloatArray]) -> Candidates:
        try:
            found = decode(self.model.head, outputs, self.model.input_format.size_wh, self.confidence)
        except ValueError as error:
            raise ModelError(f"the network {self.model.name} is not what its description says: {error}") from error
        return suppress(found, self.iou)

    def _objects(self, candidates: Candidates, frame: Frame) -> tuple[Detection, ...]:
        boxes_xyxy = frame.to_image(candidates.boxes_xyxy)
        rows = zip(boxes_xyxy.tolist(), candidates.confidences.tolist(), candidates.class_ids, strict=True)
        return tuple(
            Detection(self.model.labels[class_id], confidence, Box(left, top, right - left, bottom - top))
            for (left, top, right, bottom), confidence, class_id in rows
        )


def open_detector(
    model: Model,
    engine: str | None = None,
    threads: int | None = None,
    confidence: float = CONFIDENCE,
    iou: float = IOU,
) -> Detector:
    """A detector of a model in the engine of that name (see ``engines.open_engine``)."""
    return Detector(model, open_engine(engine, model.network, threads), confidence, iou)


class _StageClock:
    """Times the stages of one image."""

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings_ms[name] = (time.perf_counter() - start) * 1000
