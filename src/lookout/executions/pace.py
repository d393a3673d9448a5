"""When to look for a result. Pure."""

from __future__ import annotations

from collections import deque

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S, _BACK_OFF = 0.005, 0.25, 1.25
# Of the results so far these many are remembered: the function may be brought up anew meanwhile.
_REMEMBERED = 32
_LOW = 0.25


class Pace:
    """When results are likely, learned from those that came.

    No result is there before the function's own work on it is done, which the item tells of: so the first look comes
    after as long as that took the fastest of late. From then on looks are an eighth of what is still expected apart,
    and ever more: what is expected is when a low quantile of the results was first seen. (Not the first look itself:
    a result is only seen when somebody looks, so that one learned from late looks would stay late.)
    """

    def __init__(self) -> None:
        self._worked_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._seen_s: deque[float] = deque(maxlen=_REMEMBERED)

    def learn(self, worked_s: float, seen_s: float) -> None:
        """A result whose making took ``worked_s``, and that was first seen ``seen_s`` after the upload."""
        self._worked_s.append(worked_s)
        self._seen_s.append(seen_s)

    def first_look_s(self) -> float:
        """The seconds from an upload to the first look.

        >>> pace = Pace()
        >>> pace.first_look_s()
        0.005
        >>> pace.learn(worked_s=0.04, seen_s=0.09)
        >>> pace.first_look_s()
        0.04
        """
        return max(_SHORTEST_PAUSE_S, min(self._worked_s, default=0.0))

    def pause_s(self, looks: int) -> float:
        """The seconds from a look, the ``looks``-th of an image, to the next."""
        expected_s = sorted(self._seen_s)[int(_LOW * len(self._seen_s))] if self._seen_s else 0.0
        shortest_s = max(_SHORTEST_PAUSE_S, (expected_s - self.first_look_s()) / 8)
        return min(_LONGEST_PAUSE_S, shortest_s * _BACK_OFF ** min(looks - 1, 100))
