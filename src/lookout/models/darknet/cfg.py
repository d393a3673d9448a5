"""The text of a Darknet ``cfg`` file -> sections that know their lines.

``[name]`` opens a section and ``key=value`` lines fill it; the order counts and names repeat. As in Darknet's
own ``parser.c``, blanks mean nothing anywhere in a line and the first of two equal keys wins. Unlike Darknet,
which reads ``3x`` as 3 and steps over a line that it doesn't understand, anything odd is an error here that
names the file and the line: a network that was read wrongly still runs, and finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from lookout.errors import DarknetError

_LARGEST = 2**31 - 1
_LONGEST_TEXT = 2**18  # characters: over ten times the longest published cfg
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BLANKS = re.compile(r"\s+")

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Option:
    """The value of a key, blanks removed, and the line that it stands in."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    r"""One section: its name without brackets, where it begins, and its options.

    >>> conv = parse_cfg("[net]\nwidth = 32\n\n[convolutional]\nfilters = 8\n")[1]
    >>> conv.name, conv.line, conv.integer("filters"), conv.integer("size", 1)
    ('convolutional', 4, 8, 1)
    """

    name: str
    line: int
    file: str
    options: Mapping[str, Option]

    def error(self, reason: str, key: str = "") -> DarknetError:
        """Make an error that points at the section, or at the line of one of its keys."""
        line = self.options[key].line if key in self.options else self.line
        return DarknetError(f"{self.file} line {line}: [{self.name}] {reason}")

    def integer(self, key: str, default: int | None = None, least: int = -_LARGEST) -> int:
        """Read a whole number that is at least ``least``; without ``default`` the key must be there."""
        if key not in self.options and default is not None:
            return default
        return self._at_least(key, _integer, self._text(key), least)

    def number(self, key: str, default: float) -> float:
        """Read a finite number, whole or not."""
        return _parse(self, key, _finite, self._text(key)) if key in self.options else default

    def integers(self, key: str, least: int = -_LARGEST) -> list[int]:
        """Read one or more whole numbers, separated by commas."""
        return [self._at_least(key, _integer, item, least) for item in self._items(key)]

    def numbers(self, key: str) -> list[float]:
        """Read one or more finite numbers, separated by commas."""
        return [_parse(self, key, _finite, item) for item in self._items(key)]

    def word(self, key: str, default: str) -> str:
        """Read a name, as it is written."""
        return self.options[key].text if key in self.options else default

    def _text(self, key: str) -> str:
        if key not in self.options:
            raise self.error(f"has no {key}=")
        return self.options[key].text

    def _items(self, key: str) -> list[str]:
        items = [item for item in self._text(key).split(",") if item]
        if not items:
            raise self.error(f"{key}= is empty", key)
        return items

    def _at_least(self, key: str, convert: Callable[[str], int], text: str, least: int) -> int:
        value = _parse(self, key, convert, text)
        if value < least:
            raise self.error(f"{key}={value} must be at least {least}", key)
        return value


def parse_cfg(text: str, name: str = "network.cfg") -> tuple[Section, ...]:
    """Read the sections of a cfg file, in its order; ``name`` is what errors call the file.

    Raises ``DarknetError`` on a line that is neither a section, an option, a comment nor empty.
    """
    if len(text) > _LONGEST_TEXT:
        raise DarknetError(f"{name} holds {len(text)} characters, far more than a Darknet cfg file: is it one?")
    sections: list[Section] = []
    options: dict[str, Option] = {}
    for number, line in _lines(text):
        if line.startswith("["):
            options = {}
            sections.append(Section(_section_name(line, number, name), number, name, options))
            continue
        key, equals, value = line.partition("=")
        if not (equals and key and sections):
            raise DarknetError(f"{name} line {number}: {line[:40]!r} is neither a section nor an option of one")
        options.setdefault(key, Option(value, number))
    if not sections:
        raise DarknetError(f"{name} holds no sections: is it a Darknet cfg file?")
    return tuple(sections)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, counted from 1, without blanks and comments."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        bare = _BLANKS.sub("", line).partition("#")[0]
        if bare and not bare.startswith(";"):
            yield number, bare


def _section_name(line: str, number: int, file: str) -> str:
    if not (line.endswith("]") and len(line) > len("[]")):
        raise DarknetError(f"{file} line {number}: {line[:40]!r} is no section name in brackets")
    return line[1:-1]


def _parse(section: Section, key: str, convert: Callable[[str], _Number], text: str) -> _Number:
    try:
        return convert(text)
    except ValueError as error:
        raise section.error(f"{key}={text[:40]} is not {error}", key) from error


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text) or abs(int(text)) > _LARGEST:
        raise ValueError("a whole number in range")
    return int(text)


def _finite(text: str) -> float:
    # Python's own reading takes more than Darknet's: infinities, underscores and digits of other scripts.
    if not _NUMBER.fullmatch(text) or not abs(float(text)) <= _LARGEST:
        raise ValueError("a number in range")
    return float(text)
