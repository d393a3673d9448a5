"""What becomes of AWS's errors."""

from __future__ import annotations

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound
from botocore.parsers import ResponseParserError

from lookout.cloud.account import account_of_environment, aws_errors
from lookout.errors import CloudError


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException"])
def test_no_token_is_told_that_aws_repeats(code: str):
    """As STS answers who has a session's token and a wrong secret key."""
    request = "POST\n/\n\nhost:sts.amazonaws.com\nx-amz-security-token:FwoGZXIvYXdz\n\nhost;x-amz-security-token\n"
    message = (
        "The request signature we calculated does not match the signature you provided. "
        f"The Canonical String for this request should have been\n'{request}'"
    )
    refusal = ClientError({"Error": {"Code": code, "Message": message}}, "GetCallerIdentity")
    words = "asking: AWS refuses the signature: the secret key is not that of the access key"
    with pytest.raises(CloudError, match=words) as caught, aws_errors("asking"):
        raise refusal
    assert "FwoGZXIvYXdz" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        ProfileNotFound(profile="nope"),
    ],
)
def test_without_keys_it_says_where_they_may_come_from(error: Exception):
    with pytest.raises(CloudError, match=r"asking: .*; give keys as AWS's own tools take them"), aws_errors("asking"):
        raise error


def test_an_answer_that_is_none_of_awss_is_a_sentence():
    with pytest.raises(CloudError, match="asking: the answer is none of AWS's; look at what"), aws_errors("asking"):
        raise ResponseParserError("Unable to parse response (not well-formed), invalid XML received: <html>")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"AWS_REGION": "eu central"}, "'eu central' is no region of AWS's: set AWS_REGION"),
        ({"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "127.0.0.1:4566"}, "no web address"),
        ({}, "no AWS region is set"),
    ],
)
def test_settings_that_are_none_are_told_by_their_names(
    variables: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CloudError, match=words):
        account_of_environment()
