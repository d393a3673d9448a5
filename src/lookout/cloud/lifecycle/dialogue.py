"""What those who make and delete stacks say to a person, and ask; by default nobody is there, and all is agreed to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lookout.cloud.account import Account
from lookout.cloud.lifecycle.following import Follower, Tell, tell_nobody
from lookout.cloud.lifecycle.stack_state import StackState, look, refuse_foreign

Say = Callable[[str], None]
# Raises where the answer is no.
Ask = Callable[[str], None]


def say_nothing(_words: str) -> None:
    """For who does not listen, or agrees to all."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """``say`` takes a line, ``tell`` what CloudFormation does, ``ask`` a question: it raises where that is declined."""

    say: Say = say_nothing
    tell: Tell = tell_nobody
    ask: Ask = say_nothing


def at_rest(account: Account, name: str, dialogue: Dialogue, sleep: Callable[[float], None]) -> StackState | None:
    """Lookout's stack of that name, once nobody is at work on it any more; None where there is none.

    Raises ``StackError`` where it is not Lookout's, ``CloudError``.
    """
    while True:
        state = look(account, name)
        refuse_foreign(state)
        if state is None or not state.at_work:
            return state
        dialogue.say(f"The stack {name} is being worked on ({state.status}): waiting until it rests ...")
        follower = Follower(account, state.id, dialogue.tell, sleep)
        follower.mark()
        follower.to_rest()
