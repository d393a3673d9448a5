"""From the lines of a run to figures. Pure: lines in, figures out.

Two contenders are compared round by round, as a machine grows faster or slower between rounds: each round gives a
ratio, and the figure is their median, with an interval that is bootstrapped from the rounds.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lookout.comparison.statistics import Interval, interval, percentile_of

Line = dict[str, Any]
Figure = Callable[[Line], float]
MEDIAN = percentile_of(50)


def mean_ms(turn: Line) -> float:
    """The mean of what a turn's images took."""
    return statistics.mean(turn["ms"])


def images_per_s(turn: Line) -> float:
    """How many images a turn had answered in a second."""
    return float(turn["images_per_s"])


@dataclass(frozen=True, slots=True)
class Place:
    """Whose turns, under what load: ``load`` is such as ``8 clients``."""

    network: str
    pictures: str
    load: str


class Turns:
    """Local execution's turns, to be asked for by place, contender and round."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._turns: dict[tuple[Place, str], dict[int, Line]] = defaultdict(dict)
        for line in lines:
            if line["what"] == "turn":
                place = Place(line["network"], line["pictures"], line["load"])
                self._turns[place, line["contender"]][line["round"]] = line

    def of(self, place: Place, contender: str) -> list[Line]:
        """A contender's, round by round; none where it has none."""
        return list(self._turns.get((place, contender), {}).values())

    def places(self) -> list[Place]:
        """Where anybody has some, in the order in which they were measured."""
        return list(dict.fromkeys(place for place, _ in self._turns))

    def contenders(self, place: Place) -> list[str]:
        """Who has some there, by name."""
        return sorted(contender for where, contender in self._turns if where == place)

    def pooled_ms(self, place: Place, contender: str) -> list[float]:
        """What all images of all rounds took."""
        return [ms for turn in self.of(place, contender) for ms in turn["ms"]]

    def median(self, place: Place, contender: str, figure: Figure) -> float | None:
        """The median of a figure over the rounds; None where there are none."""
        turns = self.of(place, contender)
        return statistics.median(map(figure, turns)) if turns else None

    def ratio(self, place: Place, ours: str, theirs: str, figure: Figure) -> Interval | None:
        """The median of one contender's figure over another's; None where they have no rounds in common."""
        one, other = self._turns.get((place, ours), {}), self._turns.get((place, theirs), {})
        return median_of([figure(one[number]) / figure(other[number]) for number in sorted(one.keys() & other.keys())])

    def by_image_ms(self, place: Place, contender: str) -> dict[int, float]:
        """The median of what each image took, over the rounds."""
        taken: dict[int, list[float]] = defaultdict(list)
        for turn in self.of(place, contender):
            for image, ms in zip(turn["image"], turn["ms"], strict=True):
                taken[image].append(ms)
        return {image: statistics.median(values) for image, values in taken.items()}

    def apart_ms(self, place: Place, ours: str, theirs: str) -> Interval | None:
        """By how much one contender takes longer for an image than another does; the median of the images."""
        one, other = self.by_image_ms(place, ours), self.by_image_ms(place, theirs)
        return median_of([one[image] - other[image] for image in sorted(one.keys() & other.keys())])

    def best(self, place: Place, contenders: Iterable[str], figure: Figure, *, least: bool) -> str | None:
        """Who of these has the least, or the most, of a figure there; None where nobody has any."""
        known = {one: value for one in contenders if (value := self.median(place, one, figure)) is not None}
        if not known:
            return None
        return (min if least else max)(known, key=lambda one: known[one])


def median_of(values: Sequence[float]) -> Interval | None:
    """The median of some values, and its interval; of a single one both are that, of none there is none."""
    if len(values) == 1:
        return Interval(values[0], values[0], values[0])
    return interval(values, MEDIAN)


def percentile(values: Sequence[float], percent: float) -> float:
    """A percentile, linear between two values."""
    ordered = sorted(values)
    at = (len(ordered) - 1) * percent / 100
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


@dataclass(frozen=True, slots=True)
class Function:
    """Whose invocations: of a network, at a memory size."""

    network: str
    memory_mb: int


class Invocations:
    """Remote execution's, to be asked for by function and contender."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = [line for line in lines if line["what"] == "invocation"]

    def functions(self) -> list[Function]:
        """Those that were measured, in that order."""
        return list(dict.fromkeys(Function(line["network"], line["memory_mb"]) for line in self._lines))

    def of(self, function: Function, contender: str, *, cold: bool) -> list[Line]:
        """The cold starts, or the others."""
        return [
            line
            for line in self._lines
            if (line["network"], line["memory_mb"]) == (function.network, function.memory_mb)
            and line["contender"] == contender
            and (line["init_ms"] is not None) == cold
        ]

    def ratio(self, function: Function, ours: str, theirs: str, field: str, *, cold: bool = False) -> Interval | None:
        """The median of one contender's figure over another's: of the means of each round."""
        one, other = (self._means(function, name, field, cold=cold) for name in (ours, theirs))
        return median_of([one[number] / other[number] for number in sorted(one.keys() & other.keys())])

    def around_ms(self, function: Function, contender: str, *, upload: bool) -> Interval | None:
        """What a client waits for beside the function's own duration, warm; with the upload or without it."""
        return median_of(
            [
                line["elapsed_ms"] - line["duration_ms"] - (0 if upload else line["upload_ms"])
                for line in self.of(function, contender, cold=False)
                if line["upload_ms"] is not None
            ]
        )

    def _means(self, function: Function, contender: str, field: str, *, cold: bool) -> dict[int, float]:
        rounds: dict[int, list[float]] = defaultdict(list)
        for line in self.of(function, contender, cold=cold):
            rounds[line["round"]].append(line[field])
        return {number: statistics.mean(values) for number, values in rounds.items()}
