"""Image files: finding, reading and writing them."""

from __future__ import annotations

import glob
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lookout.errors import ImageError, NoImagesError, UsageError
from lookout.images.limits import DEFAULT_LIMITS, ImageLimits
from lookout.images.patterns import Pattern, sorted_names
from lookout.images.pixels import ImageArray, encode_jpeg

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})


def find(paths: Iterable[Path]) -> list[Path]:
    """The images that ``walk`` meets. Raises as it does."""
    return [Path(name) for name in walk(list(paths))]


def walk(paths: Sequence[Path]) -> Iterator[str]:
    """The images that files, folders and patterns (``photos/*.jpg``, ``photos/**``) name, each once.

    A file that is named is taken whatever its name is; of a folder, and of what a pattern matches, the files with an
    image's suffix, sorted. A path that exists is no pattern, whatever its name. What it costs in memory doesn't grow
    with the images; they come as text, since Python keeps a table of the parts of all paths that there were.

    Raises ``NoImagesError``, when it comes to it, for a path that is missing, and for a folder or a pattern without
    images.
    """
    places: list[_Place] = []
    try:
        for path in paths:
            place = _place(path)
            for image in place.images():
                if not any(earlier.names(image) for earlier in places):
                    yield image
            places.append(place)
    except OSError as error:  # a folder that may not be read, a name that is too long
        raise NoImagesError(f"{error.filename} can't be looked at: {error.strerror}") from error


class _Place(Protocol):
    """What an argument stands for: the images in it, and whether an image is one of them."""

    def images(self) -> Iterator[str]: ...

    def names(self, image: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class _File:
    path: Path

    def images(self) -> Iterator[str]:
        yield str(self.path)

    def names(self, image: str) -> bool:
        return image == str(self.path)


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path

    def images(self) -> Iterator[str]:
        found = False
        beginning = str(self.path / "-")[:-1]
        for name in sorted_names(self.path, _has_suffix):
            if _may_be_image(image := beginning + name):
                found = True
                yield image
        if not found:
            raise _no_images(f"{self.path} holds no images: put files there that end in", self._hint())

    def names(self, image: str) -> bool:
        return Path(image).parent == self.path and _has_suffix(image)

    def _hint(self) -> str:
        deeper = any(_has_suffix(path.name) and path.is_file() for path in self.path.rglob("*"))
        return f"; for the folders in it too, name '{self.path / '**'}'" if deeper else ""


@dataclass(frozen=True, slots=True)
class _Matches:
    pattern: Pattern
    path: Path

    def images(self) -> Iterator[str]:
        found = False
        for image in map(str, self.pattern.walk(_has_suffix)):
            if _may_be_image(image):
                found = True
                yield image
        if not found:
            raise _no_images(f"nothing that {self.path} matches is an image: name files that end in")

    def names(self, image: str) -> bool:
        return _has_suffix(image) and self.pattern.matches(Path(image))


def _place(path: Path) -> _Place:
    if path.is_dir():
        return _Folder(path)
    if path.exists():  # a pipe, too
        return _File(path)
    if glob.has_magic(str(path)):
        return _Matches(Pattern.of(path), path)
    raise NoImagesError(f"{path} does not exist: name an image, or a folder of images")


def _no_images(otherwise: str, hint: str = "") -> NoImagesError:
    return NoImagesError(f"{otherwise} {', '.join(sorted(SUFFIXES))}{hint}")


def _has_suffix(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122, since a Path for each name takes ten times as long


def _may_be_image(image: str) -> bool:
    """A file, or a link that leads nowhere, which fails when it is read; no pipe, where reading may never end."""
    if os.path.isfile(image):  # noqa: PTH113, since most are, and need no Path
        return True
    path = Path(image)  # whose own question raises where the folder may not be searched
    return path.is_file() or (path.is_symlink() and not path.exists())


def read(image: Path | str, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of an image file. Raises ``ImageError`` where it can't be read, or has too many."""
    try:
        with open(image, "rb") as file:  # noqa: PTH123, see walk
            limits.check_bytes(os.fstat(file.fileno()).st_size)
            data = file.read(limits.max_bytes + 1)  # a device or a pipe doesn't say how much is to come
    except OSError as error:
        raise ImageError(f"{Path(image).name} can't be read: {error.strerror}") from error
    limits.check_bytes(len(data))
    return data


def write(image_bgr: ImageArray, path: Path) -> None:
    """Write the picture as JPEG, making the folder. Raises ``UsageError`` where it can't be written.

    It gets its name when it is whole; a link of that name is replaced, and what it leads to stays as it is.
    """
    write_whole(encode_jpeg(image_bgr), path)


def write_whole(data: bytes, path: Path) -> None:
    """Write a file as ``write`` does a picture."""
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
