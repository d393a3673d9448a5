"""What the emulator lacks: what is added, what is said to be lacking, and figures of one's own."""

from __future__ import annotations

import json
import re

import pytest

from lookout.comparison.service_latencies import KINDS, NOTHING, PUBLISHED, Figure, read_service_latencies
from lookout.errors import UsageError

# Those of a sample that AWS's services have a part in: lookout.comparison.stages.
STAGES = {"upload", "waiting", "init", "fetch", "store", "notice"}

MINE = {"p50_ms": 12, "p99_ms": 40, "source": "our own", "measured": "2026-11"}


def test_every_figure_has_a_source_that_can_be_opened_and_a_date():
    for name, figure in PUBLISHED.figures.items():
        assert name in KINDS
        assert re.search(r"https://\S+/[0-9a-f]{40}/", figure.source), name
        assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", figure.measured)
        assert 0 < figure.p50_ms < figure.p99_ms


def test_every_kind_belongs_to_a_stage_and_no_two_of_an_execution_to_the_same():
    for execution in ("remote", "direct"):
        stages = [kind.stage for kind in KINDS.values() if kind.applies(execution, cold=True)]
        assert set(stages) <= STAGES
        assert len(stages) == len(set(stages))


def test_remote_gets_what_the_services_take_warm_and_cold_alike():
    warm, cold = (PUBLISHED.added_ms("remote", cold=cold) for cold in (False, True))
    assert warm == cold == {"waiting": 1345.0, "fetch": 17.66, "store": 5.57, "notice": 3.83}
    assert [part.figure.p99_ms for part in PUBLISHED.added("remote", cold=False)] == [2215.75, 82.11, 11.65, 9.71]


@pytest.mark.parametrize("execution", ["in-process", "local"])
def test_what_runs_here_lacks_nothing(execution: str):
    assert PUBLISHED.added(execution, cold=True) == ()
    assert PUBLISHED.lower_bound(execution, cold=True) is None
    assert NOTHING.lower_bound(execution, cold=True) is None


def test_what_has_no_figure_makes_a_lower_bound():
    assert PUBLISHED.lower_bound("remote", cold=False) is None
    assert "makes a sandbox and loads the function's package" in PUBLISHED.lower_bound("remote", cold=True)
    assert "takes an invocation" in PUBLISHED.lower_bound("direct", cold=False)
    assert PUBLISHED.lower_bound("direct", cold=True).count(", and ") == 1


def test_switched_off_nothing_is_added_and_everything_lacks():
    assert NOTHING.added_ms("remote", cold=True) == {}
    assert len(NOTHING.lacking("remote", cold=False)) == 4
    assert NOTHING.lower_bound("remote", cold=False).startswith(
        "a lower bound: not in it is the time in which S3 stores"
    )


def test_figures_of_ones_own_take_the_place_of_ours_and_null_takes_one_away():
    mine = read_service_latencies({"invoke": MINE, "fetch": {**MINE, "p99_ms": None}, "notification": None}, "a file")
    assert mine.figures["invoke"] == Figure(12.0, 40.0, "our own", "2026-11")
    assert mine.figures["fetch"].p99_ms is None
    assert mine.figures["store"] == PUBLISHED.figures["store"]
    assert mine.lower_bound("direct", cold=False) is None
    assert "S3 stores the upload" in mine.lower_bound("remote", cold=False)
    # In the order in which it happens, however the file is ordered.
    assert [part.kind for part in mine.added("remote", cold=False)] == ["fetch", "store", "notice"]


def test_what_is_kept_of_them_reads_back_the_same():
    mine = read_service_latencies({"invoke": MINE}, "a file")
    kept = json.loads(json.dumps(mine.to_json()))
    assert read_service_latencies(kept, "what was kept") == mine
    assert read_service_latencies({}, "an empty file") == PUBLISHED
    assert read_service_latencies(dict.fromkeys(KINDS), "a file of nulls") == NOTHING


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "f must hold latencies by name"),
        (None, "f must hold latencies by name"),
        ({"invokes": MINE}, "f names invokes, and the latencies are notification, invoke, sandbox, fetch"),
        ({"invoke": 12}, "f: invoke must have p50_ms, source and measured"),
        ({"invoke": {"p50_ms": 12}}, "f: invoke must have"),
        ({"invoke": {**MINE, "p95_ms": 3}}, "f: invoke must have"),
        ({"invoke": {**MINE, "p50_ms": "12"}}, "f: invoke.p50_ms must be a number of milliseconds"),
        ({"invoke": {**MINE, "p50_ms": True}}, "invoke.p50_ms must be"),
        ({"invoke": {**MINE, "p50_ms": -1}}, "not below zero"),
        ({"invoke": {**MINE, "p99_ms": float("nan")}}, "invoke.p99_ms must be"),
        ({"invoke": {**MINE, "p99_ms": 11}}, "p99_ms is 11, below its p50_ms of 12"),
        ({"invoke": {**MINE, "source": ""}}, "invoke.source must be a text"),
        ({"invoke": {**MINE, "measured": 2026}}, "invoke.measured must be a text"),
    ],
)
def test_what_is_no_figure_is_refused(document: object, words: str):
    with pytest.raises(UsageError, match=re.escape(words)):
        read_service_latencies(document, "f")
