"""What a report shows, as data: every number and sentence of it, computed from a run. Drawing adds nothing. Pure.

All times are in milliseconds, all dollars are US dollars. ``predicted`` marks what was computed, not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lookout.comparison.report import Report
from lookout.comparison.results import Picture, Run
from lookout.comparison.statistics import Interval
from lookout.core.detections import Detection


@dataclass(frozen=True, slots=True)
class Published:
    """A row of the published system's own table."""

    task: str
    metric: str
    unit: str
    mean: float
    sd: float
    min: float
    max: float


# The reference system's report (YOLOv3-tiny at 416 x 416, OpenCV; Ryzen 7840S laptop, and Lambda at 512 MB).
PUBLISHED = (
    Published("Local execution", "Duration", "ms", 32.41, 7.62, 21.00, 58.00),
    Published("Remote image upload", "Duration", "ms", 48.17, 14.86, 36.00, 152.00),
    Published("Remote execution", "Duration", "ms", 1780.20, 378.99, 1214.06, 3008.06),
    Published("Remote execution", "Memory used", "MB", 452.97, 1.47, 449.00, 454.00),
)


@dataclass(frozen=True, slots=True)
class Distribution:
    """An execution's latencies, ascending; cold starts and warm ones apart. Mean, p50 and p95 with intervals."""

    execution: str
    cold: bool
    values_ms: tuple[float, ...]
    mean: Interval | None
    p50: Interval | None
    p95: Interval | None


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much ``slower`` takes longer than ``faster``, by the ``n`` images that both answered warm, in pairs."""

    faster: str
    slower: str
    ms: Interval
    n: int

    @property
    def is_sure(self) -> bool:
        """Whether it is more than chance may make."""
        return self.ms.low > 0


@dataclass(frozen=True, slots=True)
class StageBar:
    """Where an execution's mean latency goes, by stage (``stages.STAGES``); ``unexplained_ms`` is what is left."""

    execution: str
    cold: bool
    n: int
    latency_ms: float
    stages_ms: Mapping[str, float]
    unexplained_ms: float


@dataclass(frozen=True, slots=True)
class RatePoint:
    """Latencies at a rate of an open loop. ``failed`` of ``n`` were not answered.

    ``p99_ms`` is not a number where too few were measured for one.
    """

    rate_per_s: float
    p50_ms: float
    p99_ms: float
    n: int
    failed: int
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class RateCurve:
    """Latency against rate. ``knee_per_s``: where it turns up; None where no rate that was tried is beyond it."""

    execution: str
    points: tuple[RatePoint, ...]
    knee_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class CostCurve:
    """What 1,000 images cost at each rate. ``name``: remote, direct, or a machine of one's own in words."""

    name: str
    rates_per_s: tuple[float, ...]
    dollars_per_thousand: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CostPart:
    """A line of what 1,000 images cost."""

    name: str
    quantity: str
    dollars: float


@dataclass(frozen=True, slots=True)
class CostTable:
    """What 1,000 images through an execution cost, part by part; ``free``: what of that Lambda gives free, in words."""

    execution: str
    parts: tuple[CostPart, ...]
    dollars: float
    free: str


@dataclass(frozen=True, slots=True)
class Costs:
    """``break_evens``: sentences on where the curves meet. ``source``: whose prices, and of when.

    ``meeting_points``: those places as images a second, and dollars for 1,000 images, for the plot to mark.
    """

    tables: tuple[CostTable, ...]
    curves: tuple[CostCurve, ...]
    break_evens: tuple[str, ...]
    source: str
    meeting_points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryPoint:
    """The function at a memory, by ``n`` images. ``excluded``: why it is no candidate, such as that all failed."""

    memory_mb: int
    n: int
    duration_ms: float | None
    p95_ms: float | None
    dollars_per_thousand: float | None
    init_ms: float | None
    used_mb: float | None
    predicted: bool = False
    excluded: str = ""


@dataclass(frozen=True, slots=True)
class MemorySweep:
    """The function at some memories. ``recommended``: memory in MB by goal. ``words``: why."""

    execution: str
    points: tuple[MemoryPoint, ...]
    recommended: Mapping[str, int]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A network, and each execution's latency over it; the ``winner`` has the least."""

    rtt_ms: float
    up_mbit_s: float
    latencies_ms: Mapping[str, float]
    winner: str
    predicted: bool


@dataclass(frozen=True, slots=True)
class NetworkMap:
    """The executions over networks, the cells by round trip, then by bandwidth, both ascending."""

    rtts_ms: tuple[float, ...]
    up_mbit_s: tuple[float, ...]
    cells: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """How well what is predicted fits what was measured and kept out of the fit. ``mape``: 0.05 is five per cent."""

    mape: float
    pairs: tuple[tuple[str, float, float], ...]  # condition in words, predicted, measured


@dataclass(frozen=True, slots=True)
class Peak:
    """The most memory that something had; ``of``: what."""

    of: str
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture, and what was found in it."""

    picture: Picture
    objects: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """All of a run's report. What its samples don't allow is None or empty, and then there is no plot of it.

    ``answer``: the verdict in sentences, the first the shortest. ``added``: sentences on what an emulator lacks and
    what it would add, and ``sources`` whose figures those are. ``caveats``: what a reader must mind. ``method``: how it
    was measured.
    """

    run: Run
    report: Report
    answer: tuple[str, ...]
    added: tuple[str, ...]
    sources: tuple[str, ...]
    distributions: tuple[Distribution, ...]
    differences: tuple[Difference, ...]
    stages: tuple[StageBar, ...]
    rates: tuple[RateCurve, ...]
    costs: Costs | None
    memory: MemorySweep | None
    network_map: NetworkMap | None
    prediction: Prediction | None
    peaks: tuple[Peak, ...]
    seen: tuple[Seen, ...]
    caveats: tuple[str, ...]
    method: tuple[str, ...]
