"""What a run comes to."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookout.comparison.samples import Sample
from lookout.comparison.tally import LISTED_FAILURES, Tally
from lookout.errors import BusyError, ImageError
from lookout.executions.protocol import Answer


def busy(retries: int) -> BusyError:
    error = BusyError("busy")
    error.retries = retries
    return error


@given(times=st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=50))
def test_the_figures_are_those_of_the_answers(times: list[tuple[float, float]]):
    tally = Tally()
    for elapsed_ms, inference_ms in times:
        tally.add(Sample("local", "a", 0, Answer((), inference_ms, elapsed_ms, retries=2)))
        tally.add(Sample.failed("local", "b", 0, busy(3)))
    totals = tally.totals(2.0)
    assert (totals.images, totals.failed, totals.retries) == (len(times), len(times), 5 * len(times))
    assert totals.images_per_second == len(times) / 2
    assert totals.round_trip.p99 == pytest.approx(np.percentile([elapsed for elapsed, _ in times], 99))
    assert totals.inference_time.mean == pytest.approx(np.mean([inference for _, inference in times]))
    assert totals.transfer_time is None


def test_of_many_failures_the_first_are_listed_and_all_counted():
    tally = Tally()
    for number in range(1000):
        tally.add(Sample.failed("local", str(number), 0, ImageError("torn")))
    totals = tally.totals(1.0)
    assert totals.failed == 1000
    assert totals.failures == tuple((str(number), "torn") for number in range(LISTED_FAILURES))


def test_nothing_is_no_number():
    document = json.loads(json.dumps(Tally().totals(0.0, interrupted=True).to_json()))
    assert (document["images"], document["failed"], document["interrupted"]) == (0, 0, True)
    for name in ("round_trip", "inference_time", "transfer_time", "images_per_second", "average_inference_time"):
        assert document[name] is None


def test_what_an_earlier_run_sent_has_no_round_trip_of_this_one():
    tally = Tally()
    tally.add(Sample("remote", "a", 0, Answer((), 1.0, 4.0, fetched=True)))
    tally.add(Sample("remote", "b", 0, Answer((), 3.0, 50.0)))
    totals = tally.totals(1.0, total=5)
    assert (totals.round_trip.n, totals.round_trip.min, totals.inference_time.n) == (1, 50.0, 2)
    assert totals.left == 3


def test_transfers_are_told_where_there_are_any():
    tally = Tally()
    tally.add(Sample("remote", "a", 0, Answer((), 1.0, 9.0, upload_ms=4.0)))
    document = tally.totals(1.0, emulated=True).to_json()
    assert (document["average_transfer_time"], document["transfer_time"]["n"], document["emulated"]) == (4.0, 1, True)
