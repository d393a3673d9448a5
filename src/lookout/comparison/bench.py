"""What a comparison measures on: a server and an emulator as child processes, and the network in this one.

Server and emulator run for the whole of a comparison. Under each condition they are reached anew: over its network, and
the function with its memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from lookout.comparison.conditions import Condition
from lookout.comparison.machine import peak_memory_mb
from lookout.comparison.network import Network
from lookout.comparison.processes import Process, Processes, child_environment
from lookout.comparison.samples import OFFLOADED
from lookout.core.selection import Selection
from lookout.detector import open_detector
from lookout.executions.in_process import InProcessExecution
from lookout.executions.local import LocalExecution
from lookout.executions.protocol import Execution
from lookout.models.model import Model

if TYPE_CHECKING:
    from lookout.comparison.offloading import Cloud

NAMES = ("in-process", "local", *OFFLOADED)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: these executions, with one and the same model and engine.

    ``cloud``: the emulator, started for this run, or the AWS account of the environment, where the stack
    ``stack`` is up already (its own model, memory and thresholds then hold).
    """

    model: Model
    engine: str
    confidence: float
    iou: float
    executions: tuple[str, ...]
    cloud: Literal["emulator", "aws"] = "emulator"
    stack: str = "lookout"
    memory_mb: int = 512
    timeout_s: int = 15

    @property
    def offloaded(self) -> tuple[str, ...]:
        """Those of the executions that a function works for."""
        return tuple(name for name in self.executions if name in OFFLOADED)


class Bench:
    """All that a subject needs, running for as long as the block does. ``notify`` is told each step in words.

    Raises ``LookoutError`` where something could not be started.
    """

    def __init__(self, subject: Subject, notify: Callable[[str], None]) -> None:
        self._subject = subject
        self._notify = notify
        self._environment = child_environment(os.environ)
        self._processes = Processes()
        self._closers = ExitStack()
        self._in_process: InProcessExecution | None = None
        self._server: Process | None = None
        self._server_url = ""
        self.cloud: Cloud | None = None

    def __enter__(self) -> Self:
        with ExitStack() as closers:
            closers.enter_context(self._processes)
            self._start(closers)
            self._closers = closers.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closers.close()

    @contextmanager
    def executions(self, condition: Condition) -> Iterator[list[Execution]]:
        """The condition's executions, in its order, as they are reached under it."""
        with Processes() as proxies, ExitStack() as closers:
            over = self._over(condition.network, proxies)
            if self.cloud and condition.memory_mb not in (None, self.cloud.memory_mb):
                self._notify(f"giving the function {condition.memory_mb} MB")
                self.cloud = self.cloud.with_memory(condition.memory_mb)
            found: list[Execution] = []
            for name in condition.executions:
                if self._in_process and name == "in-process":  # open for as long as the bench is
                    found.append(self._in_process)
                else:
                    found.append(closers.enter_context(closing(self._reached(name, over))))
            yield found

    def peaks_mb(self, executions: Sequence[str]) -> Mapping[str, float]:
        """The most memory that the server's processes have had, where that is known."""
        peak_mb = peak_memory_mb(self._server.pid) if self._server and "local" in executions else None
        return {} if peak_mb is None else {"local": peak_mb}

    def _start(self, closers: ExitStack) -> None:
        """Both child processes at once; each is waited for where it is needed."""
        subject, start = self._subject, self._processes.start
        if "local" in subject.executions:
            self._server = start(_serve_arguments(subject), self._environment)
        emulator = None
        if subject.offloaded and subject.cloud == "emulator":
            emulator = start(["emulator", "--port", "0"], self._environment, if_killed=["emulator", "--sweep"])
        if "in-process" in subject.executions:
            self._notify("loading the network")
            self._in_process = closers.enter_context(closing(_in_process(subject)))
        if self._server:
            self._notify("starting the server")
            self._server_url = self._server.ready()["url"]
        if subject.offloaded:
            # Needs the cloud's packages, which a comparison without it does not.
            from lookout.comparison.offloading import aws_cloud, emulated_cloud

            self._notify("starting the emulator and deploying the stack" if emulator else "looking for the stack")
            self.cloud = emulated_cloud(subject, emulator.ready()) if emulator else aws_cloud(subject)
            if not emulator:  # which goes with its stack
                closers.callback(self._set_back, self.cloud.memory_mb)

    def _set_back(self, memory_mb: int) -> None:
        """Give a stack of the user's own its memory back."""
        if self.cloud and self.cloud.memory_mb != memory_mb:
            self._notify(f"giving the function its {memory_mb} MB back")
            self.cloud = self.cloud.with_memory(memory_mb)

    def _reached(self, name: str, over: Callable[[str], str]) -> Execution:
        if name == "local":
            return LocalExecution(over(self._server_url))
        assert self.cloud is not None  # noqa: S101  an offloaded execution was asked for
        return self.cloud.execution(name, over)

    def _over(self, network: Network | None, proxies: Processes) -> Callable[[str], str]:
        """Where a server of this machine's is reached over such a network, by its address."""
        reached: dict[str, str] = {}

        def over(url: str) -> str:
            if network is None:
                return url
            if url not in reached:
                figures = f"{network.rtt_ms},{network.up_mbit_s},{network.down_mbit_s}"
                proxy = proxies.start(["shape", "--to", url, "--network", figures], self._environment)
                reached[url] = proxy.ready()["url"]
            return reached[url]

        return over


def _serve_arguments(subject: Subject) -> list[str]:
    thresholds = ["--confidence", str(subject.confidence), "--iou", str(subject.iou)]
    model = ["--model", str(subject.model.folder), "--engine", subject.engine]
    return ["serve", "--port", "0", "--log-level", "warning", *model, *thresholds]


def _in_process(subject: Subject) -> InProcessExecution:
    selection = Selection(subject.confidence, subject.iou)
    detector = open_detector(subject.model, subject.engine, selection=selection)
    detector.warm_up()
    return InProcessExecution(detector)
