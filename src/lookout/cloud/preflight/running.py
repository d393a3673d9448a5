"""All checks, in the order in which one makes the next worth asking."""

from __future__ import annotations

from datetime import UTC, datetime

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.preflight.check import Check, Denied, Wanted
from lookout.cloud.preflight.credentials import Caller, judge_caller, judge_expiry, look_at_caller, look_at_region
from lookout.cloud.preflight.package import judge_package
from lookout.cloud.preflight.permissions import is_root, judge_permissions, look_at_permissions, steps
from lookout.cloud.preflight.quotas import Quotas, judge_quotas, look_at_quotas
from lookout.cloud.preflight.role import judge_arn, judge_role, look_at_role

_LOOKING = "looking at the account before anything is made"


def preflight(account: Account, wanted: Wanted, now: datetime | None = None) -> tuple[Check, ...]:
    """Look at all that can be known before a stack is made or changed; makes nothing.

    On the emulator there are neither keys nor permissions nor quotas to ask about. Without good keys nothing else is
    asked. Whether names are free is looked at where they are taken (``lifecycle/names.py``).

    Raises ``UnreachableError`` where AWS does not answer, ``CloudError`` where it fails.
    """
    with aws_errors(_LOOKING):
        if account.emulated:
            account_id = account.sts.get_caller_identity()["Account"]
            return (*judge_package(wanted.package), *_role(account, wanted, account_id))
        caller, keys = _keys(account, now or datetime.now(UTC))
        if caller is None:
            return keys
        return (
            *keys,
            *_permissions(account, wanted, caller),
            *_quotas(account, wanted),
            *judge_package(wanted.package),
            *_role(account, wanted, caller.account_id),
        )


def preflight_keys(account: Account, now: datetime | None = None) -> tuple[Check, ...]:
    """The region, the keys, and how long they last; nothing of them is in what is told. Raises as ``preflight``."""
    if account.emulated:
        return ()
    with aws_errors(_LOOKING):
        return _keys(account, now or datetime.now(UTC))[1]


def _keys(account: Account, now: datetime) -> tuple[Caller | None, tuple[Check, ...]]:
    """Who asks, None where it is not known or too late."""
    region = look_at_region(account.session, account.region)
    if region.state == "failed":
        return None, (region,)
    caller = look_at_caller(account.session, account.sts)
    known = judge_caller(caller)
    if known.state == "failed":
        return None, (region, known)
    expiry = judge_expiry(caller, now)
    return (None if expiry.state == "failed" else caller), (region, known, expiry)


def _role(account: Account, wanted: Wanted, account_id: str) -> tuple[Check, ...]:
    """The role, if one is given."""
    role_arn = wanted.settings.role_arn
    if not role_arn:
        return ()
    return (judge_arn(role_arn, account_id) or judge_role(role_arn, look_at_role(account.iam, role_arn)),)


def _permissions(account: Account, wanted: Wanted, caller: Caller) -> tuple[Check, ...]:
    if is_root(caller.arn):
        return judge_permissions(caller.arn, None)
    partition = caller.arn.split(":")[1]
    needed = steps(wanted, caller.account_id, account.region, partition)
    return judge_permissions(caller.arn, look_at_permissions(account.iam, caller.arn, needed))


def _quotas(account: Account, wanted: Wanted) -> tuple[Check, ...]:
    quotas: Quotas | None
    try:
        quotas = look_at_quotas(account.functions, wanted.settings.names.function or wanted.settings.names.stack)
    except Denied:
        quotas = None
    return judge_quotas(wanted, quotas)
