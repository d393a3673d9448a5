"""Sending images through executions, and timing it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lookout import images
from lookout.comparison.samples import Sample
from lookout.errors import HOPELESS, LookoutError
from lookout.executions.protocol import Answer, Execution


def closed_loop(
    executions: Sequence[Execution], paths: Sequence[Path], clock: Callable[[], float] = time.time
) -> Iterator[Sample]:
    """Each image through each execution, one at a time: the next starts when the one before has answered.

    The executions take turns image by image, so that a machine that grows busy or hot is no execution's
    disadvantage. A file is read before the clock starts. An image that fails is a sample too; only
    one of the ``HOPELESS`` ends the loop, since the images that follow would fare no better.
    """
    for path in paths:
        for execution in executions:
            yield take_sample(execution.name, path, execution.detect, clock)


def take_sample(
    execution: str,
    path: Path,
    detect: Callable[[bytes, str], Answer],
    clock: Callable[[], float] = time.time,
    read: Callable[[Path], bytes] = images.read,
) -> Sample:
    """One image through ``detect``. Any error but the ``HOPELESS`` is the sample's."""
    started = clock()
    try:
        answer = detect(read(path), path.name)
    except HOPELESS:
        raise
    except LookoutError as error:  # the boundary: here an error becomes a row
        return Sample.failed(execution, str(path), started, error)
    return Sample(execution, str(path), started, answer)
