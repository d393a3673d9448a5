"""What the resources of a stack hold, which goes when they go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from botocore.exceptions import ClientError

from lookout.cloud.account import DENIED, Account, aws_errors, error_code
from lookout.cloud.lifecycle.presence import Resource

# Of more than so many nobody needs the exact number, and counting costs a request for each thousand.
_COUNTED_PAGES = 100
# What to call the objects of each bucket, by its name in the template.
_OBJECTS = {"Bucket": "images", "Artifacts": "packages"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a resource holds. ``count`` is None where nobody may look; ``more``: at least so many."""

    resource: Resource
    what: str
    count: int | None
    more: bool = False
    estimated: bool = False

    def described(self) -> str:
        """In words, such as ``about 12 results in the table lookout-results``."""
        if self.count is None:
            number = "an unknown number of"
        else:
            number = f"{'more than ' if self.more else 'about ' if self.estimated else ''}{self.count:,}"
        what = self.what.removesuffix("s") if self.count == 1 and not self.more else self.what
        return f"{number} {what} in {self.resource.described()}"


def contents(account: Account, resources: Iterable[Resource]) -> tuple[Contents, ...]:
    """What these resources hold, those left out that are empty, are not there, or hold nothing. Raises ``CloudError``.

    Logs are not counted: they end by themselves.
    """
    found = (_contents(account, resource) for resource in resources if resource.kind in _COUNT)
    return tuple(one for one in found if one.count is None or one.count)


def may_hold(kind: str) -> bool:
    """Whether a resource of that type holds anything that somebody may miss."""
    return kind in _COUNT or kind == "AWS::Logs::LogGroup"


def listed(words: Sequence[str]) -> str:
    """An enumeration.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _contents(account: Account, resource: Resource) -> Contents:
    count = _COUNT[resource.kind]
    with aws_errors(f"counting what is in {resource.described()}"):
        try:
            return count(account, resource)
        except ClientError as error:
            if error_code(error) in DENIED:
                return Contents(resource, "things", None)
            if "NotFound" in error_code(error) or "NoSuch" in error_code(error) or "NonExistent" in str(error):
                return Contents(resource, "things", 0)
            raise


def _objects(account: Account, resource: Resource) -> Contents:
    pages = iter(account.s3.get_paginator("list_object_versions").paginate(Bucket=resource.name))
    count = sum(len(page.get("Versions", [])) for page in islice(pages, _COUNTED_PAGES))
    more = next(pages, None) is not None
    return Contents(resource, _OBJECTS.get(resource.id, "objects"), count, more)


def _items(account: Account, resource: Resource) -> Contents:
    """DynamoDB counts every six hours; of a table that was empty then, the first thousand are counted anew."""
    tables = account.dynamodb
    count = tables.describe_table(TableName=resource.name)["Table"].get("ItemCount", 0)
    if count:
        return Contents(resource, "results", count, estimated=True)
    page = tables.scan(TableName=resource.name, Select="COUNT", Limit=1000)
    return Contents(resource, "results", page["Count"], more="LastEvaluatedKey" in page)


def _messages(account: Account, resource: Resource) -> Contents:
    queues = account.queues
    url = queues.get_queue_url(QueueName=resource.name.rpartition("/")[2])["QueueUrl"]
    attributes = queues.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"]
    return Contents(resource, "failed events", sum(map(int, attributes.values())), estimated=True)


def _images(account: Account, resource: Resource) -> Contents:
    pages = account.images.get_paginator("list_images").paginate(repositoryName=resource.name)
    digests = {image["imageDigest"] for page in pages for image in page["imageIds"] if "imageDigest" in image}
    return Contents(resource, "container images", len(digests))


_COUNT: Mapping[str, Callable[[Account, Resource], Contents]] = {
    "AWS::S3::Bucket": _objects,
    "AWS::DynamoDB::Table": _items,
    "AWS::SQS::Queue": _messages,
    "AWS::ECR::Repository": _images,
}
