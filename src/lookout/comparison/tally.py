"""What a run of any length comes to: 8 bytes a value, and nothing else of an image that was answered."""

from __future__ import annotations

import dataclasses
from array import array
from dataclasses import dataclass
from typing import Any

from lookout.comparison.samples import Sample
from lookout.comparison.statistics import Summary, summarise

# So many failures are kept to be listed; the others are counted.
LISTED_FAILURES = 20


@dataclass(frozen=True, slots=True)
class Totals:
    """What a run came to. Times are in milliseconds, and None where nothing was measured.

    ``seconds`` is the run's own time. ``failures`` are images and what was wrong with them, the first
    ``LISTED_FAILURES`` of ``failed``. ``interrupted``: it was ended before its end. ``resumed``: so many of both were
    an earlier run's, and ``resumed_images`` of the images. ``left`` were not sent, of a run that ended early.
    """

    images: int
    failed: int
    retries: int
    seconds: float
    round_trip: Summary | None
    inference_time: Summary | None
    transfer_time: Summary | None
    failures: tuple[tuple[str, str], ...]
    interrupted: bool
    emulated: bool
    resumed: int = 0
    resumed_images: int = 0
    left: int = 0

    @property
    def images_per_second(self) -> float | None:
        """Those that were answered in this run; None where it took no time."""
        return (self.images - self.resumed_images) / self.seconds if self.seconds > 0 else None

    def to_json(self) -> dict[str, Any]:
        """The totals as data."""
        return {
            "images": self.images,
            "failed": self.failed,
            "retries": self.retries,
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
            "average_inference_time": _mean(self.inference_time),
            "average_round_trip": _mean(self.round_trip),
            "average_transfer_time": _mean(self.transfer_time),
            "round_trip": _document(self.round_trip),
            "inference_time": _document(self.inference_time),
            "transfer_time": _document(self.transfer_time),
            "failures": [{"image": image, "error": error} for image, error in self.failures],
            "interrupted": self.interrupted,
            "emulated": self.emulated,
            "resumed": self.resumed,
            "left": self.left,
        }


class Tally:
    """Counts a run as it goes."""

    def __init__(self) -> None:
        self.images = self.failed = self.retries = self.resumed = self.resumed_images = 0
        self._round_trip, self._inference, self._transfer = (array("d") for _ in range(3))
        self._failures: list[tuple[str, str]] = []

    def add(self, sample: Sample, *, resumed: bool = False) -> None:
        """Count a sample, of an earlier run where it is ``resumed``."""
        self.resumed += resumed
        self.resumed_images += resumed and sample.answer is not None
        self.retries += sample.retries
        if sample.answer is None:
            self.failed += 1
            if len(self._failures) < LISTED_FAILURES:
                self._failures.append((sample.image, str(sample.error)))
            return
        self.images += 1
        if not sample.answer.fetched:
            self._round_trip.append(sample.answer.elapsed_ms)
        self._inference.append(sample.answer.inference_ms)
        if sample.answer.upload_ms is not None:
            self._transfer.append(sample.answer.upload_ms)

    def totals(
        self, seconds: float, *, interrupted: bool = False, emulated: bool = False, total: int | None = None
    ) -> Totals:
        """What it came to, in so many seconds, of so many images in all."""
        return Totals(
            images=self.images,
            failed=self.failed,
            retries=self.retries,
            seconds=seconds,
            round_trip=summarise(self._round_trip),
            inference_time=summarise(self._inference),
            transfer_time=summarise(self._transfer),
            failures=tuple(self._failures),
            interrupted=interrupted,
            emulated=emulated,
            resumed=self.resumed,
            resumed_images=self.resumed_images,
            left=0 if total is None else max(0, total - self.images - self.failed),
        )


def _mean(summary: Summary | None) -> float | None:
    return summary.mean if summary else None


def _document(summary: Summary | None) -> dict[str, float] | None:
    return dataclasses.asdict(summary) if summary else None
