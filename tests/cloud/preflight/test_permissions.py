"""What IAM says of each step. On the emulator it is asked in test_preflight.py, with the policy of the docs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.stubbed import stubbed
from lookout.cloud.preflight.check import Denied, Package, Wanted
from lookout.cloud.preflight.permissions import (
    Decision,
    Step,
    judge_permissions,
    look_at_permissions,
    principal,
    steps,
)
from lookout.cloud.template import Names, StackSettings

USER = "arn:aws:iam::123456789012:user/team/ada"
ASSUMED = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Dev_0123/ada@example.org"
ROLE = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Dev_0123"
ROOT = "arn:aws:iam::123456789012:root"
STEP = Step("the bucket", "arn:aws:s3:::pictures", ("s3:CreateBucket", "s3:PutBucketPolicy"))


def role_answer(arn: str) -> dict:
    role = {
        "Path": "/x/",
        "RoleName": "r",
        "RoleId": "AROA0123456789012345",
        "Arn": arn,
        "CreateDate": datetime.now(UTC),
    }
    return {"Role": role}


def wanted(kind: str = "there", **settings: object) -> Wanted:
    return Wanted(StackSettings(names=Names.of("mine"), **settings), Package(kind))


def needed(asked: Wanted) -> dict[str, Step]:
    return {step.what: step for step in steps(asked, "123456789012", "us-east-1")}


def test_only_what_is_to_be_made_is_asked_for():
    plain, given = needed(wanted()), needed(wanted(role_arn="arn:aws:iam::123456789012:role/LabRole"))
    assert "the role" in plain
    assert "the role" not in given
    assert given["giving the function its role"].resource.endswith(":role/LabRole")
    assert "ecr:PutImage" not in plain["the repository"].actions
    assert "ecr:PutImage" in needed(wanted("image"))["the repository"].actions
    assert "lambda:PutFunctionConcurrency" not in plain["the function"].actions
    assert "lambda:PutFunctionConcurrency" in needed(wanted(reserved_concurrency=3))["the function"].actions


def test_every_step_names_its_resource_alone_but_where_aws_knows_none():
    assert {step.what for step in needed(wanted("image")).values() if step.resource == "*"} == {
        "signing in to the repository"
    }


@pytest.mark.parametrize(
    ("caller", "answers", "source"),
    [
        (USER, [], USER),
        (ASSUMED, [("get_role", role_answer(ROLE))], ROLE),
        (ROOT, [], None),
        ("arn:aws:sts::123456789012:federated-user/ada", [], None),
    ],
)
def test_iam_is_asked_about_the_user_or_the_role_that_was_assumed(caller: str, answers: list, source: str | None):
    assert principal(stubbed("iam", *answers), caller) == source


def test_a_role_that_may_not_look_at_itself_is_not_asked_about():
    iam = stubbed("iam", ("get_role", ("AccessDenied", 403)))
    with pytest.raises(Denied):
        principal(iam, ASSUMED)
    iam = stubbed("iam", ("get_role", ("AccessDenied", 403)))
    assert look_at_permissions(iam, ASSUMED, [STEP]) is None


def result(action: str, decision: str, *missing: str) -> dict:
    return {
        "EvalActionName": action,
        "EvalResourceName": STEP.resource,
        "EvalDecision": decision,
        "MissingContextValues": list(missing),
    }


def test_answers_are_read_page_by_page():
    pages = [
        {"EvaluationResults": [result("s3:CreateBucket", "allowed")], "IsTruncated": True, "Marker": "more"},
        {"EvaluationResults": [result("s3:PutBucketPolicy", "implicitDeny", "aws:MultiFactorAuthPresent")]},
    ]
    iam = stubbed("iam", *(("simulate_principal_policy", page) for page in pages))
    assert look_at_permissions(iam, USER, [STEP]) == (
        Decision("the bucket", "s3:CreateBucket", allowed=True),
        Decision("the bucket", "s3:PutBucketPolicy", allowed=False, missing=("aws:MultiFactorAuthPresent",)),
    )


@pytest.mark.parametrize("error", [("AccessDenied", 403), ("NoSuchEntity", 404), ("InvalidInput", 400)])
def test_where_iam_may_not_be_asked_nothing_is_known(error: tuple[str, int]):
    assert look_at_permissions(stubbed("iam", ("simulate_principal_policy", error)), USER, [STEP]) is None


@pytest.mark.parametrize(
    ("caller", "decisions", "expected"),
    [
        (USER, (), [("ok", "every step is allowed")]),
        (USER, (Decision("a", "s3:X", allowed=True),), [("ok", "every step is allowed")]),
        (USER, None, [("warning", "can't be known beforehand")]),
        (ROOT, None, [("warning", "the keys of the account's owner")]),
        (
            USER,
            (
                Decision("the bucket", "s3:X", allowed=False),
                Decision("the bucket", "s3:Y", allowed=False, missing=("k",)),
                Decision("the table", "dynamodb:Z", allowed=False, missing=("aws:MultiFactorAuthPresent",)),
            ),
            [
                ("failed", "the bucket: s3:X, s3:Y is denied"),
                ("warning", "the table: dynamodb:Z may be denied, which hangs on aws:MultiFactorAuthPresent"),
            ],
        ),
    ],
)
def test_what_answers_mean(caller: str, decisions: tuple | None, expected: list):
    checks = judge_permissions(caller, decisions)
    assert [check.state for check in checks] == [state for state, _ in expected]
    assert all(words in check.found for check, (_, words) in zip(checks, expected, strict=True))
