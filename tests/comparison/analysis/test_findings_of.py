"""From samples to findings: of a run whose every figure is known."""

from __future__ import annotations

import dataclasses
import math

import pytest

from helpers.runs import CPU_MS, OVERHEAD_MS, USED_MB, World, base, full_run
from lookout.comparison.analysis import Settings, findings_of
from lookout.comparison.analysis.pricing import local_throughput_per_s
from lookout.comparison.conditions import Condition
from lookout.comparison.findings import Findings
from lookout.comparison.load import Load
from lookout.comparison.network import PRESETS
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
    first, second = findings_of(dataclasses.replace(run, points=(point,))).answer[:2]
    assert first.startswith(("Local and in-process are as fast", "In-process and local are as fast"))
    assert "which may be chance" in second


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


def alone(run: Run, *samples: Sample) -> Run:
    """The run with these samples only."""
    return dataclasses.replace(run, points=(dataclasses.replace(run.points[0], samples=samples),))


def test_what_is_emulated_is_marked_in_every_sentence_that_names_it(found: Findings):
    for sentence in found.answer:
        if "$" in sentence or "is fastest" in sentence or "images a second" in sentence or "knee" in sentence:
            for execution in ("direct", "remote"):
                marks = (f"{execution} (emulated)", f"{execution}, emulated")
                named = sentence.lower().replace("indirect", "")
                assert execution not in named or any(mark in named for mark in marks), sentence
    assert any("without what AWS's services would add" in sentence for sentence in found.answer)
    assert all("emulated" in peak.of for peak in found.peaks if "the function" in peak.of)


def test_one_image_is_told_and_ranks_nobody():
    run = small("local", "direct")
    one = [next(s for s in run.points[0].of(name) if not s.warm_up) for name in ("local", "direct")]
    first, *_ = findings_of(alone(run, *one)).answer
    assert first.startswith("Local took 43.")
    assert first.endswith("too few to say which is faster.")
    assert findings_of(alone(run, one[0])).answer[0].startswith("Local takes 43.")


def test_cold_starts_are_no_failures_and_leave_nothing_to_compare():
    run = small("remote")
    cold = dataclasses.replace(next(s for s in run.points[0].samples if s.cold), warm_up=False)
    assert findings_of(alone(run, cold)).answer[:2] == (
        "No image was answered that is known to be warm, so that nothing is compared.",
        "Remote (emulated) is not compared: 1 of 1 met a cold start.",
    )


def test_what_is_in_no_latency_is_told_beside_who_won():
    run = small("local", "remote")
    samples = [s for s in run.points[0].samples if not s.warm_up]
    failed = Sample.failed("local", "a", 0.0, ImageError("no image"))
    cold = dataclasses.replace(next(s for s in run.points[0].samples if s.cold), warm_up=False)
    lost = dataclasses.replace(samples[-1], invocation=None)
    answer = findings_of(alone(run, *samples[:-1], failed, cold, lost)).answer
    assert "Not in the latency of local: 1 of 13 failed." in answer
    assert (
        "Not in the latency of remote (emulated): 1 of 13 met a cold start and 1 of 13 have no report of Lambda's."
        in answer
    )


def test_a_machine_is_judged_by_what_it_can_do_and_not_by_the_network_or_a_queue():
    """Its detector takes 40 ms, and so it looks at 25 images a second, however they come."""
    ways = (
        (base(("local", "direct"), PRESETS["satellite"]), 0.0),
        (Condition("open-loop", ("local", "direct"), Load(rate_per_s=20.0), None, 512), 900.0),
        (Condition("burst", ("local", "direct"), Load(burst=4), None, 512), 300.0),
        (Condition("concurrent", ("local", "direct"), Load(8), PRESETS["3g"], 512), 0.0),
    )
    for condition, waiting_ms in ways:
        run = dataclasses.replace(small("local"), points=(World().point(condition, 12, waiting_ms=waiting_ms),))
        assert local_throughput_per_s(run) == pytest.approx(1000 / CPU_MS, rel=0.02), condition.scenario
        assert any("at 25 images/s" in sentence for sentence in findings_of(run).answer)


def test_a_p99_of_few_images_is_no_number(found: Findings):
    """Thirty images came at each rate."""
    measured = [point for point in found.rates[0].points if not point.predicted]
    assert all(math.isnan(point.p99_ms) and point.p50_ms > 0 for point in measured)
    many = World().point(Condition("open-loop", ("local",), Load(rate_per_s=5.0)), 100)
    more = World().point(Condition("open-loop", ("local",), Load(rate_per_s=9.0)), 100)
    (curve,) = findings_of(dataclasses.replace(small("local"), points=(many, more))).rates
    assert all(point.p99_ms >= point.p50_ms for point in curve.points)


def test_memories_are_compared_by_the_same_images(run_: Run):
    """Twelve images at 512 MB, and eight at the others: the other four, were they slow, would be no memory's fault."""
    point = run_.points[0]
    slow = [
        dataclasses.replace(s, invocation=dataclasses.replace(s.invocation, duration_ms=9e9))
        if s.execution == "direct" and s.image in ("8.jpg", "9.jpg", "10.jpg", "11.jpg")
        else s
        for s in point.samples
    ]
    points = (dataclasses.replace(point, samples=tuple(slow)), *run_.points[1:])
    sweep = findings_of(dataclasses.replace(run_, points=points)).memory
    assert [one.n for one in sweep.points] == [8, 8, 8, 8]
    assert sweep.points[0].duration_ms < 200


def test_what_a_load_does_to_the_figures_is_told():
    load = Condition("open-loop", ("local",), Load(rate_per_s=20.0, seed=7))
    point = World().point(load, 12)
    late = dataclasses.replace(point.samples[0], scheduled=point.samples[0].started - 1)
    run = dataclasses.replace(small("local"), points=(dataclasses.replace(point, samples=(late, *point.samples[1:])),))
    found = findings_of(run)
    assert any("narrower than they should be" in caveat for caveat in found.caveats)
    assert any(
        caveat.startswith("1 of 12 images that came at a rate were sent more than 50") for caveat in found.caveats
    )
    assert any(
        "One execution comes after the other; the order is shuffled by the seed 7" in how for how in found.method
    )
    quiet = findings_of(small("local"))
    assert not any("narrower" in caveat or "came at a rate" in caveat for caveat in quiet.caveats)
    assert any("Executions take turns" in how for how in quiet.method)


def test_an_assumed_price_is_told_on_aws_too_and_not_where_it_is_in_nothing():
    real = findings_of(small("local", "direct", emulated=False))
    assert any("is assumed" in caveat for caveat in real.caveats)
    assert not any("is assumed" in caveat for caveat in findings_of(small("local")).caveats)


def test_warm_ups_are_not_counted_with_failures():
    run = small("local")
    failed = Sample.failed("local", "a", 0.0, ImageError("no image"))
    found = findings_of(alone(run, *run.points[0].samples, failed))
    assert any(caveat.startswith("1 of 13 samples are failures") for caveat in found.caveats)
