"""One deployment, found from its stack's name; there is no state file.

It is made and changed in ``deploying.py``, deleted in ``removing.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.lifecycle.deploying import Deploying
from lookout.cloud.lifecycle.removing import Removing
from lookout.cloud.lifecycle.stack_state import StackState, look, refuse_foreign
from lookout.cloud.template import Names, StackSettings, option_of
from lookout.errors import StackError, UsageError

# On the emulator an image's address stands for the Lookout that is installed.
EMULATED_IMAGE = "lookout:installed"
# Where a function's container image holds its model.
IMAGE_MODEL_FOLDER = "/opt/model"

_WHOLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


@dataclass(frozen=True, slots=True)
class Deployment:
    """A stack that is there: the names of its resources, and the template's parameters as they were given.

    ``failure_queue`` is the queue's URL.
    """

    bucket: str
    table: str
    function: str
    log_group: str
    failure_queue: str
    parameters: Mapping[str, str]


class Stack:
    """A stack of that name in an account, there or not. Raises ``UsageError`` for no name at all, as of a variable."""

    def __init__(self, account: Account, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        if not name:
            raise UsageError("the stack's name is empty: name one, or leave the option out")
        self.name = name
        self._account = account
        self._sleep = sleep

    def find(self) -> Deployment:
        """The names of its resources. Raises ``StackError`` where it is not there, not whole, or not Lookout's."""
        state = look(self._account, self.name)
        refuse_foreign(state)
        if state is None:
            raise StackError(f"there is no stack {self.name}: make it with lookout stack up {option_of(self.name)}")
        try:
            return Deployment(
                bucket=state.outputs["Bucket"],
                table=state.outputs["Table"],
                function=state.outputs["Function"],
                log_group=state.outputs["LogGroup"],
                failure_queue=state.outputs["FailureQueue"],
                parameters=state.parameters,
            )
        except KeyError as error:
            raise _not_whole(state) from error

    def exists(self) -> bool:
        """Whether CloudFormation knows a stack of that name."""
        return look(self._account, self.name) is not None

    def up(self, settings: StackSettings) -> Deployment:
        """Make the stack, or bring it to these settings, unasked. Raises ``StackError``."""
        Deploying(self._account, settings, sleep=self._sleep).run()
        return self.find()

    def down(self) -> bool:
        """Delete the stack with all that it holds, unasked; False where there was none.

        Raises ``StackError`` where it can't be, or something of it stays.
        """
        removal = Removing(self._account, Names(self.name), sleep=self._sleep).run()
        if removal.failure:
            raise StackError(removal.failure)
        if removal.left:
            raise StackError(f"something of {self.name} stays: {'; '.join(one.described() for one in removal.left)}")
        return removal.existed


def with_memory(account: Account, deployment: Deployment, memory_mb: int) -> Deployment:
    """A deployment whose function has another memory, past CloudFormation: to be set back by who asked.

    Its sandboxes are new ones then. Raises ``CloudError`` where that can't be changed.
    """
    function = deployment.function
    with aws_errors(f"giving the function {function} {memory_mb} MB"):
        account.functions.update_function_configuration(FunctionName=function, MemorySize=memory_mb)
        account.functions.get_waiter("function_updated_v2").wait(FunctionName=function)
    return replace(deployment, parameters={**deployment.parameters, "Memory": str(memory_mb)})


def _not_whole(state: StackState) -> StackError:
    name, status, up = state.name, state.status, f"lookout stack up {option_of(state.name, state.parameters)}"
    if state.only_planned:
        return StackError(f"the stack {name} is only planned, and nothing of it is made: make it with {up}")
    if status not in _WHOLE:
        return StackError(f"the stack {name} is not whole ({status}): see lookout stack down")
    if "Bucket" in state.outputs and not state.has_code:
        return StackError(f"the stack {name} is there without its function: finish it with {up}")
    return StackError(f"the stack {name} was made by another version of Lookout: bring it up to date with {up}")
