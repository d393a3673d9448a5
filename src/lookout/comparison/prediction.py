"""The latency of an execution where it was not measured: on another network, at another memory, at a rate. Pure.

Theory of operation. Of one image at a time, a latency is a sum:

    compute(memory) + overhead + round trips x RTT + bytes sent / up + bytes answered / down

- ``compute`` is measured, stage by stage; another memory gives it another share of CPU (``function_memory``).
- The bytes sent are known: the image, a third more where it goes as base64.
- ``overhead`` (serialising, the servers' own time, waiting for the function), the number of round trips and the bytes
  answered are fitted to what was measured, none below zero, in least squares of *relative* errors, since those are what
  the result is judged by.

What a protocol says of the round trips holds until there are networks enough to say better: one request (``local``,
``direct``), over a connection that is open; and three (``remote``): S3's client asks before it sends, sends, and then
looks into the table. It looks as soon as the fastest function could be done, and on networks that are slower than the
function that look finds the result; on faster ones it may take a few, of which each is as short as the network is. So
one look is what a look costs, nearly everywhere.

At a rate, images share the line (``queueing.shared_line_ms``) and wait for a server (``queueing.wait``).

Means in, means out; fitted on medians it gives medians. ``held_out`` tells how wrong it is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lookout.comparison.function_memory import ComputeModel, fit_compute
from lookout.comparison.network import Network
from lookout.comparison.queueing import Station, shared_line_ms, wait

# The stages in which an image is worked on, wherever that is.
COMPUTE_STAGES = ("fetch", "decode", "preprocess", "inference", "postprocess", "store")


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is known of an execution beforehand: its round trips, and what is sent for each byte of an image."""

    round_trips: float
    sent_share: float


PROTOCOLS: Mapping[str, Protocol] = {
    "in-process": Protocol(0, 0),
    "local": Protocol(1, 1),
    "remote": Protocol(3, 1),
    "direct": Protocol(1, 4 / 3),
}

# From so many networks on round trips are fitted, and the answer's bytes too: one more than there are unknowns then.
_NETWORKS_FOR_ROUND_TRIPS, _NETWORKS_FOR_ANSWER = 3, 4


@dataclass(frozen=True, slots=True)
class Condition:
    """Under what an execution runs. ``network``: None is loopback; ``memory_mb``: of its function, None without one.

    ``rate_per_s``: of images that come at random; None is one at a time. ``sent_bytes``: an image's, on average.
    """

    execution: str
    network: Network | None
    memory_mb: int | None
    rate_per_s: float | None
    sent_bytes: float

    @property
    def rtt_ms(self) -> float:
        """The round trip; none on loopback."""
        return self.network.rtt_ms if self.network else 0.0

    @property
    def sending_ms(self) -> float:
        """How long the image is on the line, alone."""
        sent_bytes = self.sent_bytes * _protocol(self.execution).sent_share
        return sent_bytes * self.up_ms_per_byte

    @property
    def up_ms_per_byte(self) -> float:
        """How long a byte takes up; nothing on loopback."""
        return 8e-3 / self.network.up_mbit_s if self.network else 0.0

    @property
    def down_ms_per_byte(self) -> float:
        """How long a byte takes down; nothing on loopback."""
        return 8e-3 / self.network.down_mbit_s if self.network else 0.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What ``n`` images took, one at a time and warm, under a condition: the mean, and that of each stage."""

    condition: Condition
    latency_ms: float
    stages_ms: Mapping[str, float]
    n: int

    @property
    def compute_ms(self) -> float:
        """Of it, where the image was worked on."""
        return math.fsum(self.stages_ms.get(stage, 0.0) for stage in COMPUTE_STAGES)


@dataclass(frozen=True, slots=True)
class LatencyModel:
    """An execution's latency, as a sum of parts. ``fitted`` names those that were; the others are the protocol's.

    ``rtts_ms`` and ``up_ms_per_byte``: between which networks it was fitted.
    """

    execution: str
    compute: ComputeModel
    overhead_ms: float
    round_trips: float
    answer_bytes: float
    fitted: tuple[str, ...]
    rtts_ms: tuple[float, float]
    up_ms_per_byte: tuple[float, float]

    def covers(self, condition: Condition) -> bool:
        """Whether the condition lies within what was measured."""
        memories_mb = self.compute.memories_mb
        return (
            (PROTOCOLS[self.execution].sent_share == 0 or _within(condition.rtt_ms, self.rtts_ms))
            and (PROTOCOLS[self.execution].sent_share == 0 or _within(condition.up_ms_per_byte, self.up_ms_per_byte))
            and (memories_mb is None or condition.memory_mb is None or _within(condition.memory_mb, memories_mb))
        )


@dataclass(frozen=True, slots=True)
class Prediction:
    """A latency that nobody measured, and the parts in ms that add up to it.

    ``extrapolated``: it lies outside of what the model was fitted on. Infinite where more comes than can be done.
    """

    parts_ms: Mapping[str, float]
    extrapolated: bool

    @property
    def latency_ms(self) -> float:
        """The sum."""
        return sum(self.parts_ms.values())


def fit(observations: Sequence[Observation], cores: int | None = None) -> LatencyModel:
    """The model of one execution. ``cores``: of the machine that emulates its function.

    Raises ``ValueError`` without observations, and where they are of several executions, or at a rate.
    """
    execution = _checked(observations)
    protocol = PROTOCOLS[execution]
    networks = {observation.condition.network for observation in observations} if protocol.sent_share else set()
    fitted = ["overhead_ms"]
    if len(networks) >= _NETWORKS_FOR_ROUND_TRIPS:
        fitted.append("round_trips")
    if len(networks) >= _NETWORKS_FOR_ANSWER:
        fitted.append("answer_bytes")
    known_ms = [
        observation.compute_ms
        + observation.condition.sending_ms
        + (0.0 if "round_trips" in fitted else protocol.round_trips * observation.condition.rtt_ms)
        for observation in observations
    ]
    columns = {
        "overhead_ms": [1.0 for _ in observations],
        "round_trips": [observation.condition.rtt_ms for observation in observations],
        "answer_bytes": [observation.condition.down_ms_per_byte for observation in observations],
    }
    latencies = np.array([observation.latency_ms for observation in observations])
    weights = np.sqrt([observation.n for observation in observations]) / latencies
    matrix = np.array([columns[name] for name in fitted]).T
    found = dict(zip(fitted, _least_squares(matrix, latencies - known_ms, weights), strict=True))
    return LatencyModel(
        execution,
        _fit_compute(observations, cores),
        overhead_ms=found["overhead_ms"],
        round_trips=found.get("round_trips", protocol.round_trips),
        answer_bytes=found.get("answer_bytes", 0.0),
        fitted=tuple(fitted),
        rtts_ms=_range([observation.condition.rtt_ms for observation in observations]),
        up_ms_per_byte=_range([observation.condition.up_ms_per_byte for observation in observations]),
    )


def predict(model: LatencyModel, condition: Condition, station: Station | None = None) -> Prediction:
    """The latency under a condition.

    ``station`` is where images are worked on: at a rate they wait there; None is a place for as many as come. Raises
    ``ValueError`` for a condition of another execution.
    """
    if condition.execution != model.execution:
        raise ValueError(f"a model of {model.execution} says nothing of {condition.execution}")
    rate_per_s = condition.rate_per_s or 0.0
    sending_ms = condition.sending_ms
    parts_ms = {
        "compute": model.compute.compute_ms(condition.memory_mb),
        "overhead": model.overhead_ms,
        "round trips": model.round_trips * condition.rtt_ms,
        "sending": shared_line_ms(sending_ms, rate_per_s * sending_ms / 1000),
        "answering": model.answer_bytes * condition.down_ms_per_byte,
        "waiting": wait(station, rate_per_s).mean_ms if station else 0.0,
    }
    return Prediction(parts_ms, extrapolated=not model.covers(condition))


def _checked(observations: Sequence[Observation]) -> str:
    """The execution that all are of."""
    executions = {observation.condition.execution for observation in observations}
    if len(executions) != 1:
        raise ValueError(f"a model is fitted on observations of one execution, and these are of {len(executions)}")
    if any(observation.condition.rate_per_s is not None for observation in observations):
        raise ValueError("a model is fitted on images one at a time: at a rate they wait for each other")
    if not all(observation.n > 0 and 0 < observation.latency_ms < math.inf for observation in observations):
        raise ValueError("an observation is of one image or more, and its latency a number above zero")
    execution = executions.pop()
    _protocol(execution)
    return execution


def _protocol(execution: str) -> Protocol:
    if execution not in PROTOCOLS:
        raise ValueError(f"there is no execution {execution!r}: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[execution]


def _fit_compute(observations: Sequence[Observation], cores: int | None) -> ComputeModel:
    memories = {observation.condition.memory_mb for observation in observations}
    if None in memories:
        if len(memories) > 1:
            raise ValueError("some observations have a function's memory and some have none")
        return ComputeModel(_mean([(observation.compute_ms, observation.n) for observation in observations]))
    by_memory = {
        memory: _mean(
            [
                (observation.compute_ms, observation.n)
                for observation in observations
                if observation.condition.memory_mb == memory
            ]
        )
        for memory in sorted(memory for memory in memories if memory is not None)
    }
    inference_ms = math.fsum(observation.stages_ms.get("inference", 0.0) for observation in observations)
    compute_ms = math.fsum(observation.compute_ms for observation in observations)
    return fit_compute(by_memory, inference_ms / compute_ms if compute_ms else 0.0, cores)


def _least_squares(
    matrix: npt.NDArray[np.float64], values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> list[float]:
    """The coefficients, none below zero, with the least sum of squared weighted errors.

    The best solution uses some columns and leaves the others at zero: so few are there that each choice is tried.
    """
    weighted, wanted = matrix * weights[:, None], values * weights
    width = matrix.shape[1]
    best, best_error = np.zeros(width), float((wanted**2).sum())
    for size in range(1, width + 1):
        for chosen in map(list, itertools.combinations(range(width), size)):
            part = np.linalg.lstsq(weighted[:, chosen], wanted, rcond=None)[0]
            error = float(((weighted[:, chosen] @ part - wanted) ** 2).sum())
            if (part >= 0).all() and error < best_error:
                best, best_error = np.zeros(width), error
                best[chosen] = part
    return [float(coefficient) for coefficient in best]


def _mean(values: Sequence[tuple[float, int]]) -> float:
    """The mean of means, each of so many."""
    return math.fsum(value * n for value, n in values) / sum(n for _, n in values)


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]
