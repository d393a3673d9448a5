"""What the answer turns on: rate and price, memory, network; and how far a prediction of them can be trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from lookout.comparison.findings import Cell, CostCurve, CostTable, Findings, MemoryPoint
from lookout.comparison.rendering.document import Block, Column, Plot, Section, Table, Words
from lookout.comparison.rendering.numbers import column_of_dollars, count, dollars, given, listed, number, percent
from lookout.comparison.rendering.plots.axes import finite
from lookout.comparison.rendering.plots.checks import draw_prediction
from lookout.comparison.rendering.plots.conditions import draw_memory, draw_network_map
from lookout.comparison.rendering.plots.rates import draw_costs
from lookout.comparison.rendering.sections.latency import emulates
from lookout.comparison.rendering.wording import execution_of, look, marked
from lookout.comparison.samples import called

# Of curves, which have many points, so many are told.
_MOST_RATES = 20


def costs(findings: Findings) -> Section | None:
    """What 1,000 images cost, by rate and part by part."""
    found, emulated = findings.costs, findings.run.emulated
    if found is None:
        return None
    blocks: list[Block] = [Words((*found.break_evens, found.source))]
    if found.curves:
        ends = [_curve_in_words(curve, emulated=emulated) for curve in found.curves if curve.rates_per_s]
        plot = Plot(
            "cost",
            "Cost of 1,000 images, computed from prices, against the rate at which they come",
            " ".join((*ends, *found.break_evens)),
            lambda layout: draw_costs(found, layout, emulated=emulated),
            emulates(findings, (curve.name for curve in found.curves)),
        )
        is_any = any(finite(curve.dollars_per_thousand) for curve in found.curves)
        blocks += [*([plot] if is_any else []), _curve_table(found.curves, emulated=emulated)]
    for one in found.tables:
        blocks += [_cost_table(one, emulated=emulated), Words((one.free,) if one.free else ())]
    return Section("What it costs", tuple(blocks))


def _curve_in_words(curve: CostCurve, *, emulated: bool) -> str:
    first, last = dollars(curve.dollars_per_thousand[0]), dollars(curve.dollars_per_thousand[-1])
    low, high = number(curve.rates_per_s[0]), number(curve.rates_per_s[-1])
    return f"{marked(curve.name, emulated=emulated)}: {first} at {low} images a second, {last} at {high}."


def _curve_table(curves: tuple[CostCurve, ...], *, emulated: bool) -> Table:
    """The curves side by side, at some of their rates."""
    rates = sorted({rate for curve in curves for rate in curve.rates_per_s})
    rates = rates[:: -(-len(rates) // _MOST_RATES)] if rates else []
    known = [dict(zip(curve.rates_per_s, curve.dollars_per_thousand, strict=True)) for curve in curves]
    rows = tuple((number(rate), *(dollars(curve.get(rate)) for curve in known)) for rate in rates)
    columns = (Column("Images a second"), *(Column(marked(curve.name, emulated=emulated)) for curve in curves))
    return Table("US dollars for 1,000 images, at some rates", columns, rows, folded=True)


def _cost_table(table: CostTable, *, emulated: bool) -> Table:
    amounts = column_of_dollars([*(part.dollars for part in table.parts), table.dollars], of=table.dollars)
    rows = [(part.name, part.quantity, amount) for part, amount in zip(table.parts, amounts[:-1], strict=True)]
    name = called(table.execution, emulated=emulated)
    columns = (Column("Part", is_number=False), Column("Quantity"), Column("US dollars"))
    return Table(f"1,000 images through {name}", columns, (*rows, ("all", "", amounts[-1])))


def memory(findings: Findings) -> Section | None:
    """What the function's memory buys."""
    sweep = findings.memory
    if sweep is None or not sweep.points:
        return None
    recommended = tuple(f"For the goal {goal}: {mb:,} MB." for goal, mb in sweep.recommended.items())
    name = called(sweep.execution, emulated=findings.run.emulated)
    timed = [point for point in sweep.points if point.duration_ms is not None]
    described = [
        f"{name}, {p.memory_mb:,} MB: {number(p.duration_ms)} ms{_predicted(predicted=p.predicted)}." for p in timed
    ]
    plot = Plot(
        "memory",
        f"Duration and cost against the function's memory, {name}",
        " ".join((*described, *recommended)),
        lambda layout: draw_memory(sweep, layout),
        emulates(findings, [sweep.execution]),
    )
    columns = (
        Column("Memory (MB)"),
        Column("Images"),
        Column("Duration (ms)"),
        Column("p95 (ms)"),
        Column("US dollars for 1,000"),
        Column("Init (ms)"),
        Column("Used (MB)"),
        Column("From", is_number=False),
        Column("Remark", is_number=False),
    )
    costs = column_of_dollars([point.dollars_per_thousand for point in sweep.points])
    rows = tuple(
        _memory_row(point, cost, _goals(sweep.recommended, point.memory_mb))
        for point, cost in zip(sweep.points, costs, strict=True)
    )
    shown = Table(f"The function at each memory, {name}", columns, rows)
    words = Words(sweep.words or recommended)
    return Section("How much memory", (words, *([plot] if timed else []), shown))


def _goals(recommended: Mapping[str, int], memory_mb: int) -> tuple[str, ...]:
    return tuple(goal for goal, mb in recommended.items() if mb == memory_mb)


def _memory_row(point: MemoryPoint, cost: str, goals: tuple[str, ...]) -> tuple[str, ...]:
    remark = point.excluded or (f"recommended: {listed(goals)}" if goals else "")
    return (
        f"{point.memory_mb:,}",
        f"{point.n:,}",
        number(point.duration_ms),
        number(point.p95_ms),
        cost,
        number(point.init_ms),
        number(point.used_mb),
        "predicted" if point.predicted else "measured",
        remark,
    )


def network_map(findings: Findings) -> Section | None:
    """Who wins over which network."""
    found, emulated = findings.network_map, findings.run.emulated
    if found is None or not found.cells:
        return None
    cells = [cell for of_rtt in found.cells for cell in of_rtt]
    executions = tuple(dict.fromkeys(name for cell in cells for name in cell.latencies_ms))
    words = tuple(_map_in_words(cells, emulated=emulated))
    plot = Plot(
        "network",
        "The fastest execution, by the network's round trip and bandwidth",
        " ".join(words),
        lambda layout: draw_network_map(found, layout, emulated=emulated),
        emulates(findings, executions),
    )
    columns = (
        Column("Round trip (ms)"),
        Column("Up (Mbit/s)"),
        *(Column(f"{called(name, emulated=emulated)} (ms)") for name in executions),
        Column("Fastest", is_number=False),
        Column("From", is_number=False),
    )
    rows = tuple(
        (
            given(cell.rtt_ms),
            given(cell.up_mbit_s),
            *(number(cell.latencies_ms.get(name)) for name in executions),
            cell.winner,
            "predicted" if cell.predicted else "measured",
        )
        for cell in cells
    )
    shown = Table("Latency over each network", columns, rows, folded=True)
    return Section("Which network", (Words(words), plot, shown))


def _map_in_words(cells: list[Cell], *, emulated: bool) -> Iterator[str]:
    for winner, won in Counter(cell.winner for cell in cells).most_common():
        letter, name = look(winner).letter, called(winner, emulated=emulated)
        yield f"{letter}, {name}, is fastest over {won:,} of {len(cells):,} networks."
    predicted = sum(cell.predicted for cell in cells)
    if predicted:
        yield f"{len(cells) - predicted:,} networks were measured, {predicted:,} are predicted from what was."


def prediction(findings: Findings) -> Section | None:
    """How well what is predicted fits what was measured."""
    found = findings.prediction
    if found is None:
        return None
    words = (
        f"Over {count(len(found.pairs), 'condition')} measured and kept out of the fit, a prediction is off by "
        f"{percent(found.mape)} on average (mean absolute percentage error)."
    )
    columns = (
        Column("Condition", is_number=False),
        Column("Predicted (ms)"),
        Column("Measured (ms)"),
        Column("Off by"),
    )
    rows = tuple((condition, number(told), number(was), _off(told, was)) for condition, told, was in found.pairs)
    if not rows:
        return Section("How good the predictions are", (Words((words,)),))
    plot = Plot(
        "prediction",
        "Predicted against measured latency",
        words,
        lambda layout: draw_prediction(found, layout),
        emulates(findings, (execution_of(condition) for condition, _, _ in found.pairs)),
    )
    shown = Table("Predictions, and what was measured", columns, rows)
    return Section("How good the predictions are", (Words((words,)), plot, shown))


def _off(predicted: float, measured: float) -> str:
    share = (predicted - measured) / measured if measured else float("nan")
    return f"{'+' if share > 0 else ''}{percent(share)}"


def _predicted(*, predicted: bool) -> str:
    return " (predicted)" if predicted else ""
