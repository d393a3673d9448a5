"""The function's package: a zip or a container image, made of pinned wheels, the handler's part of Lookout and a model.

Both are made of the same files (``contents``). A zip needs no other tool; an image is built and pushed by docker,
podman, finch or buildah. ``provide`` brings either to where CloudFormation finds it.
"""

from __future__ import annotations

from lookout.cloud.packages.container_tools import ContainerTool, describe_faults, find_tool
from lookout.cloud.packages.providing import Kind, choose_kind, foresee, model_folder, provide
from lookout.cloud.packages.recipe import ARCHITECTURES, PYTHONS, Recipe, deployable_python, running_recipe
from lookout.cloud.packages.zip_package import ZipPackage, build_zip, unpacked_size

__all__ = [
    "ARCHITECTURES",
    "PYTHONS",
    "ContainerTool",
    "Kind",
    "Recipe",
    "ZipPackage",
    "build_zip",
    "choose_kind",
    "deployable_python",
    "describe_faults",
    "find_tool",
    "foresee",
    "model_folder",
    "provide",
    "running_recipe",
    "unpacked_size",
]
