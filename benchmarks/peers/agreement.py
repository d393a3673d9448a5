"""Whether contenders answer alike: with the same objects as the detector does that runs bare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Of the same detector in another process, and of the reference, which is another program: it decodes and resizes in
# other ways.
SAME, ALIKE = 1e-3, 0.05
_PIXELS = 1.0
_THRESHOLD = 0.25


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of so many ``images`` so many have the same objects; ``worst`` is the largest difference of two confidences."""

    images: int
    agree: int
    worst: float


def agreement(
    expected: Mapping[int, Sequence[Mapping[str, Any]]],
    found: Mapping[int, Sequence[Mapping[str, Any]]],
    tolerance: float,
) -> Agreement:
    """How far the answers agree, image by image."""
    differences = [difference(expected[number], objects, tolerance) for number, objects in found.items()]
    known = [worst for worst in differences if worst is not None]
    return Agreement(len(differences), len(known), max(known, default=0.0))


def difference(
    expected: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], tolerance: float
) -> float | None:
    """The largest difference of confidences, where each object has its like; None where one has none.

    What is as near to the threshold as the tolerance may be found or not.

    >>> difference([{"label": "dog", "accuracy": 0.9}], [{"label": "dog", "accuracy": 0.875}], 0.05)
    0.025
    >>> difference([{"label": "dog", "accuracy": 0.9}], [], 0.05)
    """
    left, worst = list(found), 0.0
    for wanted in expected:
        like = min(
            (one for one in left if is_like(wanted, one)),
            key=lambda one: abs(one["accuracy"] - wanted["accuracy"]),
            default=None,
        )
        apart = None if like is None else abs(like["accuracy"] - wanted["accuracy"])
        if like is not None and apart is not None and apart <= tolerance:
            left.remove(like)
            worst = max(worst, apart)
        elif wanted["accuracy"] > _THRESHOLD + tolerance:
            return None
    return None if any(one["accuracy"] > _THRESHOLD + tolerance for one in left) else round(worst, 6)


def is_like(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether they may be the same object: the same label, and the same box where both tell one."""
    boxes = one.get("box"), other.get("box")
    near = None in boxes or all(abs(a - b) <= _PIXELS for a, b in zip(*boxes, strict=True))
    return one["label"] == other["label"] and near
