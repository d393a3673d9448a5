"""At which rate offloading and a machine of one's own cost the same. Pure.

What is offloaded costs by the image, and a machine by the month. So offloading is cheaper while images are few, and one
machine is from a rate on at which it costs the same: where it turns. A rate above what one machine manages needs
another, which nearly idles; just above it offloading may be cheaper again, the less so the more machines there are,
until it never is.

Offloading's cost of a month is a straight line in its images, with a bend where each of the things that are free each
month is used up (``after_free``). So it is turned round exactly, from bend to bend, and not searched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from lookout.comparison.bill import Estimate, exhausted_after
from lookout.comparison.costs import DEFAULT_EXPIRE_DAYS, Workload, of_month, offloaded_parts
from lookout.comparison.own_machine import SECONDS_A_MONTH, OwnMachine
from lookout.comparison.prices import PRICES, Prices
from lookout.errors import UsageError


@dataclass(frozen=True, slots=True)
class Offloading:
    """Images of one workload at any rate. The workload's own number of images is not looked at."""

    workload: Workload
    expire_days: float | None = DEFAULT_EXPIRE_DAYS
    repository_bytes: float | None = None
    prices: Prices = PRICES

    def month(self, images: float) -> Estimate:
        """What so many images a month cost, with the stack that they need."""
        return of_month(
            replace(self.workload, images=images),
            expire_days=self.expire_days,
            repository_bytes=self.repository_bytes,
            prices=self.prices,
        )

    def month_dollars(self, images: float, *, after_free: bool = False) -> float:
        """The sum of ``month``; with all that is free, where nothing else in the account uses it."""
        estimate = self.month(images)
        return estimate.dollars_after_free if after_free else estimate.dollars

    def per_thousand(self, images_per_s: float, *, after_free: bool = False) -> float:
        """Dollars for 1,000 images at this rate. Raises ``UsageError`` for a rate of nothing."""
        if not 0 < images_per_s < math.inf:
            raise UsageError(f"there is no cost of 1,000 images at {images_per_s} images/s: give a rate above zero")
        images = images_per_s * SECONDS_A_MONTH
        return self.month_dollars(images, after_free=after_free) / images * 1000

    def bends(self) -> tuple[float, ...]:
        """The images a month after which something is no longer free, in order."""
        one = offloaded_parts(replace(self.workload, images=1), self.expire_days, self.prices)
        return tuple(sorted(exhausted_after(one, self.prices)))


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Where the cheaper of the two changes, in images/s.

    Below ``images_per_s`` offloading is cheaper, and just above it the machine is; from ``settled_images_per_s`` on
    machines are at every rate, None for never. Both None: offloading is cheaper at every rate. Zero: from the first
    image on a machine is.
    """

    images_per_s: float | None
    settled_images_per_s: float | None

    @property
    def images_per_month(self) -> float | None:
        """The first of them as images of a month."""
        return None if self.images_per_s is None else self.images_per_s * SECONDS_A_MONTH


def break_even(offloading: Offloading, machine: OwnMachine, *, after_free: bool = False) -> BreakEven:
    """Where the cheaper of the two changes.

    >>> direct = Offloading(Workload(1, memory_mb=512, duration_ms=370, execution="direct"))
    >>> found = break_even(direct, OwnMachine(dollars_per_hour=0.10, images_per_s=25))
    >>> round(found.images_per_s, 2), round(found.images_per_month)
    (7.44, 19564254)
    """

    def cost(images: float) -> float:
        return offloading.month_dollars(images, after_free=after_free)

    bends = offloading.bends() if after_free else ()
    dollars, most = machine.dollars_per_month, machine.images_per_month
    if cost(0) >= dollars:  # even a stack that nobody uses costs more
        return BreakEven(0.0, None if dollars else 0.0)

    def ahead(machines: int) -> float:
        """By how much offloading costs more than so many machines that never idle."""
        return cost(machines * most) - machines * dollars

    beyond = math.ceil(max(bends, default=0.0) / most) + 1
    # How much more another machine's images cost than it does, once nothing is free any more. Before, they cost less.
    for_good = ahead(beyond + 1) - ahead(beyond) > 0
    if not for_good and ahead(1) <= 0:
        return BreakEven(None, None)
    first = _first(lambda machines: ahead(machines) > 0, 1) if for_good else 1
    turn = _images_for(first * dollars, cost, bends)
    if not for_good:
        return BreakEven(turn / SECONDS_A_MONTH, None)
    # Above what so many machines manage offloading is cheaper until it has cost as much as one more.
    settled = _first(lambda machines: ahead(machines) >= dollars, first)
    return BreakEven(turn / SECONDS_A_MONTH, max(turn, _images_for(settled * dollars, cost, bends)) / SECONDS_A_MONTH)


def rates_to_draw(lowest: float, highest: float, machine: OwnMachine, points: int = 200) -> tuple[float, ...]:
    """Rates for the curves, even on a logarithmic axis, and both sides of each step where one more machine is needed.

    >>> [round(rate, 6) for rate in rates_to_draw(1, 100, OwnMachine(0.10, 60), points=3)]
    [1.0, 10.0, 60.0, 60.0, 100.0]
    """
    even = [lowest * (highest / lowest) ** (number / (points - 1)) for number in range(points - 1)]
    # A curve of very many steps is a line.
    steps = [float(machine.images_per_s * count) for count in range(1, points + 1)]
    sides = (side for step in steps if lowest < step < highest for side in (step, step * (1 + 1e-9)))
    return tuple(sorted({*even, *sides, float(highest)}))


def describe(found: BreakEven, execution: str, machine: OwnMachine) -> str:
    """Where it turns, in words.

    >>> print(describe(BreakEven(0.8, 0.8), "direct", OwnMachine(0.10, 25)))
    below 0.8 images/s (2.1 million a month) direct is cheaper than a machine of $0.10 an hour, above it the machine is
    """
    own = machine.described()
    if found.images_per_s is None:
        return f"{execution} is cheaper than {own} at every rate"
    rate, month = f"{found.images_per_s:.3g} images/s", _counted(found.images_per_month or 0)
    text = f"below {rate} ({month} a month) {execution} is cheaper than {own}, above it the machine is"
    if found.images_per_s == 0:
        text = f"{own} is cheaper than {execution} from the first image on"
    settled = found.settled_images_per_s
    if settled is not None and settled <= found.images_per_s:
        return text
    until = "" if settled is None else f", and from {settled:.3g} images/s on in any case"
    return f"{text}, unless a further one nearly idles{until}"


def _counted(number: float) -> str:
    return f"{number / 1e6:,.1f} million" if number >= 1e6 else f"{number:,.0f}"


def _first(holds: Callable[[int], bool], lowest: int) -> int:
    """The lowest number, from ``lowest`` on, for which something holds that holds for all after it."""
    if holds(lowest):
        return lowest
    step = 1
    while not holds(lowest + step):
        step *= 2
    false, true = lowest + step // 2, lowest + step
    while true - false > 1:
        middle = (false + true) // 2
        false, true = (false, middle) if holds(middle) else (middle, true)
    return true


def _images_for(dollars: float, cost: Callable[[float], float], bends: Sequence[float]) -> float:
    """How many images a month cost so much; the most of them."""
    for start, end in _stretches(bends):
        slope = (cost(end) - cost(start)) / (end - start)
        if slope > 0 and (images := start + (dollars - cost(start)) / slope) <= end:
            return images
    return start + (dollars - cost(start)) / slope if slope > 0 else math.inf


def _stretches(bends: Sequence[float]) -> Iterator[tuple[float, float]]:
    """From bend to bend, and a stretch beyond the last, as long as all before it."""
    places = sorted({0.0, *bends})
    yield from pairwise((*places, 2 * places[-1] + 1))
