"""Which execution is fastest on which network, and where that turns. Pure.

A cell of the map is a round trip and a bandwidth. Where an execution was measured there, that counts; elsewhere it is
predicted, and the cell says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lookout.comparison.network import Network
from lookout.comparison.prediction import Condition, LatencyModel, Observation, predict

# Measured figures stand for a cell whose round trip and bandwidth are no further off than this.
_NEARLY = 0.01


@dataclass(frozen=True, slots=True)
class Cell:
    """One network, and what each execution takes on it: ``latency_ms``.

    ``measured`` names those whose latency was; ``extrapolated`` those for which it was predicted from networks that all
    lie on one side of this one.
    """

    rtt_ms: float
    mbit_s: float
    latency_ms: Mapping[str, float]
    measured: frozenset[str]
    extrapolated: frozenset[str]

    @property
    def winner(self) -> str:
        """The fastest; of equals the first that was asked for."""
        return min(self.latency_ms, key=self.latency_ms.__getitem__)

    def sure(self, error_percent: float) -> bool:
        """Whether the winner would be the same if predictions were so far off, for and against it."""
        if len(self.measured) == len(self.latency_ms):
            return True
        off = error_percent / 100

        def bound(execution: str, sign: int) -> float:
            wrong = 0.0 if execution in self.measured else sign * off
            return self.latency_ms[execution] * (1 + wrong)

        return all(bound(self.winner, 1) < bound(other, -1) for other in self.latency_ms if other != self.winner)


def winner_map(
    models: Mapping[str, LatencyModel],
    rtts_ms: Sequence[float],
    mbit_s: Sequence[float],
    *,
    sent_bytes: float,
    memory_mb: int,
    down_per_up: float = 1.0,
    measured: Sequence[Observation] = (),
) -> tuple[tuple[Cell, ...], ...]:
    """A row of cells for each bandwidth (up; down is so many times that), a cell for each round trip.

    Of images of ``sent_bytes``, one at a time, and a function of ``memory_mb``, which in-process and local have none
    of. Raises ``ValueError`` without models.
    """
    if not models:
        raise ValueError("a map of winners wants a model of one execution or more")

    def cell(rtt_ms: float, up_mbit_s: float) -> Cell:
        network = Network("", rtt_ms, up_mbit_s, up_mbit_s * down_per_up)
        latency_ms: dict[str, float] = {}
        seen, beyond = set(), set()
        for execution, model in models.items():
            memory = memory_mb if model.compute.memories_mb else None
            condition = Condition(execution, network, memory, None, sent_bytes)
            if found := _measured(measured, condition):
                latency_ms[execution] = found.latency_ms
                seen.add(execution)
                continue
            prediction = predict(model, condition)
            latency_ms[execution] = prediction.latency_ms
            if prediction.extrapolated:
                beyond.add(execution)
        return Cell(rtt_ms, up_mbit_s, latency_ms, frozenset(seen), frozenset(beyond))

    return tuple(tuple(cell(rtt_ms, rate) for rtt_ms in rtts_ms) for rate in mbit_s)


def turning_mbit_s(one: LatencyModel, other: LatencyModel, at: Condition) -> float | None:
    """The bandwidth up at which both take as long, down at the same ratio to it; None where there is none."""
    if at.network is None:
        raise ValueError("loopback has no bandwidth that could be another")
    # A latency is what it is on an endless line, and something in inverse proportion to the bandwidth.
    endless = [_latency_ms(model, at, faster=math.inf) for model in (one, other)]
    here = [_latency_ms(model, at) for model in (one, other)]
    slope = (here[0] - endless[0]) - (here[1] - endless[1])
    inverse = _turning(endless[0] - endless[1], slope)
    return at.network.up_mbit_s / inverse if inverse else None


def _latency_ms(model: LatencyModel, at: Condition, faster: float = 1.0) -> float:
    if at.network is None:
        raise ValueError("loopback has no bandwidth that could be another")
    network = Network("", at.network.rtt_ms, at.network.up_mbit_s * faster, at.network.down_mbit_s * faster)
    memory = at.memory_mb if model.compute.memories_mb else None
    return predict(model, Condition(model.execution, network, memory, None, at.sent_bytes)).latency_ms


def _turning(difference: float, slope: float) -> float | None:
    """Where a difference that grows by ``slope`` is none, above zero."""
    if slope == 0:
        return None
    at = -difference / slope
    return at if at > 0 else None


def _measured(observations: Sequence[Observation], wanted: Condition) -> Observation | None:
    """The observation under that condition, of images as large, where there is one."""
    return next((each for each in observations if _same(each.condition, wanted)), None)


def _same(one: Condition, other: Condition) -> bool:
    if (one.execution, one.memory_mb, one.rate_per_s) != (other.execution, other.memory_mb, other.rate_per_s):
        return False
    if one.network is None or other.network is None:
        return one.network is other.network
    figures = (
        (one.network.rtt_ms, other.network.rtt_ms),
        (one.network.up_mbit_s, other.network.up_mbit_s),
        (one.network.down_mbit_s, other.network.down_mbit_s),
        (one.sent_bytes, other.sent_bytes),
    )
    return all(math.isclose(a, b, rel_tol=_NEARLY) for a, b in figures)
