"""What AWS asks for, dated; where each price is from; and other prices in their place. Pure."""

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
    """Dollars, in one region, as of a date.

    Lambda's GB-seconds by architecture and requests; S3's requests and storage; DynamoDB's write units (1 KB) and read
    units (4 KB) on demand, and storage; bytes that the function logs; the function's image; an alarm; bytes that leave
    AWS for the internet. ``free_...`` is what an account gets of it free each month, not for its first year alone.
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
    table_gb_month: float = 0.25
    free_table_gb_months: float = 25
    log_gb: float = 0.50
    free_log_gb: float = 5
    repository_gb_month: float = 0.10
    alarm_month: float = 0.10
    transfer_out_gb: float = 0.09
    free_transfer_out_gb: float = 100

    def gb_second(self, architecture: Architecture) -> float:
        """Dollars for one GB of memory, one second long."""
        return self.arm64_gb_second if architecture == "arm64" else self.x86_64_gb_second


@dataclass(frozen=True, slots=True)
class Source:
    """Where a price is from, and when that was true; all were looked up on 2026-11-25."""

    where: str
    dated: str


# The collection of facts that this project began with; it names no page.
_FACTS = Source("the project's collection of facts (shared/docs/FACTS.md)", "2026-05")
_DYNAMODB = Source("https://aws.amazon.com/dynamodb/pricing/ (a stored copy)", "no date")
_LOGS = Source("https://c3x.dev/blog/cloudwatch-logs-cost-optimization", "2026-06")
_TRANSFER = Source("https://cloud-cost-557.pages.dev/blog/estimate-aws-data-transfer-bill/", "2026-06-10")

SOURCES: Mapping[str, Source] = {
    "x86_64_gb_second": _FACTS,
    "arm64_gb_second": _FACTS,
    "million_invocations": _FACTS,
    "free_invocations": _FACTS,
    "free_gb_seconds": _FACTS,
    "thousand_puts": _FACTS,
    "thousand_gets": _FACTS,
    "bucket_gb_month": _FACTS,
    "million_write_units": _FACTS,
    "million_read_units": _FACTS,
    "table_gb_month": _DYNAMODB,
    "free_table_gb_months": _DYNAMODB,
    "log_gb": _LOGS,
    "free_log_gb": Source("https://hykell.com/kb/platform-specific-guides/aws-cloudwatch-logs-pricing", "no date"),
    "repository_gb_month": Source("https://cloudburn.io/blog/amazon-ecr-pricing", "2026-03"),
    "alarm_month": Source("https://c3x.dev/resources/aws/aws_cloudwatch_metric_alarm", "no date"),
    "transfer_out_gb": _TRANSFER,
    "free_transfer_out_gb": _TRANSFER,
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
