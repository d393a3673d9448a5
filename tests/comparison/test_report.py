from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookout.cloud.reports import Invocation
from lookout.comparison.report import Agreement, make_report
from lookout.comparison.samples import Sample
from lookout.comparison.statistics import summarise
from lookout.core.detections import Box, Detection
from lookout.errors import ImageError
from lookout.executions.protocol import Answer

DOG = (Detection("dog", 0.9, Box(0, 0, 1, 1)),)


def local(image: str, elapsed_ms: float, objects: tuple[Detection, ...] = DOG) -> Sample:
    return Sample("local", image, 0, Answer(objects, 1, elapsed_ms))


def remote(
    image: str, duration_ms: float, init_ms: float | None = None, objects: tuple[Detection, ...] = DOG
) -> Sample:
    answer = Answer(objects, 1, duration_ms + 10, upload_ms=5, request_id=image)
    return Sample("remote", image, 0, answer, invocation=Invocation(image, duration_ms, duration_ms, 512, 150, init_ms))


def report_of(*samples: Sample, executions: tuple[str, ...] = ("local", "remote")):
    return make_report(samples, executions)


def row(report, task: str, metric: str = "Duration"):
    return next(row.summary for row in report.rows if (row.task, row.metric) == (task, metric))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_the_summary_is_numpys(values: list[float]):
    summary = summarise(values)
    assert summary.n == len(values)
    assert (summary.min, summary.max) == (min(values), max(values))
    assert summary.mean == pytest.approx(np.mean(values))
    assert (summary.p95, summary.p99) == pytest.approx(tuple(np.percentile(values, [95, 99])))
    assert summary.sd == pytest.approx(np.std(values, ddof=1) if len(values) > 1 else 0)


def test_nothing_has_no_summary():
    assert summarise([]) is None


def test_a_row_is_computed_from_its_executions_samples():
    report = report_of(local("a", 10), local("b", 20), remote("a", 100), remote("b", 300))
    assert row(report, "Local execution").mean == 15
    assert row(report, "Remote execution").mean == 200
    assert row(report, "Remote execution", "Memory used").max == 150
    assert row(report, "Remote image upload").n == 2
    assert row(report, "Remote, end to end").mean == 210
    assert report.agreement == Agreement(2, 2)
    assert report.sound


def test_in_an_open_loop_a_time_counts_from_when_the_image_was_due():
    late = dataclasses.replace(local("a", 10), started=103.0, ended=103.01, scheduled=100.0)
    asked_again = dataclasses.replace(local("b", 10), started=100.0, ended=102.0, scheduled=100.0)
    report = report_of(late, asked_again, executions=("local",))
    assert row(report, "Local execution").max == pytest.approx(3010)
    assert row(report, "Local execution").min == pytest.approx(2000)  # with the attempts that were not answered
    assert late.to_json()["latency_ms"] == pytest.approx(3010)


def test_cold_starts_have_rows_of_their_own():
    report = report_of(remote("a", 900, init_ms=400), remote("b", 100), executions=("remote",))
    assert row(report, "Remote execution").n == 1
    assert row(report, "Remote image upload").n == 1
    assert row(report, "Remote cold start").mean == 900
    assert row(report, "Remote cold start", "Init duration").mean == 400
    assert report.cold_starts == 1


def test_a_direct_sample_is_known_by_its_report_as_a_remote_one_is():
    told = dataclasses.replace(remote("a", 100), execution="direct")
    cold = dataclasses.replace(remote("b", 900, init_ms=400), execution="direct")
    untold = dataclasses.replace(remote("c", 100), execution="direct", invocation=None)
    report = report_of(told, cold, untold, remote("a", 50), executions=("remote", "direct"))
    assert row(report, "Direct execution").mean == 100
    assert row(report, "Direct execution", "Memory used").n == 1
    assert row(report, "Direct, end to end").mean == 110
    assert row(report, "Direct cold start").mean == 900
    assert row(report, "Remote execution").mean == 50
    assert (report.cold_starts, report.unreported) == (1, 1)


def test_a_sample_without_a_report_is_in_no_row_and_counted():
    unknown = Sample("remote", "a", 0, Answer(DOG, 1, 20, upload_ms=5, request_id="a"))
    report = report_of(unknown, remote("b", 100), executions=("remote",))
    assert row(report, "Remote, end to end").n == 1
    assert report.unreported == 1


def test_a_failure_is_listed_and_no_agreement_is_claimed_for_it():
    failed = Sample.failed("remote", "a", 0, ImageError("not an image"))
    report = report_of(local("a", 10), failed, local("b", 10), remote("b", 100))
    assert report.agreement == Agreement(1, 1)
    assert [(f.execution, f.image, f.error) for f in report.failures] == [("remote", "a", "not an image")]
    assert not report.sound


def test_other_objects_are_no_agreement():
    report = report_of(local("a", 10), remote("a", 100, objects=()))
    assert report.agreement == Agreement(1, 0)
    assert not report.sound


def test_two_images_of_one_name_are_not_mixed_up():
    report = report_of(local("x/a", 1), remote("x/a", 2), local("y/a", 1, ()), remote("y/a", 2, objects=()))
    assert report.agreement == Agreement(2, 2)


def test_an_execution_without_a_sample_has_rows_without_numbers():
    report = report_of(local("a", 10), Sample.failed("remote", "a", 0, ImageError("no")))
    document = next(
        r for r in report.to_json()["rows"] if r["task"] == "Remote execution" and r["metric"] == "Duration"
    )
    assert document == {
        "task": "Remote execution", "metric": "Duration", "unit": "ms", "n": 0,
        "mean": None, "sd": None, "min": None, "max": None, "p50": None, "p90": None, "p95": None, "p99": None,
    }  # fmt: skip


def test_warm_ups_are_in_no_row_but_cold_ones():
    warm = dataclasses.replace(remote("a", 900), warm_up=True)
    cold = dataclasses.replace(remote("b", 700, init_ms=400), warm_up=True)
    failed = dataclasses.replace(Sample.failed("local", "a", 0, ImageError("no")), warm_up=True)
    report = report_of(warm, cold, remote("c", 100), failed)
    assert row(report, "Remote execution").mean == 100
    assert row(report, "Remote cold start").mean == 700
    assert not report.failures
