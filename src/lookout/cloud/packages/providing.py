"""Bringing a package to where CloudFormation finds it, unless it is there already."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors
from lookout.cloud.packages import registry
from lookout.cloud.packages.container_tools import (
    ContainerTool,
    Which,
    build_image,
    describe_faults,
    find_tool,
    push_image,
)
from lookout.cloud.packages.contents import ZIP_MODEL_FOLDER
from lookout.cloud.packages.image import IMAGE_MODEL_FOLDER, base_image, image_platform, write_context
from lookout.cloud.packages.recipe import Recipe, check_deployable, running_recipe
from lookout.cloud.packages.wheels import Say
from lookout.cloud.packages.zip_package import build_zip
from lookout.cloud.template import Code
from lookout.errors import PackageError, UsageError
from lookout.models.store import cache_folder

Kind = Literal["image", "zip"]

_MIB = 1 << 20
_TRANSFER = TransferConfig(max_concurrency=4)


def choose_kind(which: Which = shutil.which) -> tuple[Kind, str]:
    """``image`` where a container tool is installed and can build, else ``zip``, and why."""
    tool, faults = find_tool(which)
    return ("image", "") if tool else ("zip", describe_faults(faults))


def model_folder(kind: Kind) -> str:
    """Where the function finds its model: the template's ``ModelFolder``. A zip's is beside the code."""
    return IMAGE_MODEL_FOLDER if kind == "image" else ZIP_MODEL_FOLDER


def provide(
    account: Account,
    recipe: Recipe,
    kind: Kind,
    *,
    artifacts: str,
    repository_uri: str,
    say: Say,
    which: Which = shutil.which,
) -> Code:
    """A package in the bucket ``artifacts``, or in the repository. Built and brought there only where it is missing.

    Raises ``PackageError`` where it can't be built, ``UsageError`` and ``ModelError`` for a recipe that can't be
    followed, ``CloudError``.
    """
    if kind == "image":
        check_deployable(recipe)
        return Code(image_uri=_provide_image(account, recipe, repository_uri, say, which))
    if account.emulated:
        _check_runs_here(recipe)
    else:
        check_deployable(recipe)
    return Code(zip_key=_provide_zip(account, recipe, artifacts, say), runtime=f"python{recipe.python}")


def foresee(account: Account, recipe: Recipe, kind: Kind, *, repository_uri: str) -> Code:
    """What ``provide`` would give, found out without building anything.

    An image that is not in the repository yet is named by its tag, as its digest is known only when it is built. Raises
    as ``provide`` does.
    """
    digest = recipe.digest(kind)
    if kind == "zip":
        return Code(zip_key=_zip_key(digest), runtime=f"python{recipe.python}")
    there = registry.find_image(account, repository_uri, digest) if repository_uri else None
    return Code(image_uri=there or f"{repository_uri or 'repository'}:{digest}")


def _zip_key(digest: str) -> str:
    return f"code/{digest}.zip"


def _provide_zip(account: Account, recipe: Recipe, bucket: str, say: Say) -> str:
    key = _zip_key(recipe.digest("zip"))
    if _is_there(account, bucket, key):
        say("The function's zip is there already.")
        return key
    with _workplace() as folder:
        say(f"Building the function's zip: {recipe.engine}, Python {recipe.python}, {recipe.architecture} ...")
        package = build_zip(recipe, folder, say)
        sizes = f"{package.size_bytes / _MIB:.0f} MB, {package.unpacked_bytes / _MIB:.0f} unpacked"
        say(f"Uploading it ({sizes}) to {bucket} ...")
        with aws_errors(f"uploading the function's zip to {bucket}"):
            described = {"ContentType": "application/zip", "Metadata": {"sha256": package.sha256}}
            with package.path.open("rb") as file:
                account.s3.upload_fileobj(file, bucket, key, ExtraArgs=described, Config=_TRANSFER)
    return key


def _is_there(account: Account, bucket: str, key: str) -> bool:
    with aws_errors(f"looking into the bucket {bucket}"):
        try:
            account.s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return False
            raise
    return True


def _provide_image(account: Account, recipe: Recipe, repository_uri: str, say: Say, which: Which) -> str:
    tag = recipe.digest("image")
    if uri := registry.find_image(account, repository_uri, tag):
        say("The function's image is there already.")
        return uri
    tool = _tool(which)
    image, platform = f"{repository_uri}:{tag}", image_platform(recipe)
    with _workplace() as folder:
        write_context(recipe, folder, say)
        build_image(tool, image, platform, base_image(recipe), folder, say)
    try:
        push_image(tool, image, platform, registry.password(account), say)
    except PackageError:
        # Two may push at the same time, and a tag can't be moved: what the other one pushed is as good.
        if uri := registry.find_image(account, repository_uri, tag):
            return uri
        raise
    uri = registry.find_image(account, repository_uri, tag)
    if uri is None:
        raise PackageError(f"{tool.name} pushed the image, but it is not in {repository_uri}: is that its registry?")
    return uri


@contextmanager
def _workplace() -> Iterator[Path]:
    """A folder for a package, beside the wheels.

    ``/tmp`` may be in memory; and of a container tool's virtual machine only the user's home is sure to be seen.
    """
    parent = cache_folder() / "packages"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=parent)
    except OSError as error:
        raise PackageError(f"the cache {parent} can't be written ({error.strerror}): set XDG_CACHE_HOME") from error
    with folder as name:
        yield Path(name)


def _tool(which: Which) -> ContainerTool:
    tool, faults = find_tool(which)
    if tool is None:
        raise PackageError(f"{describe_faults(faults)}: start or install one, or take --package zip")
    return tool


def _check_runs_here(recipe: Recipe) -> None:
    """Raise ``UsageError`` for a zip that an emulator on this machine can't run."""
    here = running_recipe(recipe.model_folder, recipe.engine)
    if (recipe.python, recipe.architecture) != (here.python, here.architecture):
        raise UsageError(
            f"the emulator runs zips in Python {here.python} on {here.architecture}, as it runs itself, "
            f"and not in Python {recipe.python} on {recipe.architecture}"
        )
    if sys.platform != "linux":
        raise UsageError("the emulator runs zips on Linux alone, which their wheels are for: leave --package out")
