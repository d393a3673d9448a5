"""A role that somebody else has made, as IAM tells of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.stubbed import stubbed
from lookout.cloud.preflight.role import RoleFacts, judge_arn, judge_role, look_at_role

ARN = "arn:aws:iam::123456789012:role/LabRole"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def statement(**changes: object) -> dict:
    return {"Statement": {**TRUST["Statement"][0], **changes}}


@pytest.mark.parametrize(
    ("arn", "words"),
    [
        (ARN, None),
        ("arn:aws:iam::123456789012:role/team/path/Role.of-us", None),
        ("arn:aws-cn:iam::123456789012:role/LabRole", None),
        ("LabRole", "LabRole is no role's ARN"),
        ("arn:aws:iam::123456789012:user/LabRole", "no role's ARN"),
        ("arn:aws:iam::123456789012:role/", "no role's ARN"),
        ("arn:aws:iam::210987654321:role/LabRole", "in another account than 123456789012"),
    ],
)
def test_arns(arn: str, words: str | None):
    check = judge_arn(arn, "123456789012")
    assert (check is None) == (words is None)
    assert words is None or words in check.found


@pytest.mark.parametrize(
    ("trust", "state"),
    [
        (TRUST, "ok"),
        (statement(Principal={"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}), "ok"),
        (statement(Principal="*"), "ok"),
        (statement(Action=["sts:TagSession", "sts:AssumeRole"]), "ok"),
        (statement(Principal={"Service": "ec2.amazonaws.com"}), "failed"),
        (statement(Principal={"AWS": "arn:aws:iam::123456789012:root"}), "failed"),
        (statement(Action="sts:TagSession"), "failed"),
        (statement(Effect="Deny"), "failed"),
        ({}, "failed"),
    ],
)
def test_who_may_assume_a_role(trust: dict, state: str):
    check = judge_role(ARN, RoleFacts("there", trust))
    assert check.state == state
    assert "LabRole" in check.found


def test_a_role_as_iam_describes_it():
    role = {
        "Path": "/",
        "RoleName": "LabRole",
        "RoleId": "AROA0123456789012345",
        "Arn": ARN,
        "CreateDate": datetime(2026, 1, 1, tzinfo=UTC),
        "AssumeRolePolicyDocument": "%7B%22Statement%22%3A%20%5B%5D%7D",
    }
    assert look_at_role(stubbed("iam", ("get_role", {"Role": role})), ARN) == RoleFacts("there", {"Statement": []})


@pytest.mark.parametrize(
    ("error", "state", "check_state"),
    [(("NoSuchEntity", 404), "missing", "failed"), (("AccessDenied", 403), "hidden", "warning")],
)
def test_a_role_that_is_not_there_or_may_not_be_seen(error: tuple[str, int], state: str, check_state: str):
    facts = look_at_role(stubbed("iam", ("get_role", error)), ARN)
    assert facts.state == state
    assert judge_role(ARN, facts).state == check_state
