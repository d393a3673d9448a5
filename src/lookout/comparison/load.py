"""Sending images through executions, and timing it: in a closed loop, or in an open one.

In a closed loop so many clients wait for an answer before they send their next image: a system that stalls is asked
less meanwhile, and the stall is seen once. In an open loop images come when they come, as from people and cameras, and
the time of each counts from when it was *scheduled*: all that came during a stall have waited for its end, and say so
(Tene calls the omission of that "coordinated omission").
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import accumulate, cycle, islice
from pathlib import Path
from typing import TypeVar

from lookout import images
from lookout.comparison.in_order import in_order
from lookout.comparison.samples import Sample
from lookout.comparison.words import capital
from lookout.errors import HOPELESS, LookoutError
from lookout.executions.protocol import Answer, Execution

Thing = TypeVar("Thing")

# So many may be under way in an open loop. Beyond it an image waits here, and its time counts.
MOST_UNDER_WAY = 128


@dataclass(frozen=True, slots=True)
class Load:
    """How images come: ``concurrency`` of them at a time, or in an open loop ``rate_per_s``; shuffled by ``seed``.

    ``burst``: so many at once, and the next burst ``idle_s`` after the last was answered. ``warm_up``: so many images
    first, of each execution, so that what follows finds everything loaded; with more at a time, as many as that.

    One at a time, the executions take turns. Else each has the machine for itself: they would be in each other's way.
    """

    concurrency: int = 1
    rate_per_s: float | None = None
    seed: int = 1
    burst: int | None = None
    idle_s: float = 0.0
    warm_up: int = 0

    @property
    def scenario(self) -> str:
        """What such a load is called."""
        if self.burst is not None:
            return "burst"
        if self.rate_per_s is not None:
            return "open-loop"
        return "single-stream" if self.concurrency == 1 else "concurrent"

    @property
    def warm_ups(self) -> int:
        """How many images of each execution come first."""
        return max(self.warm_up, self.concurrency) if self.warm_up else 0

    def samples(self, executions: Sequence[Execution], paths: Sequence[Path]) -> Iterator[Sample]:
        """Each image through each execution. Raises one of the ``HOPELESS``."""
        if self.scenario == "single-stream":
            yield from self._warm_ups(executions, paths)
            yield from closed_loop(in_turns(executions, paths, self.seed))
            return
        for execution in executions:
            yield from self._warm_ups([execution], paths)
            yield from self._of_one(in_turns([execution], paths, self.seed))

    def _of_one(self, tasks: list[Task]) -> Iterator[Sample]:
        if self.burst is not None:
            return bursts(tasks, self.burst, self.idle_s)
        if self.rate_per_s is not None:
            return open_loop(poisson(tasks, self.rate_per_s, self.seed))
        return closed_loop(tasks, self.concurrency)

    def _warm_ups(self, executions: Sequence[Execution], paths: Sequence[Path]) -> Iterator[Sample]:
        first = list(islice(cycle(paths), self.warm_ups))
        for sample in closed_loop(in_turns(executions, first), self.concurrency):
            yield replace(sample, warm_up=True)

    def briefly(self) -> str:
        """In a few words.

        >>> Load(rate_per_s=12.5).briefly(), Load(concurrency=8).briefly()
        ('12.5 images/s', '8 images at a time')
        """
        if self.burst is not None:
            return f"{self.burst} images at once"
        if self.rate_per_s is not None:
            return f"{self.rate_per_s:g} images/s"
        return "one image at a time" if self.concurrency == 1 else f"{self.concurrency} images at a time"

    def described(self) -> str:
        """In words.

        >>> Load(rate_per_s=12.5).described()
        'Open loop, 12.5 images/s on average: each time counts from when its image was due.'
        """
        words = capital(self.briefly())
        if self.burst is not None:
            return f"{words}, again {self.idle_s:g} s after they were answered."
        if self.rate_per_s is not None:
            return f"Open loop, {words} on average: each time counts from when its image was due."
        return f"{words}."


ONE_AT_A_TIME = Load()


@dataclass(frozen=True, slots=True)
class Task:
    """One image that is to go through one execution; in an open loop ``at_s`` after its start."""

    execution: Execution
    path: Path
    at_s: float = 0.0


def in_turns(executions: Sequence[Execution], paths: Sequence[Path], seed: int | None = None) -> list[Task]:
    """Each image through each execution; image by image, so that a machine that grows busy or hot is no one's loss.

    With a ``seed`` both orders are shuffled, else they are as given.
    """
    chance = None if seed is None else random.Random(seed)  # noqa: S311  no secret
    return [Task(execution, path) for path in _order(paths, chance) for execution in _order(executions, chance)]


def poisson(tasks: Iterable[Task], rate_per_s: float, seed: int) -> list[Task]:
    """The same tasks, at the times of a Poisson process: each comes at any time as likely as at any other."""
    chance = random.Random(seed)  # noqa: S311  no secret
    tasks = list(tasks)
    times_s = accumulate(chance.expovariate(rate_per_s) for _ in tasks)
    return [replace(task, at_s=at_s) for task, at_s in zip(tasks, times_s, strict=True)]


def closed_loop(
    tasks: Iterable[Task], concurrency: int = 1, clock: Callable[[], float] = time.time
) -> Iterator[Sample]:
    """Samples in the tasks' order, at most ``concurrency`` at a time: the next starts when one has answered.

    An image that fails is a sample too; only one of the ``HOPELESS`` ends the loop, since the images that follow would
    fare no better.
    """

    def take(task: Task) -> Sample:
        return take_sample(task.execution.name, task.path, task.execution.detect, clock)

    if concurrency == 1:
        yield from map(take, tasks)
        return
    with closing(in_order(take, tasks, concurrency, HOPELESS)) as samples:
        yield from samples


def open_loop(
    tasks: Iterable[Task],
    under_way: int = MOST_UNDER_WAY,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[Sample, None, None]:
    """Samples in the tasks' order, each begun at its time, whatever became of the others; else as ``closed_loop``."""
    begun_s = clock()

    def take(task: Task) -> Sample:
        scheduled_s = begun_s + task.at_s
        if (wait_s := scheduled_s - clock()) > 0:
            sleep(wait_s)
        sample = take_sample(task.execution.name, task.path, task.execution.detect, clock)
        return replace(sample, scheduled=scheduled_s)

    with closing(in_order(take, tasks, under_way, HOPELESS)) as samples:
        yield from samples


def bursts(
    tasks: Sequence[Task], size: int, idle_s: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Sample]:
    """Samples in the tasks' order, so many begun at once; then nothing comes for a while: what idles may end."""
    for begun in range(0, len(tasks), size):
        if begun:
            sleep(idle_s)
        yield from open_loop(tasks[begun : begun + size], under_way=size)


def take_sample(
    execution: str,
    image: Path | str,
    detect: Callable[[bytes, str], Answer],
    clock: Callable[[], float] = time.time,
    read: Callable[[Path | str], bytes] = images.read,
) -> Sample:
    """One image through ``detect``. Any error but the ``HOPELESS`` is the sample's."""
    started, data = clock(), None
    try:
        data = read(image)
        answer = detect(data, os.path.basename(image))  # noqa: PTH119, see images.walk
    except HOPELESS:
        raise
    except LookoutError as error:  # the boundary: here an error becomes a row
        failed = Sample.failed(execution, str(image), started, error)
        return replace(failed, ended=clock(), size_bytes=None if data is None else len(data))
    return Sample(execution, str(image), started, answer, ended=clock(), size_bytes=len(data))


def _order(things: Sequence[Thing], chance: random.Random | None) -> Sequence[Thing]:
    return chance.sample(things, len(things)) if chance else things
