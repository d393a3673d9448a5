"""What a run's images cost, by what was measured of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import Literal, cast

from lookout.comparison.bill import Estimate, Part
from lookout.comparison.break_even import Offloading, break_even, describe, rates_to_draw
from lookout.comparison.costs import DEFAULT_EXPIRE_DAYS, Offloaded, Workload, per_thousand
from lookout.comparison.findings import CostCurve, CostPart, Costs, CostTable
from lookout.comparison.own_machine import OwnMachine
from lookout.comparison.plans import throughput_of
from lookout.comparison.prices import Architecture, Prices
from lookout.comparison.results import Run
from lookout.comparison.samples import OFFLOADED, Sample, called
from lookout.comparison.stages import DETECTOR, stages_ms
from lookout.comparison.words import capital

# Between an image an hour, and as many as a hundred machines take.
_LOWEST_RATE_PER_S, _MACHINES = 1 / 3600, 100


def costs(run: Run, prices: Prices, dollars_per_hour: float | None) -> Costs | None:
    """What 1,000 images cost by each way; None where nothing was offloaded, or nothing is known of what it was billed.

    ``dollars_per_hour``: of a machine like the one measured on; without it there is nothing to compare with.
    """
    first = run.points[0]
    workloads = {name: found for name in _offloaded(run) if (found := workload_of(first.of(name), name, run))}
    if not workloads:
        return None
    machine = own_machine(run, dollars_per_hour)
    tables = [
        _table(name, per_thousand(workload, prices=prices), _cold_start(run, workload, prices))
        for name, workload in workloads.items()
    ]
    curves: list[CostCurve] = []
    sentences: list[str] = []
    meetings: list[tuple[float, float]] = []
    offloadings = {name: Offloading(workload, prices=prices) for name, workload in workloads.items()}
    if machine is not None:
        rates = rates_to_draw(_LOWEST_RATE_PER_S, machine.images_per_s * _MACHINES, machine)
        own = tuple(machine.per_thousand(rate) for rate in rates)
        curves.append(CostCurve(machine.described(), rates, own))
        for name, offloading in offloadings.items():
            curves.append(CostCurve(name, rates, tuple(offloading.per_thousand(rate) for rate in rates)))
            free = tuple(offloading.per_thousand(rate, after_free=True) for rate in rates)
            curves.append(CostCurve(f"{name} after the free tier", rates, free))
            turn = break_even(offloading, machine)
            sentences.append(f"{capital(describe(turn, called(name, emulated=run.emulated), machine))}.")
            if turn.images_per_s:
                meetings.append((turn.images_per_s, machine.per_thousand(turn.images_per_s)))
    source = f"{prices.region}, {prices.as_of}"
    return Costs(tuple(tables), tuple(curves), tuple(sentences), source, tuple(meetings))


def own_machine(run: Run, dollars_per_hour: float | None) -> OwnMachine | None:
    """A machine like the one measured on, at the throughput of its server; None without a price, or a throughput."""
    throughput = local_throughput_per_s(run)
    if dollars_per_hour is None or throughput is None:
        return None
    return OwnMachine(dollars_per_hour, throughput)


def local_throughput_per_s(run: Run) -> float | None:
    """How many images a second the server answers: where many came at once, else one at a time.

    What comes over a slow network, at a rate or in bursts says how the network is, or how long the queue was, and not
    what a machine can do: of that only the detector's own stages count, one image after the other.
    """
    local = [point for point in run.points if "local" in point.condition.executions]
    near = [point for point in local if point.condition.network is None]
    many = [point for point in near if point.condition.scenario in ("offline", "concurrent")]
    if found := max(filter(None, (throughput_of(point, "local") for point in many)), default=None):
        return found
    alone = [point for point in near if point.condition.scenario == "single-stream"]
    for points, take_ms in ((alone, _latency_ms), (local, _detector_ms)):
        known = [ms for point in points for s in point.of("local") if s.is_warm and (ms := take_ms(s))]
        if known:
            return 1000 / fmean(known)
    return None


def _latency_ms(sample: Sample) -> float | None:
    return sample.latency_ms


def _detector_ms(sample: Sample) -> float | None:
    stages = stages_ms(sample)
    return sum(stages.get(stage, 0.0) for stage in DETECTOR) if stages else None


def workload_of(samples: Iterable[Sample], execution: str, run: Run) -> Workload | None:
    """An image through the function, by some of one memory; None where nothing is known of any that was warm."""
    known = [sample for sample in samples if sample.is_warm and sample.invocation]
    if not known:
        return None
    sizes = [sample.size_bytes for sample in known if sample.size_bytes]
    return Workload(
        images=1000,
        memory_mb=max(sample.invocation.memory_mb for sample in known if sample.invocation),
        duration_ms=fmean(sample.invocation.duration_ms for sample in known if sample.invocation),
        billed_ms=fmean(sample.invocation.billed_ms for sample in known if sample.invocation),
        image_bytes=fmean(sizes) if sizes else 0,
        architecture=_architecture(run),
        execution=cast("Offloaded", execution),
    )


def dollars_of(samples: Iterable[Sample], run: Run, execution: str, prices: Prices) -> float | None:
    """What 1,000 images cost that are like these, which had one memory; None where nothing is known of them."""
    workload = workload_of(samples, execution, run)
    return None if workload is None else per_thousand(workload, expire_days=DEFAULT_EXPIRE_DAYS, prices=prices).dollars


def _cold_start(run: Run, workload: Workload, prices: Prices) -> str:
    """What an initialisation adds, which warm images don't have and which is billed.

    Of either way of offloading, as both start the same function.
    """
    inits = [s.invocation.init_ms for s in run.points[0].samples if s.invocation and s.invocation.init_ms is not None]
    if not inits:
        return ""
    init_ms = fmean(inits)
    dollars = init_ms / 1000 * workload.memory_mb / 1024 * prices.gb_second(workload.architecture)
    return f" Images are warm: each cold start adds ${dollars:.7f}, by an initialisation of {init_ms:,.0f} ms."


def _table(execution: str, estimate: Estimate, cold_start: str) -> CostTable:
    free = (
        "Lambda's free tier, 1,000,000 invocations and 400,000 GB-s a month for an account that uses them for nothing "
        "else, is not taken off."
    )
    lacking = f" Not in it: {', '.join(estimate.lacking)}." if estimate.lacking else ""
    parts = tuple(CostPart(part.name, _quantity(part), part.dollars) for part in estimate.parts if part.dollars)
    return CostTable(execution, parts, estimate.dollars, free + cold_start + lacking)


def _quantity(part: Part) -> str:
    return f"{part.quantity:,.4g} {part.unit}".rstrip()


def _offloaded(run: Run) -> tuple[str, ...]:
    return tuple(name for name in run.points[0].condition.executions if name in OFFLOADED)


def _architecture(run: Run) -> Architecture:
    named = (run.cloud or {}).get("Architecture", (run.cloud or {}).get("architecture", "x86_64"))
    return cast(Literal["x86_64", "arm64"], named if named in ("x86_64", "arm64") else "x86_64")
