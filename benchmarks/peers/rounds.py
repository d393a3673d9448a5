"""Local execution: contenders take turns, load by load and round by round, in an order that a seed shuffles.

All servers run at the same time, and only the one that is asked has anything to do; what they cost while nobody asks
them is told, and one that costs much is held until its turn. They are started anew for each round: where a network's
memory comes to lie makes one start of the same server up to a tenth faster than another. Between rounds a machine may
grow faster or slower, and all contenders with it: ratios are made round by round.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers.agreement import ALIKE, SAME, agreement
from peers.contenders import Contender, interpreter, version_of
from peers.inputs import Network
from peers.results import Line, Recorder
from peers.running import Running, ask, ask_server, free_port, running

_BARE = Path(__file__).resolve().parent / "servers" / "bare.py"
# So many may be under way in an open loop.
_UNDER_WAY = 64
_CAPACITY_LOAD = "8 clients"

LIMITS = {"bare": "detector", "engine": "network"}


@dataclass(frozen=True, slots=True)
class Condition:
    """Pictures of one kind, and how they come: closed loops of so many clients, open loops at a share of capacity.

    One client takes each picture once; more of them go on for ``seconds``.
    """

    pictures: str
    paths: Sequence[Path]
    clients: Sequence[int]
    rounds: int
    seconds: float
    shares: Sequence[float] = ()
    open_rounds: int = 0
    open_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender, its server, and its requests as files."""

    contender: Contender
    server: Running
    requests: Sequence[str]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked for, of whom and under which names it is kept."""

    load: str
    round: int
    plan: Mapping[str, object]


def measure(
    network: Network,
    contenders: Sequence[Contender],
    conditions: Sequence[Condition],
    python_of: Callable[[str], Path],
    work: Path,
    recorder: Recorder,
    seed: int,
    tell: Callable[[str], None],
) -> None:
    """All conditions of a network. ``work``: a folder for requests and logs. Raises ``RuntimeError``."""
    taking_part = [contender for contender in contenders if network.is_darknet or not contender.darknet]
    for one in taking_part:
        about = {"package": one.package, "version": version_of(one), "licence": one.licence}
        recorder.write(what="contender", contender=one.key, **about)
    first = conditions[0].paths[0].read_bytes()
    for condition in conditions:
        where = {"network": network.name, "pictures": condition.pictures}
        tell(f"{network.name}, {condition.pictures}")
        requests = {one.key: written(one, condition, work) for one in taking_part}
        turns = Turns(network, condition, recorder, where, random.Random(seed))  # noqa: S311  no secret
        for number in range(condition.rounds):
            with servers(network, taking_part, python_of, first, work) as started:
                entries = [Entry(one, started[one.server or one.key], requests[one.key]) for one in taking_part]
                if number == 0:
                    check(network, entries, condition, recorder, where)
                turns.take(number, entries)
                if number == 0 and condition is conditions[0]:
                    tell_costs(network, started, recorder)
            tell(f"  round {number + 1} of {condition.rounds}")


def tell_costs(network: Network, started: Mapping[str, Running], recorder: Recorder) -> None:
    """Keep how soon servers answered, what they take while nobody asks them, and their memory."""
    idle = idle_share(started)
    recorder.write(what="idle", network=network.name, **{name: round(share, 4) for name, share in idle.items()})
    for name, server in started.items():
        about = {"network": network.name, "contender": name}
        recorder.write(what="ready", **about, seconds=round(server.ready_s, 3))
        recorder.write(what="memory", **about, mb=round(server.memory_mb(), 1))


@contextmanager
def servers(
    network: Network,
    contenders: Sequence[Contender],
    python_of: Callable[[str], Path],
    first: bytes,
    work: Path,
) -> Iterator[dict[str, Running]]:
    """A server for each contender that has one of its own, by key."""
    with ExitStack() as stack:
        started: dict[str, Running] = {}
        for one in contenders:
            if one.server is None:
                started[one.key] = stack.enter_context(serving(network, one, python_of, first, work))
        yield started


@contextmanager
def serving(
    network: Network, one: Contender, python_of: Callable[[str], Path], first: bytes, work: Path
) -> Iterator[Running]:
    """A contender's server."""
    port = free_port()
    command = [interpreter(one, python_of), *one.command(port)]
    variables = one.variables(network.path, network.labels, port)
    with running(command, port, one.http(first), variables, work / f"{one.key}.log", rests=one.rests) as server:
        yield server


def idle_share(started: Mapping[str, Running], seconds: float = 2.0) -> dict[str, float]:
    """The part of one core that each server takes while nobody asks it."""
    before = {name: server.cpu_s() for name, server in started.items()}
    time.sleep(seconds)
    return {name: (server.cpu_s() - before[name]) / seconds for name, server in started.items()}


def written(one: Contender, condition: Condition, work: Path) -> list[str]:
    """A contender's requests for a condition's pictures, as files."""
    folder = work / f"{one.key} {condition.pictures}"
    folder.mkdir(exist_ok=True)
    requests = [folder / f"{number}.http" for number in range(len(condition.paths))]
    for request, path in zip(requests, condition.paths, strict=True):
        request.write_bytes(one.http(path.read_bytes()))
    return [str(request) for request in requests]


def check(
    network: Network, entries: Sequence[Entry], condition: Condition, recorder: Recorder, where: Mapping[str, str]
) -> None:
    """Keep how far everyone's answers agree with those of the detector that runs bare.

    Raises ``RuntimeError`` where those of the same detector don't.
    """
    order = list(range(len(condition.paths)))
    bare = ask(sys.executable, _BARE, bare_plan(network, condition, "detector", {"clients": 1, "order": order}))
    expected = objects(bare["answers"])
    for one in entries:
        found = ask_server(one.server, {"requests": one.requests, "clients": 1, "order": order})
        tolerance = ALIKE if one.contender.darknet else SAME
        agrees = agreement(expected, objects(found["answers"]), tolerance)
        told = {"images": agrees.images, "agree": agrees.agree, "worst": agrees.worst, "tolerance": tolerance}
        recorder.write(what="agreement", **where, contender=one.contender.key, **told)
        if not one.contender.darknet and agrees.agree < agrees.images:
            raise RuntimeError(f"{one.contender.key} finds other objects than the detector alone: {told}")


def objects(answers: Mapping[str, str]) -> dict[int, list[dict[str, object]]]:
    """The objects that answers hold, by the number of the image."""
    return {int(number): json.loads(answer)["objects"] for number, answer in answers.items()}


def bare_plan(network: Network, condition: Condition, what: str, plan: Mapping[str, object]) -> dict[str, object]:
    """A plan for the bare detector."""
    paths = [str(path) for path in condition.paths]
    return {**plan, "model": str(network.path), "requests": paths, "what": what}


class Turns:
    """Who is asked when, and what came of it."""

    def __init__(
        self,
        network: Network,
        condition: Condition,
        recorder: Recorder,
        where: Mapping[str, str],
        chance: random.Random,
    ) -> None:
        self._network, self._condition, self._recorder, self._where = network, condition, recorder, where
        self._entries: dict[str, Entry] = {}
        self._chance = chance
        self._capacity: dict[str, list[float]] = {}

    def take(self, number: int, entries: Sequence[Entry]) -> None:
        """A round."""
        self._entries = {one.contender.key: one for one in entries}
        for clients in self._condition.clients:
            self._closed(number, clients)
        if number < self._condition.open_rounds:
            for share in self._condition.shares:
                self._open(number, share)

    def _closed(self, number: int, clients: int) -> None:
        load = f"{clients} client{'s' * (clients > 1)}"
        seconds = None if clients == 1 else self._condition.seconds
        turn = Turn(load, number, {"clients": clients, "order": self._order(), "seconds": seconds})
        limits = LIMITS if clients == 1 or load == _CAPACITY_LOAD else {}
        for key in self._shuffled([*self._entries, *limits]):
            line = self._limit(key, turn) if key in LIMITS else self._ask(key, turn)
            if load == _CAPACITY_LOAD:
                self._capacity.setdefault(key, []).append(line["images_per_s"])

    def _open(self, number: int, share: float) -> None:
        seconds, order = self._condition.open_seconds, self._order()
        for key in self._shuffled(list(self._entries)):
            rate = share * self._capacity_of(self._entries[key].contender.name)
            plan = {"clients": _UNDER_WAY, "order": order, "rate": rate, "seconds": seconds, "seed": number}
            self._ask(key, Turn(f"{share:.0%} of capacity", number, plan), rate=round(rate, 2))

    def _capacity_of(self, name: str) -> float:
        """A contender's images a second for eight clients so far, in its better setting."""
        return max(
            statistics.median(rates)
            for key, rates in self._capacity.items()
            if key in self._entries and self._entries[key].contender.name == name
        )

    def _ask(self, key: str, turn: Turn, **more: object) -> Line:
        one = self._entries[key]
        return self._keep(key, turn, ask_server(one.server, {"requests": one.requests, **turn.plan}), more)

    def _limit(self, key: str, turn: Turn) -> Line:
        plan = bare_plan(self._network, self._condition, LIMITS[key], turn.plan)
        return self._keep(key, turn, ask(sys.executable, _BARE, plan), {})

    def _keep(self, key: str, turn: Turn, found: Mapping[str, object], more: Mapping[str, object]) -> Line:
        samples = found["samples"]
        return self._recorder.write(
            what="turn",
            **self._where,
            contender=key,
            load=turn.load,
            round=turn.round,
            images_per_s=round(images_per_s([ended for *_, ended in samples]), 3),
            refused=found["refused"],
            client_cpu_s=round(found["cpu_s"], 4),
            server_cpu_s=round(found["server_cpu_s"], 3),
            others=round(max(0.0, found["others_cpu_s"]) / found["wall_s"], 3),
            image=[number for number, *_ in samples],
            ms=[round((ended - begun) * 1000, 2) for _, begun, ended in samples],
            **more,
        )

    def _order(self) -> list[int]:
        return self._shuffled(list(range(len(self._condition.paths))))

    def _shuffled(self, things: list) -> list:
        return self._chance.sample(things, len(things))


def images_per_s(ended_s: Sequence[float]) -> float:
    """How many images were answered in a second; 0 of none.

    The time ends with the last of them. Fewer are under way by then, but as long as there are as many as cores none of
    them idles.

    >>> images_per_s([1.0, 1.5, 2.0])
    1.5
    """
    return len(ended_s) / max(ended_s) if ended_s else 0.0
