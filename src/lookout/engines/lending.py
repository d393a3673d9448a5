"""What only one thread may use at a time, lent out to one after the other."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from lookout.errors import EngineError

Item = TypeVar("Item")


class Lending(Generic[Item]):
    """Some items; who finds none free waits for one."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._count = len(items)
        self._free: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        for item in items:
            self._free.put(item)

    @contextmanager
    def lend(self) -> Iterator[Item]:
        """An item, for as long as the block runs. Raises ``EngineError`` once they are gone."""
        item = self._free.get()
        try:
            if item is None:
                raise EngineError("the engine is closed: open another")
            yield item
        finally:
            self._free.put(item)

    def close(self) -> None:
        """Let the items go, those in use when they come back. May be called again."""
        for _ in range(self._count):
            self._free.get()
        self._count = min(self._count, 1)  # one mark that says that they are gone, passed from hand to hand
        self._free.put(None)
