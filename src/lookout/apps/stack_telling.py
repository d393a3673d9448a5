"""What the stack commands show of plans, of what CloudFormation does, and of what stays; and what they ask."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click
from rich import box
from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from lookout.apps.console import printable, put
from lookout.apps.tables import standard_output
from lookout.errors import DeclinedError, UsageError

if TYPE_CHECKING:
    from lookout.cloud.account import Account
    from lookout.cloud.lifecycle.changes import Change
    from lookout.cloud.lifecycle.dialogue import Dialogue
    from lookout.cloud.lifecycle.following import Event
    from lookout.cloud.lifecycle.planning import Phase, Plan
    from lookout.cloud.lifecycle.removing import Removal

# The more that may be lost, the further behind.
_STYLES = {"add": "green", "change": "yellow", "replace": "bold red", "remove": "bold red"}


def place_of(account: Account) -> str:
    """Where a stack is, in words. Raises ``CloudError`` where the credentials are not good."""
    if account.emulated:
        return f"the emulator at {account.address}"
    return f"AWS account {account.account_id()}, {account.region}"


class Telling:
    """Tells on standard error how far a stack is: a line for what is done, and on a terminal what is at work now."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes
        self._console = Console(stderr=True, highlight=False)
        self._status: Status | None = None
        self._at_work: dict[str, None] = {}

    def dialogue(self) -> Dialogue:
        """For who makes or deletes a stack."""
        from lookout.cloud.lifecycle.dialogue import Dialogue

        return Dialogue(say=self.say, tell=self.tell, ask=self.ask)

    def say(self, words: str) -> None:
        """A line."""
        self._console.print(printable(words), markup=False, emoji=False, soft_wrap=True)

    def tell(self, event: Event) -> None:
        """What CloudFormation did. What it only began is shown while it lasts, on a terminal."""
        if event.status.endswith("_IN_PROGRESS"):
            if not event.of_stack:
                self._at_work[event.resource] = None
        else:
            self._at_work.pop(event.resource, None)
            self._console.print(_event_line(event), soft_wrap=True)
        self._show_work(event)

    def ask(self, question: str) -> None:
        """Go on only where the answer is yes.

        Raises ``DeclinedError``, ``UsageError`` where nobody is there to answer, ``KeyboardInterrupt``.
        """
        if self._yes:
            return
        self._hide_work()
        try:
            agreed = click.confirm(printable(question), err=True)
        except click.Abort as error:
            click.echo(err=True)
            if isinstance(error.__context__, KeyboardInterrupt):  # which click makes an Abort of, as of the input's end
                raise KeyboardInterrupt from error
            if sys.stdin is not None and sys.stdin.isatty():
                raise DeclinedError from error
            raise UsageError("nobody is there to answer: say --yes, or run it in a terminal") from error
        if not agreed:
            raise DeclinedError

    def _show_work(self, event: Event) -> None:
        if event.of_stack and not event.status.endswith("_IN_PROGRESS"):
            self._at_work.clear()
        if not self._console.is_terminal or not self._at_work:
            self._hide_work()
            return
        words = Text(printable(f"At work: {', '.join(self._at_work)} ..."), no_wrap=True, overflow="ellipsis")
        if self._status is None:
            self._status = self._console.status(words)
            self._status.start()
        self._status.update(words)

    def _hide_work(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hide_work()


def _event_line(event: Event) -> Text:
    style = "red" if event.failed else "green" if event.status.endswith("_COMPLETE") else ""
    line = Text(f"{event.at.astimezone():%H:%M:%S}  ")
    line.append(f"{event.status:<24}", style)
    line.append(f" {printable(event.resource)}")
    if event.reason and event.failed:
        line.append(f": {printable(event.reason)}")
    return line


def print_plan(plan: Plan, stack: str, place: str) -> None:
    """What would be done: a table a phase, and what would be lost."""
    put("\n".join(_plan_lines(plan, stack, place)))


def _plan_lines(plan: Plan, stack: str, place: str) -> Iterator[str]:
    if plan.is_empty:
        yield f"{stack} is up to date in {place}: nothing would change."
        return
    yield f"What lookout stack up would do to {stack} in {place}:"
    for name, (before, after) in plan.settings.items():
        yield printable(f"{name}: {before or 'none'} -> {after or 'none'}")
    for phase in plan.phases:
        if phase.changes:
            yield from ("", f"{phase.title}:", _rendered(_phase_table(phase)))
    counts = {action: sum(change.action == action for change in _all_changes(plan)) for action in _STYLES}
    yield ""
    if any(counts.values()):
        yield ", ".join(f"{count} to {action}" for action, count in counts.items() if count) + "."
    for loss in plan.losses:
        yield _red(f"Lost for good: {printable(loss.described())}.")


def _all_changes(plan: Plan) -> Iterator[Change]:
    for phase in plan.phases:
        yield from phase.changes


def _phase_table(phase: Phase) -> Table:
    rows = [_change_row(change) for change in sorted(phase.changes, key=_weight)]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in ("", "Resource", "Type"):
        table.add_column(name, no_wrap=True)
    if any(row[-1] for row in rows):
        table.add_column("What changes")
    for action, *cells in rows:
        table.add_row(Text(action, _STYLES[action]), *map(Text, cells[: len(table.columns) - 1]))
    return table


def _weight(change: Change) -> tuple[int, str]:
    """What loses something stands first."""
    return -list(_STYLES).index(change.action), change.resource


def _change_row(change: Change) -> tuple[str, ...]:
    from lookout.cloud.lifecycle.contents import may_hold

    perhaps = ["perhaps replaced"] if change.may_replace and may_hold(change.kind) else []
    details = ", ".join([*change.details, *perhaps])
    return str(change.action), *map(printable, (change.resource, change.kind.removeprefix("AWS::"), details))


def print_removal(removal: Removal, stack: str, place: str) -> None:
    """What came of ``lookout stack down``."""
    put("\n".join(_removal_lines(removal, stack, place)))


def _removal_lines(removal: Removal, stack: str, place: str) -> Iterable[str]:
    if removal.failure:
        yield f"{stack} is not gone from {place}."
        yield printable(f"{removal.failure}.")
    elif removal.existed:
        yield f"{stack} is gone from {place}" + (", but for what is listed here." if removal.left else ".")
    else:
        yield f"There is no stack {stack} in {place}."
    for leftover in removal.left:
        yield _red(f"Stays: {printable(leftover.described())}.")
    for leftover in removal.unknown:
        yield f"Not touched: {printable(leftover.described())}."
    for what in removal.unsearched:
        yield f"Not looked for {printable(what.described())}."
    if removal.existed and removal.is_complete:
        yield "Nothing with its tag, or under its names, stays."


def _rendered(table: Table) -> str:
    console = standard_output()
    with console.capture() as text:
        console.print(table)
    return text.get().rstrip("\n")


def _red(words: str) -> str:
    console = standard_output()
    with console.capture() as text:
        console.print(Text(words, "bold red"), soft_wrap=True)
    return text.get().rstrip("\n")
