"""The cloud side of a comparison: a stack on the emulator or on AWS, and what Lambda reported of each image."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
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
from lookout.cloud.stack import EMULATED_IMAGE, Deployment, Stack, with_memory
from lookout.cloud.template import Code, Names, StackSettings
from lookout.errors import UsageError
from lookout.executions.direct import DirectExecution
from lookout.executions.protocol import Execution
from lookout.executions.remote import RemoteExecution

if TYPE_CHECKING:
    from lookout.comparison.bench import Subject


@dataclass(frozen=True, slots=True)
class Cloud:
    """A deployment that images are offloaded to. ``description`` is what is kept of it with the samples.

    ``settings``: those of a stack that was made for this run, and may be changed.
    """

    account: Account
    deployment: Deployment
    description: dict[str, Any]
    settings: StackSettings | None = None

    @property
    def emulated(self) -> bool:
        """Whether its figures come from the emulator."""
        return self.account.emulated

    @property
    def memory_mb(self) -> int:
        """The function's memory."""
        return int(self.deployment.parameters["Memory"])

    def with_memory(self, memory_mb: int) -> Cloud:
        """The same with another memory, its function with no sandbox yet.

        A stack of the user's own stays as it is but for its function's memory, which whoever asks must set back.
        Raises ``CloudError`` where that can't be changed.
        """
        if self.settings is None:
            changed = with_memory(self.account, self.deployment, memory_mb)
            return dataclasses.replace(self, deployment=changed)
        settings = dataclasses.replace(self.settings, memory_mb=memory_mb)
        deployment = Stack(self.account, settings.names.stack).up(settings)
        return dataclasses.replace(self, deployment=deployment, settings=settings)

    def execution(self, name: str, over: Callable[[str], str] = str) -> Execution:
        """The execution of that name, which offloads to it; ``over`` says where an emulator's address is reached."""
        account = self.account
        if self.emulated and account.endpoint is not None:
            account = dataclasses.replace(account, endpoint=over(account.endpoint))
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


def emulated_cloud(subject: Subject, emulator: dict[str, Any]) -> Cloud:
    """The emulator that said ``emulator`` when it was ready, with a stack for this subject on it."""
    account = account_of_emulator(emulator["environment"])
    settings = StackSettings(
        names=Names.of(subject.stack),
        code=Code(image_uri=EMULATED_IMAGE),
        model_folder=str(subject.model.folder),
        engine=subject.engine,
        confidence=subject.confidence,
        iou=subject.iou,
        memory_mb=subject.memory_mb,
        timeout_s=subject.timeout_s,
        input=subject.model.input_format.described(),
    )
    deployment = Stack(account, subject.stack).up(settings)
    description = {"emulated": True, "endpoint": emulator["url"], **(describe_emulator(emulator["url"]) or {})}
    return Cloud(account, deployment, {**description, **dataclasses.asdict(settings)}, settings)


def aws_cloud(subject: Subject) -> Cloud:
    """The stack that is up in the user's account. Raises ``UsageError`` where it was made to detect otherwise."""
    account = account_of_environment()
    deployment = Stack(account, subject.stack).find()
    wanted = {"Engine": subject.engine, "Confidence": subject.confidence, "Iou": subject.iou}
    for name, value in wanted.items():
        deployed = deployment.parameters.get(name)
        if deployed != str(value):
            raise UsageError(
                f"the stack {subject.stack} has {name} {deployed} and this comparison {value}: "
                f"give --{name.lower()} {deployed}, or bring the stack up anew"
            )
    description = {"emulated": account.emulated, "region": account.region, "endpoint": account.address}
    return Cloud(account, deployment, {**description, **deployment.parameters})
