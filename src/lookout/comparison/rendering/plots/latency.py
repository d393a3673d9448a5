"""How long images took, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lookout.comparison.findings import Distribution, StageBar
from lookout.comparison.rendering.numbers import number
from lookout.comparison.rendering.plots.axes import set_categories, set_log
from lookout.comparison.rendering.plots.canvas import COLOURS, SMALL_PX, Layout, fill, legend, line_key, patch_key
from lookout.comparison.rendering.wording import look
from lookout.comparison.samples import called
from lookout.comparison.stages import STAGES

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A curve of more values than this is drawn through so many of its quantiles.
_MOST_STEPS = 300
# On these the numbers are light.
_DARK_STAGES = frozenset({"upload", "init"})
UNEXPLAINED = "unexplained"
_UNEXPLAINED_HATCH = "////"


def draw_distributions(distributions: Sequence[Distribution], layout: Layout, *, emulated: bool) -> Figure:
    """Which share of images took no longer than so long; cold starts below the warm ones, on one axis of time."""
    panels = [cold for cold in (False, True) if any(one.cold is cold for one in distributions)]
    heights = [1.0] if len(panels) == 1 else [1.0, 0.6]
    figure = layout.figure((300 if layout.is_wide else 250) * sum(heights) + 50)
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
    for axes, cold in zip(grid[:, 0], panels, strict=True):
        shown = [one for one in distributions if one.cold is cold]
        _draw_cumulative(axes, shown)
        if len(panels) > 1 or cold:
            axes.set_title("Cold starts" if cold else "Warm")
    set_log(grid[-1, 0], "x", [ms for one in distributions for ms in one.values_ms], 10 if layout.is_wide else 5)
    grid[-1, 0].set_xlabel("Latency (ms, log scale)")
    executions = dict.fromkeys(one.execution for one in distributions)
    legend(figure, layout, [_execution_key(execution, emulated=emulated) for execution in executions])
    return figure


def _execution_key(execution: str, *, emulated: bool) -> Artist:
    style = look(execution)
    return line_key(called(execution, emulated=emulated), style.colour, marker=style.marker)


def _draw_cumulative(axes: Axes, distributions: Sequence[Distribution]) -> None:
    for one in distributions:
        style, values_ms = look(one.execution), np.asarray(one.values_ms)
        shares = np.arange(1, len(values_ms) + 1) / len(values_ms) * 100
        if len(values_ms) > _MOST_STEPS:
            shares = np.linspace(0, 100, _MOST_STEPS + 1)
            values_ms = np.percentile(values_ms, shares)
        colour = COLOURS[style.colour]
        axes.step([values_ms[0], *values_ms], [0, *shares], where="post", color=colour, linewidth=2)
        for percent, found in ((50, one.p50), (95, one.p95)):
            if found is not None:
                axes.plot([found.low, found.high], [percent, percent], color=colour, linewidth=6, alpha=0.35)
                axes.plot([found.value], [percent], color=colour, marker=style.marker, markersize=7)
    axes.set_ylim(0, 103)
    axes.set_yticks([0, 25, 50, 75, 95], ["0 %", "25 %", "50 %", "75 %", "95 %"])


def draw_stages(bars: Sequence[StageBar], layout: Layout, *, emulated: bool) -> Figure:
    """Mean latencies, a bar an execution, stage by stage; cold starts by themselves, on an axis of their own."""
    panels = [[bar for bar in bars if bar.cold is cold] for cold in (False, True)]
    panels = [panel for panel in panels if panel]
    stages = [stage for stage in STAGES if any(bar.stages_ms.get(stage, 0) > 0 for bar in bars)]
    keys = [patch_key(stage, stage) for stage in stages]
    if any(bar.unexplained_ms > 0 for bar in bars):
        keys.append(patch_key(UNEXPLAINED, "muted", hatch=_UNEXPLAINED_HATCH))
    key_rows = -(-len(keys) // (5 if layout.is_wide else 3))
    figure = layout.figure(20 * key_rows + sum(52 * len(panel) + 62 for panel in panels) + 10)
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[len(panel) + 0.4 for panel in panels])
    for axes, panel in zip(grid[:, 0], panels, strict=True):
        _draw_bars(axes, panel, stages, layout, emulated=emulated)
        if len(panels) > 1 or panel[0].cold:
            axes.set_title("Cold starts" if panel[0].cold else "Warm")
    grid[-1, 0].set_xlabel("Mean latency (ms)")
    legend(figure, layout, keys, narrow_columns=3)
    return figure


def _draw_bars(axes: Axes, bars: Sequence[StageBar], stages: Sequence[str], layout: Layout, *, emulated: bool) -> None:
    longest = max(bar.latency_ms for bar in bars)
    set_categories(axes, [""] * len(bars))
    axes.set_xlim(0, longest * 1.02)
    axes.locator_params(axis="x", nbins=8 if layout.is_wide else 5)
    axes.xaxis.set_major_formatter(lambda value, _place: f"{value:,.10g}")
    for row, bar in enumerate(bars):
        begun = 0.0
        for stage in stages:
            ms = bar.stages_ms.get(stage, 0.0)
            if ms > 0:
                axes.barh(row + 0.12, ms, left=begun, height=0.5, **fill(stage))
                _write_on(axes, begun + ms / 2, row + 0.12, ms, ms / longest * layout.width_px, stage)
            begun += ms
        if bar.unexplained_ms > 0:
            axes.barh(row + 0.12, bar.unexplained_ms, left=begun, height=0.5, **fill("muted", hatch=_UNEXPLAINED_HATCH))
        name = f"{called(bar.execution, emulated=emulated)}: {number(bar.latency_ms)} ms"
        axes.text(0, row - 0.2, name, va="bottom", ha="left", fontsize=SMALL_PX + 1, color=COLOURS["ink"])
    axes.spines["left"].set_visible(False)


def _write_on(axes: Axes, x: float, y: float, ms: float, width_px: float, stage: str) -> None:
    """A stage's milliseconds, where its part of the bar is wide enough for them."""
    text = number(ms)
    if width_px > 8 * len(text) + 8:
        colour = COLOURS["on-dark" if stage in _DARK_STAGES else "on-light"]
        axes.text(x, y, text, ha="center", va="center", fontsize=SMALL_PX, color=colour)
