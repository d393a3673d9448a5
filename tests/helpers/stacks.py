"""What an account holds, asked of its services; and ways to break, to interrupt and to watch who makes a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, reduce
from typing import Any

from botocore.awsrequest import AWSResponse

from lookout.cloud.account import Account, account_of_emulator
from lookout.cloud.emulator.config import ACCOUNT
from lookout.cloud.lifecycle.kept_clients import keeping
from lookout.cloud.lifecycle.removing import Removing
from lookout.cloud.lifecycle.stack_state import look
from lookout.cloud.stack import EMULATED_IMAGE
from lookout.cloud.template import Code, Names, StackSettings, template_body

# What a function of the emulator may be made of: it is not started here.
INSTALLED = Code(EMULATED_IMAGE)
WRITES = {"CreateStack", "UpdateStack", "DeleteStack", "ExecuteChangeSet", "ContinueUpdateRollback"}


def settings(name: str, **changes: Any) -> StackSettings:
    """Settings whose function is the installed Lookout."""
    return StackSettings(Names.of(name), **{"code": INSTALLED, **changes})


@cache
def _observer(endpoint: str) -> Account:
    """Somebody who only looks, and whom no test lets anything happen to."""
    keys = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "emulator", "AWS_REGION": "us-east-1"}
    return keeping(account_of_emulator({**keys, "AWS_ENDPOINT_URL": endpoint}))


def inventory(account: Account) -> set[str]:
    """All that is in an account, of the services that the template uses, stacks and their plans included."""
    account = _observer(account.endpoint)
    stacks = [stack["StackName"] for stack in account.cloudformation.describe_stacks()["Stacks"]]
    plans = [
        f"{name} {plan['ChangeSetName']}"
        for name in stacks
        for plan in account.cloudformation.list_change_sets(StackName=name)["Summaries"]
        if plan["ExecutionStatus"] not in ("EXECUTE_COMPLETE", "EXECUTE_FAILED")  # the emulator keeps those
    ]
    found = {
        "stack": stacks,
        "change set": plans,
        "bucket": [bucket["Name"] for bucket in account.s3.list_buckets()["Buckets"]],
        "table": account.dynamodb.list_tables()["TableNames"],
        "function": [function["FunctionName"] for function in account.functions.list_functions()["Functions"]],
        "log group": [group["logGroupName"] for group in account.logs.describe_log_groups()["logGroups"]],
        "queue": account.queues.list_queues().get("QueueUrls", []),
        "role": [role["RoleName"] for role in account.iam.list_roles()["Roles"]],
        "repository": [found["repositoryName"] for found in account.images.describe_repositories()["repositories"]],
        "alarm": [alarm["AlarmName"] for alarm in account.cloudwatch.describe_alarms()["MetricAlarms"]],
    }
    return {f"{kind} {name}" for kind, names in found.items() for name in names}


def of_stack(account: Account, name: str) -> set[str]:
    """What of the inventory is called after a stack."""
    return {entry for entry in inventory(account) if name in entry}


def gone(account: Account, name: str) -> bool:
    removal = Removing(account, Names(name)).run()
    return removal.is_complete and not removal.unsearched and not of_stack(account, name)


def status(account: Account, name: str) -> str | None:
    state = look(account, name)
    return state and state.status


def broken(resource: str) -> str:
    """The template with one resource that can't be made."""
    return with_property(resource, "Broken: '{{resolve:ssm:/lookout/not-there}}'")


def with_property(resource: str, line: str) -> str:
    """The template with one more property of a resource."""
    return _with_line(resource, "    Properties:\n", f"      {line}\n")


def with_attribute(resource: str, line: str) -> str:
    """The template with one more attribute of a resource, in place of one that it has by that name."""
    return _with_attribute(template_body(), resource, line)


def keeping_all(*kept: str) -> str:
    """The template with resources that CloudFormation keeps when the stack is deleted."""
    return reduce(
        lambda body, resource: _with_attribute(body, resource, "DeletionPolicy: Retain"), kept, template_body()
    )


def _with_attribute(body: str, resource: str, line: str) -> str:
    name = line.partition(":")[0]
    start = body.index(f"\n  {resource}:\n")
    end = body.index("    Properties:\n", start)
    kept = [old for old in body[start:end].splitlines(keepends=True) if not old.startswith(f"    {name}:")]
    return body[:start] + "".join(kept) + f"    {line}\n" + body[end:]


def _with_line(resource: str, after: str, line: str) -> str:
    body = template_body()
    at = body.index(after, body.index(f"\n  {resource}:\n")) + len(after)
    return body[:at] + line + body[at:]


class Calls:
    """What is asked of an account from here on: ``(operation, parameters)``, in order."""

    def __init__(self, account: Account) -> None:
        self.made: list[tuple[str, Mapping[str, Any]]] = []
        account.session.events.register("provide-client-params.*.*", self._note)

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.made.append((model.name, params))

    @property
    def writes(self) -> list[str]:
        """What changed a stack."""
        return [operation for operation, _ in self.made if operation in WRITES]


@contextmanager
def before(account: Account, operation: str, act: Callable[[], None], times: int = 1, skip: int = 0) -> Iterator[None]:
    """Do something just before a call is sent, the first times after ``skip``; it need not come to that."""
    seen = [0]

    def handler(**_: Any) -> None:
        seen[0] += 1
        if skip < seen[0] <= skip + times:
            act()

    with _registered(account, f"before-send.*.{operation}", handler):
        yield


@contextmanager
def after(account: Account, operation: str, act: Callable[[], None], times: int = 1) -> Iterator[None]:
    """Do something once a call was answered, the first times."""
    left = [times]

    def handler(**_: Any) -> None:
        if left[0] > 0:
            left[0] -= 1
            act()

    with _registered(account, f"after-call.*.{operation}", handler):
        yield


@contextmanager
def refused(
    account: Account,
    operation: str,
    code: str,
    message: str = "no",
    *,
    times: int = 10**6,
    skip: int = 0,
    json: bool = False,
) -> Iterator[None]:
    """Let a call be answered with an error of AWS's, the first times after ``skip``; ``json``: as JSON services do."""
    if json:
        body = f'{{"__type": "{code}", "message": "{message}"}}'
    else:
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    with answered(account, operation, body, status=400, times=times, skip=skip):
        yield


@contextmanager
def answered(
    account: Account, operation: str, body: str, *, status: int = 200, times: int = 10**6, skip: int = 0
) -> Iterator[None]:
    """Let a call be answered so, the first times after ``skip``."""
    seen = [0]

    def handler(request: Any, **_: Any) -> AWSResponse | None:
        seen[0] += 1
        if skip < seen[0] <= skip + times:
            return _Answer(request.url, status, body.encode())
        return None

    with _registered(account, f"before-send.*.{operation}", handler):
        yield


class _Answer(AWSResponse):
    def __init__(self, url: str, status: int, body: bytes) -> None:
        super().__init__(url, status, {}, None)
        self._content = body


@contextmanager
def _registered(account: Account, event: str, handler: Callable[..., Any]) -> Iterator[None]:
    events = account.session.events  # a client has the handlers of when it was made
    events.register_first(event, handler)
    try:
        yield
    finally:
        events.unregister(event, handler)


def interrupt() -> None:
    """What Ctrl-C does."""
    raise KeyboardInterrupt
