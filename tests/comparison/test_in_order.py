"""Many at once: in order, within bounds, and ended when it should be."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.program import wait_for
from lookout.comparison.in_order import WINDOW, _under_way, in_order


class EndOfAllError(Exception):
    pass


@settings(max_examples=25)
@given(data=st.data(), count=st.integers(0, 15), concurrency=st.integers(1, 6))
def test_results_come_in_order_whatever_is_done_first(data: st.DataObject, count: int, concurrency: int):
    started, most, lock = [], [0], threading.Lock()
    release = [threading.Event() for _ in range(count)]

    def work(number: int) -> int:
        with lock:
            started.append(number)
            most[0] = max(most[0], len(started))
        assert release[number].wait(60)
        with lock:
            started.remove(number)
        return number * 10

    def finish() -> None:
        """Of those that are worked on, one after the other in an order that nobody foresees."""
        for _ in range(count):
            wait_for(lambda: any(not release[number].is_set() for number in list(started)))
            waiting = sorted(number for number in list(started) if not release[number].is_set())
            release[waiting[picks.pop() % len(waiting)]].set()

    picks = data.draw(st.lists(st.integers(0, 100), min_size=count, max_size=count))
    finisher = threading.Thread(target=finish)
    finisher.start()
    assert list(in_order(work, range(count), concurrency, EndOfAllError)) == [number * 10 for number in range(count)]
    finisher.join()
    assert most[0] <= concurrency


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_slow_one_holds_up_a_window_and_no_more(concurrency: int):
    taken, done, slow = [], [], threading.Event()

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number == 0:
            slow.wait(60)
        done.append(number)
        return number

    results = in_order(work, items(), concurrency, EndOfAllError)
    taker = threading.Thread(target=results.__next__)
    taker.start()
    window = WINDOW * concurrency
    wait_for(lambda: len(taken) == window)
    if concurrency > 1:
        wait_for(lambda: len(done) == window - 1)
    slow.set()
    taker.join()
    assert len(taken) == window
    results.close()


def test_an_end_lets_what_is_under_way_finish_and_begins_nothing_more():
    began, go = [], threading.Event()

    def work(number: int) -> int:
        began.append(number)
        if number == 1:
            wait_for(lambda: set(began) >= {1, 2, 3})
            raise EndOfAllError
        if number > 1:
            go.wait(60)
        return number

    results = in_order(work, range(1000), 3, EndOfAllError)
    assert next(results) == 0
    threading.Thread(target=lambda: (wait_for(lambda: len(began) >= 4), go.set())).start()
    rest = []
    with pytest.raises(EndOfAllError):
        for result in results:
            rest.append(result)  # noqa: PERF402  what came before the error is looked at
    assert rest[:2] == [2, 3]
    assert rest == sorted(rest)
    assert len(began) < 20


def test_while_what_is_under_way_is_waited_for_nothing_else_is_begun():
    failed, running, *not_begun = (Future() for _ in range(5))
    failed.set_exception(EndOfAllError())
    running.set_running_or_notify_cancel()
    rest = _under_way(deque([failed, running, *not_begun]), (EndOfAllError,))
    taker = threading.Thread(target=rest.__next__)
    taker.start()
    wait_for(lambda: all(future.cancelled() for future in not_begun))
    assert not running.done()
    running.set_result(1)
    taker.join()


def test_a_fault_is_raised_where_the_results_are_taken():
    def work(number: int) -> int:
        if number == 2:
            raise ZeroDivisionError
        return number

    results = in_order(work, range(10), 2, EndOfAllError)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_who_stops_taking_leaves_no_thread_at_work():
    results = in_order(lambda number: number, range(1000), 4, EndOfAllError)
    assert next(results) == 0
    results.close()
    wait_for(lambda: all(thread.name != "in-order" for thread in threading.enumerate()))


def test_the_interpreter_ends_though_an_image_never_does():
    code = (
        "import threading\nfrom lookout.comparison.in_order import in_order\n"
        "results = in_order(lambda n: threading.Event().wait() if n else n, range(9), 3, ZeroDivisionError)\n"
        "print(next(results))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")
