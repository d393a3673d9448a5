"""The goals, and what was measured of each."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lookout.comparison.statistics import Interval
from peers import results
from peers.figures import (
    Figure,
    Function,
    Invocations,
    Line,
    Place,
    Turns,
    images_per_s,
    mean_ms,
    median_of,
    percentile,
)

XL, TINY = "Yolo-Fastest-1.1-xl", "YOLOv3-tiny"
SMALL, LARGE = "640 x 480", "12 MP"
ONE, EIGHT = "1 client", "8 clients"
OURS, BASE64, REFERENCE, BARE = "lookout", "lookout, base64", "reference", "bare"
NO_PEERS = (OURS, BASE64, REFERENCE, BARE, "engine")
REMOTE, DIRECT = "lookout, remote", "lookout, direct"


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured, part by part."""

    turns: Turns
    invocations: Invocations
    starts: list[Line]
    sends: list[Line]

    @staticmethod
    def read(folder: Path) -> Run:
        """A run from its folder; parts that were not measured are empty."""
        return Run(
            Turns(results.read(folder, "local-*")),
            Invocations(results.read(folder, "remote-*")),
            results.read(folder, "start"),
            results.read(folder, "send"),
        )


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted: ``bound`` at most, or at least. One without a bound is told beside another, and has none."""

    key: str
    what: str
    measure: Callable[[Run], Interval | None]
    bound: float | None = None
    stretch: float | None = None
    at_least: bool = False
    unit: str = ""

    def judge(self, run: Run) -> tuple[Interval | None, str]:
        """What was measured, and what is said of it."""
        found = self.measure(run)
        if found is None:
            return None, "not measured"
        if self.bound is None:
            return found, ""
        return found, "stretch" if self._meets(found.value, self.stretch) else (
            "met" if self._meets(found.value, self.bound) else "**missed**"
        )

    def wanted(self, bound: float | None) -> str:
        """A bound in words."""
        if bound is None:
            return ""
        return f"{'at least' if self.at_least else 'at most'} {bound:g}{self.unit}"

    def _meets(self, value: float, bound: float | None) -> bool:
        return bound is not None and (value >= bound if self.at_least else value <= bound)


def local(network: str, pictures: str, load: str, ours: str, theirs: str, figure: Figure) -> Callable[[Run], object]:
    """The ratio of two contenders' figures."""
    return lambda run: run.turns.ratio(Place(network, pictures, load), ours, theirs, figure)


def against_best_peer(run: Run) -> Interval | None:
    """Images a second, eight clients, over those of the best peer in its best setting."""
    place = Place(XL, SMALL, EIGHT)
    best = best_peer(run.turns, place)
    return run.turns.ratio(place, OURS, best, images_per_s) if best else None


def tail_against_best_peer(run: Run) -> Interval | None:
    """The p99 of eight clients over that of the same peer; one figure of all rounds."""
    place = Place(XL, SMALL, EIGHT)
    best = best_peer(run.turns, place)
    ours = run.turns.pooled_ms(place, OURS)
    if best is None or not ours:
        return None
    return median_of([percentile(ours, 99) / percentile(run.turns.pooled_ms(place, best), 99)])


def best_peer(turns: Turns, place: Place) -> str | None:
    """Who answers most images a second, of those that are neither ours nor the reference."""
    return turns.best(place, [one for one in turns.contenders(place) if one not in NO_PEERS], images_per_s, least=False)


def init_ratio(run: Run) -> Interval | None:
    """Of the cold starts of all memory sizes, since an init has no limit of CPU: ours over the reference's."""
    ours, theirs = (
        [
            line["init_ms"]
            for function in run.invocations.functions()
            if function.network == TINY
            for line in run.invocations.of(function, contender, cold=True)
        ]
        for contender in (REMOTE, REFERENCE)
    )
    return median_of([one / statistics.median(theirs) for one in ours]) if ours and theirs else None


def invocation(network: str, contender: str, field: str, memory_mb: int = 512) -> Callable[[Run], Interval | None]:
    """The ratio of a figure to the reference's, warm."""
    return lambda run: run.invocations.ratio(Function(network, memory_mb), contender, REFERENCE, field)


def started(run: Run) -> Interval | None:
    """Seconds until our server answers its first image."""
    return median_of([line["seconds"] for line in run.starts if line["contender"] == OURS])


def many_over_few(field: str) -> Callable[[Run], Interval | None]:
    """A figure of ``lookout send`` with the most files over each of those with the fewest."""

    def of(run: Run) -> Interval | None:
        counts = sorted({line["files"] for line in run.sends})
        if len(counts) < 2:
            return None
        few, many = ([line[field] for line in run.sends if line["files"] == count] for count in (counts[0], counts[-1]))
        return median_of([statistics.median(many) / one for one in few])

    return of


def goals() -> Iterable[Goal]:
    """All of them, in the order of the table."""
    return (
        Goal(
            "one-client-xl",
            f"one client, {XL}, mean round trip / reference's",
            local(XL, SMALL, ONE, OURS, REFERENCE, mean_ms),
            0.45,
            0.36,
        ),
        Goal("", "the same, image sent as base64 in JSON", local(XL, SMALL, ONE, BASE64, REFERENCE, mean_ms)),
        Goal(
            "one-client-tiny",
            f"one client, {TINY}, mean round trip / reference's",
            local(TINY, SMALL, ONE, OURS, REFERENCE, mean_ms),
            0.80,
            0.70,
        ),
        Goal("", "the same, image sent as base64 in JSON", local(TINY, SMALL, ONE, BASE64, REFERENCE, mean_ms)),
        Goal(
            "around",
            f"one client, {XL}, round trip less bare detector, median",
            lambda run: run.turns.apart_ms(Place(XL, SMALL, ONE), OURS, BARE),
            1.0,
            0.5,
            unit=" ms",
        ),
        Goal(
            "eight-clients-reference",
            f"8 clients, {XL}, images a second / reference's",
            local(XL, SMALL, EIGHT, OURS, REFERENCE, images_per_s),
            2.8,
            3.5,
            at_least=True,
        ),
        Goal(
            "eight-clients-bare",
            "8 clients, images a second / bare detector on all cores",
            local(XL, SMALL, EIGHT, OURS, BARE, images_per_s),
            0.90,
            0.96,
            at_least=True,
        ),
        Goal(
            "eight-clients-peer",
            "8 clients, images a second / best peer's",
            against_best_peer,
            1.08,
            1.25,
            at_least=True,
        ),
        Goal("eight-clients-p99", "8 clients, p99 / that peer's", tail_against_best_peer, 1.0),
        Goal(
            "large",
            "12 MP pictures, 8 clients, images a second / reference's",
            local(XL, LARGE, EIGHT, OURS, REFERENCE, images_per_s),
            4,
            6,
            at_least=True,
        ),
        Goal("", "the same, one client", local(XL, LARGE, ONE, OURS, REFERENCE, images_per_s)),
        Goal(
            "remote-tiny",
            f"remote, 512 MB, {TINY}, warm duration / reference's",
            invocation(TINY, REMOTE, "duration_ms"),
            0.20,
            0.16,
        ),
        Goal("", "the same, direct", invocation(TINY, DIRECT, "duration_ms")),
        Goal(
            "remote-xl",
            f"remote, 512 MB, {XL}, warm duration / reference's",
            invocation(XL, REMOTE, "duration_ms"),
            0.35,
            0.25,
        ),
        Goal("", "the same, direct", invocation(XL, DIRECT, "duration_ms")),
        Goal(
            "remote-memory",
            f"remote, {TINY}, max memory used / reference's",
            invocation(TINY, REMOTE, "used_mb"),
            0.60,
            0.45,
        ),
        Goal("init", f"init duration, {TINY} / reference's", init_ratio, 0.6, 0.4),
        Goal(
            "seen",
            f"remote, 1769 MB, {XL}, upload to result seen less duration, warm, median",
            lambda run: run.invocations.around_ms(Function(XL, 1769), REMOTE, upload=True),
            40,
            20,
            unit=" ms",
        ),
        Goal(
            "",
            "the same, from the end of the upload",
            lambda run: run.invocations.around_ms(Function(XL, 1769), REMOTE, upload=False),
            unit=" ms",
        ),
        Goal("start", "server: first image answered after start", started, 1.0, 0.6, unit=" s"),
        Goal("many-files", "100,000 files against 1,000: time an image", many_over_few("ms"), 1.05),
        Goal("many-files-memory", "100,000 files against 1,000: peak memory", many_over_few("peak_mb"), 1.05),
    )
