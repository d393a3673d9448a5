"""A folder that pictures are written into, each under a name of its own."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lookout import images
from lookout.errors import UsageError


class PictureFolder:
    """Pictures as ``<stem>.jpg``; of several of one stem the others are numbered.

    An earlier run's are written over. Raises ``UsageError`` where the folder can't be made, or written into.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = make_folder(folder)
        self._given = _Names()
        self._numbers: dict[str, int] = {}  # the next one to try, of the last stems that were there several times

    def save(self, stem: str, jpeg: bytes) -> None:
        """Write a picture."""
        images.write_whole(jpeg, self._folder / self._free_name(stem))

    def discard(self) -> None:
        """Leave no folder behind into which nothing was written."""
        remove_empty(self._made)

    def _free_name(self, stem: str) -> str:
        for number in itertools.count(self._numbers.pop(stem, 1)):
            name = f"{stem}.jpg" if number == 1 else f"{stem}-{number}.jpg"
            if name not in self._given or not (self._folder / name).exists():
                break
        if number > 1:
            self._numbers[stem] = number + 1
            if len(self._numbers) > 1000:
                del self._numbers[next(iter(self._numbers))]
        self._given.add(name)
        return name


class _Names:
    """Names, remembered in 1 MB however many they are: a Bloom filter.

    None that was added is ever denied. Of 100,000 that were not, one in a million is taken for one that was.
    """

    def __init__(self) -> None:
        self._bits = bytearray(1 << 20)

    def add(self, name: str) -> None:
        for byte, bit in self._places(name):
            self._bits[byte] |= bit

    def __contains__(self, name: str) -> bool:
        return all(self._bits[byte] & bit for byte, bit in self._places(name))

    def _places(self, name: str) -> Iterator[tuple[int, int]]:
        digest = hashlib.blake2s(name.encode("utf-8", "surrogateescape"), digest_size=16).digest()
        for at in range(0, 16, 4):
            number = int.from_bytes(digest[at : at + 4]) % (8 * len(self._bits))
            yield number >> 3, 1 << (number & 7)


def make_folder(folder: Path) -> list[Path]:
    """Make a folder, before any work is done for it; the folders that were made, the innermost first."""
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} can't be written ({error.strerror}): name another folder with --save") from error
    return missing


def remove_empty(made: Iterable[Path]) -> None:
    """Leave no folder behind into which nothing was written."""
    with suppress(OSError):  # the first that holds something ends it
        for folder in made:
            folder.rmdir()
