"""Whether the function's package can be built, and is one that Lambda takes. Pure."""

from __future__ import annotations

from lookout.cloud.packages.zip_package import MOST_BYTES
from lookout.cloud.preflight.check import Check, Package

_MB = 1024**2
MAX_IMAGE_BYTES = 10 * 1024 * _MB


def judge_package(package: Package) -> tuple[Check, ...]:
    """The container tool where one is needed, and the sizes that are known."""
    checks = []
    if package.kind == "image":
        checks.append(_tool(package))
    if package.kind == "zip" and package.unpacked_bytes is not None:
        checks.append(_size("unpacked the zip", package.unpacked_bytes, MOST_BYTES, _SMALLER_ZIP))
    if package.kind != "zip" and package.size_bytes is not None:
        checks.append(_size("the image", package.size_bytes, MAX_IMAGE_BYTES, "take a smaller model"))
    return tuple(checks)


_SMALLER_ZIP = "take one engine alone (opencv), or a container image with --package image"


def _tool(package: Package) -> Check:
    if package.tool is None:
        remedy = "start or install one, or do without it: --package zip"
        return Check("container tool", "failed", package.tool_fault, remedy)
    return Check("container tool", "ok", package.tool)


def _size(what: str, size_bytes: int, most_bytes: int, remedy: str) -> Check:
    found = f"{what} has {-(-size_bytes // _MB)} MB"
    if size_bytes > most_bytes:
        return Check("package size", "failed", f"{found}, and Lambda takes {most_bytes // _MB}", remedy)
    return Check("package size", "ok", f"{found}, of {most_bytes // _MB} that Lambda takes")
