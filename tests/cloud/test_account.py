"""What becomes of AWS's errors."""

from __future__ import annotations

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from botocore.exceptions import ClientError

from lookout.cloud.account import aws_errors
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
