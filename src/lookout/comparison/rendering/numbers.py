"""Numbers as people read them: as many digits as mean something, thousands apart, and intervals behind their value."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, isfinite, isnan, log10

from lookout.comparison.statistics import Interval

UNKNOWN = "-"


def number(value: float | None, decimals: int | None = None) -> str:
    """Three digits or more; what is not known is a dash, what has no limit is called so.

    >>> number(1780.2), number(32.41), number(0.0312), number(-0.5), number(0), number(None), number(1780.2, 2)
    ('1,780', '32.4', '0.0312', '-0.50', '0', '-', '1,780.20')
    """
    if value is None or isnan(value):
        return UNKNOWN
    if not isfinite(value):
        return "without limit"
    if value == 0 and decimals is None:
        return "0"
    return f"{value:,.{_decimals(value) if decimals is None else decimals}f}"


def interval(found: Interval | None) -> str:
    """A value with its 95 % interval, all to the same digit.

    >>> interval(Interval(12.34, 9.8, 12.911)), interval(None)
    ('12.3 (9.8 to 12.9)', '-')
    """
    if found is None:
        return UNKNOWN
    decimals = _decimals(found.value)
    value, low, high = (number(one, decimals) for one in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def given(value: float) -> str:
    """A number that somebody chose, such as a rate, as it is.

    >>> given(1000.0), given(0.768), given(2.5)
    ('1,000', '0.768', '2.5')
    """
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def dollars(amount: float | None, decimals: int | None = None) -> str:
    """An amount to three digits, cents at least; it never looks like nothing where it is something.

    >>> dollars(1234.5), dollars(0.5), dollars(0.012345), dollars(0.0000031), dollars(0), dollars(0.0004, 2)
    ('$1,234.50', '$0.50', '$0.0123', '$0.00000310', '$0.00', 'under $0.01')
    """
    if amount is None or isnan(amount):
        return UNKNOWN
    if not isfinite(amount):
        return "without limit"
    decimals = _dollar_decimals(amount) if decimals is None else decimals
    if 0 < amount < 0.5 * 10**-decimals:
        return f"under ${10**-decimals:.{decimals}f}"
    return f"${amount:,.{decimals}f}"


def column_of_dollars(amounts: Iterable[float | None], of: float | None = None) -> tuple[str, ...]:
    """Amounts to stand below each other: all with as many decimals as ``of``, or the least of them, has three digits.

    >>> column_of_dollars([0.0102, 0.0002, 0.00000001], of=0.0104)
    ('$0.0102', '$0.0002', 'under $0.0001')
    >>> column_of_dollars([0.0032, None, 0.0112])
    ('$0.00320', '-', '$0.01120')
    """
    given = tuple(amounts)
    known = [amount for amount in given if amount is not None and isfinite(amount) and amount > 0]
    decimals = _dollar_decimals(min(known, default=0.0) if of is None else of)
    return tuple(dollars(amount, decimals) for amount in given)


def percent(share: float, decimals: int = 1) -> str:
    """A share of one.

    >>> percent(0.0473), percent(-0.12)
    ('4.7 %', '-12.0 %')
    """
    return UNKNOWN if isnan(share) else f"{number(share * 100, decimals)} %"


def count(n: int, one: str, many: str = "") -> str:
    """So many of something.

    >>> count(1, "image"), count(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence.

    >>> listed(["local"]), listed(["local", "remote", "direct"])
    ('local', 'local, remote and direct')
    """
    *front, last = names
    return f"{', '.join(front)} and {last}" if front else last


def _decimals(value: float) -> int:
    size = abs(value)
    if size >= 100 or size == 0:
        return 0
    if size >= 10:
        return 1
    return 2 if size >= 0.1 else min(8, 2 - floor(log10(size)))


def _dollar_decimals(amount: float) -> int:
    return 2 if amount >= 0.1 or amount <= 0 else min(12, 2 - floor(log10(amount)))
