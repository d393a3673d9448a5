"""Reading a log while it is written, from one in memory; on the emulator in tests/apps/test_stack_watching.py."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from hypothesis import given
from hypothesis import strategies as st

from helpers.stubbed import stubbed
from lookout.cloud.watching.log_reader import LogLine, LogReader, follow
from lookout.errors import UnreachableError

LATE_MS = 10_000
NOW_MS = 1_000_000


class CloudWatch:
    """As much of CloudWatch Logs as is used: events in the order of their times, in pages."""

    def __init__(self, page: int = 3, *, ids: bool = True, tokens: bool = True) -> None:
        self.events: list[dict] = []
        self.page, self.ids, self.tokens = page, ids, tokens
        self.asked_from: list[int] = []

    def log(self, at_ms: int, message: str, stream: str = "a") -> None:
        event = {"timestamp": at_ms, "message": f"{message}\n", "logStreamName": stream}
        self.events.append({**event, "eventId": str(len(self.events))} if self.ids else event)

    def get_paginator(self, name: str) -> CloudWatch:
        assert name == "filter_log_events"
        return self

    def paginate(self, *, logGroupName: str, startTime: int) -> Iterator[dict]:  # noqa: N803
        self.asked_from.append(startTime)
        found = sorted((e for e in self.events if e["timestamp"] >= startTime), key=lambda event: event["timestamp"])
        if not self.tokens:
            yield {"events": found[: self.page]}
            return
        for start in range(0, len(found), self.page):
            yield {"events": found[start : start + self.page]}
        yield {"events": []}  # CloudWatch gives empty pages, too


def reader(logs: object, since_ms: int = 0, now_ms: int = NOW_MS) -> LogReader:
    return LogReader(logs, "group", since_ms, LATE_MS, clock=lambda: now_ms / 1000)


def messages(lines: Iterator[LogLine]) -> list[str]:
    return [line.message for line in lines]


def test_lines_come_in_order_across_streams_and_pages_without_their_line_ends():
    logs = CloudWatch()
    for at_ms, message, stream in [(3, "c", "b"), (1, "a", "b"), (2, "b", "a"), (4, "d", "a"), (5, "e", "b")]:
        logs.log(at_ms, message, stream)
    lines = list(reader(logs).read())
    assert "".join(line.message for line in lines) == "abcde"
    assert lines[0] == LogLine(1, "b", "a")


def test_a_streams_lines_of_one_millisecond_stay_together_and_in_their_order():
    logs = CloudWatch(page=100)
    for stream in ("a", "b"):
        for line in ("START", "middle", "END"):
            logs.log(7, f"{stream} {line}", stream)
    logs.events = logs.events[::2] + logs.events[1::2]
    assert messages(reader(logs).read()) == ["a START", "a END", "a middle", "b middle", "b START", "b END"]


def test_what_is_older_is_left_out():
    logs = CloudWatch()
    for at_ms in (9, 10, 11):
        logs.log(at_ms, str(at_ms))
    assert messages(reader(logs, since_ms=10).read()) == ["10", "11"]


@pytest.mark.parametrize("ids", [True, False])
def test_a_line_that_comes_late_is_shown_and_none_twice(ids: bool):
    logs = CloudWatch(ids=ids)
    follower = reader(logs)
    logs.log(500_000, "first")
    assert messages(follower.read()) == ["first"]
    assert messages(follower.read()) == []
    logs.log(500_000 - LATE_MS, "late")
    logs.log(500_000, "first", "another stream")
    logs.log(500_001, "next")
    assert messages(follower.read()) == ["late", "first", "next"]
    assert messages(follower.read()) == []


def test_equal_lines_of_one_moment_are_as_many_as_were_logged_though_the_emulator_gives_them_no_id():
    logs = CloudWatch(ids=False)
    follower = reader(logs)
    for count in (2, 1):
        for _ in range(count):
            logs.log(5, "again")
        assert messages(follower.read()) == ["again"] * count


def test_what_is_remembered_is_bounded_by_what_is_logged_in_a_while():
    logs = CloudWatch(page=1000)
    follower = reader(logs, now_ms=10**12)
    for second in range(5_000):
        logs.log(second * 1000, str(second))
    assert len(list(follower.read())) == 5_000
    assert len(follower._seen) == LATE_MS / 1000 + 1
    assert messages(follower.read()) == []
    assert logs.asked_from == [0, 4_999_000 - LATE_MS]


def test_a_line_from_the_future_hides_none_that_is_logged_until_then():
    logs = CloudWatch()
    follower = reader(logs)
    logs.log(NOW_MS + 3_600_000, "future")
    assert messages(follower.read()) == ["future"]
    logs.log(NOW_MS, "now")
    assert messages(follower.read()) == ["now"]


def test_answers_that_are_full_are_asked_on_though_they_give_no_token(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lookout.cloud.watching.log_reader._MOST_EVENTS", 4)
    logs = CloudWatch(page=4, ids=False, tokens=False)
    for number in range(11):
        logs.log(number // 2, "same" if number % 2 else str(number))
    assert len(messages(reader(logs).read())) == 11


def test_as_many_lines_of_one_moment_as_an_answer_holds_do_not_hold_it_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lookout.cloud.watching.log_reader._MOST_EVENTS", 4)
    logs = CloudWatch(page=4, tokens=False)
    for number in range(9):
        logs.log(5, str(number))
    assert len(messages(reader(logs).read())) == 4


def test_invocations_under_way_in_the_emulator_are_not_told_twice():
    logs = CloudWatch()
    logs.log(1, "START 1", "running/1")
    logs.log(2, "START 1", "2026/11/25/[$LATEST]1")
    assert messages(reader(logs).read()) == ["START 1"]


def test_a_follower_sleeps_between_its_looks():
    logs, slept = CloudWatch(), []

    def sleep(pause_s: float) -> None:
        slept.append(pause_s)
        logs.log(len(slept), f"line {len(slept)}")

    followed = follow(reader(logs), emulated=False, sleep=sleep)
    assert messages(islice(followed, 3)) == ["line 1", "line 2", "line 3"]
    assert slept == [2.0] * 3


def test_a_log_group_that_is_gone_says_what_to_do():
    logs = stubbed("logs", ("filter_log_events", ("ResourceNotFoundException", 400)))
    with pytest.raises(UnreachableError, match="there is no log group group, though its stack is there"):
        list(reader(logs).read())


@given(st.lists(st.lists(st.integers(0, LATE_MS), max_size=8), max_size=12), st.integers(1, 5), st.booleans())
def test_whatever_comes_within_the_while_is_shown_once(rounds: list[list[int]], page: int, ids: bool):
    """Each round logs lines at most so late as a follower looks back, while time goes on."""
    logs = CloudWatch(page, ids=ids)
    follower = reader(logs, now_ms=10**12)
    shown: list[str] = []
    now_ms = LATE_MS
    for lates in rounds:
        for late_ms in lates:
            logs.log(now_ms - late_ms, f"at {now_ms - late_ms}")
        shown += messages(follower.read())
        now_ms += 1_000
    assert sorted(shown) == sorted(event["message"].rstrip("\n") for event in logs.events)
