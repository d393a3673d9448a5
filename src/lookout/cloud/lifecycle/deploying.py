"""Making a stack, or bringing it to other settings: ``lookout stack up``.

What is there is looked at first, and a stack that can't be changed as it is, is brought to rest, or out of the way. A
new stack is made without its function; that makes what the function's package is put into. Then the package is
provided, and a change set with it is made, looked at, agreed to and executed. The first phase is made by
``CreateStack`` and not by a change set: of two who make a stack at the same moment CloudFormation lets one, where two
change sets would meet in one stack.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from uuid import uuid4

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors, error_code
from lookout.cloud.lifecycle.changes import (
    CAPABILITIES,
    Change,
    ChangeSet,
    change_set,
    changed_settings,
    switches_package,
)
from lookout.cloud.lifecycle.contents import contents, listed
from lookout.cloud.lifecycle.dialogue import Dialogue, at_rest
from lookout.cloud.lifecycle.following import Follower
from lookout.cloud.lifecycle.kept_clients import keeping
from lookout.cloud.lifecycle.names import refuse_taken_names
from lookout.cloud.lifecycle.presence import Resource, absent
from lookout.cloud.lifecycle.reasons import after_changing, after_making, explain, hint
from lookout.cloud.lifecycle.removing import Removing, resources_of
from lookout.cloud.lifecycle.replacing import delete_replaced, finish_replacements
from lookout.cloud.lifecycle.stack_state import Before, StackState, before_change, look, refuse_protected
from lookout.cloud.template import Code, StackSettings, parameters, tags, template_body
from lookout.errors import CloudError, LookoutError, StackError

# Builds the function's package and puts it where the stack can take it from.
Provide = Callable[[StackState], Code]

_MADE, _CHANGED = "CREATE_COMPLETE", "UPDATE_COMPLETE"
# What CloudFormation answers who comes second.
_OVERTAKEN = {"InvalidChangeSetStatus", "ChangeSetNotFound", "AlreadyExistsException"}


class Stage(Enum):
    """How far it is, for who interrupts it."""

    LOOKING = auto()
    MAKING = auto()
    PACKAGING = auto()
    CHANGING = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done: whether the stack is new, and what changed in one that was there."""

    is_new: bool
    changes: tuple[Change, ...] = ()

    @property
    def nothing_done(self) -> bool:
        """Whether all was as it should be."""
        return not self.is_new and not self.changes


class Deploying:
    """A stack on its way to these settings. ``place`` says in words where it is."""

    def __init__(
        self,
        account: Account,
        settings: StackSettings,
        dialogue: Dialogue | None = None,
        *,
        place: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.stage = Stage.LOOKING
        self._account = keeping(account)
        self._settings = settings
        self._name = settings.names.stack
        self._dialogue = dialogue or Dialogue()
        self._place = f" in {place}" if place else ""
        self._sleep = sleep

    def run(self, provide: Provide | None = None) -> Outcome:
        """Do it. ``provide`` is for settings without code. Raises ``StackError`` with the resource that failed."""
        state = self._changeable()
        made = None
        if state is None:
            state = made = self._make(self._settings)
            if self._settings.code != Code():
                return Outcome(is_new=True)
        else:
            finish_replacements(self._account, state, self._dialogue, self._place)
        wanted = self._settings
        if wanted.code == Code() and provide is not None:
            state = self._with_place_for_package(state)
            self.stage = Stage.PACKAGING
            wanted = replace(wanted, code=self._packaged(provide, state))
        if switches_package(state, wanted):
            self._dialogue.say(
                "The function is deleted and made anew, as none of an image can become one of a zip, or back; images "
                "that come until then are not detected."
            )
            self._change(replace(wanted, code=Code()), state)
            state = self._changeable() or state
        changes = self._change(wanted, state)
        if not changes and made is None:
            self._refuse_missing(state)
        return Outcome(is_new=made is not None, changes=changes)

    def interrupted(self) -> str:
        """What goes on in the cloud after this was interrupted, and what can be done about it."""
        name, again = self._name, "run the same command again to go on"
        try:
            state = look(self._account, name)
        except CloudError:
            return f"What goes on with the stack {name} is not known: {again}, or see lookout stack status."
        back = f"or take it back with lookout stack down --name {name}"
        if state is None:
            return f"There is no stack {name}, and nothing goes on."
        if state.at_work:
            return f"CloudFormation goes on with the stack {name} ({state.status}): {again}, {back}."
        if self.stage is Stage.LOOKING:
            return f"The stack {name} is as it was, and nothing goes on."
        if not state.has_code:
            return (
                f"Nothing goes on; the stack {name} is there without its function, which costs next to nothing: "
                f"{again}, {back}."
            )
        return f"Nothing goes on; the stack {name} is {state.status}: {again}."

    def _changeable(self) -> StackState | None:
        """The stack in a state in which it can be changed; None where there is none (any more)."""
        while True:
            state = at_rest(self._account, self._name, self._dialogue, self._sleep)
            match before_change(state):
                case Before.CREATE:
                    return None
                case Before.REMOVE if state:
                    self._clear(state)
                case Before.FINISH_ROLLBACK if state:
                    self._finish_rollback(state)
                case Before.FINISH_REMOVAL if state:
                    raise StackError(
                        f"the stack {self._name} was to be deleted and could not be ({state.reason or state.status}): "
                        f"finish that with lookout stack down --name {self._name}, then run the same command again"
                    )
                case _:
                    return state

    def _with_place_for_package(self, state: StackState) -> StackState:
        """A stack that a Lookout made which did not package yet gets what it lacks for that; its function stays."""
        if "Artifacts" in state.outputs:
            return state
        self._change(replace(self._settings, code=Code(image_uri=state.parameters.get("ImageUri", ""))), state)
        return self._changeable() or state

    def _refuse_missing(self, state: StackState) -> None:
        """CloudFormation, which sees nothing to change, does not notice what was deleted by another way."""
        gone = absent(self._account, resources_of(self._account, state.id))
        if gone:
            raise StackError(
                f"the stack {self._name} lacks {listed([one.described() for one in gone])}, deleted by another way: "
                f"make it anew with lookout stack down --name {self._name}, then up"
            )

    def _packaged(self, provide: Provide, state: StackState) -> Code:
        try:
            return provide(state)
        except LookoutError as error:
            if state.has_code:
                raise
            raise StackError(
                f"{error}. The stack {self._name} is there without its function, which costs next to nothing: run the "
                f"same command again to go on, or take it back with lookout stack down --name {self._name}"
            ) from error

    def _clear(self, state: StackState) -> None:
        """Delete what is left of a stack that was never whole."""
        refuse_protected(state)
        held = [one.described() for one in contents(self._account, resources_of(self._account, state.id))]
        if held:
            self._dialogue.ask(f"Delete what is left of the stack {self._name}{self._place}, with {listed(held)}?")
        if not state.only_planned:
            self._dialogue.say(f"The stack {self._name} failed when it was made ({state.status}): making it anew ...")
        failure = Removing(self._account, self._settings.names, self._dialogue, sleep=self._sleep).delete(state)
        if failure:
            raise StackError(f"{failure}. Run lookout stack down --name {self._name}, then the same command again")

    def _finish_rollback(self, state: StackState) -> None:
        self._dialogue.say(f"The last change of {self._name} was not taken back wholly: finishing that first ...")
        follower = Follower(self._account, state.id, self._dialogue.tell, self._sleep)
        follower.mark()
        with aws_errors(f"taking back the last change of the stack {self._name}"):
            self._account.cloudformation.continue_update_rollback(StackName=state.id, ClientRequestToken=_token())
        ended = follower.to_rest()
        if ended is not None and before_change(ended) is Before.FINISH_ROLLBACK:
            why = explain(follower, self._account.cloudformation, state.id)
            raise StackError(
                f"the last change of the stack {self._name} can't be taken back: {why}. {hint(why)}"
                "Remove the reason and run the same command again, "
                f"or delete it all with lookout stack down --name {self._name}"
            )

    def _make(self, settings: StackSettings) -> StackState:
        """Make a new stack, the function with it where the settings have its code."""
        try:
            refuse_taken_names(self._account, self._settings.names)
        except StackError as error:  # what is there may be the stack's itself, that somebody makes at this moment
            if look(self._account, self._name) is not None:
                raise self._overtaken() from error
            raise
        if not self._account.emulated:
            self._dialogue.ask(f"Make the stack {self._name}{self._place}?")
        self.stage = Stage.MAKING
        self._dialogue.say(f"Making the stack {self._name} ...")
        with aws_errors(f"making the stack {self._name}"):
            try:
                made = self._account.cloudformation.create_stack(
                    StackName=self._name,
                    TemplateBody=template_body(),
                    Parameters=parameters(settings),
                    Capabilities=list(CAPABILITIES),
                    Tags=tags(self._name),
                    ClientRequestToken=_token(),
                )
            except ClientError as error:
                if error_code(error) in _OVERTAKEN:
                    raise self._overtaken() from error
                raise
        follower = Follower(self._account, made["StackId"], self._dialogue.tell, self._sleep)
        ended = follower.to_rest()
        if ended is None or ended.status != _MADE:
            why = explain(follower, self._account.cloudformation, made["StackId"])
            raise StackError(f"the stack {self._name} could not be made: {why}. {hint(why)}{after_making(ended)}")
        return ended

    def _change(self, wanted: StackSettings, state: StackState) -> tuple[Change, ...]:
        """Bring a stack that is there to these settings; what changed."""
        self.stage = Stage.LOOKING if state.has_code else Stage.PACKAGING
        with change_set(self._account, wanted, state, self._sleep) as planned:
            if not planned.is_empty:
                made = {change.resource: change.name for change in planned.changes if change.makes}
                refuse_taken_names(self._account, self._settings.names, made)
                self._ask_about_losses(planned.changes)
                self._ask_about_expiry(wanted, state)
                self.stage = Stage.CHANGING
                self._dialogue.say(f"Changing the stack {self._name} {_settings_in_words(wanted, state)}...")
                self._execute(planned)
                delete_replaced(self._account, planned, self._dialogue.say)
        return planned.changes

    def _execute(self, planned: ChangeSet) -> None:
        client = self._account.cloudformation
        follower = Follower(self._account, planned.stack_id, self._dialogue.tell, self._sleep)
        follower.mark()
        with aws_errors(f"changing the stack {self._name}"):
            try:
                client.execute_change_set(ChangeSetName=planned.id, ClientRequestToken=_token())
            except ClientError as error:
                if error_code(error) in _OVERTAKEN or "_IN_PROGRESS" in str(error):
                    raise self._overtaken() from error
                raise
        ended = follower.to_rest()
        if ended is None or ended.status != _CHANGED:
            why = explain(follower, client, planned.stack_id)
            raise StackError(f"the stack {self._name} could not be changed: {why}. {hint(why)}{after_changing(ended)}")

    def _overtaken(self) -> StackError:
        return StackError(
            f"somebody else works on the stack {self._name} at this moment, and nothing was changed by this command: "
            "run it again to see what is left to do"
        )

    def _ask_about_losses(self, changes: Sequence[Change]) -> None:
        doomed = [Resource(change.resource, change.kind, change.name) for change in changes if change.loses]
        held = [one.described() for one in contents(self._account, doomed)]
        if held:
            self._dialogue.ask(f"Change the stack {self._name}{self._place}, which deletes {listed(held)}?")

    def _ask_about_expiry(self, wanted: StackSettings, state: StackState) -> None:
        before, after = int(state.parameters.get("ExpireDays") or 0), wanted.expire_days
        if after == 0 or 0 < before <= after:
            return
        uploads = [one for one in resources_of(self._account, state.id) if one.id == "Bucket"]
        held = [one.described() for one in contents(self._account, uploads)]
        if held:
            self._dialogue.ask(
                f"Let images of the stack {self._name}{self._place} expire after {_days(after)}, in place of "
                f"{_days(before) if before else 'never'}? It holds {listed(held)}."
            )


def _days(count: int) -> str:
    return "a day" if count == 1 else f"{count} days"


def _token() -> str:
    """By this CloudFormation knows a request that is made again because its answer was lost."""
    return uuid4().hex


def _settings_in_words(wanted: StackSettings, state: StackState) -> str:
    changed = changed_settings(wanted, state)
    words = [f"{name} {before or 'none'} -> {after or 'none'}" for name, (before, after) in changed.items()]
    return f"({', '.join(words)}) " if words else ""
