"""Many at once, in order: work done by threads, whose results come in the order of what they are of.

At most ``concurrency`` are worked on, and a small multiple of that is begun or done and not yet taken: one that is
slow holds the others up only then, and memory stays what it is however many there are.

The threads are daemons, unlike those of ``concurrent.futures``: whoever stops taking results doesn't wait for what
is under way, at the interpreter's end either.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# So many times ``concurrency`` may be begun or done and not yet taken.
WINDOW = 4
_LONGEST_WAIT_S = 1.0


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], concurrency: int, ends: tuple[type[Exception], ...]
) -> Generator[Result, None, None]:
    """``work(item)`` of each, in the order of the items.

    An error of the kinds ``ends`` ends it: nothing more is begun, what is under way is waited for and given, and the
    error raised. Any other error is raised at once. Close it where not all results are taken.
    """
    waiting: SimpleQueue[tuple[Future[Result], Item] | None] = SimpleQueue()
    for _ in range(concurrency):
        threading.Thread(target=_work, args=(work, waiting), daemon=True, name="in-order").start()
    window: deque[Future[Result]] = deque()
    source = iter(items)
    try:
        while _fill(window, waiting, source, WINDOW * concurrency):
            _await(window[0])
            try:
                result = window[0].result()
            except ends:
                yield from _under_way(window, ends)
                raise
            window.popleft()
            yield result
    finally:
        for future in window:
            future.cancel()
        for _ in range(concurrency):
            waiting.put(None)


def _await(future: Future[Result]) -> None:
    """Until it is done; Python tells the main thread of a signal that comes just before it waits only after that."""
    while not future.done():
        wait((future,), _LONGEST_WAIT_S)


def _fill(
    window: deque[Future[Result]],
    waiting: SimpleQueue[tuple[Future[Result], Item] | None],
    source: Iterator[Item],
    size: int,
) -> bool:
    """Hand out work until the window is full; whether there is anything in it."""
    while len(window) < size:
        try:
            item = next(source)
        except StopIteration:
            break
        future: Future[Result] = Future()
        window.append(future)
        waiting.put((future, item))
    return bool(window)


def _under_way(window: deque[Future[Result]], ends: tuple[type[Exception], ...]) -> Iterator[Result]:
    """The results behind the first, of what was begun; more errors of the same kind add nothing to it."""
    # All at once: while one is waited for, the threads would go on with the next.
    begun = [future for future in list(window)[1:] if not future.cancel()]
    for future in begun:
        error = future.exception()
        if error is None:
            yield future.result()
        elif not isinstance(error, ends):
            raise error


def _work(work: Callable[[Item], Result], waiting: SimpleQueue[tuple[Future[Result], Item] | None]) -> None:
    while (task := waiting.get()) is not None:
        future, item = task
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work(item))
            except BaseException as error:  # noqa: BLE001  whoever takes the result has to know
                future.set_exception(error)
        del task, future, item  # while it waits for the next it holds nothing of the last
