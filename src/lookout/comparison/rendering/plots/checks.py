"""What was predicted against what was measured, and the most memory that anything had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lookout.comparison.findings import Peak, Prediction
from lookout.comparison.rendering.numbers import number
from lookout.comparison.rendering.plots.axes import finite, set_log
from lookout.comparison.rendering.plots.canvas import COLOURS, FONT_PX, Layout, fill, legend, line_key, patch_key
from lookout.comparison.rendering.wording import execution_of, look, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_prediction(prediction: Prediction, layout: Layout) -> Figure:
    """Each condition that was kept out of the fit: on the line, what was predicted is what was measured."""
    figure = layout.figure(400 if layout.is_wide else 350)
    axes = figure.subplots()
    values = finite(ms for _, predicted, measured in prediction.pairs for ms in (predicted, measured))
    ticks = 8 if layout.is_wide else 5
    set_log(axes, "x", values, ticks)
    set_log(axes, "y", values, ticks)
    low, high = axes.get_xlim()
    axes.fill_between([low, high], [low * 0.9, high * 0.9], [low * 1.1, high * 1.1], **fill("muted", alpha=0.2))
    axes.plot([low, high], [low, high], color=COLOURS["muted"], linewidth=1.2)
    for condition, predicted, measured in prediction.pairs:
        style = look(execution_of(condition))
        axes.plot(
            [measured],
            [predicted],
            marker="o",
            markersize=8,
            markeredgewidth=2,
            color=COLOURS[style.colour],
            markerfacecolor=COLOURS["surface"],
        )
    axes.set_xlabel("Measured (ms, log scale)")
    axes.set_ylabel("Predicted (ms, log scale)")
    keys = [
        line_key("a condition kept out of the fit", "muted", marker="o", dashes="none", hollow=True),
        line_key("equal", "muted"),
        patch_key("within 10 %", "muted", alpha=0.2),
    ]
    legend(figure, layout, keys)
    return figure


def draw_peaks(peaks: Sequence[Peak], layout: Layout) -> Figure:
    """The most memory that each had, as bars with their numbers."""
    figure = layout.figure(46 * len(peaks) + 64)
    axes = figure.subplots()
    most = max(peak.peak_mb for peak in peaks)
    axes.set_ylim(len(peaks) - 0.5, -0.6)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    for row, peak in enumerate(peaks):
        colour = look(execution_of(peak.of)).colour
        axes.barh(row + 0.14, peak.peak_mb, height=0.42, **fill(colour))
        text = f"{printable(peak.of)}: {number(peak.peak_mb)} MB"
        axes.text(0, row - 0.14, text, va="bottom", ha="left", fontsize=FONT_PX)
    axes.set_xlim(0, most * 1.02 or 1)
    axes.locator_params(axis="x", nbins=8 if layout.is_wide else 5)
    axes.xaxis.set_major_formatter(lambda value, _place: f"{value:,.10g}")
    axes.set_xlabel("Peak memory (MB)")
    return figure
