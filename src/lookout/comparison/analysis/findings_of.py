"""One run's findings, put together from their parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lookout.comparison.analysis import answer, foresight, latencies, pricing
from lookout.comparison.analysis.settings import Settings
from lookout.comparison.analysis.sweep import memory_sweep
from lookout.comparison.findings import Findings, Seen
from lookout.comparison.report import make_report
from lookout.comparison.results import Run


def findings_of(run: Run, settings: Settings | None = None) -> Findings:
    """All that a report shows of a run that has samples; ``settings``: None for those that it was measured with."""
    measured_with = Settings.from_json(run.description.get("asked", {}))
    known = replace(settings, p99_ms=measured_with.p99_ms) if settings else measured_with
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
        caveats=tuple(_caveats(run, known)),
        method=tuple(_method(run)),
    )


def _seen(run: Run) -> Iterator[Seen]:
    for picture in run.pictures:
        answers = (s.answer for s in run.points[0].samples if s.image == picture.image and s.answer)
        if found := next(answers, None):
            yield Seen(picture, found.objects)


def _caveats(run: Run, settings: Settings) -> Iterator[str]:
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
    if any(point.condition.load.scenario != "single-stream" for point in run.points):
        yield (
            "Who sends shares this machine's cores with who answers: at a high rate some of what is measured is the "
            "sender's own."
        )
    failed = sum(sample.error is not None and not sample.warm_up for sample in samples)
    if failed:
        yield f"{failed} of {len(samples)} samples are failures; they are counted, and in no latency."
    if run.emulated and settings.assumed_price:
        yield (
            f"${settings.dollars_per_hour:g} an hour for a machine of one's own is assumed: say yours with "
            "--machine-cost."
        )
    if run.precisions and len({one.ap for one in run.precisions}) > 1:
        yield "The executions do not detect equally well: see their average precision."


def _method(run: Run) -> Iterator[str]:
    about, first = run.description, run.points[0]
    measured = [sample for sample in first.samples if not sample.warm_up]
    yield (
        f"{about.get('images')} images through {', '.join(first.condition.executions)}, with {about.get('model')} on "
        f"{about.get('engine')}, confidence {about.get('confidence')}, IoU {about.get('iou')}: {len(measured)} samples "
        f"in the table, {sum(len(point.samples) for point in run.points)} in all, of {len(run.points)} conditions."
    )
    yield first.condition.load.described() + " Their order, and that of executions, is shuffled by a seed."
    yield (
        "Nothing is trimmed. Warm-ups are in no figure but those of cold starts. Percentiles are interpolated linearly "
        "(type 7); intervals are bootstrapped (BCa, 95 %, 2,000 draws)."
    )
