"""Whether somebody known asks, in a region that has what is needed, and for how much longer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError

from lookout.cloud.account import error_code
from lookout.cloud.preflight.check import Check

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

_SOON = timedelta(minutes=15)

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_UNKNOWN_KEYS = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"}
_WRONG_SECRET = {"SignatureDoesNotMatch", "IncompleteSignature"}
_WRONG_CLOCK = {"RequestTimeTooSkewed", "InvalidSignatureException", "RequestInTheFuture"}

# botocore's errors of a sign-in that is over; by name, since older ones lack some.
_SIGNED_OUT = {
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
    "TokenRetrievalError",
    "LoginRefreshRequired",
    "LoginTokenLoadError",
}

_SIGN_IN = "set AWS_PROFILE, or sign in with aws sso login or aws configure; in a Learner Lab, see AWS Details"
_NEW_KEYS = "get new keys and set them anew; in a Learner Lab, start the lab and copy the keys from AWS Details again"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks: the ARN, or why there is none.

    ``method`` is botocore's name for where the keys come from, such as ``env`` or ``sso``; ``profile`` is AWS's.
    ``temporary`` keys end at ``expires``, if that is known. ``error`` is AWS's code, or the name of botocore's error,
    and ``reason`` its sentence.
    """

    arn: str = ""
    account_id: str = ""
    method: str = ""
    profile: str = ""
    temporary: bool = False
    expires: datetime | None = None
    error: str = ""
    reason: str = ""


def look_at_caller(session: boto3.Session, sts: STSClient) -> Caller:
    """Who the keys of a session belong to. Raises as botocore does where nobody answers."""
    method, profile = "", session.profile_name if session.profile_name != "default" else ""
    try:
        credentials = session.get_credentials()
        if credentials is None:
            return Caller(profile=profile, error=NoCredentialsError.__name__)
        method = credentials.method or ""
        frozen = credentials.get_frozen_credentials()  # renews what can be renewed
        expires = getattr(credentials, "_expiry_time", None)
        told = sts.get_caller_identity()
    except ClientError as error:
        return Caller(method=method, profile=profile, error=error_code(error), reason=_reason(error))
    except (AwsConnectionError, HTTPClientError):  # nobody answers: nothing is known of the keys
        raise
    except BotoCoreError as error:
        return Caller(method=method, profile=profile, error=type(error).__name__, reason=str(error))
    except RuntimeError:  # botocore's own, of keys that were renewed and are too old still
        return Caller(method=method, profile=profile, error="ExpiredToken")
    return Caller(told["Arn"], told["Account"], method, profile, bool(frozen.token), expires)


def judge_caller(caller: Caller) -> Check:
    """Whether the keys are good."""
    if not caller.error:
        return Check("credentials", "ok", f"{caller.arn}{_source(caller)}")
    found, remedy = _refusal(caller)
    return Check("credentials", "failed", found, remedy)


def judge_expiry(caller: Caller, now: datetime) -> Check:
    """Whether the keys last for what is to be done."""
    if not caller.temporary:
        return Check("expiry", "ok", "the credentials do not expire")
    if caller.expires is None:
        return Check("expiry", "ok", "the credentials are temporary, and don't tell when they end")
    left = caller.expires - now
    minutes = int(left.total_seconds() // 60)
    if left <= timedelta(0):
        return Check("expiry", "failed", f"the credentials have expired at {_time(caller.expires)}", _renewal(caller))
    if left < _SOON:
        found = f"the credentials expire in {minutes} minutes, at {_time(caller.expires)}"
        return Check("expiry", "warning", found, f"a deployment may take longer: {_renewal(caller)}")
    return Check("expiry", "ok", f"the credentials expire at {_time(caller.expires)}")


def judge_region(
    region: str, known: Collection[str], with_functions: Collection[str], with_images: Collection[str]
) -> Check:
    """Whether there is such a region, and Lambda and ECR are in it, as far as this boto3 knows."""
    if region not in known:
        found = f"this version of boto3 knows no region {region}"
        return Check("region", "warning", found, "check AWS_REGION; of a new region learn by pip install -U boto3")
    lacking = [name for name, regions in (("Lambda", with_functions), ("ECR", with_images)) if region not in regions]
    if lacking:
        found = f"{region} has no {' and no '.join(lacking)}"
        return Check("region", "failed", found, "choose another with AWS_REGION, such as us-east-1")
    return Check("region", "ok", region)


def look_at_region(session: boto3.Session, region: str) -> Check:
    """See ``judge_region``; asks nobody."""
    partition = session.get_partition_for_region(region) if region in _regions(session) else "aws"
    with_functions, with_images = (session.get_available_regions(name, partition) for name in ("lambda", "ecr"))
    return judge_region(region, _regions(session), with_functions, with_images)


def _regions(session: boto3.Session) -> set[str]:
    partitions = session.get_available_partitions()
    return {region for partition in partitions for region in session.get_available_regions("cloudformation", partition)}


def _source(caller: Caller) -> str:
    profile = f"profile {caller.profile}" if caller.profile else ""
    source = ", ".join(filter(None, (_METHODS.get(caller.method, caller.method), profile)))
    return f" (from {source})" if source else ""


_METHODS = {
    "env": "the environment",
    "shared-credentials-file": "the credentials file",
    "config-file": "the config file",
    "iam-role": "this machine's role",
    "container-role": "this container's role",
    "sso": "IAM Identity Center",
    "login": "aws login",
    "assume-role": "a role",
}


def _refusal(caller: Caller) -> tuple[str, str]:
    """What is wrong with keys, and what to do."""
    source = _source(caller)
    if caller.error in _EXPIRED | _SIGNED_OUT:
        return f"the credentials have expired{source}", _renewal(caller)
    for errors, found, remedy in (
        ({NoCredentialsError.__name__}, "no AWS credentials are set", _SIGN_IN),
        ({PartialCredentialsError.__name__}, f"the AWS credentials are not whole: {caller.reason}", _SIGN_IN),
        (_UNKNOWN_KEYS, f"AWS does not know the access key{source}", _NEW_KEYS),
        (_WRONG_SECRET, f"the secret key does not belong to the access key{source}", _NEW_KEYS),
        (_WRONG_CLOCK, "AWS refuses the signature: this machine's clock may be wrong", "set the clock, and try again"),
    ):
        if caller.error in errors:
            return found, remedy
    return f"the credentials can't be used{source}: {caller.reason or caller.error}", _SIGN_IN


def _renewal(caller: Caller) -> str:
    """How whoever has these keys gets new ones."""
    profile = f" --profile {caller.profile}" if caller.profile else ""
    if caller.method == "sso" or "SSO" in caller.error or caller.error == "TokenRetrievalError":
        return f"sign in again with aws sso login{profile}"
    if caller.method == "login" or caller.error.startswith("Login"):
        return f"sign in again with aws login{profile}"
    return _NEW_KEYS


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%H:%M} UTC"


def _reason(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))
