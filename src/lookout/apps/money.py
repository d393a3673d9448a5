"""What is said of costs."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from lookout.comparison.bill import Estimate, Part
from lookout.comparison.prices import PRICES, Prices, read_prices
from lookout.errors import UsageError


def load_prices(path: Path | None) -> Prices:
    """The prices in a JSON or TOML file, ours without one. Raises ``UsageError``."""
    return PRICES if path is None else read_prices(load_document(path), str(path))


def load_document(path: Path) -> object:
    """What a JSON or TOML file holds. Raises ``UsageError``."""
    try:
        text = path.read_text("utf-8")
        return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:  # of either form, and of what is no text
        form = "JSON" if path.suffix == ".json" else "TOML"
        raise UsageError(f"{path} is no {form}: {error}") from error


def dollars(amount: float) -> str:
    """An amount that never looks like nothing where it is something.

    >>> dollars(12.346), dollars(0.0042), dollars(0.0000012), dollars(0)
    ('$12.35', '$0.0042', 'less than $0.0001', '$0.00')
    """
    if 0 < amount < 0.0001:
        return "less than $0.0001"
    return f"${amount:,.2f}" if amount >= 0.1 or amount == 0 else f"${amount:.4f}"


def describe_estimate(estimate: Estimate) -> Iterator[str]:
    """The parts of a cost, and what a reader must know to read it rightly; a line each."""
    parts = [part for part in estimate.parts if part.dollars]
    yield from _lines(parts, decimals=2 if estimate.dollars >= 10 else 4)
    if any(part.dollars for part in estimate.free):
        yield f"AWS's free tier, if nothing else uses it, takes off {dollars(estimate.dollars_saved)}."
    prices = estimate.prices
    lacking = f" Not in it: {', '.join(estimate.lacking)}." if estimate.lacking else ""
    yield f"Prices: {prices.region}, {prices.as_of}.{lacking}"


def _lines(parts: Sequence[Part], decimals: int) -> Iterator[str]:
    """Amounts below each other, so with as many digits in each; what would look like nothing is told in words."""
    names = max((len(part.name) for part in parts), default=0)
    amounts = [
        f"${part.dollars:,.{decimals}f}" if round(part.dollars, decimals) else dollars(part.dollars) for part in parts
    ]
    widest = max(map(len, amounts), default=0)
    for part, amount in zip(parts, amounts, strict=True):
        yield f"  {part.name:{names}}  {amount:>{widest}}  {_quantity(part)}"


def _quantity(part: Part) -> str:
    number = (
        f"{part.quantity:,.0f}"
        if part.quantity >= 100 or part.quantity == int(part.quantity)
        else f"{part.quantity:.3g}"
    )
    return f"{number} {part.unit}".rstrip()
