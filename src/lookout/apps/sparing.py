"""What a command would write must not be what it reads: said before anything is loaded."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from lookout.apps.pictures import STANDARD_INPUT
from lookout.errors import UsageError


def spare(out: Path, inputs: Iterable[Path], option: str = "--out") -> None:
    """Raise ``UsageError`` where ``out`` is one of the inputs, by whatever name; devices may be both."""
    present = _stat(out)
    if present is None or not stat.S_ISREG(present.st_mode):
        return
    if any(os.path.samestat(present, other) for other in map(_stat, inputs) if other):
        raise UsageError(f"{out} would be written over: name another file with {option}")


def model_files(model: str, labels: Path | None) -> list[Path]:
    """The files that a model is read from, as far as its name tells."""
    from lookout.models.labels import labels_file

    path = Path(model)
    try:
        inside = list(path.iterdir()) if path.is_dir() else []
        found = labels_file(path, labels)
    except (OSError, ValueError):  # the store says what is wrong with it
        return []
    weights = [path.with_suffix(".weights")] if path.suffix else []
    return [path, *weights, *inside, *([found] if found else [])]


def spare_folder(folder: Path, names: Iterable[str], option: str, what: str) -> None:
    """Raise ``UsageError`` where a folder to be written into holds an image, or the link that it was named by."""
    place = folder.resolve()
    paths = (Path(name) for name in names if name != STANDARD_INPUT)
    resolve = lru_cache(maxsize=100)(Path.resolve)  # of many images in few folders
    if any(place == resolve(path.parent) or (path.is_symlink() and place == path.resolve().parent) for path in paths):
        raise UsageError(f"{folder} holds {what}: name another folder with {option}")


def spare_each_other(names: Sequence[str], stems: Sequence[str], labels_file: str) -> None:
    """Raise ``UsageError`` where two images, or an image and the labels, would have one text file."""
    for name, stem in zip(names, stems, strict=True):
        if f"{stem}.txt" == labels_file:
            raise UsageError(f"{name} would be called {labels_file}, which holds the labels: rename it")
    counts = Counter(stems)
    twice = next((stem for stem in stems if counts[stem] > 1), None)
    if twice is not None:
        first, second = [name for name, stem in zip(names, stems, strict=True) if stem == twice][:2]
        raise UsageError(f"{first} and {second} would both become {twice}.txt: give each folder its own --out")


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):  # what is not there can't be written over
        return None
