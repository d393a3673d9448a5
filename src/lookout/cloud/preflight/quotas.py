"""Whether Lambda lets the account have what is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lookout.cloud.account import error_code
from lookout.cloud.preflight.check import Check, Package, Wanted, denials

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# What Lambda keeps for functions that reserve nothing (AWS's documentation, "Configuring reserved concurrency").
_UNRESERVED = 100
# New accounts get less than these, and more when they are used or ask for it (the same, "Lambda quotas").
_USUAL_CONCURRENCY = 1000
_NEW_ACCOUNTS_MB = 3008

_ASK = "ask for more at Service Quotas, AWS Lambda"
_MB = 1024**2


@dataclass(frozen=True, slots=True)
class Quotas:
    """An account's limits in a region, and how much of them is used; sizes in bytes.

    ``reserved_before``: what this very function has reserved already.
    """

    concurrency: int
    unreserved: int
    code_bytes: int
    code_used_bytes: int
    unzipped_bytes: int
    reserved_before: int = 0


def look_at_quotas(functions: LambdaClient, function: str) -> Quotas:
    """The account's limits. Raises ``Denied``."""
    with denials():
        settings = functions.get_account_settings()
        limit, usage = settings["AccountLimit"], settings["AccountUsage"]
        return Quotas(
            concurrency=limit["ConcurrentExecutions"],
            unreserved=limit["UnreservedConcurrentExecutions"],
            code_bytes=limit["TotalCodeSize"],
            code_used_bytes=usage["TotalCodeSize"],
            unzipped_bytes=limit["CodeSizeUnzipped"],
            reserved_before=_reserved(functions, function),
        )


def _reserved(functions: LambdaClient, function: str) -> int:
    try:
        return functions.get_function_concurrency(FunctionName=function).get("ReservedConcurrentExecutions", 0)
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return 0
        raise


def judge_quotas(wanted: Wanted, quotas: Quotas | None) -> tuple[Check, ...]:
    """What the limits mean for what is wanted; None where they may not be known."""
    if quotas is None:
        found = "Lambda's limits of this account may not be looked at (lambda:GetAccountSettings)"
        return (Check("quotas", "warning", found, "if the function can't be made, look at Service Quotas, AWS Lambda"),)
    return (
        _concurrency(wanted.settings.reserved_concurrency, quotas),
        *_memory(wanted.settings.memory_mb, quotas),
        *_storage(wanted.package, quotas),
    )


def _concurrency(reserved: int | None, quotas: Quotas) -> Check:
    if reserved is not None:
        left = quotas.unreserved + quotas.reserved_before - reserved
        if left < _UNRESERVED:
            most = max(0, quotas.unreserved + quotas.reserved_before - _UNRESERVED)
            found = (
                f"{reserved} reserved would leave {left} of the account's {quotas.concurrency} sandboxes to all others"
            )
            remedy = f"Lambda keeps {_UNRESERVED} for them: reserve {most} at most" if most else "reserve none"
            return Check("concurrency", "failed", found, f"{remedy}, or {_ASK}")
        return Check("concurrency", "ok", f"{reserved} of {quotas.concurrency} sandboxes at once, reserved")
    if quotas.concurrency < _USUAL_CONCURRENCY:
        found = f"all functions of this account together may run {quotas.concurrency} at once"
        return Check("concurrency", "warning", found, f"more images wait, or are told to come later; {_ASK}")
    return Check("concurrency", "ok", f"up to {quotas.unreserved} sandboxes at once")


def _memory(memory_mb: int, quotas: Quotas) -> tuple[Check, ...]:
    """Lambda tells the limit of memory to nobody; accounts that are new by their concurrency may have the lower one."""
    if memory_mb > _NEW_ACCOUNTS_MB and quotas.concurrency < _USUAL_CONCURRENCY:
        found = f"a new account's functions may have {_NEW_ACCOUNTS_MB} MB, and {memory_mb} are asked for"
        return (Check("memory", "warning", found, f"take --memory {_NEW_ACCOUNTS_MB}, or {_ASK}"),)
    return (Check("memory", "ok", f"{memory_mb} MB"),)


def _storage(package: Package, quotas: Quotas) -> tuple[Check, ...]:
    """Zips alone take up Lambda's storage; images are in ECR."""
    if package.kind != "zip" or package.size_bytes is None:
        return ()
    left = quotas.code_bytes - quotas.code_used_bytes
    if package.size_bytes > left:
        size_mb = -(-package.size_bytes // _MB)
        found = f"the zip has {size_mb} MB, and Lambda has room for {left // _MB} MB more of this account's code"
        return (Check("code storage", "failed", found, f"delete old functions or versions, or {_ASK}"),)
    return (Check("code storage", "ok", f"{left // _MB:,} MB are free"),)
