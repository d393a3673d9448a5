"""What a machine of one's own costs: so much an hour, whether it works or idles. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lookout.comparison.costs import DAYS_A_MONTH
from lookout.errors import UsageError

HOURS_A_MONTH = DAYS_A_MONTH * 24
SECONDS_A_MONTH = HOURS_A_MONTH * 3600


@dataclass(frozen=True, slots=True)
class OwnMachine:
    """Machines alike, each for ``dollars_per_hour``, of which one looks at ``images_per_s`` when it is never idle.

    There is always one. That its images queue when it is nearly busy all the time is no matter of cost.
    """

    dollars_per_hour: float
    images_per_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.dollars_per_hour < math.inf:
            raise UsageError(f"a machine costs {self.dollars_per_hour} dollars an hour: give a number not below zero")
        if not 0 < self.images_per_s < math.inf:
            raise UsageError(f"a machine looks at {self.images_per_s} images/s: give what was measured, above zero")

    def described(self) -> str:
        """In words.

        >>> OwnMachine(0.1, 10).described(), OwnMachine(0.0042, 1).described()
        ('a machine of $0.10 an hour', 'a machine of $0.0042 an hour')
        """
        price = self.dollars_per_hour
        return f"a machine of ${price:.2f} an hour" if price >= 0.01 else f"a machine of ${price:.3g} an hour"

    @property
    def dollars_per_month(self) -> float:
        """Of one machine."""
        return self.dollars_per_hour * HOURS_A_MONTH

    @property
    def images_per_month(self) -> float:
        """The most that one machine looks at."""
        return self.images_per_s * SECONDS_A_MONTH

    def count(self, images_per_s: float) -> int:
        """How many it takes for this rate.

        >>> machine = OwnMachine(dollars_per_hour=0.10, images_per_s=10)
        >>> machine.count(0), machine.count(10), machine.count(10.1)
        (1, 1, 2)
        """
        return max(1, math.ceil(images_per_s / self.images_per_s))

    def month_dollars(self, images_per_s: float) -> float:
        """What as many as it takes cost in a month."""
        return self.count(images_per_s) * self.dollars_per_month

    def per_thousand(self, images_per_s: float) -> float:
        """Dollars for 1,000 images at this rate. Raises ``UsageError`` for a rate of nothing: it would be no number.

        >>> machine = OwnMachine(dollars_per_hour=0.10, images_per_s=10)
        >>> round(machine.per_thousand(1), 6), round(machine.per_thousand(10), 6)
        (0.027778, 0.002778)
        """
        if not 0 < images_per_s < math.inf:
            raise UsageError(f"there is no cost of 1,000 images at {images_per_s} images/s: give a rate above zero")
        return self.month_dollars(images_per_s) / (images_per_s * SECONDS_A_MONTH) * 1000
