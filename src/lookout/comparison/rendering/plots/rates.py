"""What a rate does: to latency, and to what an image costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lookout.comparison.findings import Costs, RateCurve
from lookout.comparison.rendering.plots.axes import finite, set_log
from lookout.comparison.rendering.plots.canvas import COLOURS, SMALL_PX, Dashes, Layout, legend, line_key
from lookout.comparison.rendering.wording import execution_of, look, marked
from lookout.comparison.samples import called

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SOLID: Dashes = "-"
# An execution's cost after what is free, beside its own.
_FREE: Dashes = ":"
PREDICTED_DASHES = (0, (3, 2))
# Of machines of one's own, which are no executions: the first is the execution local, the others look otherwise.
_MACHINE_LOOKS: tuple[tuple[str, Dashes], ...] = (
    ("local", "-"),
    ("in-process", "-"),
    ("other", "-"),
    ("local", "-."),
    ("other", "-."),
)


def draw_rates(curves: Sequence[RateCurve], layout: Layout, *, emulated: bool) -> Figure:
    """p99 (thick) and p50 (thin) against the rate; what is predicted dashed and hollow, the knee a vertical line."""
    figure = layout.figure(420 if layout.is_wide else 390)
    axes = figure.subplots()
    points = [point for curve in curves for point in curve.points]
    set_log(axes, "x", [point.rate_per_s for point in points], 10 if layout.is_wide else 5)
    set_log(axes, "y", [ms for point in points for ms in (point.p50_ms, point.p99_ms)], 9)
    for place, curve in enumerate(curves):
        style = look(curve.execution)
        for predicted in (False, True):
            chosen = [point for point in curve.points if point.predicted is predicted]
            _draw_curve(
                axes, [(p.rate_per_s, p.p50_ms) for p in chosen], style.colour, "", predicted=predicted, width=1.2
            )
            _draw_curve(
                axes,
                [(p.rate_per_s, p.p99_ms) for p in chosen],
                style.colour,
                style.marker,
                predicted=predicted,
                width=2,
            )
        if curve.knee_per_s is not None:
            _mark_knee(axes, curve.knee_per_s, style.colour, place)
    axes.set_xlabel("Images a second (log scale)")
    axes.set_ylabel("Latency (ms, log scale)")
    keys = [
        line_key(
            called(curve.execution, emulated=emulated),
            look(curve.execution).colour,
            marker=look(curve.execution).marker,
        )
        for curve in curves
    ]
    keys += [line_key("p99: thick, with marks; p50: thin", "muted")]
    if any(point.predicted for point in points):
        keys.append(line_key("predicted", "muted", marker="o", dashes="--", hollow=True))
    legend(figure, layout, keys, narrow_columns=1)
    return figure


def _draw_curve(
    axes: Axes, points: Sequence[tuple[float, float]], colour: str, marker: str, *, predicted: bool, width: float
) -> None:
    known = sorted(point for point in points if len(finite(point)) == len(point))
    if known:
        axes.plot(
            *zip(*known, strict=True),
            color=COLOURS[colour],
            linewidth=width,
            linestyle=PREDICTED_DASHES if predicted else "-",
            marker=marker,
            markersize=7,
            markerfacecolor=COLOURS["surface" if predicted else colour],
        )


def _mark_knee(axes: Axes, rate_per_s: float, colour: str, place: int) -> None:
    axes.axvline(rate_per_s, color=COLOURS[colour], linewidth=1, linestyle=":")
    axes.annotate(
        f"knee {rate_per_s:.3g}/s",
        (rate_per_s, 0.985 - 0.06 * place),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 0),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=SMALL_PX,
        color=COLOURS["ink"],
    )


def draw_costs(costs: Costs, layout: Layout, *, emulated: bool) -> Figure:
    """Dollars for 1,000 images against the rate, and where the curves meet."""
    figure = layout.figure(420 if layout.is_wide else 400)
    axes = figure.subplots()
    set_log(axes, "x", [rate for curve in costs.curves for rate in curve.rates_per_s], 9 if layout.is_wide else 4)
    set_log(axes, "y", [one for curve in costs.curves for one in curve.dollars_per_thousand], 9, money=True)
    keys, machines = [], 0
    for curve in costs.curves:
        execution = execution_of(curve.name)
        colour, dashes = look(execution).colour, _SOLID if curve.name == execution else _FREE
        if not execution:
            colour, dashes = _MACHINE_LOOKS[machines % len(_MACHINE_LOOKS)]
            machines += 1
        points = zip(curve.rates_per_s, curve.dollars_per_thousand, strict=True)
        known = sorted(point for point in points if len(finite(point)) == len(point))
        if known:
            axes.plot(*zip(*known, strict=True), color=COLOURS[colour], linewidth=2, linestyle=dashes)
        keys.append(line_key(marked(curve.name, emulated=emulated), colour, dashes=dashes))
    for rate_per_s, dollars in costs.meeting_points:
        axes.plot([rate_per_s], [dollars], marker="o", markersize=9, color=COLOURS["ink"], markerfacecolor="none")
        axes.annotate(
            f"{rate_per_s:.2g}/s",
            (rate_per_s, dollars),
            xytext=(7, 7),
            textcoords="offset points",
            fontsize=SMALL_PX,
            color=COLOURS["ink"],
        )
    if costs.meeting_points:
        keys.append(line_key("break-even", "ink", marker="o", dashes="none", hollow=True))
    axes.set_xlabel("Images a second (log scale)")
    axes.set_ylabel("US dollars for 1,000 (log scale)")
    legend(figure, layout, keys, narrow_columns=1)
    return figure
