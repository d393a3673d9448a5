"""How a long run is ended from outside, with what it has done told whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Ending:
    """Ctrl-C and SIGTERM: a ``KeyboardInterrupt`` between two images, never within what is written of one.

    ``status`` is what the program then ends with: 130 or 143; None while it was told nothing.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self._held = False

    def listen(self) -> None:
        """Be told, from here on. What a shell lets its background jobs ignore stays ignored."""
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._end)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let what is within be finished first; whoever asks twice, since it may be stuck, needn't wait for it."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self.status is not None:
            raise KeyboardInterrupt

    def _end(self, number: int, _frame: object) -> None:
        again = self.status is not None
        self.status = 128 + number
        if again or not self._held:
            raise KeyboardInterrupt
