"""A report as what it is made of, before it is a page or a text: words, tables, plots and pictures. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lookout.comparison.findings import Seen

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lookout.comparison.rendering.plots.canvas import Layout

# Draws a plot for a width.
Draw = Callable[["Layout"], "Figure"]


@dataclass(frozen=True, slots=True)
class Words:
    """Sentences: one is a paragraph, more are a list."""

    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; those beside each other with the same ``group`` share a heading."""

    name: str
    group: str = ""
    is_number: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """Cells in rows, the first of each its heading. ``folded``: long, and for who wants the numbers of a plot."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"{self.caption}: a row has not as many cells as there are columns")


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing, and ``description``: what it shows in words, for who does not see it.

    ``name`` is its own in a run. ``emulated``: what it shows of the cloud comes from an emulator.
    """

    name: str
    title: str
    description: str
    draw: Draw
    emulated: bool


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures with what was found in them."""

    seen: tuple[Seen, ...]


Block = Words | Table | Plot | Gallery


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and what is under it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """A run: its ``answer``, the first sentence the shortest; ``notes``, what a reader must know before all else."""

    title: str
    answer: tuple[str, ...]
    notes: tuple[str, ...]
    sections: tuple[Section, ...]
