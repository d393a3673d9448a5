"""The answer in words: which execution wins on latency, throughput and cost, by how much, how sure. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from lookout.comparison.analysis.foresight import turnings
from lookout.comparison.analysis.pricing import own_machine
from lookout.comparison.analysis.settings import Settings
from lookout.comparison.findings import Costs, Difference, Distribution, NetworkMap, RateCurve
from lookout.comparison.plans import server_result, throughput_of
from lookout.comparison.results import Point, Run
from lookout.comparison.samples import EMULATED, OFFLOADED, called
from lookout.comparison.service_latencies import Figure, ServiceLatencies
from lookout.comparison.words import capital


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
    ranked = sorted((one for one in spread if not one.cold), key=_value)
    names = {name: called(name, emulated=run.emulated) for name in point.condition.executions}
    if not any(sample.answer for sample in point.samples if not sample.warm_up):
        yield "Nothing was answered, so that there is no answer: see the failures."
        return
    if ranked:
        yield from _ranked(ranked, names, differences, f"{point.condition.load.briefly()}, {_place(point, run)}")
    else:
        yield "No image was answered that is known to be warm, so that nothing is compared."
    yield from _left_out(point, ranked, names)
    here = next((one for one in ranked if one.execution not in OFFLOADED), None)
    away = next((one for one in ranked if one.execution in OFFLOADED), None)
    if here and away:
        yield _here_or_away(here, away, _between(differences, here, away), latencies if run.emulated else None)


def _ranked(
    ranked: Sequence[Distribution], names: Mapping[str, str], differences: Sequence[Difference], load: str
) -> Iterator[str]:
    """Which is fastest, and how sure that is."""
    first = ranked[0]
    name, ms = names[first.execution], f"{_value(first):,.1f}"
    if len(ranked) == 1:
        yield f"{capital(name)} takes {ms} ms an image; nothing was compared with it."
        yield f"That is {load}; the mean is {_ms(first)}."
        return
    second = ranked[1]
    other, other_ms = names[second.execution], f"{_value(second):,.1f}"
    between = _between(differences, first, second)
    if between is None:
        yield f"{capital(name)} took {ms} ms an image, and {other} {other_ms}: too few to say which is faster."
        yield f"That is {load}."
        return
    if between.is_sure:
        yield f"{capital(name)} is fastest: {ms} ms an image, against {other_ms} of {other}."
    else:
        yield (
            f"{capital(name)} and {other} are as fast, as far as {between.n} images tell: {ms} and {other_ms} ms an "
            "image."
        )
    yield (
        f"That is {load}; the means of {name} and {other} are {_ms(first)} and {_ms(second)}, and the difference is "
        f"{between.ms.value:,.1f} ms an image ({between.ms.low:,.1f} to {between.ms.high:,.1f}, 95 % interval, "
        f"{between.n} images)"
        f"{'' if between.is_sure else ', which may be chance'}."
    )


def _left_out(point: Point, ranked: Sequence[Distribution], names: Mapping[str, str]) -> Iterator[str]:
    """What is in none of those latencies, of each execution: who is slow to start or fails must not look fast."""
    compared = {one.execution for one in ranked}
    for execution, name in names.items():
        samples = [sample for sample in point.of(execution) if not sample.warm_up]
        reasons = {
            "failed": sum(sample.answer is None for sample in samples),
            "met a cold start": sum(bool(sample.answer) and sample.cold for sample in samples),
            "have no report of Lambda's": sum(bool(s.answer) and not s.is_classified for s in samples),
        }
        told = " and ".join(f"{count:,} of {len(samples):,} {why}" for why, count in reasons.items() if count)
        if execution not in compared:
            yield f"{capital(name)} is not compared: {told or 'it was given no image by then'}."
        elif told:
            yield f"Not in the latency of {name}: {told}."


def _between(differences: Sequence[Difference], one: Distribution, other: Distribution) -> Difference | None:
    pair = {one.execution, other.execution}
    return next((each for each in differences if {each.faster, each.slower} == pair), None)


def _here_or_away(
    here: Distribution,
    away: Distribution,
    between: Difference | None,
    latencies: ServiceLatencies | None,
) -> str:
    """The best of each; ``latencies``: what is to be added to emulated ones."""
    quicker, slower = sorted((here, away), key=_value)
    ratio = _value(slower) / _value(quicker)
    mark = "" if latencies is None else f", {EMULATED}"
    ways = {here.execution: f"here ({here.execution})", away.execution: f"offloaded ({away.execution}{mark})"}
    told = f"{capital(ways[quicker.execution])} is {ratio:.1f} times as fast as {ways[slower.execution]}"
    if between is None or not between.is_sure:
        told = f"Whether {ways[here.execution]} or {ways[away.execution]} is faster can't be told from these images"
    if latencies is None:
        return f"{told}."
    more_ms = sum(latencies.added_ms(away.execution, cold=False).values())
    if more_ms:
        total_ms = _value(away) + more_ms
        return f"{told}; with what AWS's services are known to add, {away.execution} takes about {total_ms:,.0f} ms."
    return f"{told}; what AWS's services would add to that is not known here, so offloaded is a lower bound."


def _place(point: Point, run: Run) -> str:
    if point.condition.network:
        alone = ", which in-process does without" if "in-process" in point.condition.executions else ""
        return f"over a network of {point.condition.network.described()}{alone}"
    return "over the network that there was" if run.cloud and not run.emulated else "over loopback"


def _throughput(run: Run, rates: Sequence[RateCurve], p99_ms: float | None) -> Iterator[str]:
    if p99_ms is not None:
        for execution in run.points[0].condition.executions:
            if searched := server_result(run.points, execution, p99_ms):
                yield f"{capital(called(execution, emulated=run.emulated))}: {searched.described()}"
    most: dict[str, float] = {}
    for point in run.points:
        if point.condition.scenario not in ("offline", "concurrent"):
            continue
        for execution in point.condition.executions:
            if found := throughput_of(point, execution):
                most[execution] = max(found, most.get(execution, 0))
    if most:
        ranked = sorted(most, key=most.__getitem__, reverse=True)
        told = ", ".join(f"{most[name]:.3g} by {called(name, emulated=run.emulated)}" for name in ranked)
        limited = any(name in OFFLOADED for name in ranked) and run.emulated
        note = "; the emulator has but this machine's cores, and AWS scales further" if limited else ""
        yield f"Images a second, many at once: {told}{note}."
    for curve in rates:
        if curve.knee_per_s is not None:
            at = next(point for point in curve.points if point.rate_per_s == curve.knee_per_s)
            yield (
                f"{capital(called(curve.execution, emulated=run.emulated))} does most for its latency at "
                f"{at.rate_per_s:.3g} images/s (the knee): a median of {at.p50_ms:,.0f} ms there, and "
                f"{curve.points[0].p50_ms:,.0f} ms at {curve.points[0].rate_per_s:.3g}."
            )


def _cost(run: Run, costs: Costs | None, dollars_per_hour: float | None) -> Iterator[str]:
    if costs is None:
        return
    told = ", ".join(
        f"${table.dollars:.3g} by {called(table.execution, emulated=run.emulated)}" for table in costs.tables
    )
    machine = own_machine(run, dollars_per_hour)
    own = ""
    if machine is not None:
        full = machine.per_thousand(machine.images_per_s)
        own = f", and ${full:.3g} on {machine.described()} that is never idle, at {machine.images_per_s:.3g} images/s"
    yield f"1,000 images cost {told}{own}."
    yield from costs.break_evens


def _networks(run: Run, network_map: NetworkMap | None) -> Iterator[str]:
    if network_map is None:
        return
    cells = [cell for row in network_map.cells for cell in row]
    counts = {name: sum(cell.winner == name for cell in cells) for name in cells[0].latencies_ms}
    ranked = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    names = {name: called(name, emulated=run.emulated) for name in counts}
    lacking = ", without what AWS's services would add" if run.emulated else ""
    if len(ranked) == 1:
        first = names[ranked[0]]
        yield f"Over a network {first} is fastest on all {len(cells)} of the map (mostly predicted{lacking})."
    else:
        told = ", ".join(f"{names[name]} on {counts[name]}" for name in ranked)
        yield f"Over a network it depends: of {len(cells)} of the map (mostly predicted{lacking}) {told}."
    yield from turnings(run)


def _added(spread: Sequence[Distribution], latencies: ServiceLatencies) -> Iterator[str]:
    for one in spread:
        if one.execution not in OFFLOADED:
            continue
        kind = f"{one.execution}, {'cold' if one.cold else 'warm'}"
        parts = latencies.added(one.execution, cold=one.cold)
        if parts:
            more_ms = sum(part.figure.p50_ms for part in parts)
            told = "; ".join(f"{part.what}: {part.figure.p50_ms:g} ms" for part in parts)
            yield (
                f"{capital(kind)}: {_value(one):,.0f} ms emulated, and about {_value(one) + more_ms:,.0f} ms "
                f"with the medians of what AWS's services add by others' measurements ({told})."
            )
        if bound := latencies.lower_bound(one.execution, cold=one.cold):
            yield f"{capital(kind)} is {bound}."


def _value(one: Distribution) -> float:
    return fmean(one.values_ms)


def _ms(one: Distribution) -> str:
    """The mean; with its interval where there is one."""
    bounds = f" ({one.mean.low:,.1f} to {one.mean.high:,.1f})" if one.mean else ""
    return f"{_value(one):,.1f} ms{bounds}"
