"""How long images wait for their turn where they come at random. Pure.

Theory of operation. In an open loop images come as a Poisson process does, each takes its time of one of ``servers``,
and who finds none free waits, first come, first served: the queue that is written M/G/c.

- The mean wait lies between that of M/M/c (Erlang's C formula, exact) and of M/D/c (Cosmetatos, INFOR 13, 1975, held
  to what it is where nearly nobody comes), by the squared coefficient of variation of the services (Tijms, A First
  Course in Stochastic Models, 2003, chapter 9). With one server that is the formula of Pollaczek and Khinchine, which
  is exact. Services that vary more than exponential ones take Allen's and Cunneen's simpler form instead.
- The wait's tail falls off exponentially. How fast is the root of an equation in the services' own moment generating
  function (same chapter), and the tail's height is what gives the wait its mean.
- A latency is a wait and, independent of it, what an image takes alone: so its percentiles need no formula but the
  measured times of images that came alone.

Against simulations of 1 to 8 servers at 30 to 90 % utilisation, mean waits and a latency's 99th percentile come out
within 5 %, and within 10 % where one image in twenty takes ten times as long as the others
(``tests/comparison/test_queueing.py``). A queue that is offered more than it can take has no mean: its wait is
infinite, and ``Wait.stable`` is false.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_STEPS = 50  # of a bisection: to a 1e15th of where it began


@dataclass(frozen=True, slots=True)
class Station:
    """Where images are worked on: so many at once, each for one of ``services_ms`` (measured of images alone).

    ``capacity_per_s`` is what it was seen to do when it was never idle. It says how much of the station an image
    really takes: a server that gives a lone image all its cores is no two servers of that speed. Raises ``ValueError``
    for what is no station.
    """

    servers: int
    services_ms: tuple[float, ...]
    capacity_per_s: float | None = None

    def __post_init__(self) -> None:
        if self.servers < 1:
            raise ValueError(f"a station of {self.servers} servers: at least one is needed")
        if not self.services_ms or not all(0 < service < math.inf for service in self.services_ms):
            raise ValueError("the services of a station are one number above zero or more")
        if self.capacity_per_s is not None and not 0 < self.capacity_per_s < math.inf:
            raise ValueError(f"a station's capacity is {self.capacity_per_s}: it is a number above zero")

    @property
    def most_per_s(self) -> float:
        """The rate from which on the queue only grows."""
        return self.capacity_per_s or self.servers * 1000 * len(self.services_ms) / math.fsum(self.services_ms)

    def occupied_ms(self) -> npt.NDArray[np.float64]:
        """How long each image keeps a server from others: as it was served, scaled to the capacity."""
        services = np.asarray(self.services_ms, np.float64)
        occupied: npt.NDArray[np.float64] = services * (self.servers * 1000 / self.most_per_s / services.mean())
        return occupied


@dataclass(frozen=True, slots=True)
class Wait:
    """Waiting at a station at some rate. ``probability``: of having to wait at all.

    ``mean_ms`` is of all images, those that need not wait too. ``decay_per_ms``: how fast the tail falls off.
    """

    rate_per_s: float
    utilisation: float
    probability: float
    mean_ms: float
    decay_per_ms: float

    @property
    def stable(self) -> bool:
        """Whether the queue ends at all."""
        return self.utilisation < 1

    def beyond(self, waits_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The share of images that wait longer than each of these; all of them for what is below zero."""
        if not self.stable:
            return np.ones_like(waits_ms)
        if self.probability == 0 or self.mean_ms == 0:
            return (waits_ms < 0).astype(np.float64)
        tail = self.probability * self._tail(np.maximum(waits_ms, 0))
        return np.where(waits_ms < 0, 1.0, tail)

    def _tail(self, waits_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The same of those that wait: an exponential with the wait's decay, and what gives them their mean.

        Waits that vary less than exponential ones have a second phase, which is shorter; of those that vary more a part
        is as good as none.
        """
        waited_ms = self.mean_ms / self.probability
        ratio = waited_ms * self.decay_per_ms
        if ratio <= 1:
            return ratio * np.exp(-self.decay_per_ms * waits_ms)
        if ratio > 1.95:  # both phases as long: no queue of ours, and no numbers to divide by
            return np.exp(-waits_ms / waited_ms)
        other = self.decay_per_ms / (ratio - 1)
        slow, fast = np.exp(-self.decay_per_ms * waits_ms), np.exp(-other * waits_ms)
        tail: npt.NDArray[np.float64] = (other * slow - self.decay_per_ms * fast) / (other - self.decay_per_ms)
        return tail


def wait(station: Station, rate_per_s: float) -> Wait:
    """The waiting at a station that images come to at this rate. Raises ``ValueError`` for what is no rate.

    >>> one = wait(Station(1, (10.0,)), rate_per_s=50)
    >>> one.utilisation, round(one.mean_ms, 3)
    (0.5, 5.0)
    >>> wait(Station(1, (10.0,)), rate_per_s=100).mean_ms
    inf
    """
    if not 0 <= rate_per_s < math.inf:
        raise ValueError(f"a rate of {rate_per_s} images a second: it is zero or more")
    utilisation = rate_per_s / station.most_per_s
    if utilisation >= 1:
        return Wait(rate_per_s, utilisation, 1.0, math.inf, 0.0)
    if rate_per_s == 0:
        return Wait(0.0, 0.0, 0.0, 0.0, math.inf)
    occupied = station.occupied_ms()
    variation = float(occupied.var() / occupied.mean() ** 2)
    probability = erlang_c(station.servers, utilisation)
    exponential_ms = probability * float(occupied.mean()) / (station.servers * (1 - utilisation))
    mean_ms = exponential_ms * _of_exponential(station.servers, utilisation, variation)
    return Wait(rate_per_s, utilisation, probability, mean_ms, _decay(occupied, station.servers, rate_per_s / 1000))


def erlang_c(servers: int, utilisation: float) -> float:
    """The probability that an image finds all servers busy, where services are exponential; else nearly that.

    >>> round(erlang_c(1, 0.7), 6), round(erlang_c(2, 0.5), 6)
    (0.7, 0.333333)
    """
    offered = servers * utilisation
    lost = 1.0  # Erlang's B, which is built up server by server
    for number in range(1, servers + 1):
        lost = offered * lost / (number + offered * lost)
    return lost / (1 - utilisation * (1 - lost))


def latency_percentile_ms(waiting: Wait, alone_ms: Sequence[float], percent: float) -> float:
    """The percentile of latencies: of images that take one of ``alone_ms`` and wait before it. Infinite if unstable.

    >>> latency_percentile_ms(wait(Station(1, (10.0,)), 0), [10.0, 20.0, 30.0], 50)
    20.0
    """
    if not waiting.stable:
        return math.inf
    alone = np.asarray(alone_ms, np.float64)
    if waiting.rate_per_s == 0:
        return float(np.percentile(alone, percent))
    over = 1 - percent / 100
    low, high = float(alone.min()), float(alone.max()) + _longest_ms(waiting, over)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if waiting.beyond(middle - alone).mean() > over:
            low = middle
        else:
            high = middle
    return high


def most_within_per_s(station: Station, alone_ms: Sequence[float], bound_ms: float, percent: float = 99) -> float:
    """The highest rate whose latencies keep a bound in this percentile; 0 where images take longer even alone.

    >>> round(most_within_per_s(Station(1, (10.0,)), [10.0], bound_ms=25))
    20
    """
    if float(np.percentile(np.asarray(alone_ms, np.float64), percent)) > bound_ms:
        return 0.0
    low, high = 0.0, station.most_per_s
    for _ in range(_STEPS // 2):  # to a 30 millionth of what the station can do
        middle = (low + high) / 2
        if latency_percentile_ms(wait(station, middle), alone_ms, percent) <= bound_ms:
            low = middle
        else:
            high = middle
    return low


def shared_line_ms(alone_ms: float, utilisation: float) -> float:
    """How long a transfer takes on a line that all transfers share evenly, as the shaping proxy's connections do.

    The mean, whatever the transfers' sizes: processor sharing's (Kleinrock, Queueing Systems, volume 2, 1976, chapter
    4). Infinite where more is to be sent than the line carries.

    >>> shared_line_ms(100, 0.5), shared_line_ms(100, 1.2)
    (200.0, inf)
    """
    return alone_ms / (1 - utilisation) if utilisation < 1 else math.inf


def _of_exponential(servers: int, utilisation: float, variation: float) -> float:
    """The mean wait as a share of what it were with exponential services, by the services' squared variation."""
    if variation >= 1:
        return (1 + variation) / 2
    parallel = (1 - utilisation) * (servers - 1) * (math.sqrt(4 + 5 * servers) - 2) / (16 * utilisation * servers)
    constant = min((1 + parallel) / 2, servers / (servers + 1))
    return variation + (1 - variation) * constant


def _decay(occupied_ms: npt.NDArray[np.float64], servers: int, rate_per_ms: float) -> float:
    """The positive root d of rate x (E[exp(d S / servers)] - 1) = d, by bisection.

    The left side is convex, so that its first terms bound the root from above.
    """
    parts = occupied_ms / servers
    utilisation = rate_per_ms * float(parts.mean())
    low, high = 0.0, 2 * (1 - utilisation) / (rate_per_ms * float((parts**2).mean()))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        with np.errstate(over="ignore"):  # to infinity, which is above the root as well
            above = rate_per_ms * float(np.expm1(middle * parts).mean()) > middle
        if above:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def _longest_ms(waiting: Wait, over: float) -> float:
    """A wait that no larger share than ``over`` of images exceeds."""
    longest_ms = max(waiting.mean_ms, 1e-9)
    while float(waiting.beyond(np.array([longest_ms]))[0]) > over:
        longest_ms *= 2
    return longest_ms
