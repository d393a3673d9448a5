"""What the function's memory and the network do."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from lookout.comparison.findings import Cell, MemoryPoint, MemorySweep, NetworkMap
from lookout.comparison.rendering.numbers import given, listed, number
from lookout.comparison.rendering.plots.axes import set_log
from lookout.comparison.rendering.plots.canvas import (
    COLOURS,
    FONT_PX,
    SMALL_PX,
    Layout,
    fill,
    legend,
    line_key,
    patch_key,
)
from lookout.comparison.rendering.plots.rates import PREDICTED_DASHES
from lookout.comparison.rendering.wording import look
from lookout.comparison.samples import called

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What is not the winner's colour alone: the ground that text stands on.
_GROUND_OPACITY = 0.28


def draw_memory(sweep: MemorySweep, layout: Layout) -> Figure:
    """Duration and cost against memory, one above the other; what is recommended is marked."""
    figure = layout.figure(460 if layout.is_wide else 470)
    upper, lower = figure.subplots(2, 1, sharex=True)
    colour = look(sweep.execution).colour
    _draw_sweep(upper, sweep, colour, lambda point: point.duration_ms)
    upper.set_ylabel("Duration (ms)")
    _draw_sweep(lower, sweep, colour, lambda point: point.dollars_per_thousand, money=True)
    lower.set_ylabel("US dollars for 1,000" if layout.is_wide else "$ for 1,000")
    memories = sorted({point.memory_mb for point in sweep.points})
    set_log(lower, "x", memories, 8)
    ticks = memories if len(memories) <= (9 if layout.is_wide else 5) else memories[:: -(-len(memories) // 5)]
    lower.set_xticks(ticks, [given(memory) for memory in ticks])
    lower.set_xlabel("Memory (MB, log scale)")
    _mark_recommended(upper, lower, sweep)
    keys = [line_key("measured", colour, marker="o")]
    if any(point.predicted for point in sweep.points):
        keys.append(line_key("predicted", colour, marker="o", dashes="--", hollow=True))
    if any(point.excluded for point in sweep.points):
        keys.append(line_key("no candidate", "muted", marker="x", dashes="none"))
    if sweep.recommended:
        keys.append(line_key("recommended", "ink", dashes=":"))
    legend(figure, layout, keys)
    return figure


def _draw_sweep(
    axes: Axes, sweep: MemorySweep, colour: str, pick: Callable[[MemoryPoint], float | None], *, money: bool = False
) -> None:
    known = [(p.memory_mb, value, p) for p in sweep.points if (value := pick(p)) is not None and value > 0]
    set_log(axes, "y", [value for _, value, _ in known], 6, money=money)
    line = sorted(((memory, value, p.predicted) for memory, value, p in known if not p.excluded))
    for (memory, value, predicted), (next_memory, next_value, is_next_predicted) in pairwise(line):
        dashes = PREDICTED_DASHES if predicted or is_next_predicted else "-"
        axes.plot([memory, next_memory], [value, next_value], color=COLOURS[colour], linewidth=2, linestyle=dashes)
    for memory, value, predicted in line:
        face = COLOURS["surface" if predicted else colour]
        axes.plot([memory], [value], color=COLOURS[colour], marker="o", markersize=7, markerfacecolor=face)
    excluded = [(memory, value) for memory, value, p in known if p.excluded]
    if excluded:
        axes.plot(*zip(*excluded, strict=True), linestyle="none", marker="x", markersize=8, color=COLOURS["muted"])
    for point in sweep.points:
        if point.excluded and pick(point) is None:  # it has no figure: its place on the axis says that it was tried
            axes.plot(
                [point.memory_mb],
                [0.04],
                transform=axes.get_xaxis_transform(),
                marker="x",
                markersize=8,
                color=COLOURS["muted"],
            )


def _mark_recommended(upper: Axes, lower: Axes, sweep: MemorySweep) -> None:
    goals: dict[int, list[str]] = {}
    for goal, memory_mb in sweep.recommended.items():
        goals.setdefault(memory_mb, []).append(goal)
    low, high = upper.get_ylim()
    upper.set_ylim(low, high * (high / low) ** (0.16 * len(goals)))  # room for the words
    memories = [point.memory_mb for point in sweep.points] or [1]
    middle = (min(memories) * max(memories)) ** 0.5
    for place, (memory_mb, names) in enumerate(sorted(goals.items())):
        for axes in (upper, lower):
            axes.axvline(memory_mb, color=COLOURS["ink"], linewidth=1.2, linestyle=":")
        upper.annotate(
            f"{listed(names)}: {memory_mb:,} MB",
            (memory_mb, 0.99 - 0.11 * place),
            xycoords=("data", "axes fraction"),
            xytext=(5 if memory_mb <= middle else -5, 0),
            textcoords="offset points",
            ha="left" if memory_mb <= middle else "right",
            va="top",
            fontsize=SMALL_PX,
            bbox={"facecolor": COLOURS["surface"], "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )


def draw_network_map(found: NetworkMap, layout: Layout, *, emulated: bool) -> Figure:
    """A cell a network: who wins, with a letter and a pattern, and in how many ms; measured cells have a frame."""
    columns, rows = len(found.rtts_ms), len(found.up_mbit_s)
    figure = layout.figure((52 if layout.is_wide else 44) * max(rows, 3) + (120 if layout.is_wide else 170))
    axes = figure.subplots()
    axes.grid(visible=False)
    for column, of_rtt in enumerate(found.cells):
        for row, cell in enumerate(of_rtt):
            _draw_cell(axes, cell, column, row, columns, layout)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(-0.5, rows - 0.5)
    axes.set_xticks(range(columns), [given(rtt) for rtt in found.rtts_ms])
    axes.set_yticks(range(rows), [given(up) for up in found.up_mbit_s])
    axes.tick_params(length=0)
    axes.set_xlabel("Round trip (ms)")
    axes.set_ylabel("Bandwidth up (Mbit/s)")
    for spine in axes.spines.values():
        spine.set_visible(False)
    cells = [cell for of_rtt in found.cells for cell in of_rtt]
    winners = dict.fromkeys(cell.winner for cell in cells)
    keys = [
        patch_key(f"{look(w).letter}: {called(w, emulated=emulated)}", look(w).colour, hatch=look(w).hatch)
        for w in winners
    ]
    if any(not cell.predicted for cell in cells):
        keys.append(_framed_key("framed: measured"))
    if any(cell.predicted for cell in cells):
        keys.append(line_key("≈ without frame: predicted", "muted", dashes="none"))
    legend(figure, layout, keys)
    return figure


def _framed_key(label: str) -> Artist:
    from matplotlib.patches import Patch

    return Patch(label=label, facecolor="none", edgecolor=COLOURS["ink"], linewidth=2)


def _draw_cell(axes: Axes, cell: Cell, column: int, row: int, columns: int, layout: Layout) -> None:
    from matplotlib.patches import Rectangle

    style = look(cell.winner)
    corner, side = (column - 0.5, row - 0.5), 1.0
    axes.add_patch(Rectangle(corner, side, side, **fill(style.colour, alpha=_GROUND_OPACITY)))
    # Its pattern is a stripe below, as text on it is hard to read.
    axes.add_patch(Rectangle(corner, side, 0.22, **{**fill(style.colour, hatch=style.hatch), "linewidth": 0}))
    if not cell.predicted:
        inset = 0.035
        frame = Rectangle(
            (corner[0] + inset, corner[1] + inset), side - 2 * inset, side - 2 * inset, fill=False, linewidth=2
        )
        frame.set_edgecolor(COLOURS["ink"])
        axes.add_patch(frame)
    ms = f"{'≈' if cell.predicted else ''}{number(cell.latencies_ms.get(cell.winner))}"
    is_roomy = (layout.width_px - 60) / max(columns, 1) >= 64
    told = f"{style.letter}  {ms} ms" if is_roomy else f"{style.letter}\n{ms}"
    size_px = FONT_PX if is_roomy else FONT_PX - 1.5
    axes.text(column, row + 0.12, told, ha="center", va="center", fontsize=size_px, linespacing=1.0)
