"""Remote execution in the emulator: the reference's function, and ours as ``remote`` and as ``direct``; cold and warm.

*Emulated: not AWS.* At each memory size the functions take turns. In each turn a function is made to start anew (by a
variable of its environment, as one would on AWS), then meets one image, and some more while it is warm.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from reference import Deployed, deploy_lookout, deploy_reference, reference_variables

from helpers.program import Program
from lookout.cloud.account import Account, account_of_emulator
from lookout.cloud.reports import Invocation, wait_for_reports
from lookout.cloud.stack import Stack
from lookout.executions.direct import DirectExecution
from lookout.executions.protocol import Execution
from lookout.executions.remote import RemoteExecution
from lookout.models.store import load_model
from peers.inputs import Network
from peers.results import Recorder

REFERENCE, REMOTE, DIRECT = "reference", "lookout, remote", "lookout, direct"


@dataclass(frozen=True, slots=True)
class Offloaded:
    """One image: what Lambda reported of it, and for ours what a client saw, in milliseconds."""

    invocation: Invocation
    elapsed_ms: float | None = None
    upload_ms: float | None = None


Send = Callable[[Sequence[Path]], list[Offloaded]]


@dataclass(frozen=True, slots=True)
class Way:
    """How images get to a function, by the name that it is kept under."""

    name: str
    function: str
    send: Send


def measure(
    network: Network,
    variables: dict[str, str],
    paths: Sequence[Path],
    memory_mb: Sequence[int],
    rounds: int,
    recorder: Recorder,
    seed: int,
    tell: Callable[[str], None],
) -> None:
    """A network at all memory sizes. ``variables`` are those of the reference's function."""
    chance = random.Random(seed)  # noqa: S311  no secret
    with Program("emulator", "--port", "0", "--json") as emulator:
        settings = emulator.ready()["environment"]
        account = account_of_emulator(settings)
        for size in memory_mb:
            reference = deploy_reference(account, size, variables)
            ours = deploy_lookout(account, size, network.path, settings)
            deployment = Stack(account, f"lookout-{size}").find()
            with (
                closing(RemoteExecution(account, deployment)) as remote,
                closing(DirectExecution(account, deployment)) as direct,
            ):
                ways = [
                    Way(REFERENCE, reference.function, lambda paths, of=reference: by_reference(of, paths)),
                    Way(REMOTE, ours.function, through(account, remote, deployment.log_group)),
                    Way(DIRECT, ours.function, through(account, direct, deployment.log_group)),
                ]
                for number in range(rounds):
                    take_turns(account, chance.sample(ways, len(ways)), paths, number, recorder, (network.name, size))
            tell(f"{network.name}, {size} MB")


def reference_variables_of(network: Network, opencv4: Path) -> dict[str, str]:
    """The environment of the reference's function; it stretches images to the network's own input."""
    width, _ = load_model(network.path).input_format.size_wh
    return {**reference_variables(network.path, opencv4, onnx=False), "SIZE": str(width)}


def take_turns(
    account: Account,
    ways: Sequence[Way],
    paths: Sequence[Path],
    number: int,
    recorder: Recorder,
    where: tuple[str, int],
) -> None:
    """A round: each function cold, then warm."""
    for way in ways:
        start_anew(account, way.function, f"{way.name} {number}")
        for image, found in enumerate(way.send(paths)):
            report = found.invocation
            recorder.write(
                what="invocation",
                network=where[0],
                memory_mb=where[1],
                contender=way.name,
                round=number,
                image=image,
                duration_ms=report.duration_ms,
                init_ms=report.init_ms,
                used_mb=report.used_mb,
                oversubscribed=report.oversubscribed,
                elapsed_ms=found.elapsed_ms and round(found.elapsed_ms, 2),
                upload_ms=found.upload_ms and round(found.upload_ms, 2),
            )


def start_anew(account: Account, function: str, why: str) -> None:
    """Change a variable that nobody reads: the next image meets a cold start."""
    known = account.functions.get_function_configuration(FunctionName=function).get("Environment", {})
    variables = {**known.get("Variables", {}), "BENCHMARK_START": why}
    account.functions.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
    account.functions.get_waiter("function_updated_v2").wait(FunctionName=function)


def by_reference(deployed: Deployed, paths: Sequence[Path]) -> list[Offloaded]:
    """What the reference's function reported of each image."""
    return [Offloaded(report) for report in deployed.process(paths)]


def through(account: Account, execution: Execution, log_group: str) -> Send:
    """How one of our executions sends images, one after the other."""

    def send(paths: Sequence[Path]) -> list[Offloaded]:
        return [offloaded(path) for path in paths]

    def offloaded(path: Path) -> Offloaded:
        since = time.time()
        answer = execution.detect(path.read_bytes(), path.name)
        request_id = answer.request_id or ""
        # The result is there before the function has ended: the next image would start a second one.
        report = wait_for_reports(account.logs, log_group, [request_id], since)[request_id]
        return Offloaded(report, answer.elapsed_ms, answer.upload_ms)

    return send
