"""What was not measured, predicted from what was: other networks, and how wrong that is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from lookout.comparison import findings, prediction
from lookout.comparison.analysis.latencies import warm
from lookout.comparison.held_out import HeldOut, held_out
from lookout.comparison.prediction import LatencyModel, Observation, fit
from lookout.comparison.results import Point, Run
from lookout.comparison.samples import OFFLOADED
from lookout.comparison.stages import STAGES, stages_ms
from lookout.comparison.winners import turning_mbit_s, winner_map

_RTTS_MS = (1.0, 5.0, 10.0, 20.0, 40.0, 100.0, 200.0, 400.0)
_UP_MBIT_S = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_DOWN_OVER_UP = 4.0
# Fewer networks than this say nothing of others.
_FEWEST_NETWORKS = 4


def observations(run: Run) -> tuple[Observation, ...]:
    """What each execution took on average at each point, one image at a time and warm, where its stages are known."""
    return tuple(one for point in run.points if point.condition.scenario == "single-stream" for one in _observed(point))


def held_out_prediction(run: Run) -> findings.Prediction | None:
    """Each network and memory predicted from the others; None where too few were measured."""
    found = _held_out(run)
    if found is None or found.mape_percent is None:
        return None
    pairs = tuple((_words(pair.condition), pair.predicted_ms, pair.measured_ms) for pair in found.pairs)
    return findings.Prediction(found.mape_percent / 100, pairs)


def models(run: Run) -> dict[str, LatencyModel]:
    """A model of each execution of which enough networks were measured; and of in-process, which none concerns."""
    mine = _by_execution(observations(run))
    return {
        execution: fit(seen, _cores(run))
        for execution, seen in mine.items()
        if execution == "in-process" or _networks(seen) >= _FEWEST_NETWORKS
    }


def network_map(run: Run) -> findings.NetworkMap | None:
    """Which execution is fastest over which network; None where too few networks were measured."""
    known = {execution: model for execution, model in models(run).items() if execution != "in-process"}
    if len(known) < 2:
        return None
    seen = observations(run)
    memory_mb = run.points[0].condition.memory_mb
    cells = winner_map(
        known,
        _RTTS_MS,
        _UP_MBIT_S,
        sent_bytes=next(one.condition.sent_bytes for one in seen if one.condition.network),  # as over all networks
        memory_mb=memory_mb or 0,
        down_per_up=_DOWN_OVER_UP,
        measured=seen,
    )
    by_rtt = tuple(
        tuple(
            findings.Cell(
                cell.rtt_ms,
                cell.mbit_s,
                dict(cell.latency_ms),
                cell.winner,
                predicted=cell.measured < cell.latency_ms.keys(),
            )
            for cell in column
        )
        for column in zip(*cells, strict=True)
    )
    return findings.NetworkMap(_RTTS_MS, _UP_MBIT_S, by_rtt)


def turnings(run: Run) -> Iterator[str]:
    """Over which networks the two ways of offloading change places, in words."""
    known = models(run)
    if not {"remote", "direct"} <= known.keys():
        return
    seen = [one.condition for one in observations(run) if one.condition.network and one.condition.execution == "direct"]
    at = sorted(seen, key=lambda one: (one.rtt_ms, one.up_ms_per_byte))[len(seen) // 2]
    turn = turning_mbit_s(known["direct"], known["remote"], at)
    if turn is not None:
        lacking = ", without what AWS's services would add" if run.emulated else ""
        yield (
            f"Of the offloaded ones direct is faster above {turn:.3g} Mbit/s up at a round trip of {at.rtt_ms:g} ms, "
            f"and remote below it, as base64 sends a third more (predicted{lacking})."
        )


def sent_bytes(point: Point) -> float:
    """The size of a point's images, on average."""
    sizes = [sample.size_bytes for sample in point.samples if sample.size_bytes]
    return fmean(sizes) if sizes else 0.0


def _observed(point: Point) -> Iterator[Observation]:
    for execution in point.condition.executions:
        values = warm(point, execution)
        stages = [found for s in point.of(execution) if s.is_warm and (found := stages_ms(s))]
        if not values or not stages:
            continue
        memory_mb = point.condition.memory_mb if execution in OFFLOADED else None
        network = None if execution == "in-process" else point.condition.network
        condition = prediction.Condition(execution, network, memory_mb, None, sent_bytes(point))
        means = {stage: fmean(found.get(stage, 0.0) for found in stages) for stage in STAGES}
        yield Observation(condition, fmean(values), means, len(values))


def _held_out(run: Run) -> HeldOut | None:
    seen = [
        one for mine in _by_execution(observations(run)).values() if _networks(mine) >= _FEWEST_NETWORKS for one in mine
    ]
    return held_out(seen, cores=_cores(run)) if seen else None


def _by_execution(seen: Sequence[Observation]) -> dict[str, list[Observation]]:
    found: dict[str, list[Observation]] = {}
    for one in seen:
        found.setdefault(one.condition.execution, []).append(one)
    return found


def _networks(seen: Sequence[Observation]) -> int:
    return len({one.condition.network for one in seen})


def _words(condition: prediction.Condition) -> str:
    network = condition.network
    over = f"{network.rtt_ms:g} ms, {network.up_mbit_s:g} Mbit/s up" if network else "loopback"
    at = f", {condition.memory_mb} MB" if condition.memory_mb else ""
    return f"{condition.execution}: {over}{at}"


def _cores(run: Run) -> int | None:
    cores = run.machine.get("cores")
    return cores if isinstance(cores, int) else None
