"""Whether a resource is there, asked of its own service, and not of CloudFormation or of our own records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors, error_code, was_denied
from lookout.cloud.template import Names
from lookout.errors import CloudError

BUCKET = "AWS::S3::Bucket"


class Presence(Enum):
    """Whether something of that name is there."""

    ABSENT = auto()
    HERE = auto()
    ELSEWHERE = auto()  # a bucket of another account's, or in another region: their names are shared by all of AWS


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of a stack: its name in the template, its type, and what it is called in the account.

    A queue is called by its name or by its URL.
    """

    id: str
    kind: str
    name: str

    def described(self) -> str:
        """In words, such as ``the table lookout-results``."""
        return f"the {_NOUNS.get(self.kind, self.kind)} {self.called}"

    @property
    def called(self) -> str:
        """Its name, also of a queue."""
        return self.name.rpartition("/")[2] if self.kind == "AWS::SQS::Queue" else self.name


_NOUNS = {
    "AWS::S3::Bucket": "bucket",
    "AWS::DynamoDB::Table": "table",
    "AWS::Lambda::Function": "function",
    "AWS::Logs::LogGroup": "log group",
    "AWS::SQS::Queue": "queue",
    "AWS::ECR::Repository": "image repository",
    "AWS::IAM::Role": "role",
    "AWS::CloudWatch::Alarm": "alarm",
}
# How the services say that there is none.
_ABSENT = {
    "404",
    "NoSuchBucket",
    "NoSuchEntity",
    "ResourceNotFoundException",
    "RepositoryNotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
}
# How S3 says that a bucket is somebody else's, or in another region.
_ELSEWHERE = {"403", "301", "400"}


def named_resources(names: Names, account_id: str, region: str) -> tuple[Resource, ...]:
    """What the template names itself; it leaves the names of the role and of the artifact bucket to CloudFormation."""
    stack = names.stack
    function = names.function or stack
    return (
        Resource("Repository", "AWS::ECR::Repository", names.repository or stack),
        Resource("Bucket", "AWS::S3::Bucket", names.bucket or f"{stack}-{account_id}-{region}"),
        Resource("Table", "AWS::DynamoDB::Table", names.table or f"{stack}-results"),
        Resource("LogGroup", "AWS::Logs::LogGroup", f"/aws/lambda/{function}"),
        Resource("FailureQueue", "AWS::SQS::Queue", f"{stack}-failures"),
        Resource("Function", "AWS::Lambda::Function", function),
        Resource("ErrorAlarm", "AWS::CloudWatch::Alarm", f"{stack}-errors"),
    )


def presence(account: Account, resource: Resource) -> Presence:
    """Whether it is there; what can only be there together with another resource counts as absent.

    Raises ``CloudError``.
    """
    ask = _ASK.get(resource.kind)
    if ask is None:
        return Presence.ABSENT
    with aws_errors(f"looking for {resource.described()}"):
        try:
            return Presence.HERE if ask(account, resource.name) else Presence.ABSENT
        except ClientError as error:
            if means_absent(error):
                return Presence.ABSENT
            if resource.kind == BUCKET and error_code(error) in _ELSEWHERE:
                return Presence.ELSEWHERE
            raise


def absent(account: Account, resources: Iterable[Resource]) -> list[Resource]:
    """Those of them that are not there, as far as it may be asked. Raises ``CloudError``."""
    gone = []
    for resource in resources:
        try:
            if resource.kind in _ASK and presence(account, resource) is Presence.ABSENT:
                gone.append(resource)
        except CloudError as error:
            if not was_denied(error):
                raise
    return gone


def means_absent(error: ClientError) -> bool:
    """Whether a service says that there is nothing of that name."""
    return error_code(error) in _ABSENT


def _bucket(account: Account, name: str) -> bool:
    account.s3.head_bucket(Bucket=name)
    return True


def _table(account: Account, name: str) -> bool:
    return account.dynamodb.describe_table(TableName=name)["Table"].get("TableStatus") != "DELETING"


def _function(account: Account, name: str) -> bool:
    account.functions.get_function_configuration(FunctionName=name)
    return True


def _log_group(account: Account, name: str) -> bool:
    found = account.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(group["logGroupName"] == name for group in found)


def _queue(account: Account, name: str) -> bool:
    account.queues.get_queue_url(QueueName=name.rpartition("/")[2])
    return True


def _repository(account: Account, name: str) -> bool:
    return bool(account.images.describe_repositories(repositoryNames=[name])["repositories"])


def _role(account: Account, name: str) -> bool:
    account.iam.get_role(RoleName=name)
    return True


def _alarm(account: Account, name: str) -> bool:
    return bool(account.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"])


_ASK: Mapping[str, Callable[[Account, str], bool]] = {
    "AWS::S3::Bucket": _bucket,
    "AWS::DynamoDB::Table": _table,
    "AWS::Lambda::Function": _function,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::SQS::Queue": _queue,
    "AWS::ECR::Repository": _repository,
    "AWS::IAM::Role": _role,
    "AWS::CloudWatch::Alarm": _alarm,
}
