"""What offloading costs: dated prices and a workload in, dollars out. Pure.

A cost is a list of parts, each a quantity at a price, so that a reader can check it: a workload is priced through
``parts``, for a month (``monthly``) or for any number of images. What the table of prices does not have is not in the
sum, and is said (``Prices.unpriced``).

Sizes are AWS's: a GB has 1024 MB, and 1 KB is 1024 bytes.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from lookout.comparison.prices import PRICES, Architecture, Prices
from lookout.errors import UsageError

_KB, _GB = 1024, 1024**3
_DAYS_A_MONTH = 365 / 12

# What YOLOv3-tiny at 416 x 416 took at 512 MB, read once (OpenCV 5 from ONNX, one thread; measured on a 2-core AMD EPYC
# under that function's share of CPU), and from where on more memory brings this one thread no more CPU.
_MEASURED_MS, _MEASURED_MB, _ONE_VCPU_MB = 370.0, 512, 1769


@dataclass(frozen=True, slots=True)
class Workload:
    """Images through the function, and what each takes.

    ``duration_ms`` is the mean of an invocation without its initialisation, ``init_ms`` of that, which a share of
    ``cold_share`` of the invocations has. ``looks`` counts how often a client asks the table for a result that it waits
    for: Lookout's own asks about eight times. An item of the table is under 1 KB for up to about nine objects. The
    function logs some 600 to 800 bytes an image (measured), Lambda's own lines among them.
    """

    images: float
    memory_mb: int = 512
    duration_ms: float = _MEASURED_MS
    init_ms: float = 1500.0
    cold_share: float = 0.0
    image_bytes: float = 200_000
    item_bytes: int = 900
    looks: float = 8
    log_bytes: float = 800
    architecture: Architecture = "x86_64"

    def __post_init__(self) -> None:
        for name in (
            "images",
            "memory_mb",
            "duration_ms",
            "init_ms",
            "image_bytes",
            "item_bytes",
            "looks",
            "log_bytes",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} of a workload is {getattr(self, name)}: give a number that is not below zero")
        if not 0 <= self.cold_share <= 1:
            raise UsageError(f"cold_share of a workload is {self.cold_share}: give a number from 0 to 1")

    @property
    def gb_seconds(self) -> float:
        """What the images use of Lambda, initialisation included."""
        return self._gb_seconds(self.images, _billed_ms(self.duration_ms)) + self.init_gb_seconds

    @property
    def init_gb_seconds(self) -> float:
        """What initialisation adds: it is billed with the invocation, and both rounded up together."""
        cold_ms = _billed_ms(self.duration_ms + self.init_ms)
        return self._gb_seconds(self.images * self.cold_share, cold_ms - _billed_ms(self.duration_ms))

    def _gb_seconds(self, invocations: float, billed_ms: float) -> float:
        return invocations * billed_ms / 1000 * self.memory_mb / 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a bill: so many of something, in dollars."""

    name: str
    quantity: float
    unit: str
    dollars: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What something costs: its parts, and apart from them what Lambda gives an account free each month.

    ``free`` is what those parts of the bill are lowered by, where nothing else in the account uses it up.
    """

    parts: tuple[Part, ...]
    free: tuple[Part, ...]
    prices: Prices

    @property
    def dollars(self) -> float:
        """The sum, nothing free."""
        return math.fsum(part.dollars for part in self.parts)

    @property
    def dollars_after_free(self) -> float:
        """The sum, with all that is free."""
        return max(0.0, self.dollars - self.dollars_saved)

    @property
    def dollars_saved(self) -> float:
        """What is free of it."""
        return math.fsum(part.dollars for part in self.free)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "dollars": round(self.dollars, 6),
            "dollars_after_free_tier": round(self.dollars_after_free, 6),
            "parts": [_part_json(part) for part in self.parts],
            "free_tier": [_part_json(part) for part in self.free],
            "prices": {"region": self.prices.region, "as_of": self.prices.as_of},
            "not_priced": list(self.prices.unpriced),
        }


def assumed_duration_ms(memory_mb: int) -> float:
    """What an image may take in a function that was never measured: by YOLOv3-tiny's figure, and its share of CPU.

    >>> assumed_duration_ms(512), round(assumed_duration_ms(1024)), round(assumed_duration_ms(3008))
    (370.0, 185, 107)
    """
    return _MEASURED_MS * _MEASURED_MB / min(memory_mb, _ONE_VCPU_MB)


def monthly(
    images_per_month: float,
    memory_mb: int,
    duration_ms: float | None = None,
    *,
    expire_days: float | None = None,
    repository_bytes: float | None = None,
    prices: Prices = PRICES,
    **more: Any,
) -> Estimate:
    """What a month of images through bucket, function and table costs.

    Uploads are kept for ``expire_days``; None keeps them, and what is priced is then a first month's, as if all came on
    its first day. Without a duration one is assumed. A repository of unknown size is not priced.
    ``more``: further fields of ``Workload``, such as ``init_ms``, ``cold_share``, ``image_bytes``, ``architecture``.
    Raises ``UsageError`` for numbers that can't be.

    >>> estimate = monthly(1_000_000, 512, 370)
    >>> round(estimate.dollars, 2), round(estimate.dollars_after_free, 2)
    (14.59, 11.31)
    """
    if repository_bytes is None:
        prices = dataclasses.replace(prices, repository_gb_month=None)
    known_ms = assumed_duration_ms(memory_mb) if duration_ms is None else duration_ms
    workload = Workload(images_per_month, memory_mb, known_ms, **more)
    parts = (
        *function_parts(workload, prices),
        *transfer_parts(workload, prices),
        *_kept_parts(workload, expire_days, repository_bytes or 0, prices),
    )
    return Estimate(parts, free_parts(workload, prices), prices)


def so_far(invocations: int, gb_seconds: float, architecture: Architecture, prices: Prices = PRICES) -> Estimate:
    """What a function's own invocations cost within a month, by what it was billed for.

    >>> round(so_far(1_000_000, 192_500, "x86_64").dollars, 2)
    3.41
    """
    used = prices.gb_second(architecture)
    parts = (
        _per("invocations", invocations, "", prices.million_invocations / 1e6),
        _per("duration and initialisation", gb_seconds, "GB-s", used),
    )
    return Estimate(parts, _free(invocations, gb_seconds, architecture, prices), prices)


def function_parts(workload: Workload, prices: Prices = PRICES) -> tuple[Part, ...]:
    """Lambda's own part, that every offloaded image has."""
    warm = workload.gb_seconds - workload.init_gb_seconds
    logged_gb = workload.images * workload.log_bytes / _GB
    return (
        _per("invocations", workload.images, "", prices.million_invocations / 1e6),
        _per("duration", warm, "GB-s", prices.gb_second(workload.architecture)),
        _per("initialisation", workload.init_gb_seconds, "GB-s", prices.gb_second(workload.architecture)),
        *(() if prices.log_gb is None else (_per("log", logged_gb, "GB", prices.log_gb),)),
    )


def transfer_parts(workload: Workload, prices: Prices = PRICES) -> tuple[Part, ...]:
    """What the way through bucket and table adds: an object put and got, an item written and looked for."""
    writes = workload.images * max(1, math.ceil(workload.item_bytes / _KB))
    reads = workload.images * workload.looks * max(1, math.ceil(workload.item_bytes / (4 * _KB)))
    return (
        _per("uploads", workload.images, "PUT", prices.thousand_puts / 1e3),
        _per("downloads by the function", workload.images, "GET", prices.thousand_gets / 1e3),
        _per("table written", writes, "write units", prices.million_write_units / 1e6),
        _per("table read", reads, "read units", prices.million_read_units / 1e6),
    )


def free_parts(workload: Workload, prices: Prices = PRICES) -> tuple[Part, ...]:
    """What Lambda gives free of a month's workload."""
    return _free(workload.images, workload.gb_seconds, workload.architecture, prices)


def _kept_parts(
    workload: Workload, expire_days: float | None, repository_bytes: float, prices: Prices
) -> tuple[Part, ...]:
    """What lies there all month: uploads until they expire, the function's image, the alarm."""
    months = 1.0 if expire_days is None else expire_days / _DAYS_A_MONTH
    uploads_gb = workload.images * months * workload.image_bytes / _GB
    parts = [_per("uploads kept", uploads_gb, "GB-months", prices.bucket_gb_month)]
    if prices.repository_gb_month is not None:
        parts.append(_per("image repository", repository_bytes / _GB, "GB-months", prices.repository_gb_month))
    if prices.alarm_month is not None:
        parts.append(_per("alarm", 1, "", prices.alarm_month))
    return tuple(parts)


def _free(invocations: float, gb_seconds: float, architecture: Architecture, prices: Prices) -> tuple[Part, ...]:
    used = min(gb_seconds, prices.free_gb_seconds)
    return (
        _per("invocations", min(invocations, prices.free_invocations), "", prices.million_invocations / 1e6),
        _per("duration and initialisation", used, "GB-s", prices.gb_second(architecture)),
    )


def _billed_ms(duration_ms: float) -> int:
    """Lambda rounds up to whole milliseconds."""
    return math.ceil(duration_ms)


def _per(name: str, quantity: float, unit: str, price: float) -> Part:
    return Part(name, quantity, unit, quantity * price)


def _part_json(part: Part) -> dict[str, Any]:
    return {**dataclasses.asdict(part), "dollars": round(part.dollars, 6)}
