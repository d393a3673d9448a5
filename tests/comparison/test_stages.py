from __future__ import annotations

import dataclasses

import pytest

from lookout.cloud.reports import Invocation, Work
from lookout.comparison.samples import Sample
from lookout.comparison.stages import STAGES, stages_ms, unexplained_ms
from lookout.errors import ImageError
from lookout.executions.protocol import Answer

DETECTED = {"decode": 3.0, "preprocess": 1.0, "inference": 9.0, "postprocess": 0.5}


def here(execution: str, **timings_ms: float) -> Sample:
    """Read in 2 ms, answered in 20."""
    return Sample(execution, "a", 100.0, Answer((), 9.0, 20.0, {**timings_ms, **DETECTED}), ended=100.022)


def offloaded(
    execution: str, began: float, ended: float, init_ms: float | None = None, upload_ms: float | None = None
) -> Sample:
    """Sent at 100.000, answered at 100.100; the function began and ended then."""
    timings_ms = {"fetch": 4.0, **DETECTED, "store": 6.0}
    answer = Answer((), 9.0, 100.0, DETECTED, upload_ms=upload_ms, request_id="7f")
    work = Work(began, ended, timings_ms)
    invocation = Invocation("7f", 25.0, 25.0, 512, 120, init_ms, work=work)
    return Sample(execution, "a", 100.0, answer, ended=100.1, invocation=invocation)


def rounded(sample: Sample) -> dict[str, float]:
    stages = stages_ms(sample)
    assert stages is not None
    assert list(stages) == [stage for stage in STAGES if stage in stages]  # in the order of time
    return {stage: round(ms, 3) for stage, ms in stages.items()}


def test_in_process_nothing_but_the_detector_takes_time():
    assert rounded(here("in-process")) == {"encode": 2.0, **DETECTED}
    assert unexplained_ms(here("in-process")) == pytest.approx(6.5, abs=0.01)  # which is not hidden


def test_local_is_the_detector_the_queue_and_the_way_there_and_back():
    assert rounded(here("local", queue=1.5)) == {"encode": 2.0, "upload": 5.0, "waiting": 1.5, **DETECTED}


def test_remote_is_split_by_when_the_function_began_and_ended():
    sample = offloaded("remote", began=100.03, ended=100.055, upload_ms=20.0)
    assert rounded(sample) == {
        "upload": 20.0, "waiting": 10.0, "fetch": 4.0, **DETECTED, "store": 6.0, "notice": 45.0,
    }  # fmt: skip
    assert unexplained_ms(sample) == pytest.approx(1.5, abs=0.01)  # of 25 ms in the function, 23.5 in its stages


def test_the_function_may_begin_before_its_sender_hears_that_the_upload_ended():
    stages = rounded(offloaded("remote", began=100.03, ended=100.055, upload_ms=50.0))
    assert (stages["upload"], stages.get("waiting")) == (30.0, None)


def test_a_cold_starts_initialisation_is_no_waiting():
    stages = rounded(offloaded("remote", began=100.06, ended=100.085, init_ms=35.0, upload_ms=20.0))
    assert (stages["upload"], stages["waiting"], stages["init"], stages["notice"]) == (20.0, 5.0, 35.0, 15.0)


def test_direct_has_no_waiting_of_its_own():
    sample = offloaded("direct", began=100.03, ended=100.055)
    sample = dataclasses.replace(sample, answer=dataclasses.replace(sample.answer, encode_ms=4.0))
    stages = rounded(sample)
    assert (stages["encode"], stages["upload"], stages["notice"]) == (4.0, 26.0, 45.0)
    assert "waiting" not in stages


@pytest.mark.parametrize(("skew_s", "upload_ms", "notice_ms"), [(0.5, 75.0, None), (-0.5, None, 75.0)])
def test_a_clock_that_is_wrong_shifts_what_is_around_the_function_and_not_the_sum(
    skew_s: float, upload_ms: float | None, notice_ms: float | None
):
    sample = offloaded("direct", began=100.03 + skew_s, ended=100.055 + skew_s)
    stages = rounded(sample)
    assert (stages.get("upload"), stages.get("notice")) == (upload_ms, notice_ms)
    assert unexplained_ms(sample) == pytest.approx(1.5, abs=0.01)


def test_in_an_open_loop_lateness_is_waiting():
    sample = dataclasses.replace(here("local", queue=1.5), scheduled=99.9)
    assert rounded(sample)["waiting"] == 101.5


def test_attempts_that_were_not_answered_are_waiting():
    sample = here("local")
    sample = dataclasses.replace(sample, started=99.0, answer=dataclasses.replace(sample.answer, retries=2))
    assert rounded(sample)["waiting"] == 1002.0


def test_what_is_not_known_is_not_split():
    untold = offloaded("remote", 100.03, 100.055)
    assert stages_ms(dataclasses.replace(untold, invocation=None)) is None
    assert stages_ms(dataclasses.replace(untold, invocation=dataclasses.replace(untold.invocation, work=None))) is None
    failed = dataclasses.replace(Sample.failed("local", "a", 100.0, ImageError("no")), ended=101.0)
    assert (stages_ms(failed), unexplained_ms(failed)) == (None, None)
