"""The one reader of the table, for all who wait. With a real table: test_contract.py."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from botocore.exceptions import ClientError, EndpointConnectionError

from helpers.program import wait_for
from lookout.cloud.items import Outcome, to_item
from lookout.errors import CloudError, ExecutionError, UnreachableError
from lookout.executions.pace import Pace
from lookout.executions.waiting import MOST_KEYS, TableReader

TABLE = "results"


def item(url: str, worked_s: float = 0.04) -> dict[str, Any]:
    return to_item(Outcome(url, "m", "opencv", f"of {url}", timings_ms={"inference": worked_s * 1000}))


class Table:
    """A table that a test puts items into; ``faults`` are raised, or applied to the answer, one a read."""

    def __init__(self) -> None:
        self.items: dict[str, dict] = {}
        self.reads: list[list[str]] = []
        self.faults: list[Exception | int] = []

    def batch_get_item(self, RequestItems: dict) -> dict:  # noqa: N803  as boto3 has it
        assert RequestItems[TABLE]["ConsistentRead"] is True
        urls = [key["image-url"]["S"] for key in RequestItems[TABLE]["Keys"]]
        assert 0 < len(urls) <= 100
        assert len(set(urls)) == len(urls)
        self.reads.append(urls)
        fault = self.faults.pop(0) if self.faults else 0
        if isinstance(fault, Exception):
            raise fault
        read, left_out = (urls[:-fault], urls[-fault:]) if fault else (urls, [])
        unprocessed = {TABLE: {"Keys": [{"image-url": {"S": url}} for url in left_out]}} if left_out else {}
        found = [self.items[url] for url in read if url in self.items]
        return {"Responses": {TABLE: found}, "UnprocessedKeys": unprocessed}


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def reader_of(table: Table) -> tuple[TableReader, Clock]:
    """A reader that looks when the test says, by the test's clock."""
    clock = Clock()
    return TableReader(table, TABLE, clock, threaded=False), clock


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "BatchGetItem")


def test_nothing_is_read_before_it_is_likely_and_then_all_that_is_waited_for_at_once():
    table = Table()
    reader, clock = reader_of(table)
    found = {url: reader.expect(url, clock()) for url in ("a", "b", "c")}
    pause_s = reader.look()
    assert (table.reads, pause_s) == ([], pytest.approx(0.005))
    clock.now_s += pause_s
    table.items = {url: item(url) for url in ("a", "c")}
    reader.look()
    assert [sorted(read) for read in table.reads] == [["a", "b", "c"]]
    assert found["a"].result(0).request_id == "of a"
    assert found["c"].result(0).request_id == "of c"
    assert not found["b"].done()


def test_looks_come_ever_later_and_never_sooner():
    table = Table()
    reader, clock = reader_of(table)
    reader.expect("a", clock())
    pauses = []
    for _ in range(60):
        clock.now_s += (pause_s := reader.look())
        pauses.append(pause_s)
    assert pauses[1:] == sorted(pauses[1:])
    assert pauses[-1] == pytest.approx(0.25)
    assert sum(pauses[:20]) < 5


def test_the_first_look_is_learned_from_the_functions_own_work():
    table = Table()
    reader, clock = reader_of(table)
    for url in ("a", "b"):
        found = reader.expect(url, clock())
        table.items[url] = item(url, worked_s=0.3)
        clock.now_s += 0.5
        reader.look()
        assert found.done()
    reader.expect("c", clock())
    assert reader.look() == pytest.approx(0.3)
    assert len(table.reads) == 2


def test_thousands_are_read_a_hundred_at_a_time():
    table = Table()
    reader, clock = reader_of(table)
    found = {str(number): reader.expect(str(number), clock()) for number in range(1050)}
    table.items = {url: item(url) for url in found}
    clock.now_s += 1
    while reader.look() is not None:
        pass
    assert [len(read) for read in table.reads] == [MOST_KEYS] * 10 + [50]
    assert all(future.result(0).image_url == url for url, future in found.items())


def test_what_a_read_leaves_out_is_asked_for_again_after_a_pause_that_grows():
    table = Table()
    reader, clock = reader_of(table)
    found = {url: reader.expect(url, clock()) for url in ("a", "b", "c")}
    table.items = {url: item(url) for url in found}
    table.faults = [2, 2, 0]
    clock.now_s += 1
    assert reader.look() == pytest.approx(0.05)
    assert found["a"].done()
    clock.now_s += 0.05
    assert reader.look() == pytest.approx(0.1)
    clock.now_s += 0.1
    assert reader.look() is None
    assert [len(read) for read in table.reads] == [3, 2, 2]
    assert all(future.done() for future in found.values())


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "ThrottlingException"])
def test_a_throttled_table_is_given_time_and_fails_nobody(code: str):
    table = Table()
    reader, clock = reader_of(table)
    found = reader.expect("a", clock())
    table.faults = [refusal(code)] * 8
    table.items["a"] = item("a")
    clock.now_s += 1
    pauses = []
    while (pause_s := reader.look()) is not None:
        pauses.append(pause_s)
        clock.now_s += pause_s
    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2, 2])
    assert found.result(0).request_id == "of a"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (refusal("AccessDeniedException"), CloudError),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1"), UnreachableError),
        (ZeroDivisionError(), ZeroDivisionError),
    ],
)
def test_any_other_error_is_that_of_who_waits(fault: Exception, kind: type[Exception]):
    table = Table()
    reader, clock = reader_of(table)
    found = reader.expect("a", clock())
    table.faults = [fault]
    clock.now_s += 1
    assert reader.look() is None
    with pytest.raises(kind):
        found.result(0)


def test_a_strange_item_fails_who_waits_for_it_alone():
    table = Table()
    reader, clock = reader_of(table)
    strange, good = reader.expect("a", clock()), reader.expect("b", clock())
    table.items = {"a": {"image-url": {"S": "a"}}, "b": item("b")}
    clock.now_s += 1
    reader.look()
    with pytest.raises(CloudError, match="did not write"):
        strange.result(0)
    assert good.done()


def test_what_is_forgotten_is_not_read_and_others_who_wait_for_it_get_it():
    table = Table()
    reader, clock = reader_of(table)
    first, second, third = reader.expect("a", clock()), reader.expect("a", clock()), reader.expect("b", clock())
    reader.forget("a", first)
    reader.forget("b", third)
    clock.now_s += 1
    table.items = {"a": item("a"), "b": item("b")}
    assert reader.look() is None
    assert table.reads == [["a"]]
    assert (first.done(), second.done(), third.done()) == (False, True, False)


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "table-reader"]


def test_a_thread_looks_for_many_who_wait_and_ends_when_nobody_does():
    table = Table()
    reader = TableReader(table, TABLE)
    table.items = {str(number): item(str(number), worked_s=0) for number in range(50)}
    for _ in range(3):  # it begins again
        with ThreadPoolExecutor(50) as threads:
            told = list(threads.map(lambda url: reader.wait(url, 0.0, 60), table.items))
        assert [outcome.image_url for outcome in told] == list(table.items)
        wait_for(lambda: not readers())
    assert len(table.reads) <= 150


def test_who_waits_when_it_is_closed_hears_of_it():
    reader = TableReader(Table(), TABLE)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(reader.wait, "a", 0.0, 60)
        wait_for(readers)
        reader.close()
        with pytest.raises(ExecutionError, match="was closed"):
            waiting.result(60)
    wait_for(lambda: not readers())


def test_what_does_not_come_in_time_is_none():
    reader = TableReader(Table(), TABLE)
    assert reader.wait("a", 0.0, 0.05) is None
    reader.close()


@given(results=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=50))
def test_the_pace_stays_within_its_bounds(results: list[tuple[float, float]]):
    pace = Pace()
    for worked_s, more_s in results:
        pace.learn(worked_s, worked_s + more_s)
    recent = [worked_s for worked_s, _ in results[-32:]]
    assert pace.first_look_s() == max(0.005, min(recent, default=0))
    pauses = [pace.pause_s(looks) for looks in range(1, 200)]
    assert pauses == sorted(pauses)
    assert 0.005 <= pauses[0] <= pauses[-1] == 0.25


def test_cold_starts_don_t_delay_what_follows_them_for_long():
    """A result that came late because the sandbox was new says nothing of the next."""
    pace = Pace()
    for _ in range(8):
        pace.learn(worked_s=0.04, seen_s=2.0)
    assert pace.first_look_s() == 0.04
    assert pace.pause_s(1) <= 0.25
    for _ in range(32):
        pace.learn(worked_s=0.04, seen_s=0.06)
    assert pace.pause_s(1) == 0.005
