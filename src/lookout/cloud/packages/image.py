"""The function's package as a container image: the folder that it is built in, and building and pushing it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lookout.cloud.packages.bytecode import compiled
from lookout.cloud.packages.contents import ZIP_MODEL_FOLDER, model_files
from lookout.cloud.packages.recipe import Recipe
from lookout.cloud.packages.wheels import Say
from lookout.cloud.packages.zip_package import code_members
from lookout.errors import PackageError

DOCKERFILE = Path(__file__).with_name("Dockerfile")
# Where the Dockerfile puts the model.
IMAGE_MODEL_FOLDER = "/opt/model"

_PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}


def base_image(recipe: Recipe) -> str:
    """What the image is built on: AWS's own image of that Python, unless the recipe names another.

    The tag names the processor, too. Else podman and buildah, which keep one image a name, may take one for another.
    """
    return recipe.base_image or f"public.ecr.aws/lambda/python:{recipe.python}-{recipe.architecture}"


def image_platform(recipe: Recipe) -> str:
    """The platform, as container tools call it."""
    return _PLATFORMS[recipe.architecture]


def write_context(recipe: Recipe, folder: Path, say: Say) -> None:
    """Fill a folder with all that the image is built of. Raises as ``build_zip`` does."""
    members = code_members(recipe, say)
    if recipe.compiled:
        members += compiled(members)
    try:
        for member in members:
            path = folder / "task" / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(member.read())
        (folder / "model").mkdir()
        for name, path in model_files(recipe.model_folder).items():
            shutil.copyfile(path, folder / "model" / name.removeprefix(f"{ZIP_MODEL_FOLDER}/"))
        shutil.copyfile(DOCKERFILE, folder / "Dockerfile")
        _make_readable(folder)
    except OSError as error:
        raise PackageError(f"{folder} can't be written ({error.strerror})") from error


def _make_readable(folder: Path) -> None:
    """Let whoever the function runs as read it all, and let every umask make the same image."""
    for path, folders, files in os.walk(folder):
        for name in folders:
            Path(path, name).chmod(0o755)
        for name in files:
            Path(path, name).chmod(0o644)
