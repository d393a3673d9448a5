"""The repository of the function's images, in Amazon ECR."""

from __future__ import annotations

import base64

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors
from lookout.errors import PackageError

# What a list of images is, in place of an image; Lambda runs none.
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


def find_image(account: Account, repository_uri: str, tag: str) -> str | None:
    """The URI by digest of the image under a tag; None where there is none.

    Raises ``PackageError`` for what is no image that Lambda runs, ``CloudError``.
    """
    repository = repository_uri.partition("/")[2]
    with aws_errors(f"looking into the repository {repository}"):
        try:
            answer = account.images.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ImageNotFoundException":
                return None
            raise
    if not answer["imageDetails"]:
        return None
    image = answer["imageDetails"][0]
    if image.get("imageManifestMediaType") in _INDEXES:
        raise PackageError(
            f"{repository_uri}:{tag} is a list of images, which Lambda does not run: delete it there, and set "
            "the container tool not to add attestations"
        )
    return f"{repository_uri}@{image['imageDigest']}"


def password(account: Account) -> str:
    """The password that lets ``AWS`` push, good for twelve hours. Raises ``CloudError``."""
    with aws_errors("asking for access to the repositories of images"):
        token = account.images.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(token).decode().partition(":")[2]
