"""What samples are taken under, and which conditions a whole report wants. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lookout.comparison.load import Load
from lookout.comparison.network import Network

if TYPE_CHECKING:
    from lookout.comparison.results import Point

# Takes samples under a condition.
Measure = Callable[["Condition"], "Point"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What samples are taken under: these executions, under this load, over this network, at this memory.

    ``network``: None is loopback, or on AWS the network that there is. ``memory_mb``: the function's; None where
    nothing is offloaded. ``scenario`` is MLPerf's word where it has one: single-stream, server, offline; else burst,
    concurrent, or open-loop. ``images``: so many of them, chosen by the load's seed; None for all.
    """

    scenario: str
    executions: tuple[str, ...]
    load: Load
    network: Network | None = None
    memory_mb: int | None = None
    images: int | None = None

    def described(self) -> str:
        """In a few words, for who waits.

        >>> Condition("single-stream", ("local", "remote"), Load(), Network("", 40, 10, 50), 512).described()
        'local and remote over 40 ms round trip, 10 Mbit/s up, 50 down, at 512 MB: one image at a time'
        """
        over = f" over {self.network.described()}" if self.network else ""
        memory = f", at {self.memory_mb} MB" if self.memory_mb else ""
        names = " and ".join([*filter(None, [", ".join(self.executions[:-1])]), self.executions[-1]])
        return f"{names}{over}{memory}: {self.load.briefly()}"

    def to_json(self) -> dict[str, Any]:
        """The condition's members in a line."""
        return {**dataclasses.asdict(self), "executions": list(self.executions)}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Condition:
        """Read what ``to_json`` wrote. Raises ``KeyError`` or ``TypeError`` on anything else."""
        network = document["network"]
        return Condition(
            scenario=document["scenario"],
            executions=tuple(document["executions"]),
            load=Load(**document["load"]),
            network=None if network is None else Network(**network),
            memory_mb=document["memory_mb"],
            images=document["images"],
        )
