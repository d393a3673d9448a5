"""One run's findings, put together from their parts."""

from __future__ import annotations

from collections.abc import Iterator

from lookout.comparison.analysis import answer, foresight, latencies, pricing
from lookout.comparison.analysis.settings import Settings
from lookout.comparison.analysis.sweep import memory_sweep
from lookout.comparison.findings import Findings, Seen
from lookout.comparison.load import MOST_UNDER_WAY
from lookout.comparison.report import make_report
from lookout.comparison.results import Run

# An image that is sent later than this after it was due was kept waiting by who sends.
_LATE_MS = 50.0


def findings_of(run: Run, settings: Settings | None = None) -> Findings:
    """All that a report shows of a run that has samples; ``settings``: None for those that it was measured with."""
    known = settings or Settings.from_json(run.description.get("asked", {}))
    first = run.points[0]
    spread, differences = latencies.distributions(first), latencies.differences(first)
    rates = latencies.rate_curves(run)
    costs = pricing.costs(run, known.prices, known.dollars_per_hour)
    network_map = foresight.network_map(run)
    prediction = foresight.held_out_prediction(run)
    return Findings(
        run=run,
        report=make_report(first.samples, first.condition.executions),
        answer=answer.answer(run, spread, differences, rates, costs, network_map, known),
        added=answer.added(run, spread, known.latencies),
        sources=answer.sources(run, known.latencies),
        distributions=spread,
        differences=differences,
        stages=latencies.stage_bars(first),
        rates=rates,
        costs=costs,
        memory=memory_sweep(run, known.prices, known.deadline_ms),
        network_map=network_map,
        prediction=prediction,
        peaks=latencies.peaks(run),
        seen=tuple(_seen(run)),
        caveats=tuple(_caveats(run, known, priced=bool(costs and costs.curves))),
        method=tuple(_method(run)),
    )


def _seen(run: Run) -> Iterator[Seen]:
    for picture in run.pictures:
        answers = (s.answer for s in run.points[0].samples if s.image == picture.image and s.answer)
        if found := next(answers, None):
            yield Seen(picture, found.objects)


def _caveats(run: Run, settings: Settings, *, priced: bool) -> Iterator[str]:
    """``priced``: what a machine of one's own costs is in the report."""
    yield from run.warnings
    if not run.is_complete:
        yield "The run was ended before its end: the figures are of what was measured by then."
    if run.emulated:
        yield (
            "The figures of the cloud come from Lookout's emulator on this machine, not from AWS: a function has its "
            "memory's share of one of this machine's cores, uploads go over loopback or a network made as slow as one, "
            "and no image of a function is pulled."
        )
    samples = [sample for point in run.points for sample in point.samples]
    if over := sum(bool(sample.invocation and sample.invocation.oversubscribed) for sample in samples):
        yield f"{over} invocations wanted more of this machine than it has, and took longer than they would on AWS."
    yield from _of_loads(run)
    measured = [sample for sample in samples if not sample.warm_up]
    if failed := sum(sample.error is not None for sample in measured):
        yield f"{failed} of {len(measured)} samples are failures; they are counted, and in no latency."
    if priced and settings.assumed_price:
        yield (
            f"${settings.dollars_per_hour:g} an hour for a machine of one's own is assumed: say yours with "
            "--machine-cost."
        )
    if run.precisions and len({one.ap for one in run.precisions}) > 1:
        yield "The executions do not detect equally well: see their average precision."


def _of_loads(run: Run) -> Iterator[str]:
    """What more than one image at a time does to the figures."""
    if any(point.condition.load.scenario != "single-stream" for point in run.points):
        yield (
            "Who sends shares this machine's cores with who answers: at a high rate some of what is measured is the "
            "sender's own."
        )
    if run.points[0].condition.load.scenario != "single-stream":
        yield (
            "The intervals take images for independent, which those that wait behind each other are not: they are "
            "narrower than they should be, and so is what is called sure."
        )
    due = [
        (sample.started - sample.scheduled) * 1000
        for point in run.points
        if point.condition.load.rate_per_s
        for sample in point.samples
        if sample.scheduled is not None
    ]
    if late := sum(late_ms > _LATE_MS for late_ms in due):
        yield (
            f"{late:,} of {len(due):,} images that came at a rate were sent more than {_LATE_MS:g} ms after they were "
            f"due, as {MOST_UNDER_WAY} were under way or this machine was busy: that is in their latency, as waiting, "
            "and is the sender's."
        )


def _method(run: Run) -> Iterator[str]:
    about, first = run.description, run.points[0]
    measured = [sample for sample in first.samples if not sample.warm_up]
    yield (
        f"{about.get('images')} images through {', '.join(first.condition.executions)}, with {about.get('model')} on "
        f"{about.get('engine')}, confidence {about.get('confidence')}, IoU {about.get('iou')}: {len(measured)} samples "
        f"in the table, {sum(len(point.samples) for point in run.points)} in all, of {len(run.points)} conditions."
    )
    load = first.condition.load
    turns = "Executions take turns" if load.scenario == "single-stream" else "One execution comes after the other"
    yield f"{load.described()} {turns}; the order is shuffled by the seed {load.seed}."
    yield (
        "Nothing is trimmed. Warm-ups are in no figure but those of cold starts. Percentiles are interpolated linearly "
        "(type 7); intervals are bootstrapped (BCa, 95 %, 2,000 draws)."
    )
