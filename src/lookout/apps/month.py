"""What a month of images would cost with a stack that is planned: ``lookout stack plan --images-per-month``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import fsum
from typing import TYPE_CHECKING, Any

from lookout.apps.money import describe_estimate, dollars
from lookout.cloud.watching.figures import look_at_activity, month_of
from lookout.comparison.bill import Estimate
from lookout.comparison.costs import assumed_duration_ms, monthly
from lookout.comparison.prices import Prices

if TYPE_CHECKING:
    from lookout.cloud.account import Account
    from lookout.cloud.lifecycle.stack_state import StackState
    from lookout.cloud.reports import Invocation
    from lookout.cloud.template import StackSettings


@dataclass(frozen=True, slots=True)
class Month:
    """An estimate, and what the function's time is taken from."""

    images: float
    estimate: Estimate
    basis: str

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"images": self.images, "basis": self.basis, **self.estimate.to_json()}


def expect(account: Account, settings: StackSettings, state: StackState | None, images: float, prices: Prices) -> Month:
    """What so many images a month cost. Raises ``UsageError`` for prices that can't be, and as reading a log does."""
    reports = _reports(account, settings, state)
    taken = _taken(reports) if reports else {"duration_ms": assumed_duration_ms(settings.memory_mb)}
    estimate = monthly(
        images,
        settings.memory_mb,
        expire_days=settings.expire_days or None,
        architecture="arm64" if settings.architecture == "arm64" else "x86_64",
        prices=prices,
        **taken,
    )
    if reports:
        return Month(
            images, estimate, f"{taken['duration_ms']:.0f} ms an image, by its last {len(reports)} invocations"
        )
    assumed = f"{taken['duration_ms']:.0f} ms an image, what yolov3-tiny would take with {settings.memory_mb} MB"
    return Month(images, estimate, f"{assumed}, and no cold starts")


def describe_month(month: Month) -> Iterator[str]:
    """The estimate, for people; a line each."""
    yield f"{month.images:,.0f} images a month would cost {dollars(month.estimate.dollars)}:"
    yield from describe_estimate(month.estimate)
    yield f"Taken for it: {month.basis}; images of 200 kB."


def _reports(account: Account, settings: StackSettings, state: StackState | None) -> Sequence[Invocation]:
    """What the function reported of late; none of one that is not there, or that had another memory, or another CPU."""
    outputs = state.outputs if state else {}
    if not {"Function", "LogGroup"} <= outputs.keys():
        return ()
    now = datetime.now(UTC)
    since = month_of(now, datetime.min.replace(tzinfo=UTC))
    activity = look_at_activity(account, outputs["Function"], outputs["LogGroup"], since, now)
    if state and state.parameters.get("Architecture") != settings.architecture:
        return ()
    return [report for report in activity.reports if report.memory_mb == settings.memory_mb]


def _taken(reports: Sequence[Invocation]) -> dict[str, Any]:
    cold = [report.init_ms for report in reports if report.init_ms is not None]
    return {
        "duration_ms": fsum(report.duration_ms for report in reports) / len(reports),
        "cold_share": len(cold) / len(reports),
        **({"init_ms": fsum(cold) / len(cold)} if cold else {}),
    }
