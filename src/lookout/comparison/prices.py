"""What AWS asks for, dated; and other prices in their place. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lookout.errors import UsageError

Architecture = Literal["x86_64", "arm64"]


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars, in one region, as of a date. None: not known, so that it is in no sum.

    Lambda's GB-seconds by architecture and requests, with what is free of them each month; S3's requests and storage;
    DynamoDB's write units (1 KB) and read units (4 KB) on demand.
    """

    region: str = "us-east-1"
    as_of: str = "2026-05"
    x86_64_gb_second: float = 0.0000166667
    arm64_gb_second: float = 0.0000133334
    million_invocations: float = 0.20
    free_invocations: float = 1_000_000
    free_gb_seconds: float = 400_000
    thousand_puts: float = 0.005
    thousand_gets: float = 0.0004
    bucket_gb_month: float = 0.023
    million_write_units: float = 0.625
    million_read_units: float = 0.125
    log_gb: float | None = None
    repository_gb_month: float | None = None
    alarm_month: float | None = None

    def gb_second(self, architecture: Architecture) -> float:
        """Dollars for one GB of memory, one second long."""
        return self.arm64_gb_second if architecture == "arm64" else self.x86_64_gb_second

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What a stack costs beside what is priced, for people."""
        lacking = [name for field, name in _OPTIONAL.items() if getattr(self, field) is None]
        return (*lacking, "the table's storage and backups", "data sent out of AWS")


# Prices that the table may lack, and what goes unpriced then.
_OPTIONAL = {
    "log_gb": "the function's log",
    "repository_gb_month": "the image repository's storage",
    "alarm_month": "the alarm",
}

_TEXTS = ("region", "as_of")

PRICES = Prices()


def read_prices(document: object, source: str) -> Prices:
    """Prices with those that a document names in place of ours. Raises ``UsageError`` for what is no price.

    >>> read_prices({"region": "eu-central-1", "as_of": "2026-11", "thousand_puts": 0.0054}, "a file").thousand_puts
    0.0054
    """
    if not isinstance(document, Mapping):
        raise UsageError(f"{source} must hold prices by name, such as x86_64_gb_second")
    known = [field.name for field in dataclasses.fields(Prices)]
    if unknown := [str(name) for name in document if name not in known]:
        raise UsageError(f"{source} names {', '.join(unknown)}, and the prices are {', '.join(known)}")
    if not document.keys() >= set(_TEXTS):
        raise UsageError(f"{source} must say whose prices these are: region, and as_of (a date)")
    return Prices(**{name: _checked(name, value, source) for name, value in document.items()})


def _checked(name: str, value: object, source: str) -> Any:
    if name in _TEXTS:
        if not isinstance(value, str) or not value:
            raise UsageError(f"{source}: {name} must be a text")
        return value
    # True is a number to Python.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise UsageError(f"{source}: {name} must be a number of dollars, or of what is free, not below zero")
    return float(value)
