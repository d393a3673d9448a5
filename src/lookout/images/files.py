"""Image files: finding, reading and writing them."""

from __future__ import annotations

import glob
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from lookout.errors import ImageError, NoImagesError, UsageError
from lookout.images.limits import DEFAULT_LIMITS, ImageLimits
from lookout.images.pixels import ImageArray, encode_jpeg

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})


def find(paths: Iterable[Path]) -> list[Path]:
    """The images that files, folders and patterns (``photos/*.jpg``, ``photos/**``) name, each once.

    A file that is named is taken whatever its name is; of a folder, and of what a pattern matches, the files with an
    image's suffix, sorted. A path that exists is no pattern, whatever its name. Raises ``NoImagesError`` for a path
    that is missing, and for a folder or a pattern without images.
    """
    try:
        return list(dict.fromkeys(image for path in paths for image in _find_in(path)))
    except OSError as error:  # a folder that may not be read, a name that is too long
        raise NoImagesError(f"{error.filename} can't be looked at: {error.strerror}") from error


def _find_in(path: Path) -> list[Path]:
    if path.is_dir():
        return _images_in(path)
    if path.exists():  # a pipe, too
        return [path]
    if glob.has_magic(str(path)):
        return _images(_matches(path), f"nothing that {path} matches is an image: name files that end in")
    raise NoImagesError(f"{path} does not exist: name an image, or a folder of images")


def _images_in(folder: Path) -> list[Path]:
    try:
        return _images(folder.iterdir(), f"{folder} holds no images: put files there that end in")
    except NoImagesError as error:
        if any(path.suffix.lower() in SUFFIXES and path.is_file() for path in folder.rglob("*")):
            raise NoImagesError(f"{error}; for the folders in it too, name '{folder / '**'}'") from error
        raise


def _matches(pattern: Path) -> Iterable[Path]:
    """What a pattern matches, and what lies in the folders that it matches."""
    for name in glob.glob(str(pattern), recursive=True):  # noqa: PTH207, since Path.glob takes no absolute pattern
        match = Path(name)
        if not match.is_dir():
            yield match
        elif pattern.name != "**":  # which matches the files in it, too
            yield from match.iterdir()


def _images(candidates: Iterable[Path], otherwise: str) -> list[Path]:
    images = sorted({path for path in candidates if path.suffix.lower() in SUFFIXES and _may_be_image(path)})
    if not images:
        raise NoImagesError(f"{otherwise} {', '.join(sorted(SUFFIXES))}")
    return images


def _may_be_image(path: Path) -> bool:
    """A file, or a link that leads nowhere, which fails when it is read; no pipe, where reading may never end."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def read(path: Path, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of an image file. Raises ``ImageError`` where it can't be read, or has too many."""
    try:
        limits.check_bytes(path.stat().st_size)
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)  # a device or a pipe doesn't say how much is to come
    except OSError as error:
        raise ImageError(f"{path.name} can't be read: {error.strerror}") from error
    limits.check_bytes(len(data))
    return data


def write(image_bgr: ImageArray, path: Path) -> None:
    """Write the picture as JPEG, making the folder. Raises ``UsageError`` where it can't be written.

    It gets its name when it is whole; a link of that name is replaced, and what it leads to stays as it is.
    """
    data = encode_jpeg(image_bgr)
    partial = path.with_name(f".lookout-{os.getpid()}-{threading.get_ident()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another folder") from error
