"""Which cloud is spoken to: an AWS account as the environment names it, or the emulator on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import botocore.session
import urllib3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.parsers import ResponseParserError

from lookout.errors import CloudError, ExpiredCredentialsError, UnreachableError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_resourcegroupstaggingapi import ResourceGroupsTaggingAPIClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient


# What AWS's own addresses end in.
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")

# What AWS's services call it that somebody may not do something; S3 answers a question without a body by the number.
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"}
# What they call it that too much is asked of them.
THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "TooManyRequestsException",
    "SlowDown",
}
_WRONGLY_SIGNED = {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"}
# What they call credentials whose time is over.
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}


@dataclass(frozen=True, slots=True)
class Account:
    """An account in a region, and the clients of its services.

    ``endpoint`` is where all services answer; None leaves that to AWS's own rules, variables and profiles.
    ``emulated`` tells that Lookout's emulator answers. ``attempts``: how often a call is made that AWS has no time for.
    """

    session: boto3.Session
    region: str
    endpoint: str | None = None
    emulated: bool = False
    attempts: int = 3

    @property
    def address(self) -> str:
        """Where its services answer, by the example of CloudFormation."""
        return self.cloudformation.meta.endpoint_url

    @property
    def cloudformation(self) -> CloudFormationClient:
        """What makes and deletes stacks."""
        return self.session.client("cloudformation", endpoint_url=self.endpoint, config=self._config)

    @property
    def s3(self) -> S3Client:
        """Where images go."""
        # A bucket made today takes no form that is signed by version 2, which is botocore's choice for forms still, and
        # is known at once in its own region alone.
        signing = Config(
            signature_version="s3v4", s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
        )
        return self.session.client("s3", endpoint_url=self.endpoint, config=self._config.merge(signing))

    @property
    def dynamodb(self) -> DynamoDBClient:
        """Where results come from."""
        return self.session.client("dynamodb", endpoint_url=self.endpoint, config=self._config)

    @property
    def functions(self) -> LambdaClient:
        """Where functions run (``lambda`` is a word of Python's)."""
        return self.session.client("lambda", endpoint_url=self.endpoint, config=self._config)

    def functions_within(self, timeout_s: float) -> LambdaClient:
        """Where functions run, for calls that may take so long, each of them made once: whoever calls calls again."""
        config = self._config.merge(Config(read_timeout=timeout_s, retries={"total_max_attempts": 1}))
        return self.session.client("lambda", endpoint_url=self.endpoint, config=config)

    @property
    def logs(self) -> CloudWatchLogsClient:
        """What the function wrote."""
        return self.session.client("logs", endpoint_url=self.endpoint, config=self._config)

    @property
    def images(self) -> ECRClient:
        """Where the container images of functions are kept."""
        return self.session.client("ecr", endpoint_url=self.endpoint, config=self._config)

    @property
    def queues(self) -> SQSClient:
        """Where events go that the function could not deal with."""
        return self.session.client("sqs", endpoint_url=self.endpoint, config=self._config)

    @property
    def iam(self) -> IAMClient:
        """Who may do what."""
        return self.session.client("iam", endpoint_url=self.endpoint, config=self._config)

    @property
    def sts(self) -> STSClient:
        """Who asks."""
        return self.session.client("sts", endpoint_url=self.endpoint, config=self._config)

    @property
    def cloudwatch(self) -> CloudWatchClient:
        """Alarms, and what services count of themselves."""
        return self.session.client("cloudwatch", endpoint_url=self.endpoint, config=self._config)

    @property
    def tagged(self) -> ResourceGroupsTaggingAPIClient:
        """What finds resources by their tags, whichever service they are of."""
        return self.session.client("resourcegroupstaggingapi", endpoint_url=self.endpoint, config=self._config)

    def account_id(self) -> str:
        """The account's number. Raises ``CloudError`` where the keys are not good."""
        with aws_errors("asking who these credentials belong to"):
            return self.sts.get_caller_identity()["Account"]

    @property
    def _config(self) -> Config:
        return Config(
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            max_pool_connections=256,  # as many as lookout send may have under way
            # A proxy that the environment names is for the world outside, not for this machine.
            proxies={} if self.emulated else None,
        )


def account_of_environment(environment: Mapping[str, str] = os.environ) -> Account:
    """The account that AWS's own variables and files name, or the emulator that they point at.

    Raises ``CloudError`` where no region is named, ``UnreachableError`` where nobody answers at an endpoint that
    is not AWS's.
    """
    with aws_errors("reading the AWS settings"):
        # boto3 reads AWS_DEFAULT_REGION alone; AWS's other tools read AWS_REGION first.
        session = boto3.Session(region_name=environment.get("AWS_REGION") or None)
        if not session.region_name:
            raise CloudError(
                "no AWS region is set: set AWS_REGION, or a profile that has one; for the emulator, paste the lines "
                "that it prints"
            )
        account = Account(session, session.region_name)
        try:
            host = urlsplit(account.address).hostname or ""
        except InvalidRegionError as error:
            raise CloudError(
                f"{session.region_name!r} is no region of AWS's: set AWS_REGION to one, such as eu-central-1"
            ) from error
        except ValueError as error:  # botocore's word for an endpoint without a scheme
            raise CloudError(
                f"AWS_ENDPOINT_URL, or a profile's, is no web address ({error}): give one like http://127.0.0.1:4566"
            ) from error
    if host.endswith(_AWS_DOMAINS):
        return account
    return replace(account, emulated=describe_emulator(account.address) is not None)


def account_of_emulator(variables: Mapping[str, str]) -> Account:
    """The emulator's account, from the variables that it prints, whatever this process's environment holds."""
    # Neither a profile nor a file of the user's may have a say: real keys never reach the emulator.
    no_lookup = (None, None, None, None)
    core = botocore.session.Session(
        session_vars={"profile": no_lookup, "config_file": no_lookup, "credentials_file": no_lookup}
    )
    session = boto3.Session(
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_REGION"],
        botocore_session=core,
    )
    return Account(session, variables["AWS_REGION"], variables["AWS_ENDPOINT_URL"], emulated=True)


def describe_emulator(endpoint: str) -> dict[str, Any] | None:
    """What Lookout's emulator says of itself, None where another program answers at the endpoint.

    Raises ``UnreachableError`` where nobody does.
    """
    try:
        with urllib3.PoolManager(timeout=5, retries=False) as pool:
            answer = pool.request("GET", endpoint.rstrip("/") + "/_lookout")
            document = answer.json() if answer.status == 200 else None
    except urllib3.exceptions.HTTPError as error:
        raise UnreachableError(
            f"nobody answers at {endpoint}, where AWS_ENDPOINT_URL or a profile points: start lookout emulator there"
        ) from error
    except ValueError:  # somebody else's page
        return None
    return document if isinstance(document, dict) and document.get("emulator") == "lookout" else None


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Errors of AWS's library become ours, with what was being done.

    ``UnreachableError`` where nobody answers, ``ExpiredCredentialsError`` where the credentials' time is over,
    ``CloudError`` for all else.
    """
    try:
        yield
    except (AwsConnectionError, HTTPClientError) as error:
        raise UnreachableError(f"{doing}: the cloud does not answer ({error})") from error
    except ClientError as error:
        if error_code(error) in EXPIRED:
            raise _expired(doing) from error
        if error_code(error) in THROTTLED:
            raise CloudError(f"{doing}: {_message(error)}: AWS is asked too much, so try again in a minute") from error
        raise CloudError(f"{doing}: {_message(error)}") from error
    except (SSOError, TokenRetrievalError, CredentialRetrievalError) as error:
        raise _expired(doing) from error
    except ResponseParserError as error:
        raise CloudError(
            f"{doing}: the answer is none of AWS's; look at what stands at AWS_ENDPOINT_URL, or for a proxy on the way"
        ) from error
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound, ConfigParseError) as error:
        raise CloudError(
            f"{doing}: {error}; give keys as AWS's own tools take them (aws configure, AWS_PROFILE, or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or paste the lines that lookout emulator prints"
        ) from error
    except BotoCoreError as error:
        raise CloudError(f"{doing}: {error}") from error


def missing(resource: str) -> UnreachableError:
    """One of a stack's resources is not there, though the stack is; ``resource`` says what and which."""
    return UnreachableError(
        f"there is no {resource}, though its stack is there: make it anew with lookout stack down and up"
    )


def error_code(error: ClientError) -> str:
    """What AWS calls an error, such as ``AccessDenied``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _message(error: ClientError) -> str:
    """What a service said. To whoever signs wrongly it repeats the whole request, with the session's token in it."""
    if error_code(error) in _WRONGLY_SIGNED:
        return (
            "AWS refuses the signature: the secret key is not that of the access key, or this machine's clock is wrong"
        )
    return error.response.get("Error", {}).get("Message") or str(error)


def was_denied(error: CloudError) -> bool:
    """Whether AWS did not let it be asked: an account may let stacks be made by who can't look at each service."""
    return isinstance(error.__cause__, ClientError) and error_code(error.__cause__) in DENIED


def _expired(doing: str) -> ExpiredCredentialsError:
    return ExpiredCredentialsError(
        f"{doing}: the credentials have expired, or can't be had any more: renew them, and run the same command again"
    )
