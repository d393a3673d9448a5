"""The answer in words: which execution wins on latency, throughput and cost, by how much, how sure. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from lookout.comparison.analysis.foresight import turnings
from lookout.comparison.analysis.pricing import own_machine
from lookout.comparison.analysis.settings import Settings
from lookout.comparison.findings import Costs, Difference, Distribution, NetworkMap, RateCurve
from lookout.comparison.plans import server_result, throughput_of
from lookout.comparison.results import Point, Run
from lookout.comparison.samples import OFFLOADED
from lookout.comparison.service_latencies import Figure, ServiceLatencies
from lookout.comparison.statistics import Interval


def answer(
    run: Run,
    spread: Sequence[Distribution],
    differences: Sequence[Difference],
    rates: Sequence[RateCurve],
    costs: Costs | None,
    network_map: NetworkMap | None,
    settings: Settings,
) -> tuple[str, ...]:
    """The sentences, the first the shortest."""
    point = run.points[0]
    return (
        *_latency(point, spread, differences, run, settings.latencies),
        *_throughput(run, rates, settings.p99_ms),
        *_cost(run, costs, settings.dollars_per_hour),
        *_networks(run, network_map),
    )


def added(run: Run, spread: Sequence[Distribution], latencies: ServiceLatencies) -> tuple[str, ...]:
    """What an emulator on this machine lacks, and what that would add, by who measured it; nothing of real figures."""
    if not run.emulated:
        return ()
    return tuple(_added(spread, latencies))


def sources(run: Run, latencies: ServiceLatencies) -> tuple[str, ...]:
    """Whose figures those are, of what was offloaded."""
    if not run.emulated:
        return ()
    executions = [name for name in run.points[0].condition.executions if name in OFFLOADED]
    parts = {part.kind: part for name in executions for part in latencies.added(name, cold=True)}
    return tuple(
        f"{part.what}: median {part.figure.p50_ms:g} ms{_p99(part.figure)}, measured {part.figure.measured}. "
        f"{part.figure.source}"
        for part in parts.values()
    )


def _p99(figure: Figure) -> str:
    return "" if figure.p99_ms is None else f", p99 {figure.p99_ms:g} ms"


def _latency(
    point: Point,
    spread: Sequence[Distribution],
    differences: Sequence[Difference],
    run: Run,
    latencies: ServiceLatencies,
) -> Iterator[str]:
    ranked = sorted((one for one in spread if not one.cold and one.mean), key=lambda one: _mean(one).value)
    if not ranked:
        yield "Nothing was answered, so that there is no answer: see the failures."
        return
    first, place = ranked[0], _place(point, run)
    if len(ranked) == 1:
        yield f"{_name(first)} takes {_mean(first).value:,.1f} ms an image; nothing was compared with it."
        yield f"That is {point.condition.load.briefly()}, {place}; the mean is {_ms(_mean(first))}."
        return
    second = ranked[1]
    pair = {first.execution, second.execution}
    between = next((one for one in differences if {one.faster, one.slower} == pair), None)
    yield (
        f"{_name(first)} is fastest: {_mean(first).value:,.1f} ms an image, against {_mean(second).value:,.1f} of "
        f"{second.execution}."
    )
    yield (
        f"That is {point.condition.load.briefly()}, {place}; the means of {first.execution} and {second.execution} are "
        f"{_ms(_mean(first))} and {_ms(_mean(second))}, and {_sureness(between)}."
    )
    here = next((one for one in ranked if one.execution not in OFFLOADED), None)
    away = next((one for one in ranked if one.execution in OFFLOADED), None)
    if here and away:
        yield _here_or_away(here, away, latencies if run.emulated else None)


def _here_or_away(here: Distribution, away: Distribution, latencies: ServiceLatencies | None) -> str:
    """The best of each; ``latencies``: what is to be added to emulated ones."""
    quicker, slower = sorted((here, away), key=lambda one: _mean(one).value)
    ratio = _mean(slower).value / _mean(quicker).value
    names = ("here", "offloaded") if quicker is here else ("offloaded", "here")
    told = f"{_capital(names[0])} ({quicker.execution}) is {ratio:.1f} times as fast as {names[1]} ({slower.execution})"
    if latencies is None:
        return f"{told}."
    more_ms = sum(latencies.added_ms(away.execution, cold=False).values())
    if more_ms:
        total_ms = _mean(away).value + more_ms
        return f"{told}; with what AWS's services are known to add, {away.execution} takes about {total_ms:,.0f} ms."
    return f"{told}; what AWS's services would add to that is not known here, so offloaded is a lower bound."


def _place(point: Point, run: Run) -> str:
    if point.condition.network:
        return f"over a network of {point.condition.network.described()}"
    return "over the network that there was" if run.cloud and not run.emulated else "over loopback"


def _throughput(run: Run, rates: Sequence[RateCurve], p99_ms: float | None) -> Iterator[str]:
    if p99_ms is not None:
        for execution in run.points[0].condition.executions:
            if searched := server_result(run.points, execution, p99_ms):
                yield f"{_capital(execution)}: {searched.described()}"
    most: dict[str, float] = {}
    for point in run.points:
        if point.condition.scenario not in ("offline", "concurrent"):
            continue
        for execution in point.condition.executions:
            if found := throughput_of(point, execution):
                most[execution] = max(found, most.get(execution, 0))
    if most:
        ranked = sorted(most, key=most.__getitem__, reverse=True)
        told = ", ".join(f"{most[name]:.3g} by {name}" for name in ranked)
        limited = any(name in OFFLOADED for name in ranked) and run.emulated
        note = "; the emulator has but this machine's cores, and AWS scales further" if limited else ""
        yield f"Images a second, many at once: {told}{note}."
    for curve in rates:
        if curve.knee_per_s is not None:
            at = next(point for point in curve.points if point.rate_per_s == curve.knee_per_s)
            yield (
                f"{_capital(curve.execution)} does most for its latency at {at.rate_per_s:.3g} images/s (the knee): a "
                f"median of {at.p50_ms:,.0f} ms there, and {curve.points[0].p50_ms:,.0f} ms at "
                f"{curve.points[0].rate_per_s:.3g}."
            )


def _cost(run: Run, costs: Costs | None, dollars_per_hour: float | None) -> Iterator[str]:
    if costs is None:
        return
    told = ", ".join(f"${table.dollars:.3g} by {table.execution}" for table in costs.tables)
    machine = own_machine(run, dollars_per_hour)
    own = ""
    if machine is not None:
        full = machine.per_thousand(machine.images_per_s)
        own = f", and ${full:.3g} on {machine.described()} that is never idle"
    yield f"1,000 images cost {told}{own}."
    yield from costs.break_evens


def _networks(run: Run, network_map: NetworkMap | None) -> Iterator[str]:
    if network_map is None:
        return
    cells = [cell for row in network_map.cells for cell in row]
    counts = {name: sum(cell.winner == name for cell in cells) for name in cells[0].latencies_ms}
    ranked = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    if len(ranked) == 1:
        yield f"Over a network {ranked[0]} is fastest on all {len(cells)} of the map (mostly predicted)."
    else:
        told = ", ".join(f"{name} on {counts[name]}" for name in ranked)
        yield f"Over a network it depends: of {len(cells)} of the map (mostly predicted) {told}."
    yield from turnings(run)


def _added(spread: Sequence[Distribution], latencies: ServiceLatencies) -> Iterator[str]:
    for one in spread:
        if one.execution not in OFFLOADED or one.mean is None:
            continue
        kind = f"{one.execution}, {'cold' if one.cold else 'warm'}"
        parts = latencies.added(one.execution, cold=one.cold)
        if parts:
            more_ms = sum(part.figure.p50_ms for part in parts)
            told = "; ".join(f"{part.what}: {part.figure.p50_ms:g} ms" for part in parts)
            yield (
                f"{_capital(kind)}: {one.mean.value:,.0f} ms emulated, and about {one.mean.value + more_ms:,.0f} ms "
                f"with the medians of what AWS's services add by others' measurements ({told})."
            )
        if bound := latencies.lower_bound(one.execution, cold=one.cold):
            yield f"{_capital(kind)} is {bound}."


def _sureness(found: Difference | None) -> str:
    """How sure it is that one is faster."""
    if found is None:
        return "of too few images to say how sure that is"
    ms = found.ms
    bounds = f"{ms.value:,.1f} ms an image ({ms.low:,.1f} to {ms.high:,.1f}, 95 % interval, {found.n} images)"
    return f"the difference is {bounds}" if found.is_sure else f"the difference is {bounds}, which may be chance"


def _mean(one: Distribution) -> Interval:
    values = one.values_ms
    return one.mean or Interval(fmean(values), values[0], values[-1])


def _ms(interval: Interval) -> str:
    return f"{interval.value:,.1f} ms ({interval.low:,.1f} to {interval.high:,.1f})"


def _name(one: Distribution) -> str:
    return _capital(one.execution)


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
