"""Walking folders in order, with memory that doesn't grow with what they hold.

A folder's names are looked through several times, and each time the next few thousand are kept: that is as sorted as
a list of all, and a folder of a million files costs what one of ten thousand does.

A pattern is a path whose parts may hold ``*``, ``?`` and ``[...]``, and ``**`` for any number of folders. It is read
as an automaton: a folder is known by the places in the pattern that it has led to, and each name in it leads on from
them. So every path is met once, in the order of its parts, and whether a pattern matches a path can be told without
looking at the disk.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# So many names of a folder are held at once.
CHUNK = 5_000

Wanted = Callable[[str], bool]


def sorted_names(folder: Path, wanted: Wanted, chunk: int = CHUNK) -> Iterator[str]:
    """The names in a folder that are wanted, sorted. Raises ``OSError``."""
    last, full = "", True
    while full:
        held = _first_names(folder, wanted, last, chunk)
        full = len(held) == chunk
        last = held[-1] if held else last
        held.reverse()
        while held:  # what is given is let go of
            yield held.pop()


def _first_names(folder: Path, wanted: Wanted, after: str, count: int) -> list[str]:
    """The first so many of the wanted names that come after one, sorted."""
    held: list[str] = []
    last = ""  # no name behind it counts any more, once there are enough
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name  # alone: an entry costs ten times as much memory
            if after < name and (not last or name < last) and wanted(name):
                held.append(name)
                if len(held) > count + count // 4:
                    held.sort()
                    del held[count:]
                    last = held[-1]
    held.sort()
    del held[count:]
    return held


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, apart: ``base`` has no magic in it, and ``parts`` begin with one that has."""

    base: Path
    parts: tuple[str, ...]

    @staticmethod
    def of(path: Path) -> Pattern:
        """The pattern that a path with magic in it is."""
        at = next(index for index, part in enumerate(path.parts) if glob.has_magic(part))
        return Pattern(Path(*path.parts[:at]), path.parts[at:])

    def walk(self, wanted: Wanted) -> Iterator[Path]:
        """The files whose names are wanted that it matches, or that lie in a folder that it matches; sorted."""
        return self._walk(self.base, self._open({0}), wanted)

    def matches(self, path: Path) -> bool:
        """Whether a walk meets this file, if it is there."""
        depth = len(self.base.parts)
        if path.parts[:depth] != self.base.parts:
            return False
        *folders, name = path.parts[depth:] or ("",)
        places = self._open({0})
        for folder in folders:
            places = self._next(places, folder)
        return self._is_file(places, name)

    def _walk(self, folder: Path, places: frozenset[int], wanted: Wanted) -> Iterator[Path]:
        for name in self._names(folder, places, wanted):
            path = folder / name
            if not path.is_dir():
                if wanted(name) and self._is_file(places, name):
                    yield path
            elif further := self._next(places, name):
                yield from self._walk(path, further, wanted)

    def _names(self, folder: Path, places: frozenset[int], wanted: Wanted) -> Iterator[str]:
        """What may count, or lead on. A folder on the way that may not be read matches nothing, as in ``glob``."""
        try:
            yield from sorted_names(folder, lambda name: wanted(name) or bool(self._next(places, name)))
        except OSError:
            if self._holds_all(places):
                raise

    def _next(self, places: frozenset[int], name: str) -> frozenset[int]:
        """The places that a name leads to from those of its folder."""
        return self._open(
            {at if self._part(at) == "**" else at + 1 for at in places if self._leads_on(self._part(at), name)}
        )

    def _open(self, places: set[int]) -> frozenset[int]:
        """With the places behind every ``**``, which may stand for no folder at all."""
        found = set(places)
        for at, part in enumerate(self.parts):
            if at in found and part == "**":
                found.add(at + 1)
        return frozenset(found)

    def _is_file(self, places: frozenset[int], name: str) -> bool:
        last = len(self.parts) - 1
        return self._holds_all(places) or (last in places and self._leads_on(self.parts[last], name))

    def _holds_all(self, places: frozenset[int]) -> bool:
        """Whether a folder is itself matched, so that all in it counts; ``**`` names the files that it means."""
        return len(self.parts) in places and self.parts[-1] != "**"

    def _part(self, at: int) -> str | None:
        return self.parts[at] if at < len(self.parts) else None

    @staticmethod
    def _leads_on(part: str | None, name: str) -> bool:
        """As ``glob``: what begins with a dot is hidden, but from a part that does so too."""
        if part is None:
            return False
        hidden = name.startswith(".") and not part.startswith(".")
        return part == name or (not hidden and (part == "**" or fnmatch.fnmatch(name, part)))
