"""Writing a zip whose bytes depend on nothing but its members: not on time, place, umask, or the zlib in use.

What is in a wheel is packed already, and is taken over as it is. So the same wheels make the same zip wherever that is
done, though compressors differ, and a zip of 90 MB takes a second. All else is stored: Lookout's files are small, and
weights can't be compressed. ``zipfile`` can't take packed members over, so the format is written here
(https://pkware.cachefly.net/webdocs/APPNOTE/APPNOTE-6.3.10.TXT; 4.3.7, 4.3.12 and 4.3.16).
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

_CHUNK_BYTES = 1 << 20

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_LOCAL_FORMAT, _CENTRAL_FORMAT, _END_FORMAT = "<4s5HL2L2H", "<4s6H3L5H2L", "<4s4H2LH"
_VERSION = 20  # deflate and folders
_MADE_ON_UNIX = 3 << 8
_UTF8_NAMES = 1 << 11
_1980 = (1 << 5) | 1  # the first of January of the first year there is
_READABLE = 0o100644 << 16  # by whoever the function runs as
_MOST_MEMBERS, _MOST_BYTES = 0xFFFF, 0xFFFFFFFF


class Member(Protocol):
    """A file of a package."""

    @property
    def name(self) -> str:
        """Its path in the package, with slashes."""
        ...

    @property
    def size_bytes(self) -> int:
        """Its length, unpacked."""
        ...

    def read(self) -> bytes:
        """Its content."""
        ...

    def packed(self) -> Packed:
        """Its content as a zip holds it."""
        ...


@dataclass(frozen=True, slots=True)
class Packed:
    """A member's content as a zip holds it: ``method`` is zipfile's, ``chunks`` are ``size_bytes`` in all."""

    method: int
    checksum: int
    size_bytes: int
    chunks: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A file in a wheel."""

    wheel: Path
    info: zipfile.ZipInfo

    @property
    def name(self) -> str:
        """See ``Member``."""
        return self.info.filename

    @property
    def size_bytes(self) -> int:
        """See ``Member``."""
        return self.info.file_size

    def read(self) -> bytes:
        """See ``Member``. Not by ``zipfile``, which would read the wheel's directory for every file."""
        content = b"".join(self._chunks())
        return zlib.decompress(content, -zlib.MAX_WBITS) if self.info.compress_type == zipfile.ZIP_DEFLATED else content

    def packed(self) -> Packed:
        """See ``Member``."""
        return Packed(self.info.compress_type, self.info.CRC, self.info.compress_size, self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        with self.wheel.open("rb") as file:
            file.seek(self.info.header_offset)
            header = struct.unpack(_LOCAL_FORMAT, file.read(struct.calcsize(_LOCAL_FORMAT)))
            name_bytes, extra_bytes = header[-2:]  # which need not be those of the directory at the wheel's end
            file.seek(name_bytes + extra_bytes, 1)
            yield from _chunks(file, self.info.compress_size)


@dataclass(frozen=True, slots=True)
class FileMember:
    """A file on the disk, which is stored as it is."""

    name: str
    path: Path

    @property
    def size_bytes(self) -> int:
        """See ``Member``."""
        return self.path.stat().st_size

    def read(self) -> bytes:
        """See ``Member``."""
        return self.path.read_bytes()

    def packed(self) -> Packed:
        """See ``Member``."""
        checksum = 0
        for chunk in self._chunks():
            checksum = zlib.crc32(chunk, checksum)
        return Packed(zipfile.ZIP_STORED, checksum, self.size_bytes, self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            yield from _chunks(file, self.size_bytes)


@dataclass(frozen=True, slots=True)
class MadeMember:
    """A file that was made just now."""

    name: str
    content: bytes

    @property
    def size_bytes(self) -> int:
        """See ``Member``."""
        return len(self.content)

    def read(self) -> bytes:
        """See ``Member``."""
        return self.content

    def packed(self) -> Packed:
        """See ``Member``."""
        return Packed(zipfile.ZIP_STORED, zlib.crc32(self.content), self.size_bytes, [self.content])


def write_zip(members: Sequence[Member], file: BinaryIO) -> str:
    """Write members as a zip, sorted by name; its SHA-256. Raises ``ValueError`` for more than a plain zip holds."""
    if len(members) > _MOST_MEMBERS:
        raise ValueError(f"{len(members)} files are more than a zip holds")
    output = _Output(file)
    directory = []
    for member in sorted(members, key=lambda member: member.name):
        packed, name, offset = member.packed(), member.name.encode(), output.position
        described = (
            _VERSION,
            _UTF8_NAMES,
            packed.method,
            0,
            _1980,
            packed.checksum,
            packed.size_bytes,
            member.size_bytes,
            len(name),
            0,
        )
        output.write(struct.pack(_LOCAL_FORMAT, _LOCAL, *described) + name)
        for chunk in packed.chunks:
            output.write(chunk)
        more = (0, 0, 0, _READABLE, offset)
        directory.append(struct.pack(_CENTRAL_FORMAT, _CENTRAL, _MADE_ON_UNIX | _VERSION, *described, *more) + name)
    start, listed = output.position, b"".join(directory)
    if start + len(listed) > _MOST_BYTES:
        raise ValueError("the files are more than a zip holds")
    output.write(listed)
    output.write(struct.pack(_END_FORMAT, _END, 0, 0, len(directory), len(directory), len(listed), start, 0))
    return output.digest.hexdigest()


class _Output:
    """A file that is written once, from its beginning to its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.position = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.position += len(data)


def _chunks(file: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    while size_bytes:
        chunk = file.read(min(size_bytes, _CHUNK_BYTES))
        if not chunk:
            raise EOFError("a file of the package became shorter")
        size_bytes -= len(chunk)
        yield chunk
