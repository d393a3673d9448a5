"""The commands that look after a stack: ``lookout stack status``, ``logs``, ``invoke`` and ``failures``."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lookout.apps import console, options
from lookout.errors import CloudError

if TYPE_CHECKING:
    from lookout.apps.status_view import Shown
    from lookout.cloud.account import Account
    from lookout.cloud.watching.log_reader import LogLine
    from lookout.cloud.watching.status import StackStatus
    from lookout.comparison.prices import Prices

_SINCE = re.compile(r"(\d{1,6})\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Since(click.ParamType[timedelta]):
    """A while, such as 90s, 15m, 2h or 7d."""

    name = "while"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """See ``click.ParamType``."""
        if isinstance(value, timedelta):
            return value
        match = _SINCE.fullmatch(value.strip().lower())
        if match is None:
            self.fail(f"{value!r} is no while: write 90s, 15m, 2h or 7d", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


@click.command()
@options.stack_name
@click.option("--drift", is_flag=True, help="Have CloudFormation look for what was changed by another way: seconds.")
@options.prices
@options.as_json
def status(name: str, prices_file: Path | None, *, drift: bool, as_json: bool) -> None:
    """Show how the stack is: resources, versions, last errors, cost.

    Each resource is asked for at its own service. The cost is the function's own in this month, by what it was billed
    for. The exit status is 1 where the stack is not there, or not whole.

    \b
    Example: lookout stack status
             lookout stack status --drift --json
    """
    console.require("cloud", "lookout stack", "boto3")
    from lookout.apps.money import load_prices
    from lookout.apps.status_view import describe
    from lookout.cloud.account import account_of_environment
    from lookout.cloud.watching.status import is_whole

    prices = load_prices(prices_file)
    shown = _look(account_of_environment(), name, prices, drift=drift)
    console.put(json.dumps(shown.to_json()) if as_json else describe(shown))
    sys.exit(0 if is_whole(shown.status) else 1)


def _look(account: Account, name: str, prices: Prices, *, drift: bool) -> Shown:
    """All that is shown; without figures where whoever asks may not see them."""
    from lookout.apps.stack_telling import place_of
    from lookout.apps.status_view import Shown
    from lookout.cloud.account import was_denied
    from lookout.cloud.watching.drift import find_drift
    from lookout.cloud.watching.status import look_at_stack

    status = look_at_stack(account, name)
    drifts = find_drift(account, name) if drift else None
    place = place_of(account)
    shown = Shown(place, account.emulated, status, drifts)
    if not _runs(status):
        return shown
    try:
        return _with_figures(shown, account, prices)
    except CloudError as error:
        if not was_denied(error):
            raise
        return replace(shown, hidden=str(error))


def _runs(status: StackStatus) -> bool:
    """Whether there is a function, and a log of what it did."""
    kinds = ("AWS::Lambda::Function", "AWS::Logs::LogGroup")
    found = [status.of_kind(kind) for kind in kinds]
    return all(one is not None and one.state != "missing" for one in found)


def _with_figures(shown: Shown, account: Account, prices: Prices) -> Shown:
    from lookout.cloud.watching.figures import bill, look_at_activity, month_of
    from lookout.comparison.costs import so_far

    status, now = shown.status, datetime.now(UTC)
    function, log_group = status.of_kind("AWS::Lambda::Function"), status.of_kind("AWS::Logs::LogGroup")
    assert function and log_group  # noqa: S101 - see _runs
    activity = look_at_activity(account, function.name, log_group.name, month_of(now, status.created), now)
    billing = bill(activity, int(status.parameters.get("Memory", 0)))
    arm = status.parameters.get("Architecture") == "arm64"
    cost = so_far(billing.invocations, billing.gb_seconds, "arm64" if arm else "x86_64", prices)
    return replace(shown, activity=activity, billing=billing, cost=cost)


@click.command()
@options.stack_name
@click.option("--follow", "-f", is_flag=True, help="Go on as more is logged, until Ctrl-C.")
@click.option("--since", type=Since(), default="15m", show_default=True, help="How far back: 90s, 15m, 2h, 7d.")
@options.as_json
def logs(name: str, since: timedelta, *, follow: bool, as_json: bool) -> None:
    """Show the function's log, in order across its streams.

    Times are UTC. On AWS a line appears some seconds after it was logged; one that comes later than others is shown
    after them.

    \b
    --json  {"at", "stream", "message"} a line

    \b
    Example: lookout stack logs --since 2h
             lookout stack logs --follow --json | jq .message
    """
    console.require("cloud", "lookout stack", "boto3")
    from lookout.cloud.account import account_of_environment
    from lookout.cloud.stack import Stack
    from lookout.cloud.watching import log_reader

    account = account_of_environment()
    group = Stack(account, name).find().log_group
    since_ms = max(0, int((time.time() - since.total_seconds()) * 1000))  # there was no log before 1970
    reader = log_reader.log_reader(account, group, since_ms)
    if not follow:
        if not _show_lines(reader.read(), as_json=as_json):
            click.echo(f"Nothing was logged in {group} within that time: look further back with --since.", err=True)
        return
    try:
        _show_lines(log_reader.follow(reader, emulated=account.emulated), as_json=as_json)
    except KeyboardInterrupt:  # that is how it ends
        sys.exit(0)


def _show_lines(lines: Iterable[LogLine], *, as_json: bool) -> int:
    """Print lines as they come; how many."""
    from lookout.apps.log_view import show_line
    from lookout.apps.streams import Stream

    stream, count = Stream(None), 0
    for line in lines:
        stream.write(f"{show_line(line, as_json=as_json)}\n")
        count += 1
    return count


@click.command()
@click.argument("images", nargs=-1, required=True, type=options.IMAGES)
@options.stack_name
@options.as_json
def invoke(images: tuple[Path, ...], name: str, *, as_json: bool) -> None:
    """Invoke the function with images, one after the other.

    IMAGES are files, folders (not the folders in them) or quoted patterns. Prints what is found, and what Lambda
    reports: the duration, what is billed, the memory used, and how long a cold start took. An image that fails is told
    on standard error, and makes the exit status 1. Nothing is put into the bucket or the table.

    \b
    --json  a line an image, as of lookout send --json, with "report"

    \b
    Example: lookout stack invoke street.jpg
    """
    console.require("cloud", "lookout stack", "boto3")
    from lookout.apps.invoking import invoke_each
    from lookout.cloud.account import account_of_environment
    from lookout.cloud.stack import Stack
    from lookout.executions.direct import DirectExecution
    from lookout.images import walk

    account = account_of_environment()
    deployment = Stack(account, name).find()
    with closing(DirectExecution(account, deployment)) as execution:
        failed = invoke_each(account, deployment, execution, walk(images), as_json=as_json)
    if account.emulated and not as_json:
        console.put(console.EMULATED)
    sys.exit(1 if failed else 0)


@click.command()
@options.stack_name
@click.option("--retry", is_flag=True, help="Send the events to the function again, and take them out of the queue.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="The most to list, or to send again.",
)
@options.as_json
def failures(name: str, *, retry: bool, limit: int, as_json: bool) -> None:
    """List what the function failed at, or send it again.

    Failures are in a queue of the stack's, where Lambda puts an event that failed three times, and stay for 14 days.
    An image that can't be read is none of them: it has its reason in the table.

    \b
    Example: lookout stack failures --retry
    """
    console.require("cloud", "lookout stack", "boto3")
    from lookout.apps import failures as shown
    from lookout.cloud.account import account_of_environment
    from lookout.cloud.failures import FailureQueue
    from lookout.cloud.stack import Stack

    account = account_of_environment()
    deployment = Stack(account, name).find()
    queue = FailureQueue(account.queues, deployment.failure_queue)
    found = shown.look(queue, limit)
    if retry:
        retried = shown.retry(found, queue, account.functions, deployment.function)
        console.put(shown.describe_retry(found, retried, as_json=as_json))
    elif as_json:
        console.put(json.dumps(found.to_json()))
    elif found.failures:
        shown.print_failures(found)
    else:
        console.put(f"The failure queue of {name} is empty.")
