"""What a network is like: its round trip, and its bandwidth each way. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from lookout.errors import UsageError


@dataclass(frozen=True, slots=True)
class Network:
    """A network between a client and what it asks: the round trip's time, and megabits a second up and down.

    ``up`` is the client's way out, on which images go.
    """

    name: str
    rtt_ms: float
    up_mbit_s: float
    down_mbit_s: float

    def transfer_ms(self, sent_bytes: int, received_bytes: int) -> float:
        """How long one request takes over a connection that is open, beside what the other end takes.

        >>> Network("mine", rtt_ms=20, up_mbit_s=8, down_mbit_s=80).transfer_ms(100_000, 1_000)
        120.1
        """
        return self.rtt_ms + sent_bytes * 8e-3 / self.up_mbit_s + received_bytes * 8e-3 / self.down_mbit_s

    def described(self) -> str:
        """In words."""
        figures = f"{self.rtt_ms:g} ms round trip, {self.up_mbit_s:g} Mbit/s up, {self.down_mbit_s:g} down"
        return f"{self.name} ({figures})" if self.name in PRESETS else figures


# 3g and 4g are the profiles of those names that WebPageTest has tested pages with for a decade (its
# connectivity.ini.sample); the others are round figures of ours for a good connection of that kind, satellite for one
# that is geostationary. Whoever knows better gives RTT,UP,DOWN.
PRESETS: Mapping[str, Network] = {
    network.name: network
    for network in (
        Network("lan", 1, 200, 200),
        Network("wifi", 5, 50, 100),
        Network("5g", 25, 20, 150),
        Network("4g", 170, 9, 9),
        Network("3g", 300, 0.768, 1.6),
        Network("satellite", 600, 3, 25),
    )
}


def read_network(text: str) -> Network:
    """The network that a name or ``RTT,UP,DOWN`` says (ms, Mbit/s, Mbit/s). Raises ``UsageError``.

    >>> read_network("40,10,50").described()
    '40 ms round trip, 10 Mbit/s up, 50 down'
    """
    if text in PRESETS:
        return PRESETS[text]
    try:
        rtt_ms, up_mbit_s, down_mbit_s = (float(part) for part in text.split(","))
        good = 0 <= rtt_ms <= 10_000 and all(isfinite(rate) and rate > 0 for rate in (up_mbit_s, down_mbit_s))
    except ValueError:
        good = False
    if not good:
        raise UsageError(
            f"{text[:60]!r} is no network: give one of {', '.join(PRESETS)}, or its round trip in ms and its Mbit/s up "
            "and down, such as 40,10,50"
        )
    return Network(text, rtt_ms, up_mbit_s, down_mbit_s)
