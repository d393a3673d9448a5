"""The function's package as a zip, and the files that an image has in common with it."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lookout.cloud.packages.bytecode import compiled
from lookout.cloud.packages.contents import ZIP_MODEL_FOLDER, is_needed, lookout_files, model_files
from lookout.cloud.packages.pack import FileMember, Member, WheelMember, write_zip
from lookout.cloud.packages.recipe import Recipe
from lookout.cloud.packages.wheels import Say, obtain, wanted
from lookout.errors import PackageError

# Lambda's limit for a zip, unpacked: 250 MB, by which AWS means MiB.
MOST_BYTES = 250 << 20
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ZipPackage:
    """A zip on the disk: its length, and that of all its files."""

    path: Path
    sha256: str
    size_bytes: int
    unpacked_bytes: int


def build_zip(recipe: Recipe, folder: Path, say: Say) -> ZipPackage:
    """Build the zip of a recipe into a folder; ``say`` is told what takes time.

    Raises ``PackageError`` where wheels can't be had, or the zip is more than Lambda takes; ``ModelError`` and
    ``UsageError`` for a recipe that can't be followed.
    """
    code = code_members(recipe, say)
    members: list[Member] = [*code, *_model_members(recipe)]
    unpacked_bytes = check_size(members, recipe)
    if recipe.compiled:
        bytecode = compiled(code)
        compiled_bytes = unpacked_bytes + sum(member.size_bytes for member in bytecode)
        if compiled_bytes <= MOST_BYTES:  # else it goes without: it is slower to start, but does
            members += bytecode
            unpacked_bytes = compiled_bytes
    path = folder / f"lookout-{recipe.engine}-{recipe.architecture}-python{recipe.python}.zip"
    draft = path.with_suffix(".draft")
    try:
        with draft.open("wb") as file:
            sha256 = write_zip(members, file)
        draft.replace(path)
    except OSError as error:
        raise PackageError(f"{folder} can't be written ({error.strerror})") from error
    finally:
        draft.unlink(missing_ok=True)
    return ZipPackage(path, sha256, path.stat().st_size, unpacked_bytes)


def unpacked_size(recipe: Recipe, say: Say) -> int:
    """The length of all files in the zip of a recipe, without bytecode. Nothing is built; missing wheels are fetched.

    Raises as ``build_zip`` does.
    """
    return check_size([*code_members(recipe, say), *_model_members(recipe)], recipe)


def _model_members(recipe: Recipe) -> list[Member]:
    return [FileMember(name, path) for name, path in model_files(recipe.model_folder).items()]


def code_members(recipe: Recipe, say: Say) -> list[Member]:
    """All files but the model: what is needed of each wheel, and the handler's part of Lookout."""
    members: list[Member] = [FileMember(name, path) for name, path in lookout_files().items()]
    wheels = wanted(recipe.engine, recipe.python, recipe.architecture)
    for path in obtain(wheels, recipe.python, recipe.architecture, say, offline=recipe.offline):
        with zipfile.ZipFile(path) as archive:
            members += [
                WheelMember(path, info) for info in archive.infolist() if not info.is_dir() and is_needed(info.filename)
            ]
    return members


def check_size(members: Sequence[Member], recipe: Recipe) -> int:
    """The length of all members, unpacked. Raises ``PackageError`` where Lambda would not take them."""
    unpacked_bytes = sum(member.size_bytes for member in members)
    if unpacked_bytes > MOST_BYTES:
        largest = ", ".join(f"{name} {size_bytes // _MIB}" for name, size_bytes in shares(members).most_common(4))
        raise PackageError(
            f"the zip would have {unpacked_bytes // _MIB} MB unpacked, and Lambda takes {MOST_BYTES // _MIB}; "
            f"of them {largest}: take {_smaller(recipe)}--package image, which has room for 10 GB"
        )
    return unpacked_bytes


def _smaller(recipe: Recipe) -> str:
    """What makes a smaller zip than this recipe does, to be read before the last remedy."""
    engine = "" if recipe.engine == "opencv" else "--engine opencv, "
    has_other = recipe.architecture == "x86_64" and recipe.engine != "openvino"
    return f"{engine}{'--architecture arm64, ' if has_other else ''}or " if engine or has_other else ""


def shares(members: Iterable[Member]) -> Counter[str]:
    """How many bytes each part has: a package with its libraries, Lookout, the model."""
    sizes: Counter[str] = Counter()
    for member in members:
        top = member.name.partition("/")[0]
        part = top.removesuffix(".libs").partition("-")[0].lower()
        part = {"pil": "pillow", "cv2": "opencv_python_headless", ZIP_MODEL_FOLDER: "the model"}.get(part, part)
        sizes[part] += member.size_bytes
    return sizes
