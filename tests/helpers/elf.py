"""What a shared library is for, and which libraries it needs: from its ELF header and its dynamic section.

System V Application Binary Interface, chapters 4 and 5; 64 bits, little endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MACHINES = {62: "x86_64", 183: "aarch64"}
_DYNAMIC, _NEEDED = 6, 1


@dataclass(frozen=True)
class Library:
    machine: str
    needed: tuple[str, ...]


def read_library(data: bytes) -> Library:
    assert data[:6] == b"\x7fELF\x02\x01"
    machine = struct.unpack_from("<H", data, 18)[0]
    table, entry_bytes, count = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<2H", data, 58)
    sections = [struct.unpack_from("<2I4Q2I", data, table + number * entry_bytes) for number in range(count)]
    (dynamic,) = [section for section in sections if section[1] == _DYNAMIC]
    strings_at = sections[dynamic[6]][4]
    entries = (struct.unpack_from("<2q", data, dynamic[4] + place) for place in range(0, dynamic[5], 16))
    return Library(
        _MACHINES[machine], tuple(_text(data, strings_at + value) for tag, value in entries if tag == _NEEDED)
    )


def _text(data: bytes, place: int) -> str:
    return data[place : data.index(0, place)].decode()
