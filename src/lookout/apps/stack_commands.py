"""The commands that make, change and delete a stack: ``lookout stack plan``, ``up`` and ``down``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookout.apps import console, options, stack_settings
from lookout.apps.ending import Ending
from lookout.apps.stack_telling import Telling, place_of, print_plan, print_removal
from lookout.errors import StackError

if TYPE_CHECKING:
    from lookout.cloud.account import Account
    from lookout.cloud.lifecycle.deploying import Deploying, Outcome
    from lookout.cloud.lifecycle.stack_state import StackState
    from lookout.cloud.template import Names


@click.group()
def stack() -> None:
    """Deploy to the cloud, look after it, and delete it.

    AWS's own variables name the account: AWS_PROFILE, AWS_REGION or AWS_DEFAULT_REGION, AWS_ENDPOINT_URL.
    """


@stack.command()
@options.stack_names
@stack_settings.deployed
@click.option(
    "--images-per-month", type=click.IntRange(min=0), metavar="N", help="Estimate what so many images would cost."
)
@options.prices
@options.as_json
def plan(names: Names, images_per_month: int | None, prices_file: Path | None, *, as_json: bool, **chosen: Any) -> None:
    """Show what lookout stack up would do, and do nothing.

    \b
    Example: lookout stack plan --model yolov3-tiny --memory 1024 --images-per-month 10000
    """
    console.require("cloud", "lookout stack", "boto3")
    from lookout.apps.money import load_prices
    from lookout.apps.month import describe_month, expect
    from lookout.cloud.lifecycle.planning import plan as make_plan

    prices = load_prices(prices_file)

    account, state = _account(), None
    state = _state(account, names)
    wanted = stack_settings.gather(account, names, state, chosen, stack_settings.given())
    for note in wanted.notes:
        click.echo(console.printable(note), err=True)
    place = place_of(account)
    with _interruptible():
        made = make_plan(account, wanted.foreseen(account, state), in_phases=wanted.packaging is not None)
        month = None
        if images_per_month is not None:
            month = expect(account, wanted.settings, state, images_per_month, prices)
    if as_json:
        document = {"stack": names.stack, "place": place, **made.to_json()}
        console.put(json.dumps({**document, **({"month": month.to_json()} if month else {})}))
    else:
        print_plan(made, names.stack, place)
        if month:
            console.put("\n".join(["", *describe_month(month)]))


@stack.command()
@options.stack_names
@stack_settings.deployed
@options.as_json
@options.yes
def up(names: Names, *, as_json: bool, yes: bool, **chosen: Any) -> None:
    """Make the stack, or bring it to these settings.

    That is a bucket, a function, a table, a log group, a queue for failures and a role, by CloudFormation. It asks
    before it makes the first of them, and before it deletes anything that holds images or results. Of a stack that is
    there, what no option names stays as it is.

    \b
    Example: lookout stack up --model yolov3-tiny --memory 1024
    """
    console.require("cloud", "lookout stack", "boto3")
    from lookout.apps.before_making import look_before, refuse_bad_keys
    from lookout.cloud.lifecycle.deploying import Deploying

    account = _account()
    with _interruptible(), Telling(yes=yes) as telling:
        refuse_bad_keys(account, telling.say)
        place, state = place_of(account), _state(account, names)
        wanted = stack_settings.gather(account, names, state, chosen, stack_settings.given())
        telling.say(f"Stack {names.stack} in {place}")
        for note in wanted.notes:
            telling.say(note)
        deploying = Deploying(account, wanted.settings, telling.dialogue(), place=place)
        with _told_of_interruption(deploying, telling):
            look_before(account, wanted, state, telling.say)
            outcome = deploying.run(wanted.provider(account, telling.say))
    _show_deployed(account, names, outcome, place, as_json=as_json)


@stack.command()
@options.stack_names
@options.as_json
@options.yes
def down(names: Names, *, as_json: bool, yes: bool) -> None:
    """Delete the stack with all it holds, and say what stays.

    It ends with status 1 where anything of the stack stays, and says what and why; and where that may not be looked at.

    \b
    Example: lookout stack down
    """
    console.require("cloud", "lookout stack", "boto3")
    from lookout.cloud.lifecycle.removing import Removing

    account = _account()
    place = place_of(account)
    with _interruptible(), Telling(yes=yes) as telling:
        removing = Removing(account, names, telling.dialogue(), place=place)
        try:
            removal = removing.run()
        except KeyboardInterrupt:
            telling.say(
                f"The deletion of {names.stack} is not finished: run lookout stack down again to finish it."
                if removing.has_begun
                else f"Nothing of {names.stack} was deleted."
            )
            raise
    if as_json:
        console.put(json.dumps({"stack": names.stack, "place": place, **removal.to_json()}))
    else:
        print_removal(removal, names.stack, place)
    if removal.failure or removal.left:
        raise StackError(f"something of {names.stack} stays: remove the reason, and run lookout stack down again")
    if removal.unsearched:
        raise StackError(
            f"whether something of {names.stack} stays is not known, as these credentials may not look everywhere: see "
            "above where, and how to look there"
        )


def _account() -> Account:
    from lookout.cloud.account import account_of_environment

    return account_of_environment()


def _state(account: Account, names: Names) -> StackState | None:
    from lookout.cloud.lifecycle.stack_state import look

    return look(account, names.stack)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM end it as Ctrl-C does, with what goes on said and nothing left behind."""
    ending = Ending()
    ending.listen()
    try:
        yield
    except KeyboardInterrupt:
        if ending.status in (None, console.INTERRUPTED):
            raise
        raise click.exceptions.Exit(ending.status) from None


@contextmanager
def _told_of_interruption(deploying: Deploying, telling: Telling) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        telling.say(deploying.interrupted())
        raise


def _show_deployed(account: Account, names: Names, outcome: Outcome, place: str, *, as_json: bool) -> None:
    from dataclasses import asdict

    from lookout.cloud.stack import Stack

    deployment = Stack(account, names.stack).find()
    if as_json:
        changes = [change.to_json() for change in outcome.changes]
        document = {"stack": names.stack, "place": place, "new": outcome.is_new, "changes": changes}
        console.put(json.dumps({**document, **asdict(deployment)}))
        return
    done = "is up to date" if outcome.nothing_done else "is up"
    console.put(f"{names.stack} {done} in {place}{': nothing was changed' if outcome.nothing_done else ''}.")
    prefix = deployment.parameters.get("Prefix", "")
    place_of_images = f"s3://{deployment.bucket}/{prefix}".rstrip("/")
    console.put(f"An image put into {place_of_images} is detected into the table {deployment.table}.")
    console.put(f"Send some: lookout send photos/ --execution remote --stack {names.stack}")
