"""One comparison, from nothing to its report: starts what is not running, measures, and stops what it started."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lookout.cloud.reports import Invocation
from lookout.comparison.load import ONE_AT_A_TIME, Load
from lookout.comparison.machine import describe_machine
from lookout.comparison.network import Network
from lookout.comparison.processes import Process, Processes, child_environment
from lookout.comparison.report import Report, make_report
from lookout.comparison.samples import OFFLOADED, Sample, SampleLog
from lookout.core.selection import Selection
from lookout.detector import open_detector
from lookout.errors import CloudError, ExecutionError
from lookout.executions.in_process import InProcessExecution
from lookout.executions.local import LocalExecution
from lookout.executions.protocol import Execution
from lookout.models.model import Model

if TYPE_CHECKING:
    from lookout.comparison.offloading import Cloud

NAMES = ("in-process", "local", *OFFLOADED)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared: these images, through these executions, with one and the same model and engine.

    ``cloud``: the emulator, started for this run, or the AWS account of the environment, where the stack
    ``stack`` is up already (its own model, memory and thresholds then hold). ``network``: between here and what is
    started for this run; None is loopback. ``load``: how the images come.
    """

    paths: tuple[Path, ...]
    model: Model
    engine: str
    confidence: float
    iou: float
    executions: tuple[str, ...]
    cloud: Literal["emulator", "aws"] = "emulator"
    stack: str = "lookout"
    memory_mb: int = 512
    timeout_s: int = 15
    network: Network | None = None
    load: Load = ONE_AT_A_TIME


def compare(comparison: Comparison, samples_path: Path, notify: Callable[[str | Sample], None]) -> Report:
    """Measure, append every sample to ``samples_path``, and report.

    ``notify`` is told each step in words, then each sample as it comes. Raises ``LookoutError`` where
    something could not be started, or stopped answering; what was measured by then is in the file.
    """
    with Processes() as processes, ExitStack() as closers:
        executions, cloud = _start(comparison, processes, closers, notify)
        machine = describe_machine()
        run = {**_description(comparison), "machine": machine, "cloud": cloud and cloud.description}
        log = closers.enter_context(SampleLog(samples_path, run))
        samples, warnings = _measure(comparison, executions, cloud, log, notify)
    return make_report(
        samples,
        executions=comparison.executions,
        emulated=cloud is not None and cloud.emulated,
        machine=machine,
        network=comparison.network,
        load=comparison.load,
        warnings=warnings,
    )


def _start(
    comparison: Comparison, processes: Processes, closers: ExitStack, notify: Callable[[str | Sample], None]
) -> tuple[list[Execution], Cloud | None]:
    """The executions, in the order they were asked for, and the cloud that ``remote`` and ``direct`` go to."""
    environment = child_environment(os.environ)
    asked = comparison.executions
    offloaded = [name for name in asked if name in OFFLOADED]
    needs_emulator = bool(offloaded) and comparison.cloud == "emulator"
    # Both start at once; each is waited for where it is needed.
    server = processes.start(_serve_arguments(comparison), environment) if "local" in asked else None
    emulator = _start_emulator(processes, environment) if needs_emulator else None
    found: dict[str, Execution] = {}
    if "in-process" in asked:
        notify("loading the network")
        found["in-process"] = _in_process(comparison)
    if server:
        notify("starting the server")
        found["local"] = LocalExecution(_over(comparison.network, server.ready()["url"], processes, environment))
    cloud = None
    if offloaded:
        # Needs the cloud's packages, which a comparison without it does not.
        from lookout.comparison.offloading import aws_cloud, emulated_cloud

        notify("starting the emulator and deploying the stack" if emulator else "looking for the stack")
        if emulator:
            said = emulator.ready()
            cloud = emulated_cloud(comparison, said, _over(comparison.network, said["url"], processes, environment))
        else:
            cloud = aws_cloud(comparison)
        found |= {name: cloud.execution(name) for name in offloaded}
    return [closers.enter_context(closing(found[name])) for name in asked], cloud


def _start_emulator(processes: Processes, environment: Mapping[str, str]) -> Process:
    return processes.start(["emulator", "--port", "0"], environment, if_killed=["emulator", "--sweep"])


def _over(network: Network | None, url: str, processes: Processes, environment: Mapping[str, str]) -> str:
    """Where a server of this machine's is reached over such a network."""
    if network is None:
        return url
    figures = f"{network.rtt_ms},{network.up_mbit_s},{network.down_mbit_s}"
    proxy = processes.start(["shape", "--to", url, "--network", figures], environment)
    through: str = proxy.ready()["url"]
    return through


def _serve_arguments(comparison: Comparison) -> list[str]:
    thresholds = ["--confidence", str(comparison.confidence), "--iou", str(comparison.iou)]
    model = ["--model", str(comparison.model.folder), "--engine", comparison.engine]
    return ["serve", "--port", "0", "--log-level", "warning", *model, *thresholds]


def _in_process(comparison: Comparison) -> InProcessExecution:
    selection = Selection(comparison.confidence, comparison.iou)
    detector = open_detector(comparison.model, comparison.engine, selection=selection)
    detector.warm_up()
    return InProcessExecution(detector)


def _measure(
    comparison: Comparison,
    executions: Sequence[Execution],
    cloud: Cloud | None,
    log: SampleLog,
    notify: Callable[[str | Sample], None],
) -> tuple[list[Sample], list[str]]:
    """All samples, in the log too, and warnings."""
    samples: list[Sample] = []
    warnings: list[str] = []
    since, patience_s = time.time(), 2.0  # of who interrupts, little
    try:
        for sample in comparison.load.samples(executions, comparison.paths):
            notify(sample)
            samples.append(sample)
            if not _is_offloaded(sample):  # of those Lambda has something to say first
                log.append(sample)
        patience_s = 60.0
    finally:
        invocations: dict[str, Invocation] = {}
        request_ids = [sample.answer.request_id for sample in samples if sample.answer and sample.answer.request_id]
        try:
            if cloud and request_ids:
                invocations = cloud.invocations(request_ids, since, patience_s)
        except (CloudError, ExecutionError) as error:  # what was measured is kept, and counted as unreported
            warnings.append(str(error))
        samples = [_with_invocation(sample, invocations) for sample in samples]
        for sample in filter(_is_offloaded, samples):
            log.append(sample)
    return samples, warnings


def _is_offloaded(sample: Sample) -> bool:
    return sample.answer is not None and sample.answer.request_id is not None


def _with_invocation(sample: Sample, invocations: Mapping[str, Invocation]) -> Sample:
    request_id = sample.answer.request_id if sample.answer else None
    return dataclasses.replace(sample, invocation=invocations.get(request_id)) if request_id else sample


def _description(comparison: Comparison) -> dict[str, Any]:
    return {
        "model": comparison.model.name,
        "model_digest": comparison.model.digest,
        "engine": comparison.engine,
        "confidence": comparison.confidence,
        "iou": comparison.iou,
        "executions": list(comparison.executions),
        "images": len(comparison.paths),
        "load": dataclasses.asdict(comparison.load),
        "network": dataclasses.asdict(comparison.network) if comparison.network else None,
    }
