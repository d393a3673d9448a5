"""What was measured of time: the table, how latencies spread, where they go, and what a rate does to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isfinite, isnan
from statistics import fmean

from lookout.comparison.findings import PUBLISHED, Distribution, Findings, Published, RateCurve, RatePoint, StageBar
from lookout.comparison.rendering.document import Column, Plot, Section, Table, Words
from lookout.comparison.rendering.numbers import UNKNOWN, count, given, interval, listed, number, percent
from lookout.comparison.rendering.plots.axes import finite
from lookout.comparison.rendering.plots.latency import UNEXPLAINED, draw_distributions, draw_stages
from lookout.comparison.rendering.plots.rates import draw_rates
from lookout.comparison.report import Report, Row
from lookout.comparison.samples import EMULATED, OFFLOADED, called
from lookout.comparison.stages import STAGES
from lookout.comparison.statistics import ENOUGH_FOR_P99, Interval, Summary, summarise

_PUBLISHED_OF = (
    "Published: the reference system's report, with YOLOv3-tiny at 416 x 416 in OpenCV, locally on a Ryzen 7840S "
    "laptop, remotely on AWS Lambda at 512 MB. The machines differ, and so do the models, unless it is YOLOv3-tiny "
    "here too: read the columns beside each other, and don't subtract them."
)
_MOST_FAILURES = 20


def emulates(findings: Findings, executions: Iterable[str]) -> bool:
    """Whether something that is shown of these executions comes from an emulator."""
    return findings.run.emulated and any(execution in OFFLOADED for execution in executions)


def added(findings: Findings) -> Section | None:
    """What an emulator lacks."""
    return Section("What the emulator lacks", (Words(findings.added),)) if findings.added else None


def table(findings: Findings) -> Section | None:
    """The published table with ours beside it, and what belongs to it."""
    report = findings.report
    if not report.rows:
        return None
    ours = {(row.task, row.metric): row for row in report.rows}
    published = {(row.task, row.metric): row for row in PUBLISHED}
    keys = [*published, *(key for key in ours if key not in published)]
    rows = [_table_row(key, published.get(key), ours.get(key), emulated=findings.run.emulated) for key in keys]
    columns = (
        Column("Task", is_number=False),
        Column("Metric", is_number=False),
        *(Column(name, "Published") for name in ("Mean", "SD", "Min", "Max")),
        *(Column(name, "Here") for name in ("Mean", "SD", "Min", "Max", "n")),
    )
    shown = Table("Published, and measured here", columns, tuple(rows))
    return Section("The table", (Words((_PUBLISHED_OF,)), shown, Words(tuple(_beside_the_table(report)))))


def _table_row(
    key: tuple[str, str], published: Published | None, ours: Row | None, *, emulated: bool
) -> tuple[str, ...]:
    task, metric = key
    unit = published.unit if published else ours.unit if ours else ""
    is_emulated = emulated and ours is not None and task.lower().startswith(OFFLOADED)
    before = [published.mean, published.sd, published.min, published.max] if published else [None] * 4
    return (
        f"{task} (here {EMULATED})" if is_emulated else task,
        f"{metric} ({unit})",
        *(number(value, 2) for value in before),
        *_here(ours.summary if ours else None),
    )


def _here(summary: Summary | None) -> Iterator[str]:
    if summary is None:
        yield from [UNKNOWN] * 5
        return
    yield number(summary.mean, 2)
    # One value says nothing of how values spread.
    yield from (number(value if summary.n > 1 else None, 2) for value in (summary.sd, summary.min, summary.max))
    yield f"{summary.n:,}"


def _beside_the_table(report: Report) -> Iterator[str]:
    agreement = report.agreement
    if agreement.images:
        yield (
            f"Identical objects from every execution: {agreement.identical:,} of {count(agreement.images, 'image')} "
            "that all of them answered."
        )
    if report.cold_starts:
        yield f"Cold starts: {report.cold_starts:,}, in rows of their own."
    if report.unreported:
        yield f"Left out for want of a REPORT line: {count(report.unreported, 'offloaded sample')}."
    if not report.failures:
        yield "Every image was answered."
        return
    yield f"Not answered, and in no row: {count(len(report.failures), 'image')}."
    for failure in report.failures[:_MOST_FAILURES]:
        yield f"Failed ({failure.execution}): {failure.image}: {failure.error}"
    if len(report.failures) > _MOST_FAILURES:
        yield f"Failed: {len(report.failures) - _MOST_FAILURES:,} more, all in samples.jsonl."


def latencies(findings: Findings) -> Section | None:
    """How latencies spread."""
    found, emulated = tuple(one for one in findings.distributions if one.values_ms), findings.run.emulated
    if not found:
        return None
    rows = [_distribution_row(one, emulated=emulated) for one in found]
    described = [
        f"{row[0]}: half within {row[4]} ms, 95 % within {row[6]} ms, of {count(len(one.values_ms), 'image')}."
        for row, one in zip(rows, found, strict=True)
    ]
    plot = Plot(
        "latency",
        "Latency: the share of images answered within a time",
        " ".join(described),
        lambda layout: draw_distributions(found, layout, emulated=emulated),
        emulates(findings, (one.execution for one in found)),
    )
    names = ("n", "Mean", "SD", "p50", "p90", "p95", "p99", "Min", "Max")
    columns = (Column("Execution", is_number=False), *map(Column, names))
    return Section(
        "Latency",
        (
            Words(
                (
                    "The bars at 50 % and 95 % are 95 % intervals (bootstrap), in the table those in brackets. Nothing "
                    f"is trimmed. A p99 of fewer than {ENOUGH_FOR_P99} images is left out.",
                )
            ),
            plot,
            Table("Latencies in milliseconds", columns, tuple(rows)),
            *_differences(findings),
        ),
    )


def _differences(findings: Findings) -> Iterator[Table]:
    """Each two executions against each other."""
    if not findings.differences:
        return
    emulated = findings.run.emulated
    rows = tuple(
        (
            called(one.faster, emulated=emulated),
            called(one.slower, emulated=emulated),
            interval(one.ms),
            f"{one.n:,}",
            "yes" if one.is_sure else "no, it may be chance",
        )
        for one in findings.differences
    )
    columns = (
        Column("Faster", is_number=False),
        Column("Slower", is_number=False),
        Column("By (ms)"),
        Column("Images"),
        Column("Sure", is_number=False),
    )
    yield Table("Differences, image by image, of those that both answered warm", columns, rows)


def _distribution_row(one: Distribution, *, emulated: bool) -> tuple[str, ...]:
    summary = summarise(one.values_ms)
    if summary is None:
        raise ValueError("a distribution of nothing")
    return (
        f"{called(one.execution, emulated=emulated)}, {'cold' if one.cold else 'warm'}",
        f"{summary.n:,}",
        _with_interval(one.mean, summary.mean),
        number(summary.sd if summary.n > 1 else None),
        _with_interval(one.p50, summary.p50),
        number(summary.p90),
        _with_interval(one.p95, summary.p95),
        number(summary.p99 if summary.n >= ENOUGH_FOR_P99 else None),
        number(summary.min),
        number(summary.max),
    )


def _with_interval(found: Interval | None, value: float) -> str:
    return interval(found) if found else number(value)


def stages(findings: Findings) -> Section | None:
    """Where the time goes."""
    bars, emulated = findings.stages, findings.run.emulated
    if not bars:
        return None
    names = [stage for stage in STAGES if any(stage in bar.stages_ms for bar in bars)]
    described = [_bar_in_words(bar, emulated=emulated) for bar in bars]
    plot = Plot(
        "stages",
        "Where the mean latency goes, stage by stage",
        " ".join(described),
        lambda layout: draw_stages(bars, layout, emulated=emulated),
        emulates(findings, (bar.execution for bar in bars)),
    )
    heads = [f"{called(bar.execution, emulated=emulated)}, {'cold' if bar.cold else 'warm'}" for bar in bars]
    rows = [(stage, *(number(bar.stages_ms.get(stage)) for bar in bars)) for stage in names]
    rows += [
        (UNEXPLAINED, *(number(round(bar.unexplained_ms, 2)) for bar in bars)),
        ("all", *(number(bar.latency_ms) for bar in bars)),
        ("images", *(f"{bar.n:,}" for bar in bars)),
    ]
    columns = (Column("Stage", is_number=False), *map(Column, heads))
    return Section("Where the time goes", (plot, Table("Mean milliseconds of each stage", columns, tuple(rows))))


def _bar_in_words(bar: StageBar, *, emulated: bool) -> str:
    most = sorted(bar.stages_ms.items(), key=lambda stage: -stage[1])[:3]
    told = listed(f"{stage} {number(ms)}" for stage, ms in most) if most else UNEXPLAINED
    start = ", cold" if bar.cold else ""
    return f"{called(bar.execution, emulated=emulated)}{start}: {number(bar.latency_ms)} ms, most of it {told}."


def rates(findings: Findings) -> Section | None:
    """What a rate does to latency."""
    curves, emulated = tuple(curve for curve in findings.rates if curve.points), findings.run.emulated
    if not curves:
        return None
    knees = (*(_knee(curve, emulated=emulated) for curve in curves), *_of_the_queue(curves, emulated=emulated))
    plot = Plot(
        "rate",
        "Latency against the rate at which images come",
        " ".join(knees),
        lambda layout: draw_rates(curves, layout, emulated=emulated),
        emulates(findings, (curve.execution for curve in curves)),
    )
    columns = (
        Column("Execution", is_number=False),
        Column("Rate (1/s)"),
        Column("p50 (ms)"),
        Column("p99 (ms)"),
        Column("n"),
        Column("Failed"),
        Column("From", is_number=False),
    )
    rows = tuple(_rate_row(curve, p, emulated=emulated) for curve in curves for p in _by_rate(curve))
    shown = Table(f"Latency at each rate (a p99 of {ENOUGH_FOR_P99} images or more)", columns, rows, folded=True)
    is_any = any(finite((point.p50_ms, point.p99_ms)) for curve in curves for point in curve.points)
    return Section("Latency against rate", (Words(knees), *([plot] if is_any else []), shown))


def _of_the_queue(curves: Iterable[RateCurve], *, emulated: bool) -> Iterator[str]:
    """How wrong the queue's predictions are, where a rate was measured too."""
    for curve in curves:
        measured = {point.rate_per_s: point.p50_ms for point in curve.points if not point.predicted}
        errors = {
            point.rate_per_s: abs(point.p50_ms / measured[point.rate_per_s] - 1)
            for point in curve.points
            if point.predicted and measured.get(point.rate_per_s)
        }
        if errors:
            worst = max(errors, key=errors.__getitem__)
            yield (
                f"{called(curve.execution, emulated=emulated)}: what a queue would have (dashed) is off by "
                f"{percent(fmean(errors.values()))} in the median, on average of {count(len(errors), 'rate')}; most at "
                f"{given(worst)} images a second, by {percent(errors[worst])}."
            )


def _by_rate(curve: RateCurve) -> list[RatePoint]:
    """By rate, and of one rate what was measured before what was predicted."""
    return sorted(curve.points, key=lambda point: (point.rate_per_s, point.predicted))


def _rate_row(curve: RateCurve, point: RatePoint, *, emulated: bool) -> tuple[str, ...]:
    return (
        called(curve.execution, emulated=emulated),
        given(point.rate_per_s),
        number(point.p50_ms),
        number(point.p99_ms),
        UNKNOWN if point.predicted else f"{point.n:,}",
        UNKNOWN if point.predicted else f"{point.failed:,}",
        "predicted" if point.predicted else "measured",
    )


def _knee(curve: RateCurve, *, emulated: bool) -> str:
    name = called(curve.execution, emulated=emulated)
    if curve.knee_per_s is not None:
        return f"{name}: latency turns up at {number(curve.knee_per_s)} images a second."
    measured = [point for point in curve.points if not point.predicted]
    most = max(measured or curve.points, key=lambda point: point.rate_per_s)
    how = "measured" if measured else "predicted"
    percentile, ms = ("p50", most.p50_ms) if isnan(most.p99_ms) else ("p99", most.p99_ms)
    return (
        f"{name}: latency does not turn up by {given(most.rate_per_s)} images a second, the highest rate that was "
        f"{how}; there {percentile} is {number(ms)}{' ms' if isfinite(ms) else ''}."
    )
