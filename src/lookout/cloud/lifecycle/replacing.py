"""What a change replaced, and CloudFormation could not delete, as a bucket that holds something: it forgets that then.

It is deleted once the change has succeeded, as a rollback would need it; and where that was interrupted, by the next
``lookout stack up``, or by ``down``.
"""

from __future__ import annotations

from lookout.cloud.account import Account, was_denied
from lookout.cloud.lifecycle.changes import ChangeSet
from lookout.cloud.lifecycle.contents import contents, listed
from lookout.cloud.lifecycle.deleting import delete
from lookout.cloud.lifecycle.dialogue import Dialogue
from lookout.cloud.lifecycle.emptying import Say
from lookout.cloud.lifecycle.leftovers import let_go
from lookout.cloud.lifecycle.presence import Presence, Resource, presence
from lookout.cloud.lifecycle.removing import resources_of
from lookout.cloud.lifecycle.stack_state import StackState
from lookout.errors import CloudError


def delete_replaced(account: Account, planned: ChangeSet, say: Say) -> None:
    """Delete what a change set has replaced or removed, to which somebody agreed, and what is there still.

    Raises ``CloudError``.
    """
    held = {resource.name for resource in resources_of(account, planned.stack_id)}
    for change in planned.changes:
        resource = Resource(change.resource, change.kind, change.name)
        is_left = change.loses and change.name and change.name not in held
        if is_left and presence(account, resource) is Presence.HERE:
            delete(account, resource, say)


def finish_replacements(account: Account, state: StackState, dialogue: Dialogue, place: str) -> None:
    """Delete what an earlier change replaced and did not delete any more, asked about where it holds something.

    Raises ``CloudError``, and as ``dialogue.ask`` does.
    """
    try:
        left = let_go(account, state, resources_of(account, state.id))
    except CloudError as error:
        if not was_denied(error):
            raise
        dialogue.say(f"Not known whether earlier changes left anything: {error}")
        return
    held = [one.described() for one in contents(account, left)]
    if held:
        what = listed([resource.described() for resource in left])
        dialogue.ask(
            f"An earlier change of the stack {state.name}{place} replaced {what}, and did not get to deleting it: do "
            f"that now, with {listed(held)}?"
        )
    for resource in left:
        delete(account, resource, dialogue.say)
