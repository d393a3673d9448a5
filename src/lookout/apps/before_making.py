"""What ``lookout stack up`` looks at before it makes anything, and says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lookout.cloud.preflight import Check, Package, Wanted, preflight, preflight_keys
from lookout.errors import StackError

if TYPE_CHECKING:
    from lookout.apps.stack_settings import Wanted as Settings
    from lookout.cloud.account import Account
    from lookout.cloud.lifecycle.stack_state import StackState

Say = Callable[[str], None]


def refuse_bad_keys(account: Account, say: Say) -> None:
    """Raise ``StackError`` where the region or the keys are no good, with the reasons said."""
    _refuse_failed([check for check in preflight_keys(account) if check.state == "failed"], say)


def look_before(account: Account, wanted: Settings, state: StackState | None, say: Say) -> None:
    """Say what may go wrong, and raise ``StackError`` where something would. ``state``: the stack, if it is there.

    A stack that is just being made or changed is let come to rest first. Raises ``PackageError`` for a zip that Lambda
    would not take, or whose parts can't be had.
    """
    if state is not None and state.at_work:
        return
    _refuse_failed(preflight(account, Wanted(wanted.settings, _package(account, wanted, state, say))), say)


def _package(account: Account, wanted: Settings, state: StackState | None, say: Say) -> Package:
    """What is to be built: nothing where the image is in the repository already, or the zip is what is deployed."""
    from lookout.cloud.packages import describe_faults, find_tool, unpacked_size

    packaging = wanted.packaging
    if packaging is None:
        return Package()
    if packaging.kind == "zip":
        key = wanted.foreseen(account, state).code.zip_key
        is_deployed = state is not None and state.parameters.get("CodeKey") == key
        return Package("zip", unpacked_bytes=None if is_deployed else unpacked_size(packaging.recipe, say))
    tool, faults = find_tool()
    if tool is None and "@" in wanted.foreseen(account, state).code.image_uri:
        return Package()
    return Package("image", tool.name) if tool else Package("image", tool_fault=describe_faults(faults))


def _refuse_failed(checks: Iterable[Check], say: Say) -> None:
    failed = 0
    for check in checks:
        if check.state != "ok":
            say(describe(check))
        failed += check.state == "failed"
    if failed:
        which = "a check" if failed == 1 else f"{failed} checks"
        raise StackError(f"nothing was made, as {which} failed: see above what to do")


def describe(check: Check) -> str:
    """A check that found something, with what to do about it.

    >>> describe(Check("memory", "warning", "3009 MB are asked for", "take --memory 3008"))
    'Warning (memory): 3009 MB are asked for; take --memory 3008'
    """
    return f"{check.state.capitalize()} ({check.name}): {check.found}{f'; {check.remedy}' if check.remedy else ''}"
