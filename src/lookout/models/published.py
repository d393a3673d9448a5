"""The files of a model in the catalog: where they lie in the cache, and how they come there."""

from __future__ import annotations

from pathlib import Path

from lookout.errors import ModelError
from lookout.models.catalog import ModelSpec
from lookout.models.download import Copy, Notify, download, read_copy


def download_folder(spec: ModelSpec, cache: Path) -> Path:
    """Where the files of a model in the catalog lie, or would lie."""
    return cache / "downloads" / spec.name


def is_downloaded(spec: ModelSpec, folder: Path) -> bool:
    """Whether all files are there, by names and sizes."""
    return all(_size(folder / file.name) == file.size for file in spec.files)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def obtain(spec: ModelSpec, folder: Path, *, offline: bool, notify: Notify) -> list[Copy]:
    """All files of a model, as published: those that are here, and the others fetched. Raises ``ModelError``."""
    copies = [read_copy(file, folder / file.name) for file in spec.files]
    faults = [copy for copy in copies if copy.fault]
    if offline and faults:
        lines = [f"{spec.name} is not here whole, and offline nothing is fetched", *map(_by_hand, faults)]
        raise ModelError("\n".join(lines))
    for index, copy in enumerate(faults):
        if copy.path.exists():
            notify(f"{copy.path} {copy.fault}: it is fetched again")
        try:
            download(copy.file, copy.path, notify)
        except ModelError as error:  # who has to fetch by hand wants to know of all files at once
            others = [_by_hand(other) for other in faults[index + 1 :]]
            raise ModelError("\n".join([str(error), *others])) from error
    return [_still_good(copy) if copy.fault else copy for copy in copies]


def _still_good(copy: Copy) -> Copy:
    """A copy that was fetched just now. Raises ``ModelError`` where somebody has changed it since."""
    fetched = read_copy(copy.file, copy.path)
    if fetched.fault:
        raise ModelError(f"{copy.path} {fetched.fault}: something else writes there")
    return fetched


def _by_hand(copy: Copy) -> str:
    """What a person without a network has to do for a file."""
    return f"{copy.file.name} {copy.fault}: get it from {' or '.join(copy.file.urls)} and put it at {copy.path}"
