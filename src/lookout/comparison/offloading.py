"""The cloud side of a comparison: a stack on the emulator or on AWS, and what Lambda reported of each image."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lookout.cloud.account import (
    Account,
    account_of_emulator,
    account_of_environment,
    aws_errors,
    describe_emulator,
)
from lookout.cloud.reports import Invocation, wait_for_reports
from lookout.cloud.stack import EMULATED_IMAGE, Deployment, Stack
from lookout.cloud.template import Code, Names, StackSettings
from lookout.errors import UsageError
from lookout.executions.direct import DirectExecution
from lookout.executions.protocol import Execution
from lookout.executions.remote import RemoteExecution

if TYPE_CHECKING:
    from lookout.comparison.compare import Comparison


@dataclass(frozen=True, slots=True)
class Cloud:
    """A deployment that images are offloaded to. ``description`` is what is kept of it with the samples.

    ``client`` is the account as who offloads reaches it, where that is over another network than ``account`` is.
    """

    account: Account
    deployment: Deployment
    description: dict[str, Any]
    client: Account | None = None

    @property
    def emulated(self) -> bool:
        """Whether its figures come from the emulator."""
        return self.account.emulated

    def execution(self, name: str) -> Execution:
        """The execution of that name, which offloads to it."""
        account = self.client or self.account
        if name == "direct":
            return DirectExecution(account, self.deployment)
        # Lambda tries a failing invocation three times; a slow one may take its whole time-out.
        timeout_s = max(60.0, 10 + float(self.deployment.parameters.get("Timeout", 0)))
        return RemoteExecution(account, self.deployment, timeout_s)

    def invocations(self, request_ids: Sequence[str], since: float, timeout_s: float) -> dict[str, Invocation]:
        """What Lambda reported of these requests, by request id, where it did within the time-out.

        Raises ``CloudError`` and ``UnreachableError`` where the log can't be read.
        """
        log_group = self.deployment.log_group
        with aws_errors(f"reading the log group {log_group}"):
            # Two machines' clocks differ a little; a minute before the start no request of ours is logged.
            return wait_for_reports(self.account.logs, log_group, request_ids, since - 60, timeout_s)


def emulated_cloud(comparison: Comparison, emulator: dict[str, Any], url: str) -> Cloud:
    """The emulator that said ``emulator`` when it was ready, with a stack for this comparison on it.

    ``url`` is where clients reach it.
    """
    account = account_of_emulator(emulator["environment"])
    settings = StackSettings(
        names=Names.of(comparison.stack),
        code=Code(image_uri=EMULATED_IMAGE),
        model_folder=str(comparison.model.folder),
        engine=comparison.engine,
        confidence=comparison.confidence,
        iou=comparison.iou,
        memory_mb=comparison.memory_mb,
        timeout_s=comparison.timeout_s,
        input=comparison.model.input_format.described(),
    )
    deployment = Stack(account, comparison.stack).up(settings)
    description = {"emulated": True, **(describe_emulator(emulator["url"]) or {})}
    client = dataclasses.replace(account, endpoint=url)
    return Cloud(account, deployment, {**description, **dataclasses.asdict(settings)}, client)


def aws_cloud(comparison: Comparison) -> Cloud:
    """The stack that is up in the user's account. Raises ``UsageError`` where it was made to detect otherwise."""
    account = account_of_environment()
    deployment = Stack(account, comparison.stack).find()
    wanted = {"Engine": comparison.engine, "Confidence": comparison.confidence, "Iou": comparison.iou}
    for name, value in wanted.items():
        deployed = deployment.parameters.get(name)
        if deployed != str(value):
            raise UsageError(
                f"the stack {comparison.stack} has {name} {deployed} and this comparison {value}: "
                f"give --{name.lower()} {deployed}, or bring the stack up anew"
            )
    description = {"emulated": account.emulated, "region": account.region, "endpoint": account.address}
    return Cloud(account, deployment, {**description, **deployment.parameters})
