"""An image in, objects and stage timings out: the one detector that every execution runs."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lookout import images
from lookout.core.detections import Box, Candidates, Detection, FloatArray
from lookout.core.framing import Frame
from lookout.core.heads import decode
from lookout.core.selection import Selection
from lookout.engines import Engine, open_engine
from lookout.errors import ImageError, ModelError
from lookout.models.model import Model

Source = bytes | str | os.PathLike[str] | images.ImageArray


@dataclass(frozen=True, slots=True)
class Result:
    """What was found in one image, the most confident first, and how many milliseconds each stage took.

    The stages are ``decode`` (not for an array), ``preprocess``, ``inference`` (the network alone) and
    ``postprocess``. ``image_wh``: the image's width and height, which the boxes refer to.
    """

    objects: tuple[Detection, ...]
    timings: dict[str, float] = field(default_factory=dict)
    image_wh: tuple[int, int] = (0, 0)
    source: bytes | images.ImageArray | None = field(default=None, repr=False, compare=False)

    def annotated(self) -> images.ImageArray:
        """The image in full size with a labelled box round each object: BGR, uint8, (height, width, 3).

        Raises ``ValueError`` for a result that was not made by a detector.
        """
        if self.source is None:
            raise ValueError("this result knows no image to draw on")
        pixels = images.decode(self.source).pixels_bgr if isinstance(self.source, bytes) else self.source
        return images.draw(pixels, self.objects)

    def to_json(self) -> dict[str, Any]:
        """The part of the contract that every execution answers with."""
        return {
            "objects": [detection.to_json() for detection in self.objects],
            "inference_time": round(self.timings["inference"], 3),
            "timings": {stage: round(ms, 3) for stage, ms in self.timings.items()},
        }


class Detector:
    """A model in an engine, and what counts as an object. May be called from many threads at once."""

    def __init__(
        self,
        model: Model,
        engine: Engine,
        selection: Selection | None = None,
        limits: images.ImageLimits = images.DEFAULT_LIMITS,
    ) -> None:
        self.model = model
        self.engine = engine
        self.selection = selection or Selection()
        self.limits = limits

    def detect(self, image: Source, selection: Selection | None = None) -> Result:
        """Find the objects in an image: a file, the bytes of one, or its pixels (BGR, uint8, (height, width, 3)).

        ``selection``: what counts as an object in this image; None for what the detector was made with.
        Raises ``ImageError`` when it is none, ``EngineError`` when the network can't be run.
        """
        clock = _StageClock()
        if isinstance(image, np.ndarray):
            decoded = images.Image(_checked(image), images.size_wh(image))
            return Result(self._detect(decoded, clock, selection), clock.timings, decoded.size_wh, image)
        data = image if isinstance(image, bytes) else images.read(Path(image))
        clock.start()
        decoded = images.decode(data, input_format=self.model.input_format, limits=self.limits)
        clock.end("decode")
        objects, size_wh = self._detect(decoded, clock, selection), decoded.size_wh
        del decoded
        clock.end("postprocess")  # what giving its memory back takes, too
        return Result(objects, clock.timings, size_wh, data)

    def _detect(self, image: images.Image, clock: _StageClock, selection: Selection | None) -> tuple[Detection, ...]:
        frame = Frame.of(image.size_wh, self.model.input_format)
        blob = images.fill(image.pixels_bgr, frame, self.model.input_format)
        clock.end("preprocess")
        outputs = self.engine.infer(blob)
        clock.end("inference")
        objects = self._objects(self._candidates(outputs, selection or self.selection), frame)
        del blob, outputs
        clock.end("postprocess")
        return objects

    def warm_up(self) -> None:
        """Run the network once on nothing, so that the first image doesn't pay for its set-up."""
        self.detect(images.blank(*self.model.input_format.size_wh))

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.close()

    def _candidates(self, outputs: list[FloatArray], wanted: Selection) -> Candidates:
        head = self.model.head
        try:
            found = decode(
                head, outputs, self.model.input_format.size_wh, wanted.confidence, every_class=wanted.every_class
            )
        except ValueError as error:
            raise ModelError(f"the network {self.model.name} is not what its description says: {error}") from error
        if not len(found) and any(np.isnan(output).any() for output in outputs):
            raise ModelError(f"the network {self.model.name} computes what is no number: is it damaged?")
        return wanted.of(found, suppressed=head.suppressed)

    def _objects(self, candidates: Candidates, frame: Frame) -> tuple[Detection, ...]:
        boxes_xyxy = frame.to_image(candidates.boxes_xyxy)
        # What lies in the padding around the picture alone has no area left.
        there = np.flatnonzero((boxes_xyxy[:, 2:] > boxes_xyxy[:, :2]).all(axis=1))
        boxes_xyxy, candidates = boxes_xyxy[there], candidates.take(there)
        rows = zip(boxes_xyxy.tolist(), candidates.confidences.tolist(), candidates.class_ids, strict=True)
        return tuple(
            Detection(self.model.labels[class_id], confidence, Box(left, top, right - left, bottom - top))
            for (left, top, right, bottom), confidence, class_id in rows
        )


def open_detector(
    model: Model,
    engine: str | None = None,
    threads: int | None = None,
    selection: Selection | None = None,
    at_once: int = 1,
) -> Detector:
    """A detector of a model in the engine of that name (see ``engines.open_engine``)."""
    return Detector(model, open_engine(engine, model.network, threads, at_once), selection)


def _checked(pixels: images.ImageArray) -> images.ImageArray:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ImageError(
            f"an array of {pixels.dtype} {pixels.shape} is no image: give uint8 (height, width, 3), blue first"
        )
    return pixels


class _StageClock:
    """Times the stages of one image, in milliseconds, each from where the last ended: together they are the whole.

    Where a function has used up its share of CPU it stands still, and that may be between two stages.
    """

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}
        self.start()

    def start(self) -> None:
        """The first stage begins."""
        self._last = time.perf_counter()

    def end(self, stage: str) -> None:
        """A stage ends, and the next begins; one that ended already goes on until now."""
        now = time.perf_counter()
        self.timings[stage] = self.timings.get(stage, 0.0) + (now - self._last) * 1000
        self._last = now
