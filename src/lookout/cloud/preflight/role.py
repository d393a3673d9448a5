"""Whether a role that somebody else has made will do for the function."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from botocore.exceptions import ClientError

from lookout.cloud.account import error_code
from lookout.cloud.preflight.check import Check, Denied, denials

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

_ARN = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/(?P<path>.+/)?(?P<name>[\w+=,.@-]+)")
_LAMBDA = "lambda.amazonaws.com"


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """A role: whether it is there, and who may assume it, as its policy says; ``hidden`` where that may not be read."""

    state: Literal["there", "missing", "hidden"]
    trust: Mapping[str, Any] | None = None


def look_at_role(iam: IAMClient, role_arn: str) -> RoleFacts:
    """What IAM tells of a role."""
    try:
        with denials():
            role = iam.get_role(RoleName=_name(role_arn))["Role"]
    except Denied:
        return RoleFacts("hidden")
    except ClientError as error:
        if error_code(error) == "NoSuchEntity":
            return RoleFacts("missing")
        raise
    document: Any = role.get("AssumeRolePolicyDocument")  # boto3 gives what is in it, other clients the quoted text
    return RoleFacts("there", json.loads(unquote(document)) if isinstance(document, str) else document)


def judge_arn(role_arn: str, account_id: str) -> Check | None:
    """What is wrong with the ARN itself, None where nothing is."""
    match = _ARN.fullmatch(role_arn)
    if match is None:
        remedy = f"name one such as arn:aws:iam::{account_id}:role/LabRole"
        return Check("role", "failed", f"{role_arn} is no role's ARN", remedy)
    if match["account"] != account_id:
        found = f"{role_arn} is in another account than {account_id}"
        return Check("role", "failed", found, "name a role of this account, or use the other one's credentials")
    return None


def judge_role(role_arn: str, facts: RoleFacts) -> Check:
    """Whether Lambda may use it."""
    name = _name(role_arn)
    if facts.state == "hidden":
        found = f"the role {name} may not be looked at (iam:GetRole)"
        return Check("role", "warning", found, "if the function can't be made, see whether Lambda may assume it")
    if facts.state == "missing":
        return Check("role", "failed", f"there is no role {name} in this account", "check --role-arn")
    if not _trusts_lambda(facts.trust or {}):
        remedy = f"let {_LAMBDA} assume it, in its trust policy (sts:AssumeRole), or name another role"
        return Check("role", "failed", f"Lambda may not assume the role {name}", remedy)
    return Check("role", "ok", f"Lambda may assume the role {name}")


def _name(role_arn: str) -> str:
    return role_arn.rpartition("/")[2]


def _trusts_lambda(trust: Mapping[str, Any]) -> bool:
    """Whether a statement lets Lambda in. Conditions and denials are not weighed: they are not ours to judge."""
    return any(
        statement.get("Effect") == "Allow"
        and {"sts:AssumeRole", "sts:*", "*"} & set(_many(statement.get("Action")))
        and {_LAMBDA, "*"} & set(_services(statement.get("Principal")))
        for statement in _many(trust.get("Statement"))
    )


def _services(principal: Any) -> Iterable[Any]:
    return _many(principal.get("Service")) if isinstance(principal, Mapping) else _many(principal)


def _many(value: Any) -> list[Any]:
    """A policy writes one as itself, and several as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
