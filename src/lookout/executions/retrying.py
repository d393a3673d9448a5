"""When to ask again, and after how long. Pure, but for the chance that it is given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retries:
    """At most ``count`` times, and none that would begin more than ``total_s`` after the first attempt.

    The pauses grow from ``first_s``, twofold each, to ``longest_s``. Half of each is chance: clients that were
    refused together don't come back together. The other half is not, so that five pauses outlast a server's restart:
    they add up to 3.9 s at the least, and to 7.75 s at the most.
    """

    count: int = 5
    total_s: float = 60.0
    first_s: float = 0.25
    longest_s: float = 8.0

    def pause_s(self, made: int, chance: float, after_s: float = 0.0) -> float:
        """The pause after ``made`` retries, with a ``chance`` from 0 to 1; ``after_s`` is what the server asks for.

        >>> Retries().pause_s(made=2, chance=0.5)
        0.75
        """
        longest = min(self.longest_s, self.first_s * 2.0 ** min(made, 60))
        return after_s + longest * (0.5 + 0.5 * chance)

    def allow(self, made: int, begins_s: float) -> bool:
        """Whether one more may be made after ``made``, that would begin so long after the first attempt."""
        return made < self.count and begins_s <= self.total_s


def retry_after_s(value: str | None) -> float:
    """The seconds in a ``Retry-After`` header; 0 where there is none, or a date, of which clocks may differ.

    >>> retry_after_s("3"), retry_after_s("Wed, 21 Oct 2026 07:28:00 GMT"), retry_after_s(None)
    (3.0, 0.0, 0.0)
    """
    text = (value or "").strip()
    return float(text) if text.isascii() and text.isdigit() else 0.0
