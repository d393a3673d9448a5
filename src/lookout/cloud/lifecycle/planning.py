"""What ``lookout stack up`` would do, found out without doing it: ``lookout stack plan``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lookout.cloud.account import Account, was_denied
from lookout.cloud.lifecycle.changes import Action, Change, change_set, changed_settings, switches_package
from lookout.cloud.lifecycle.contents import Contents, contents
from lookout.cloud.lifecycle.kept_clients import keeping
from lookout.cloud.lifecycle.leftovers import let_go
from lookout.cloud.lifecycle.names import refuse_taken_names
from lookout.cloud.lifecycle.presence import Resource
from lookout.cloud.lifecycle.removing import resources_of
from lookout.cloud.lifecycle.stack_state import Before, StackState, before_change, look, refuse_foreign
from lookout.cloud.template import Code, StackSettings
from lookout.errors import CloudError, StackError

FIRST = "First, all but the function"
SECOND = "Then, with the package, the function"
AT_ONCE = "At once"


@dataclass(frozen=True, slots=True)
class Phase:
    """What is done in one go."""

    title: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done.

    ``settings``: the template's parameters that change, before and after, of a stack that is there. ``losses`` is what
    the resources hold that would go, those included that an earlier change replaced and did not delete.
    """

    phases: tuple[Phase, ...]
    losses: tuple[Contents, ...] = ()
    settings: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.losses and not any(phase.changes for phase in self.phases)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "settings": {name: {"before": before, "after": after} for name, (before, after) in self.settings.items()},
            "phases": [
                {"title": phase.title, "changes": [change.to_json() for change in phase.changes]}
                for phase in self.phases
            ],
            "losses": [
                {"resource": loss.resource.id, "name": loss.resource.name, "what": loss.what, "count": loss.count}
                for loss in self.losses
            ],
        }


def plan(
    account: Account,
    settings: StackSettings,
    *,
    in_phases: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Plan:
    """What ``up`` would do with these settings, whose code is there, or stands for what would be packaged.

    ``in_phases``: a new stack is made without its code first.

    Raises ``StackError`` where the stack can't be changed as it is, or made under these names; ``CloudError``.
    """
    account = keeping(account)
    state = look(account, settings.names.stack)
    refuse_foreign(state)
    _refuse_unplannable(state)
    phases = tuple(_phases(account, settings, state, sleep, in_phases=in_phases))
    changes = [change for phase in phases for change in phase.changes]
    # What is removed before leaves its name free.
    removed = {change.resource for change in changes if change.action is Action.REMOVE}
    made = {change.resource: change.name for change in changes if change.makes and change.resource not in removed}
    left = _let_go(account, state)
    refuse_taken_names(account, settings.names, made, freed=left)
    doomed = [Resource(change.resource, change.kind, change.name) for change in changes if change.loses]
    return Plan(phases, contents(account, (*doomed, *left)), changed_settings(settings, state))


def _let_go(account: Account, state: StackState | None) -> tuple[Resource, ...]:
    """What earlier changes left, and ``up`` deletes first; nothing where that may not be asked, as ``up`` says."""
    if state is None or state.only_planned:
        return ()
    try:
        return let_go(account, state, resources_of(account, state.id))
    except CloudError as error:
        if not was_denied(error):
            raise
        return ()


def _refuse_unplannable(state: StackState | None) -> None:
    """Raise ``StackError`` for a stack of which CloudFormation makes no change set."""
    if state is None or state.only_planned:
        return
    name, status = state.name, state.status
    why = {
        Before.FOLLOW: f"the stack {name} is being worked on ({status}): plan again once it rests",
        Before.REMOVE: f"the stack {name} failed when it was made ({status}): lookout stack up makes all of it anew",
        Before.FINISH_ROLLBACK: f"the last change of the stack {name} was not taken back wholly ({status}): lookout "
        "stack up finishes that first, and then there can be a plan",
        Before.FINISH_REMOVAL: f"the stack {name} was to be deleted and could not be ({status}): finish that with "
        f"lookout stack down --name {name}",
    }.get(before_change(state))
    if why:
        raise StackError(why)


def _phases(
    account: Account,
    settings: StackSettings,
    state: StackState | None,
    sleep: Callable[[float], None],
    *,
    in_phases: bool,
) -> Iterator[Phase]:
    is_new = state is None or state.only_planned
    with change_set(account, settings, state, sleep) as planned:
        if not (is_new and in_phases) and not (state and switches_package(state, settings)):
            yield Phase(AT_ONCE, planned.changes)
            return
        # Within the other, which keeps the name of a stack that is only planned.
        with change_set(account, replace(settings, code=Code()), state, sleep) as foundation:
            yield Phase(FIRST, foundation.changes)
    # What the first phase adds is there by then, and what it removes is not.
    done = {change.resource: change.action for change in foundation.changes}
    rest = (change for change in planned.changes if done.get(change.resource) is not Action.ADD)
    yield Phase(
        SECOND, tuple(_anew(change) if done.get(change.resource) is Action.REMOVE else change for change in rest)
    )


def _anew(change: Change) -> Change:
    return Change(Action.ADD, change.resource, change.kind)
