"""Keys and regions, with botocore's own ways to find keys and recorded answers of STS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

import boto3
from botocore.exceptions import EndpointConnectionError

from helpers.stubbed import stubbed
from lookout.cloud.preflight.credentials import (
    Caller,
    judge_caller,
    judge_expiry,
    judge_region,
    look_at_caller,
    look_at_region,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ARN = "arn:aws:iam::123456789012:user/ada"
SECRETS = {
    "AWS_ACCESS_KEY_ID": "ASIAVERYSECRETKEY",
    "AWS_SECRET_ACCESS_KEY": "very-secret",
    "AWS_SESSION_TOKEN": "very-secret-token",
}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nobody's keys; where the config file is."""
    for name in (*SECRETS, "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CREDENTIAL_EXPIRATION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def set_keys(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    for name, value in {**SECRETS, **more}.items():
        monkeypatch.setenv(name, value)


def identity() -> object:
    answer = {"UserId": "A", "Account": "123456789012", "Arn": ARN}
    return stubbed("sts", ("get_caller_identity", answer))


def look(sts: object | None = None) -> Caller:
    return look_at_caller(boto3.Session(region_name="us-east-1"), sts or identity())


def test_good_keys_are_named_by_whose_they_are_and_nothing_of_them_is_told(monkeypatch: pytest.MonkeyPatch):
    set_keys(monkeypatch)
    caller = look()
    check = judge_caller(caller)
    assert (check.state, check.found) == ("ok", f"{ARN} (from the environment)")
    assert caller.temporary
    assert "ecret" not in f"{caller}{check}{judge_expiry(caller, NOW)}"
    assert judge_expiry(caller, NOW).found == "the credentials are temporary, and don't tell when they end"


def test_without_keys_nobody_is_asked():
    check = judge_caller(look(stubbed("sts")))
    assert (check.state, check.found) == ("failed", "no AWS credentials are set")
    assert "aws sso login" in check.remedy
    assert "Learner Lab" in check.remedy


def test_half_of_the_keys_is_not_enough(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAVERYSECRETKEY")
    check = judge_caller(look(stubbed("sts")))
    assert check.state == "failed"
    assert "AWS_SECRET_ACCESS_KEY" in check.found


@pytest.mark.parametrize(
    ("code", "found", "remedy"),
    [
        ("ExpiredToken", "the credentials have expired (from the environment)", "start the lab and copy the keys"),
        ("InvalidClientTokenId", "AWS does not know the access key (from the environment)", "get new keys"),
        ("SignatureDoesNotMatch", "the secret key does not belong to the access key", "get new keys"),
        ("RequestTimeTooSkewed", "this machine's clock may be wrong", "set the clock"),
        ("SomethingNew", "the credentials can't be used (from the environment): told by AWS", "AWS_PROFILE"),
    ],
)
def test_keys_that_aws_refuses(monkeypatch: pytest.MonkeyPatch, code: str, found: str, remedy: str):
    set_keys(monkeypatch)
    check = judge_caller(look(stubbed("sts", ("get_caller_identity", (code, 403)))))
    assert check.state == "failed"
    assert found in check.found
    assert remedy in check.remedy
    assert "very-secret" not in str(check)


def test_where_nobody_answers_the_keys_are_not_blamed(monkeypatch: pytest.MonkeyPatch):
    set_keys(monkeypatch)

    class Unreachable:
        def get_caller_identity(self) -> None:
            raise EndpointConnectionError(endpoint_url="https://sts.us-east-1.amazonaws.com")

    with pytest.raises(EndpointConnectionError):
        look(Unreachable())


def test_an_identity_center_session_that_is_over_is_signed_in_to_again(monkeypatch: pytest.MonkeyPatch, no_keys: Path):
    (no_keys / "config").write_text(
        "[profile work]\nsso_session = mine\nsso_account_id = 123456789012\nsso_role_name = Dev\nregion = us-east-1\n"
        "[sso-session mine]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "work")
    check = judge_caller(look_at_caller(boto3.Session(), stubbed("sts")))
    assert (check.state, check.remedy) == ("failed", "sign in again with aws sso login --profile work")
    assert "have expired" in check.found


@pytest.mark.parametrize(
    ("left", "state", "found", "remedy"),
    [
        (timedelta(hours=1), "ok", "expire at 13:00 UTC", ""),
        (timedelta(minutes=15), "ok", "expire at 12:15 UTC", ""),
        (timedelta(minutes=14, seconds=59), "warning", "in 14 minutes, at 12:14 UTC", "may take longer"),
        (timedelta(0), "failed", "have expired at 12:00 UTC", "get new keys"),
        (timedelta(minutes=-1), "failed", "have expired at 11:59 UTC", "get new keys"),
    ],
)
def test_when_keys_end(left: timedelta, state: str, found: str, remedy: str):
    check = judge_expiry(Caller(ARN, temporary=True, expires=NOW + left, method="env"), NOW)
    assert check.state == state
    assert found in check.found
    assert remedy in check.remedy


def test_when_keys_end_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    set_keys(monkeypatch, AWS_CREDENTIAL_EXPIRATION=ends.isoformat())
    assert look().expires == ends


def test_keys_that_say_themselves_that_they_ended_are_told_as_expired(monkeypatch: pytest.MonkeyPatch):
    set_keys(monkeypatch, AWS_CREDENTIAL_EXPIRATION="2020-01-01T00:00:00Z")
    check = judge_caller(look(stubbed("sts")))
    assert (check.state, check.found) == ("failed", "the credentials have expired (from the environment)")


def test_keys_of_a_user_never_end():
    assert judge_expiry(Caller(ARN), NOW) == judge_expiry(Caller(ARN), NOW + timedelta(days=1000))
    assert judge_expiry(Caller(ARN), NOW).state == "ok"


@pytest.mark.parametrize(
    ("region", "state", "found"),
    [
        ("us-east-1", "ok", "us-east-1"),
        ("cn-north-1", "ok", "cn-north-1"),
        ("us-east-9", "warning", "knows no region us-east-9"),
        ("useast1", "warning", "knows no region useast1"),
    ],
)
def test_regions_as_boto3_knows_them(region: str, state: str, found: str):
    check = look_at_region(boto3.Session(region_name=region), region)
    assert check.state == state
    assert found in check.found


def test_a_region_that_lacks_a_service():
    check = judge_region("mars-1", {"mars-1"}, set(), set())
    assert (check.state, check.found) == ("failed", "mars-1 has no Lambda and no ECR")
