"""A bill: so many of something at a price, line by line, and apart from them what is free. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lookout.comparison.prices import Prices

# What no estimate has a price of, or a size.
LOG_KEPT = "the log's storage"
BACKUPS = "the table's backups"


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a bill: so many of something, in dollars."""

    name: str
    quantity: float
    unit: str
    dollars: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What something costs: its parts, and apart from them what AWS gives an account free each month.

    ``free`` is what those parts of the bill are lowered by, where nothing else in the account uses it up. ``lacking``
    names, for people, what it costs beside and is in no part.
    """

    parts: tuple[Part, ...]
    free: tuple[Part, ...]
    prices: Prices
    lacking: tuple[str, ...] = ()

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

    def of(self, name: str) -> Part:
        """The part of that name. Raises ``KeyError``."""
        return {part.name: part for part in self.parts}[name]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "dollars": round(self.dollars, 6),
            "dollars_after_free_tier": round(self.dollars_after_free, 6),
            "parts": [_part_json(part) for part in self.parts],
            "free_tier": [_part_json(part) for part in self.free],
            "prices": {"region": self.prices.region, "as_of": self.prices.as_of},
            "not_priced": list(self.lacking),
        }


def part(name: str, quantity: float, unit: str, price: float) -> Part:
    """So many of something at a price each."""
    return Part(name, quantity, unit, quantity * price)


def allowances(prices: Prices) -> Mapping[tuple[str, ...], float]:
    """How much of which parts, together, is free each month."""
    return {
        ("invocations",): prices.free_invocations,
        ("duration", "initialisation", "duration and initialisation"): prices.free_gb_seconds,
        ("log",): prices.free_log_gb,
        ("results kept",): prices.free_table_gb_months,
        ("answers to the client",): prices.free_transfer_out_gb,
    }


def free_of(parts: Sequence[Part], prices: Prices) -> tuple[Part, ...]:
    """What is free of these parts in a month."""
    return tuple(_free(parts, prices))


def exhausted_after(parts: Sequence[Part], prices: Prices) -> Iterator[float]:
    """How many times these parts each allowance lasts for, where it is used at all."""
    for names, quantity in allowances(prices).items():
        if used := _quantity(_named(parts, names)):
            yield quantity / used


def _free(parts: Sequence[Part], prices: Prices) -> Iterator[Part]:
    for names, quantity in allowances(prices).items():
        if found := _named(parts, names):
            used = _quantity(found)
            share = min(1.0, quantity / used) if used else 0.0
            dollars = math.fsum(one.dollars for one in found) * share
            yield Part(" and ".join(one.name for one in found), used * share, found[0].unit, dollars)


def _named(parts: Iterable[Part], names: Sequence[str]) -> list[Part]:
    return [one for one in parts if one.name in names]


def _quantity(parts: Iterable[Part]) -> float:
    return math.fsum(one.quantity for one in parts)


def _part_json(one: Part) -> dict[str, Any]:
    return {**dataclasses.asdict(one), "dollars": round(one.dollars, 6)}
