"""From samples to findings: of a run whose every figure is known."""

from __future__ import annotations

import dataclasses

import pytest

from helpers.runs import CPU_MS, OVERHEAD_MS, USED_MB, World, base, full_run
from lookout.comparison.analysis import Settings, findings_of
from lookout.comparison.findings import Findings
from lookout.comparison.prices import PRICES
from lookout.comparison.results import Run
from lookout.comparison.samples import Sample
from lookout.comparison.service_latencies import NOTHING
from lookout.errors import ImageError


@pytest.fixture(scope="module")
def run_() -> Run:
    return full_run()


@pytest.fixture(scope="module")
def found(run_: Run) -> Findings:
    return findings_of(run_)


def small(*executions: str, emulated: bool = True) -> Run:
    """A run of a single point."""
    point = World().point(base(executions), 12)
    return dataclasses.replace(full_run(), points=(point,), precisions=(), emulated=emulated)


def test_the_fastest_is_named_with_its_interval_and_how_sure_that_is(found: Findings):
    first, second = found.answer[:2]
    assert first == "In-process is fastest: 40.5 ms an image, against 43.0 of local."
    assert second.startswith(
        "That is one image at a time, over loopback; the means of in-process and local are 40.5 ms ("
    )
    assert "and the difference is 2.5 ms an image (" in second
    assert "95 % interval, 12 images" in second


def test_what_is_no_difference_is_called_chance():
    run = small("local", "in-process")
    samples = [
        dataclasses.replace(s, execution="in-process", ended=s.ended + (0.001 if at % 2 else -0.001))
        for at, s in enumerate(run.points[0].of("local"))
    ]
    point = dataclasses.replace(run.points[0], samples=(*run.points[0].of("local"), *samples))
    assert "which may be chance" in findings_of(dataclasses.replace(run, points=(point,))).answer[1]


def test_distributions_are_of_warm_samples_and_of_cold_ones_apart(found: Findings):
    by_kind = {(one.execution, one.cold): one for one in found.distributions}
    assert len(by_kind["remote", False].values_ms) == 12
    assert len(by_kind["remote", True].values_ms) == 1
    assert by_kind["local", False].mean.value == pytest.approx(CPU_MS + OVERHEAD_MS["local"], rel=0.02)
    assert by_kind["remote", True].values_ms[0] > 500
    assert ("local", True) not in by_kind


def test_stages_add_up_to_the_latency(found: Findings):
    for bar in found.stages:
        assert sum(bar.stages_ms.values()) + bar.unexplained_ms == pytest.approx(bar.latency_ms)
        assert abs(bar.unexplained_ms) < 0.02 * bar.latency_ms
    cold = next(bar for bar in found.stages if bar.cold and bar.execution == "remote")
    assert cold.stages_ms["init"] == 400


def test_latency_against_rate_has_its_knee(found: Findings):
    (curve,) = found.rates
    assert [point.rate_per_s for point in curve.points if not point.predicted] == [5, 10, 15, 20]
    predicted = [point for point in curve.points if point.predicted]
    assert predicted  # as far as a queue of that capacity is stable
    assert all(point.p50_ms >= 42 and point.p99_ms >= point.p50_ms for point in predicted)
    assert curve.knee_per_s == 10
    assert any(
        sentence.startswith("Local does most for its latency at 10 images/s (the knee)") for sentence in found.answer
    )


def test_the_searched_rate_is_told_where_a_search_was_asked_for(run_: Run):
    """Of the made-up server 15 images a second and fewer keep 200 ms."""
    asked = Settings(p99_ms=200.0).to_json()
    told = findings_of(dataclasses.replace(run_, description={**run_.description, "asked": asked})).answer
    assert "Local: 15 images/s keep a p99 of 200 ms, 20 do not; with so few images that is a guess." in told
    assert not any("keep a p99" in sentence for sentence in findings_of(run_).answer)


def test_where_the_two_ways_of_offloading_change_places_is_told(found: Findings):
    """Direct saves 6 ms and two round trips of 40 ms, and sends a third of 100 KB more: as long at 3.1 Mbit/s."""
    (sentence,) = [one for one in found.answer if one.startswith("Of the offloaded ones")]
    turn = float(sentence.split("above ")[1].split()[0])
    assert turn == pytest.approx(100_000 / 3 * 8e-3 / (6 + 2 * 40), rel=0.1)


def test_costs_are_of_what_was_billed(found: Findings, run_: Run):
    table = next(table for table in found.costs.tables if table.execution == "direct")
    billed = [s.invocation.billed_ms for s in run_.points[0].of("direct") if not s.warm_up]
    gb_seconds = 1000 * sum(billed) / len(billed) / 1000 * 512 / 1024
    part = next(part for part in table.parts if part.name == "duration")
    assert part.dollars == pytest.approx(gb_seconds * PRICES.x86_64_gb_second)
    assert {curve.name for curve in found.costs.curves} == {
        "a machine of $0.10 an hour", "remote", "remote after the free tier", "direct", "direct after the free tier",
    }  # fmt: skip
    assert len(found.costs.break_evens) == len(found.costs.meeting_points) == 2


def test_other_prices_give_other_costs(run_: Run, found: Findings):
    dear = Settings(prices=dataclasses.replace(PRICES, x86_64_gb_second=1.0), dollars_per_hour=5.0, assumed_price=False)
    other = findings_of(run_, dear)
    assert other.costs.tables[0].dollars > 1000 * found.costs.tables[0].dollars
    assert "a machine of $5.00 an hour" in {curve.name for curve in other.costs.curves}
    assert any("is assumed" in caveat for caveat in found.caveats)
    assert not any("is assumed" in caveat for caveat in other.caveats)


def test_settings_are_kept_with_the_run(run_: Run):
    settings = Settings(dataclasses.replace(PRICES, log_gb=9.0), NOTHING, 0.5, assumed_price=False, deadline_ms=70)
    assert Settings.from_json(settings.to_json()) == settings
    assert Settings.from_json(Settings().to_json()) == Settings()
    kept = dataclasses.replace(run_, description={**run_.description, "asked": settings.to_json()})
    assert findings_of(kept).answer == findings_of(run_, settings).answer


def test_a_memory_is_recommended_for_each_goal(run_: Run):
    found = findings_of(run_, Settings(deadline_ms=60))
    assert [point.memory_mb for point in found.memory.points] == [512, 1024, 1769, 3008]
    assert found.memory.recommended["fastest"] == 1769  # more brings this one thread nothing
    assert found.memory.recommended["deadline 60 ms"] == 1769
    assert f"the function used {USED_MB} MB" in found.memory.words[-1]


def test_other_networks_are_predicted_and_held_out_ones_come_true(found: Findings):
    assert found.prediction.mape < 0.03
    assert len(found.prediction.pairs) > 10
    cells = {(cell.rtt_ms, cell.up_mbit_s): cell for row in found.network_map.cells for cell in row}
    assert not cells[40, 20].predicted
    assert cells[400, 0.5].predicted
    near, far = cells[5, 50].latencies_ms, cells[400, 50].latencies_ms
    assert far["remote"] - near["remote"] == pytest.approx(3 * 395, rel=0.05)


def test_what_the_emulator_lacks_is_told_apart_and_can_be_left_out(run_: Run, found: Findings):
    assert any("AWS's services" in sentence and "1345 ms" in sentence for sentence in found.added)
    assert any("a lower bound" in sentence for sentence in found.added)
    assert not any("1345" in sentence for sentence in findings_of(run_, Settings(latencies=NOTHING)).added)
    real = dataclasses.replace(run_, emulated=False)
    assert findings_of(real).added == ()
    assert not any("emulator" in sentence for sentence in findings_of(real).caveats)


def test_a_single_point_has_what_it_allows():
    found = findings_of(small("local"))
    assert (found.costs, found.memory, found.network_map, found.prediction, found.rates) == (None,) * 4 + ((),)
    assert found.answer[0].endswith("nothing was compared with it.")


def test_a_run_of_failures_alone_has_no_winner():
    run = small("local")
    failed = Sample.failed("local", "a", 0.0, ImageError("no image"))
    found = findings_of(dataclasses.replace(run, points=(dataclasses.replace(run.points[0], samples=(failed,)),)))
    assert found.answer == ("Nothing was answered, so that there is no answer: see the failures.",)
    assert any("1 of 1 samples are failures" in caveat for caveat in found.caveats)


def test_what_a_reader_must_mind_is_told(run_: Run):
    point = run_.points[0]
    over = dataclasses.replace(point.samples[-1].invocation, oversubscribed=True)
    samples = (*point.samples[:-1], dataclasses.replace(point.samples[-1], invocation=over))
    points = (dataclasses.replace(point, samples=samples), *run_.points[1:])
    precisions = (dataclasses.replace(run_.precisions[0], ap=0.1), *run_.precisions[1:])
    told = findings_of(
        dataclasses.replace(run_, points=points, precisions=precisions, is_complete=False, warnings=("mind the gap",))
    ).caveats
    for words in ("mind the gap", "ended before its end", "not from AWS", "1 invocations wanted", "equally well"):
        assert any(words in sentence for sentence in told)
