"""Compute at other memories: against a function that is throttled in small steps of time."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookout.comparison.function_memory import ComputeModel, fit_compute

MEMORIES = (256, 384, 512, 768, 1024, 1769)


def throttled_ms(cpu_ms: float, memory_mb: int, begun_ms: float, step_ms: float = 0.05) -> float:
    """How long work takes that may run for its share of each 20 ms, step by step."""
    now_ms, done_ms, period, used_ms = begun_ms, 0.0, -1, 0.0
    while done_ms < cpu_ms:
        if (now := int(now_ms // 20)) != period:
            period, used_ms = now, 0.0
        if used_ms < 20 * memory_mb / 1769:
            used_ms += step_ms
            done_ms += step_ms
        now_ms += step_ms
    return now_ms - begun_ms


def measured_ms(cpu_ms: float, memory_mb: int, fixed_ms: float = 0.0) -> float:
    """The mean of some images that begin at any time and differ a little, both spread evenly."""
    images = ((0.75 + at * 0.7549 % 1 / 2, 20 * (at * 0.5698 % 1)) for at in range(100))
    return fixed_ms + fmean(throttled_ms(cpu_ms * factor, memory_mb, begun_ms) for factor, begun_ms in images)


@pytest.mark.parametrize("memory_mb", [128, 512, 1024, 1769])
@pytest.mark.parametrize("cpu_ms", [5.0, 18.0, 90.0])
def test_a_quota_takes_what_a_throttled_function_takes(cpu_ms: float, memory_mb: int):
    assert ComputeModel(cpu_ms).compute_ms(memory_mb) == pytest.approx(measured_ms(cpu_ms, memory_mb), rel=0.07)


def test_from_one_memory_the_others_are_foretold():
    model = fit_compute({512: measured_ms(18, 512)})
    for memory_mb in MEMORIES:
        assert model.compute_ms(memory_mb) == pytest.approx(measured_ms(18, memory_mb), rel=0.08), memory_mb
    assert model.memories_mb == (512, 512)


@pytest.mark.parametrize("away", MEMORIES)
def test_from_some_memories_one_that_was_held_out_is_foretold_with_what_takes_no_cpu(away: int):
    measured = {memory_mb: measured_ms(40, memory_mb, fixed_ms=15) for memory_mb in MEMORIES}
    model = fit_compute({memory_mb: ms for memory_mb, ms in measured.items() if memory_mb != away})
    assert model.fixed_ms == pytest.approx(15, abs=6)
    assert model.compute_ms(away) == pytest.approx(measured[away], rel=0.08)


def test_more_than_one_cpu_helps_the_engine_alone_and_no_further_than_there_are_cores():
    model = ComputeModel(100, parallel=0.8)
    # The function runs a thread for each whole vCPU: two of them from 3538 MB on.
    assert [model.compute_ms(memory) for memory in (1769, 3537, 3538, 7076)] == pytest.approx([100, 100, 60, 40])
    assert ComputeModel(100, parallel=0.8, cores=2).compute_ms(10240) == pytest.approx(60)
    assert fit_compute({1769: 100.0}, inference_share=0.8).compute_ms(3538) == pytest.approx(62, rel=0.01)


def test_what_runs_in_no_function_takes_what_it_takes():
    assert ComputeModel(12.5).compute_ms(None) == 12.5


@settings(max_examples=40)
@given(st.floats(0.5, 5000), st.integers(128, 10239))
def test_work_takes_no_less_than_its_cpu_time_no_more_than_by_its_share_and_less_with_more_memory(
    cpu_ms: float, memory_mb: int
):
    model = ComputeModel(cpu_ms)
    here, more = model.compute_ms(memory_mb), model.compute_ms(memory_mb + 1)
    assert cpu_ms * (1 - 1e-9) <= here <= max(cpu_ms, cpu_ms * 1769 / memory_mb + 20) * (1 + 1e-9)
    assert more <= here * 1.05  # a mean over 64 places in a period has small steps


@pytest.mark.parametrize("measured", [{}, {512: 0.0}])
def test_nothing_measured_is_refused(measured: dict[int, float]):
    with pytest.raises(ValueError, match="compute is fitted on"):
        fit_compute(measured)
