"""What a report is made with, beside samples; kept with the run, so that it can be made again. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lookout.comparison.prices import PRICES, Prices, read_prices
from lookout.comparison.service_latencies import PUBLISHED, ServiceLatencies, read_service_latencies

# A machine of two cores costs about so much; whoever knows better says so.
DOLLARS_PER_HOUR = 0.10


@dataclass(frozen=True, slots=True)
class Settings:
    """What a report is made with, beside samples. ``dollars_per_hour``: of a machine like the one measured on.

    ``deadline_ms``: what the function's p95 must keep; ``p99_ms``: what latencies at a rate must.
    """

    prices: Prices = PRICES
    latencies: ServiceLatencies = PUBLISHED
    dollars_per_hour: float = DOLLARS_PER_HOUR
    assumed_price: bool = True
    deadline_ms: float | None = None
    p99_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For the run's line, so that its report can be made again."""
        return {
            "prices": None if self.prices == PRICES else dataclasses.asdict(self.prices),
            "latencies": self.latencies.to_json(),
            "dollars_per_hour": self.dollars_per_hour,
            "assumed_price": self.assumed_price,
            "deadline_ms": self.deadline_ms,
            "p99_ms": self.p99_ms,
        }

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Settings:
        """Read what ``to_json`` wrote; ours for what it lacks. Raises ``UsageError`` for what is no price."""
        prices = document.get("prices")
        known = document.get("latencies")
        return Settings(
            prices=PRICES if prices is None else read_prices(prices, "the run's line"),
            latencies=PUBLISHED if known is None else _latencies(known),
            dollars_per_hour=float(document.get("dollars_per_hour", DOLLARS_PER_HOUR)),
            assumed_price=bool(document.get("assumed_price", True)),
            deadline_ms=document.get("deadline_ms"),
            p99_ms=document.get("p99_ms"),
        )


def _latencies(document: Mapping[str, Any]) -> ServiceLatencies:
    """The latencies of a run's line, which names all that it had."""
    return read_service_latencies({**dict.fromkeys(PUBLISHED.figures), **document}, "the run's line")
