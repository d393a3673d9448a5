"""What detection speaks in: candidates as arrays inside, detections as values outside, and their JSON form.

Boxes are ``xyxy`` (left, top, right, bottom) while they are arrays, because suppression and framing want
corners; they become ``x, y, width, height`` at the edge, because that is the contract with the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

# The thresholds that hold everywhere where none are given.
CONFIDENCE = 0.25
IOU = 0.45


@dataclass(frozen=True, slots=True)
class Candidates:
    """Possible objects, before suppression, in one coordinate system.

    ``boxes_xyxy`` float32 (n, 4); ``confidences`` float32 (n,) in 0..1; ``class_ids`` intp (n,).
    """

    boxes_xyxy: FloatArray
    confidences: FloatArray
    class_ids: IntArray

    def __post_init__(self) -> None:
        n = len(self.confidences)
        if self.boxes_xyxy.shape != (n, 4) or self.class_ids.shape != (n,):
            raise ValueError(f"{n} confidences do not fit {self.boxes_xyxy.shape} and {self.class_ids.shape}")

    def __len__(self) -> int:
        return len(self.confidences)

    def take(self, index: npt.NDArray[Any]) -> Candidates:
        """The candidates that a boolean mask or an array of indices names, in its order."""
        return Candidates(self.boxes_xyxy[index], self.confidences[index], self.class_ids[index])

    @staticmethod
    def join(parts: list[Candidates]) -> Candidates:
        """One after the other; an empty list gives no candidates."""
        if not parts:
            return Candidates(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp))
        return Candidates(
            np.concatenate([part.boxes_xyxy for part in parts]),
            np.concatenate([part.confidences for part in parts]),
            np.concatenate([part.class_ids for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the original picture, ``x`` and ``y`` its top left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Detection:
    """One object that was found: its label, how sure the network is (0..1), and where it is."""

    label: str
    confidence: float
    box: Box

    def to_json(self) -> dict[str, Any]:
        """The contract's form, rounded to what means something: a millionth, a hundredth of a pixel.

        >>> Detection("person", 0.98, Box(1, 2.004, 3, 4)).to_json()
        {'label': 'person', 'accuracy': 0.98, 'box': [1, 2.0, 3, 4]}
        """
        box = [round(side, 2) for side in (self.box.x, self.box.y, self.box.width, self.box.height)]
        return {"label": self.label, "accuracy": round(self.confidence, 6), "box": box}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Detection:
        """Read what ``to_json`` wrote. Raises ``KeyError``, ``TypeError`` or ``ValueError`` on anything else."""
        try:
            x, y, width, height = (float(side) for side in document["box"])
            return Detection(str(document["label"]), float(document["accuracy"]), Box(x, y, width, height))
        except OverflowError as error:
            raise ValueError(str(error)) from error
