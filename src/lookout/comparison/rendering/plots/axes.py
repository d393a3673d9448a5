"""Axes with ticks that people read: round numbers, with their thousands apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, floor, isfinite, log10
from typing import TYPE_CHECKING, Literal

from lookout.comparison.rendering.numbers import given

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Which numbers of a decade have ticks, the finest first.
_STEPS = (
    (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0),
    (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0),
    (1.0, 2.0, 5.0),
    (1.0, 3.0),
    (1.0,),
)


def finite(values: Iterable[float]) -> list[float]:
    """Those values that a logarithmic axis has a place for."""
    return [value for value in values if isfinite(value) and value > 0]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from ``low`` to ``high``, as many as may be and at most ``most``.

    >>> log_ticks(8, 2500, 10)
    [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0]
    >>> log_ticks(30, 42, 6)
    [30.0, 35.0, 40.0]
    """
    decades = range(floor(log10(low)) - 1, ceil(log10(high)) + 1)
    found: list[float] = []
    for steps in _STEPS:
        found = [value for d in decades for step in steps if low <= (value := float(f"{step * 10.0**d:.6g}")) <= high]
        if len(found) <= most:
            break
    return found[:: ceil(len(found) / most)] if found else []


def set_log(axes: Axes, along: Literal["x", "y"], values: Iterable[float], most: int, *, money: bool = False) -> None:
    """Make an axis logarithmic over some values, with a little room at both ends."""
    known = finite(values) or [1.0]
    low, high = min(known), max(known)
    room = max((high / low) ** 0.06, 1.08)
    low, high = low / room, high * room
    ticks = log_ticks(low, high, most)
    labels = [tick_dollars(tick) if money else given(tick) for tick in ticks]
    if along == "x":
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_xticks(ticks, labels)
    else:
        axes.set_yscale("log")
        axes.set_ylim(low, high)
        axes.set_yticks(ticks, labels)
    axes.minorticks_off()


def set_categories(axes: Axes, labels: Sequence[str]) -> None:
    """Make the vertical axis one of names, from the top down."""
    axes.set_yticks(range(len(labels)), list(labels))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelcolor=axes.xaxis.label.get_color())
    axes.grid(visible=False, axis="y")


def tick_dollars(value: float) -> str:
    """A tick's label in dollars.

    >>> tick_dollars(0.1), tick_dollars(20), tick_dollars(0.001)
    ('$0.10', '$20', '$0.001')
    """
    text = f"{value:,.12f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"${whole}.{cents:0<2}" if cents else f"${whole}"
