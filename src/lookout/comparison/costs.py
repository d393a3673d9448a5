"""What offloading costs: dated prices and a workload in, dollars out. Pure.

A cost is a list of parts, each a quantity at a price, so that a reader can check it: a workload is priced through
``offloaded_parts``, for a month (``monthly``) or for a thousand images (``per_thousand``). What is in no part is said
(``Estimate.lacking``). ``docs/costs.md`` works some examples by hand.

Sizes are AWS's: a GB has 1024 MB, and 1 KB is 1024 bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from lookout.comparison.bill import BACKUPS, LOG_KEPT, Estimate, Part, free_of, part
from lookout.comparison.prices import PRICES, Architecture, Prices
from lookout.errors import UsageError

Offloaded = Literal["remote", "direct"]

_KB, _GB = 1024, 1024**3
DAYS_A_MONTH = 365 / 12
# As the stack has it without --expire-days.
DEFAULT_EXPIRE_DAYS = 30.0

# What YOLOv3-tiny at 416 x 416 took at 512 MB, read once (OpenCV 5 from ONNX, one thread; measured on a 2-core AMD EPYC
# under that function's share of CPU), and from where on more memory brings this one thread no more CPU.
_MEASURED_MS, _MEASURED_MB, _ONE_VCPU_MB = 370.0, 512, 1769

# An image's, by benchmarks/offloaded_bytes.py: bytes of log messages, and bytes that the client receives.
_LOG_BYTES = {"remote": 1005, "direct": 609}
_ANSWER_BYTES = {"remote": 6_500, "direct": 1_900}
# DynamoDB keeps so much of its own with each item.
_ITEM_OVERHEAD_BYTES = 100


@dataclass(frozen=True, slots=True)
class Workload:
    """Images through the function, and what each takes.

    ``duration_ms`` is the mean of an invocation without its initialisation, ``init_ms`` of that, which a share of
    ``cold_share`` of the invocations has. ``billed_ms`` is the mean of what invocations were billed for, initialisation
    among it, where that is known: then nothing is rounded up, as it was already.

    ``looks`` counts how often a client asks the table for a result that it waits for: 7.5 times on AWS (simulated), two
    to four times on the emulator, where an event takes a second less. An item of the table is under 1 KB for up to
    about nine objects. ``log_bytes`` are of what the function logs for an image, Lambda's own lines among them;
    ``answer_bytes`` of all that the client receives, headers included. None: what was measured. ``direct`` has no use
    for image, item and looks.
    """

    images: float
    memory_mb: int = 512
    duration_ms: float = _MEASURED_MS
    init_ms: float = 1500.0
    cold_share: float = 0.0
    image_bytes: float = 200_000
    item_bytes: int = 900
    looks: float = 8
    log_bytes: float | None = None
    answer_bytes: float | None = None
    architecture: Architecture = "x86_64"
    execution: Offloaded = "remote"
    billed_ms: float | None = None

    def __post_init__(self) -> None:
        for name in (
            "images",
            "memory_mb",
            "duration_ms",
            "init_ms",
            "image_bytes",
            "item_bytes",
            "looks",
            "logged_bytes",
            "answered_bytes",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} of a workload is {getattr(self, name)}: give a number that is not below zero")
        if self.billed_ms is not None and not self.cold_share * self.init_ms <= self.billed_ms < math.inf:
            raise UsageError(f"billed_ms of a workload is {self.billed_ms}: it can't be less than its initialisation")
        if not 0 <= self.cold_share <= 1:
            raise UsageError(f"cold_share of a workload is {self.cold_share}: give a number from 0 to 1")
        if self.execution not in get_args(Offloaded):
            raise UsageError(
                f"the execution {self.execution!r} offloads nothing: give {' or '.join(get_args(Offloaded))}"
            )

    @property
    def logged_bytes(self) -> float:
        """What the function logs for an image."""
        return _LOG_BYTES.get(self.execution, 0) if self.log_bytes is None else self.log_bytes

    @property
    def answered_bytes(self) -> float:
        """What the client receives for an image."""
        return _ANSWER_BYTES.get(self.execution, 0) if self.answer_bytes is None else self.answer_bytes

    @property
    def gb_seconds(self) -> float:
        """What the images use of Lambda, initialisation included."""
        if self.billed_ms is not None:
            return self._gb_seconds(self.images, self.billed_ms)
        return self._gb_seconds(self.images, _billed_ms(self.duration_ms)) + self.init_gb_seconds

    @property
    def init_gb_seconds(self) -> float:
        """What initialisation adds: it is billed with the invocation, and both rounded up together."""
        if self.billed_ms is not None:
            return self._gb_seconds(self.images * self.cold_share, self.init_ms)
        cold_ms = _billed_ms(self.duration_ms + self.init_ms)
        return self._gb_seconds(self.images * self.cold_share, cold_ms - _billed_ms(self.duration_ms))

    def _gb_seconds(self, invocations: float, billed_ms: float) -> float:
        return invocations * billed_ms / 1000 * self.memory_mb / 1024


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
    """What a month of images through the function costs.

    Uploads are kept for ``expire_days``; None keeps them, and what is priced is then a first month's, as if all came on
    its first day; so it is of results. Without a duration one is assumed. A repository of unknown size is not priced.
    ``more``: further fields of ``Workload``, such as ``init_ms``, ``cold_share``, ``image_bytes``, ``architecture``.
    Raises ``UsageError`` for numbers that can't be.

    >>> estimate = monthly(1_000_000, 512, 370)
    >>> round(estimate.dollars, 2), round(estimate.dollars_after_free, 2)
    (15.94, 11.41)
    """
    known_ms = assumed_duration_ms(memory_mb) if duration_ms is None else duration_ms
    workload = Workload(images_per_month, memory_mb, known_ms, **more)
    return of_month(workload, expire_days=expire_days, repository_bytes=repository_bytes, prices=prices)


def of_month(
    workload: Workload,
    *,
    expire_days: float | None = None,
    repository_bytes: float | None = None,
    prices: Prices = PRICES,
) -> Estimate:
    """What a month of this workload costs, with what is billed however few its images are. See ``monthly``."""
    parts = (*offloaded_parts(workload, expire_days, prices), *standing_parts(repository_bytes, prices))
    unknown = () if repository_bytes is not None else ("the image repository's storage",)
    return Estimate(parts, free_of(parts, prices), prices, (*unknown, *_lacking(workload.execution)))


def per_thousand(
    workload: Workload, *, expire_days: float | None = DEFAULT_EXPIRE_DAYS, prices: Prices = PRICES
) -> Estimate:
    """What a thousand images cost, whatever the workload's own number: each as much as any other.

    What a stack costs with no image at all is not in it, and nothing is free: what is, depends on the month's images.

    >>> round(per_thousand(Workload(1, execution="remote")).dollars, 4)
    0.0158
    >>> round(per_thousand(Workload(1, execution="direct")).dollars, 4)
    0.0037
    """
    parts = offloaded_parts(replace(workload, images=1000), expire_days, prices)
    standing = ("the alarm", "the image repository's storage")
    return Estimate(parts, (), prices, (*standing, *_lacking(workload.execution)))


def so_far(invocations: int, gb_seconds: float, architecture: Architecture, prices: Prices = PRICES) -> Estimate:
    """What a function's own invocations cost within a month, by what it was billed for.

    >>> round(so_far(1_000_000, 192_500, "x86_64").dollars, 2)
    3.41
    """
    parts = (
        part("invocations", invocations, "", prices.million_invocations / 1e6),
        part("duration and initialisation", gb_seconds, "GB-s", prices.gb_second(architecture)),
    )
    lacking = (
        "the log",
        "the bucket",
        "the table",
        "the image repository's storage",
        "the alarm",
        "data sent out of AWS",
    )
    return Estimate(parts, free_of(parts, prices), prices, lacking)


def offloaded_parts(
    workload: Workload, expire_days: float | None = DEFAULT_EXPIRE_DAYS, prices: Prices = PRICES
) -> tuple[Part, ...]:
    """All that the workload's images cost: the more, the more there are."""
    remote = (*transfer_parts(workload, prices), *_kept_parts(workload, expire_days, prices))
    received_gb = workload.images * workload.answered_bytes / _GB
    return (
        *function_parts(workload, prices),
        *(remote if workload.execution == "remote" else ()),
        part("answers to the client", received_gb, "GB", prices.transfer_out_gb),
    )


def function_parts(workload: Workload, prices: Prices = PRICES) -> tuple[Part, ...]:
    """Lambda's own part, that every offloaded image has."""
    warm = workload.gb_seconds - workload.init_gb_seconds
    logged_gb = workload.images * workload.logged_bytes / _GB
    return (
        part("invocations", workload.images, "", prices.million_invocations / 1e6),
        part("duration", warm, "GB-s", prices.gb_second(workload.architecture)),
        part("initialisation", workload.init_gb_seconds, "GB-s", prices.gb_second(workload.architecture)),
        part("log", logged_gb, "GB", prices.log_gb),
    )


def transfer_parts(workload: Workload, prices: Prices = PRICES) -> tuple[Part, ...]:
    """What the way through bucket and table adds: an object put and got, an item written and looked for."""
    writes = workload.images * max(1, math.ceil(workload.item_bytes / _KB))
    reads = workload.images * workload.looks * max(1, math.ceil(workload.item_bytes / (4 * _KB)))
    return (
        part("uploads", workload.images, "PUT", prices.thousand_puts / 1e3),
        part("downloads by the function", workload.images, "GET", prices.thousand_gets / 1e3),
        part("table written", writes, "write units", prices.million_write_units / 1e6),
        part("table read", reads, "read units", prices.million_read_units / 1e6),
    )


def standing_parts(repository_bytes: float | None = None, prices: Prices = PRICES) -> tuple[Part, ...]:
    """What a stack costs in a month without a single image."""
    alarm = part("alarm", 1, "", prices.alarm_month)
    if repository_bytes is None:
        return (alarm,)
    return part("image repository", repository_bytes / _GB, "GB-months", prices.repository_gb_month), alarm


def _kept_parts(workload: Workload, expire_days: float | None, prices: Prices) -> tuple[Part, ...]:
    """What images leave behind: uploads until they expire, and results, which stay, for a month."""
    months = 1.0 if expire_days is None else expire_days / DAYS_A_MONTH
    uploads_gb = workload.images * months * workload.image_bytes / _GB
    results_gb = workload.images * (workload.item_bytes + _ITEM_OVERHEAD_BYTES) / _GB
    return (
        part("uploads kept", uploads_gb, "GB-months", prices.bucket_gb_month),
        part("results kept", results_gb, "GB-months", prices.table_gb_month),
    )


def _lacking(execution: Offloaded) -> tuple[str, ...]:
    return (LOG_KEPT, BACKUPS) if execution == "remote" else (LOG_KEPT,)


def _billed_ms(duration_ms: float) -> int:
    """Lambda rounds up to whole milliseconds."""
    return math.ceil(duration_ms)
