"""Deleting a stack with all that it holds: ``lookout stack down``.

What CloudFormation deletes only when it is empty is emptied first. Who sends images meanwhile makes its deletion fail,
once: then the bucket is closed, which is too late for regrets anyway. At the end it is looked for what stays, and what
was the stack's beyond doubt is deleted by itself: what a change replaced, what CloudFormation skipped, a log group that
came again because the function was at work while it was deleted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from lookout.cloud.account import Account, aws_errors, was_denied
from lookout.cloud.lifecycle.contents import contents, listed
from lookout.cloud.lifecycle.deleting import delete
from lookout.cloud.lifecycle.dialogue import Dialogue, at_rest
from lookout.cloud.lifecycle.emptying import deny_uploads, empty
from lookout.cloud.lifecycle.following import Event, Follower
from lookout.cloud.lifecycle.kept_clients import keeping
from lookout.cloud.lifecycle.leftovers import Leftover, Unsearched, find_leftovers, find_settled, let_go
from lookout.cloud.lifecycle.presence import BUCKET, Resource
from lookout.cloud.lifecycle.stack_state import StackState, refuse_protected
from lookout.cloud.template import Names
from lookout.errors import CloudError, ExpiredCredentialsError

# How often a stack whose deletion fails is tried again.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Removal:
    """What came of a removal.

    ``existed``: there was a stack. ``failure``: why it is there still, if it is. ``left``: what stays of it.
    ``unknown`` is called as the stack's would be, and is not known to be Lookout's. ``unsearched``: what could not be
    asked, so that nobody knows whether it stays.
    """

    existed: bool
    failure: str = ""
    left: tuple[Leftover, ...] = ()
    unknown: tuple[Leftover, ...] = ()
    unsearched: tuple[Unsearched, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether it is proven that nothing of the stack stays."""
        return not self.failure and not self.left and not self.unsearched

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "existed": self.existed,
            "failure": self.failure or None,
            "left": [leftover.to_json() for leftover in self.left],
            "unknown": [leftover.to_json() for leftover in self.unknown],
            "unsearched": [one.described() for one in self.unsearched],
        }


class Removing:
    """A stack on its way out. ``place`` says in words where it is; ``has_begun``: something of it was touched."""

    def __init__(
        self,
        account: Account,
        names: Names,
        dialogue: Dialogue | None = None,
        *,
        place: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.has_begun = False
        self._account = keeping(account)
        self._names = names
        self._dialogue = dialogue or Dialogue()
        self._place = f" in {place}" if place else ""
        self._sleep = sleep
        # What was, or is, the stack's, with why it may stay.
        self._known: dict[Resource, str] = {}
        # What it was asked about.
        self._agreed: set[Resource] = set()

    def run(self) -> Removal:
        """Delete the stack, if there is one, and what stays of it. Raises ``CloudError``, ``StackError``."""
        state = at_rest(self._account, self._names.stack, self._dialogue, self._sleep)
        failure = ""
        if state is not None:
            refuse_protected(state)
            self._ask(state)
            failure = self.delete(state)
        search = find_leftovers(self._account, self._names, self._known)
        if search.proven and not failure:
            self._delete_left([leftover.resource for leftover in search.proven])
        if any(leftover.is_stacks for leftover in search.leftovers):
            search = find_settled(self._account, self._names, self._known, self._sleep)
        return Removal(
            existed=state is not None,
            failure=failure,
            left=tuple(leftover for leftover in search.leftovers if leftover.is_stacks),
            unknown=tuple(leftover for leftover in search.leftovers if not leftover.is_stacks),
            unsearched=search.unsearched,
        )

    def delete(self, state: StackState) -> str:
        """Empty and delete a stack; why that failed, empty where it did not. Raises ``CloudError``, ``StackError``."""
        follower = Follower(self._account, state.id, self._dialogue.tell, self._sleep)
        follower.mark()
        self.has_begun = True
        for attempt in range(_ATTEMPTS):
            told = len(follower.events)
            held = resources_of(self._account, state.id)
            self._known.update(dict.fromkeys(held, ""))
            for resource in held:
                if attempt and resource.kind == BUCKET:
                    deny_uploads(self._account, resource)
                empty(self._account, resource, self._dialogue.say)
            with aws_errors(f"deleting the stack {state.name}"):
                self._account.cloudformation.delete_stack(StackName=state.id, ClientRequestToken=uuid4().hex)
            ended = follower.to_rest()
            if ended is None or ended.status == "DELETE_COMPLETE":
                return ""
            state = ended
            if attempt + 1 < _ATTEMPTS:
                self._dialogue.say(f"The deletion of {state.name} failed: trying once more ...")
        return self._failure(follower.events[told:], state)

    def _delete_left(self, left: Sequence[Resource]) -> None:
        """Delete what was the stack's and is there still; notes beside each why that failed."""
        self._ask_about_left([resource for resource in left if resource not in self._agreed | self._known.keys()])
        self.has_begun = True
        for resource in left:
            try:
                delete(self._account, resource, self._dialogue.say)
            except ExpiredCredentialsError:  # the next would fare no better
                raise
            except CloudError as error:
                self._known[resource] = f"it was the stack's, and could not be deleted: {error}"

    def _ask_about_left(self, unasked: Sequence[Resource]) -> None:
        if unasked:
            held = [one.described() for one in contents(self._account, unasked)]
            what = listed([resource.described() for resource in unasked])
            goes = f", with {listed(held)}" if held else ""
            self._dialogue.ask(f"Delete what is left of the stack {self._names.stack}{self._place}: {what}{goes}?")

    def _failure(self, events: Iterable[Event], ended: StackState) -> str:
        """Why the last deletion failed, by its events; notes it beside each resource."""
        reasons = {event.resource: event.reason for event in events if event.failed and not event.of_stack}
        for resource in self._known:
            self._known[resource] = reasons.get(resource.id, "")
        first = next((f"{resource}: {reason}" for resource, reason in reasons.items()), ended.reason)
        return (
            f"CloudFormation could not delete the stack {ended.name} ({ended.status}): {first or 'it does not say why'}"
        )

    def _ask(self, state: StackState) -> None:
        held = resources_of(self._account, state.id)
        resources = (*held, *self._let_go(state, held))
        self._agreed.update(resources)
        if resources:
            found = [one.described() for one in contents(self._account, resources)]
            goes = f"with {listed(found)}" if found else "which holds nothing"
            self._dialogue.ask(f"Delete the stack {state.name}{self._place}, {goes}?")

    def _let_go(self, state: StackState, held: Iterable[Resource]) -> tuple[Resource, ...]:
        """What earlier changes left; nothing where that may not be asked, which is told in the end."""
        try:
            return let_go(self._account, state, held)
        except CloudError as error:
            if not was_denied(error):
                raise
            return ()


def resources_of(account: Account, stack_id: str) -> tuple[Resource, ...]:
    """What a stack holds, by CloudFormation's list. Raises ``CloudError``."""
    with aws_errors(f"listing what is in the stack {stack_id}"):
        pages = account.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id)
        return tuple(
            Resource(entry["LogicalResourceId"], entry["ResourceType"], entry["PhysicalResourceId"])
            for page in pages
            for entry in page["StackResourceSummaries"]
            if entry.get("PhysicalResourceId") and entry["ResourceStatus"] != "DELETE_COMPLETE"
        )
