"""All checks together: on the emulator, and against AWS's recorded answers; permissions with the policy of the docs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

import boto3

from helpers.stubbed import stubbed
from helpers.world import World
from lookout.cloud.account import Account
from lookout.cloud.lifecycle.presence import named_resources
from lookout.cloud.preflight import Check, Package, Wanted, preflight
from lookout.cloud.preflight.permissions import judge_permissions, look_at_permissions, steps
from lookout.cloud.template import Names, StackSettings
from lookout.errors import CloudError, UnreachableError

DOCS = Path(__file__).parents[3] / "docs"
ACCOUNT, REGION = "000000000000", "us-east-1"


def wanted(names: Names, package: Package | None = None, **settings: Any) -> Wanted:
    return Wanted(StackSettings(names=names, **settings), package or Package())


def told(checks: tuple[Check, ...]) -> list[tuple[str, str]]:
    return [(check.name, check.state) for check in checks]


def test_on_the_emulator_there_is_nothing_to_ask_about(world: World):
    assert preflight(world.account, wanted(Names.of("fresh"))) == ()


def test_a_role_that_is_given_is_looked_at(world: World):
    iam = world.account.iam
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName="LabRole", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    asked = wanted(Names.of("fresh"), role_arn=arn)
    try:
        assert told(preflight(world.account, asked)) == [("role", "ok")]
        iam.update_assume_role_policy(
            RoleName="LabRole", PolicyDocument=document.replace("lambda.amazonaws.com", "ec2.amazonaws.com")
        )
        assert told(preflight(world.account, asked)) == [("role", "failed")]
    finally:
        iam.delete_role(RoleName="LabRole")
    assert told(preflight(world.account, asked)) == [("role", "failed")]


@pytest.fixture
def person(world: World) -> Iterator[tuple[Any, str]]:
    """IAM, and a user of it without any rights."""
    iam = world.account.iam
    arn = iam.create_user(UserName="ada")["User"]["Arn"]
    yield iam, arn
    for name in iam.list_user_policies(UserName="ada")["PolicyNames"]:
        iam.delete_user_policy(UserName="ada", PolicyName=name)
    iam.delete_user(UserName="ada")


def policy(names: Names) -> dict[str, Any]:
    """The policy of the docs, filled in as they have it done.

    Without its condition on who a role is passed to: the emulator's IAM is not told of it, as AWS's is.
    """
    called = {resource.id: resource.name for resource in named_resources(names, ACCOUNT, REGION)}
    values = {
        "BUCKET": called["Bucket"],
        "TABLE": called["Table"],
        "FUNCTION": called["Function"],
        "REPOSITORY": called["Repository"],
        "STACK": names.stack,
        "ACCOUNT": ACCOUNT,
        "REGION": REGION,
    }
    text = (DOCS / "aws-policy.json").read_text("utf-8")
    document = json.loads(re.sub(r"\b[A-Z]{5,}\b", lambda found: values[found[0]], text))
    for statement in document["Statement"]:
        statement.pop("Condition", None)
    return document


@pytest.mark.parametrize("names", [Names.of("lookout"), Names.of_group("group41")], ids=["name", "group"])
@pytest.mark.parametrize("reserved", [None, 5])
def test_the_policy_of_the_docs_allows_every_step(person: tuple, names: Names, reserved: int | None):
    iam, arn = person
    iam.put_user_policy(UserName="ada", PolicyName="deploy", PolicyDocument=json.dumps(policy(names)))
    needed = steps(wanted(names, Package("image", "docker"), reserved_concurrency=reserved), ACCOUNT, REGION)
    checks = judge_permissions(arn, look_at_permissions(iam, arn, needed))
    assert [check.found for check in checks] == ["every step is allowed"]


def test_what_the_policy_leaves_out_is_told_step_by_step(person: tuple):
    iam, arn = person
    names = Names.of("lookout")
    document = policy(names)
    document["Statement"] = [one for one in document["Statement"] if one["Sid"] not in ("Table", "Alarm")]
    iam.put_user_policy(UserName="ada", PolicyName="deploy", PolicyDocument=json.dumps(document))
    needed = steps(wanted(names), ACCOUNT, REGION)
    table, alarm = judge_permissions(arn, look_at_permissions(iam, arn, needed))
    assert (table.state, alarm.state) == ("failed", "failed")
    assert table.found.startswith("the table: dynamodb:CreateTable, ")
    assert alarm.found.startswith("the alarm: cloudwatch:PutMetricAlarm, ")
    assert "docs/aws-policy.json" in alarm.remedy


def test_without_any_rights_every_step_is_denied(person: tuple):
    iam, arn = person
    needed = steps(wanted(Names.of("lookout")), ACCOUNT, REGION)
    checks = judge_permissions(arn, look_at_permissions(iam, arn, needed))
    assert told(checks) == [("permissions", "failed")] * len(needed)


# --- On AWS, by its recorded answers ---

SETTINGS = {
    "AccountLimit": {
        "TotalCodeSize": 80530636800,
        "CodeSizeUnzipped": 262144000,
        "ConcurrentExecutions": 10,
        "UnreservedConcurrentExecutions": 10,
    },
    "AccountUsage": {"TotalCodeSize": 0, "FunctionCount": 0},
}
MISSING = ("ResourceNotFoundException", 404)


def on_aws(sts: Any, **clients: Any) -> Any:
    """An account on AWS, with keys, whose clients give recorded answers."""
    session = boto3.Session("ASIA0123456789ABCDEF", "secret", "token", region_name=REGION)
    nothing = Account(session, REGION)
    return SimpleNamespace(session=session, region=REGION, emulated=False, sts=sts, images=nothing.images, **clients)


def identity(arn: str = "arn:aws:iam::123456789012:user/ada") -> Any:
    return stubbed("sts", ("get_caller_identity", {"UserId": "A", "Account": "123456789012", "Arn": arn}))


def fresh_account(sts: Any) -> Any:
    """A new account of somebody who may not ask IAM."""
    return on_aws(
        sts,
        iam=stubbed("iam", ("simulate_principal_policy", ("AccessDenied", 403))),
        functions=stubbed("lambda", ("get_account_settings", SETTINGS), ("get_function_concurrency", MISSING)),
    )


def test_a_new_account_is_looked_at_from_end_to_end():
    checks = preflight(fresh_account(identity()), wanted(Names.of("mine"), Package("image", tool_fault="no tool")))
    assert told(checks) == [
        ("region", "ok"),
        ("credentials", "ok"),
        ("expiry", "ok"),
        ("permissions", "warning"),
        ("concurrency", "warning"),
        ("memory", "ok"),
        ("container tool", "failed"),
    ]
    assert all(check.remedy for check in checks if check.state != "ok")
    assert not any("secret" in str(check) or "token" in check.found.split() for check in checks)


def test_with_expired_keys_nothing_else_is_asked():
    expired = stubbed("sts", ("get_caller_identity", ("ExpiredToken", 403)))
    checks = preflight(on_aws(expired), wanted(Names.of("mine")))
    assert told(checks) == [("region", "ok"), ("credentials", "failed")]


def test_keys_that_expire_in_the_middle_are_a_sentence():
    account = on_aws(identity(), iam=stubbed("iam", ("simulate_principal_policy", ("ExpiredToken", 403))))
    with pytest.raises(CloudError, match="the credentials have expired"):
        preflight(account, wanted(Names.of("mine")), datetime(2026, 11, 25, tzinfo=UTC))


def test_an_account_that_throttles_is_a_sentence():
    account = on_aws(
        identity(), iam=stubbed("iam", ("simulate_principal_policy", ("Throttling", 400, "Rate exceeded")))
    )
    with pytest.raises(CloudError, match="looking at the account before anything is made: Rate exceeded"):
        preflight(account, wanted(Names.of("mine")))


def test_where_aws_does_not_answer_nobody_is_blamed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    session = boto3.Session("ASIA0123456789ABCDEF", "secret", region_name=REGION)
    account = Account(session, REGION, endpoint="http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="the cloud does not answer"):
        preflight(account, wanted(Names.of("mine")))
