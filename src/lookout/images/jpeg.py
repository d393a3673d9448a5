"""What a JPEG says of itself before it is decoded: size, orientation, number of scans.

A JPEG (ITU-T T.81, annex B) is a row of segments: ``FF``, a marker, and for most a length of two bytes with as many
bytes of content. The frame header (SOF) holds the size; coded pixels follow a scan's header (SOS), and in them every
``FF`` is followed by 00 or by a restart marker. Between segments the next marker is looked for as libjpeg does, so
that both see the same frame header. EXIF's block is a TIFF in an APP1 segment.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lookout.errors import ImageError

_ANY_MARKER = re.compile(rb"\xff([^\x00\xff])")
_MARKER_IN_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_ALONE = {0x01, *range(0xD0, 0xD8)}  # TEM, RST: without a length
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ENDS = {0xD8, 0xD9}  # another image's begin, or this one's end
_SOS, _APP1 = 0xDA, 0xE1
_ORIENTATION = 0x0112
_FORMATS = {3: "H", 4: "I"}  # SHORT as EXIF has it, LONG as some programs write it

# Files hold some dozens of segments, or some hundreds with a large colour profile.
_MOST_SEGMENTS = 4096
# Each scan is a pass over all the pixels that may be coded in a few bytes: a bomb of time. Encoders make about ten,
# and 18 of four channels, so that many are taken of any picture; more of a small one.
_MOST_SCANS, _ALWAYS_SCANS = 100, 20
_MOST_SCANNED_PIXELS = 1_280_000_000


@dataclass(frozen=True, slots=True)
class Header:
    """Width and height as stored, EXIF's orientation (1 where it says nothing), and how the pixels are coded.

    ``components``: channels of colour. ``in_scans``: whether they come in several scans, as in a progressive one.
    """

    stored_wh: tuple[int, int]
    orientation: int
    components: int
    in_scans: bool

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the picture held upright."""
        width, height = self.stored_wh
        return (height, width) if 5 <= self.orientation <= 8 else (width, height)


def is_jpeg(data: bytes) -> bool:
    """Whether the bytes begin as a JPEG does."""
    return data.startswith(b"\xff\xd8\xff")


def read_header(data: bytes) -> Header:
    """The header of a JPEG. Raises ``ImageError`` where it has none, or more scans than any encoder makes."""
    frame, orientation, scans, in_scans = None, 1, 0, True
    for marker, content in _segments(data):
        if marker == _APP1 and content.startswith(b"Exif\0\0"):
            orientation = _exif_orientation(content[6:]) or orientation  # a second block may be without
        elif marker in _FRAMES and frame is None and len(content) >= 6:
            _, height, width, components = struct.unpack_from(">BHHB", content)
            frame = width, height
            in_one_scan = components if marker & 3 != 2 else None  # 2: progressive, never in one scan
        elif marker == _SOS:
            scans += 1
            if frame is None or content[:1] == bytes([in_one_scan or 0]):
                in_scans = scans > 1
                break
            if scans > (most := _most_scans(*frame)):
                width, height = frame
                raise ImageError(f"the JPEG of {width} x {height} pixels has more than {most} scans: store it anew")
    if frame is None:
        raise ImageError("the JPEG is truncated or damaged: it does not say how large it is")
    return Header(frame, orientation, components, in_scans)


def _most_scans(width: int, height: int) -> int:
    return min(_MOST_SCANS, max(_ALWAYS_SCANS, _MOST_SCANNED_PIXELS // max(1, width * height)))


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment up to the end of the image, or of the bytes."""
    pattern, position = _ANY_MARKER, 2
    for _ in range(_MOST_SEGMENTS):
        found = pattern.search(data, position)
        if found is None or found[1][0] in _ENDS:
            return
        marker, start = found[1][0], found.end()
        if marker in _ALONE:
            position = start
            continue
        length = int.from_bytes(data[start : start + 2])
        yield marker, data[start + 2 : start + length]
        position = start + max(2, length)
        pattern = _MARKER_IN_SCAN if marker == _SOS else _ANY_MARKER
    raise ImageError(f"the JPEG has more than {_MOST_SEGMENTS} segments: store it anew")


def _exif_orientation(tiff: bytes) -> int | None:
    """The orientation in the first directory of a TIFF, None where there is none or the block is damaged."""
    order = ">" if tiff.startswith(b"MM") else "<"
    try:
        (directory,) = struct.unpack_from(f"{order}4xI", tiff)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
            if tag == _ORIENTATION and kind in _FORMATS:
                return int(struct.unpack_from(order + _FORMATS[kind], tiff, entry + 8)[0])
    except struct.error:
        pass  # such a picture is shown as it is stored, by other programs too
    return None
