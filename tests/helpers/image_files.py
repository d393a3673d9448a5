"""Image files made byte by byte: orientations, false promises, and bombs."""

from __future__ import annotations

import struct
import zlib

ORIENTATION = 0x0112


def exif(orientation: int, order: str = ">", *, long: bool = False, tag: int = ORIENTATION) -> bytes:
    """An EXIF block (a TIFF without pixels) that says how the camera was held, in a SHORT or a LONG."""
    value = struct.pack(f"{order}I" if long else f"{order}HH", *((orientation,) if long else (orientation, 0)))
    entry = struct.pack(f"{order}HHI", tag, 4 if long else 3, 1) + value
    beginning = b"MM\0*" if order == ">" else b"II*\0"
    return beginning + struct.pack(f"{order}IH", 8, 1) + entry + struct.pack(f"{order}I", 0)


def segment(marker: int, content: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_that_claims(
    width: int, height: int, rows: int = 1, *, bits: int = 8, kind: int = 2, channels: int = 3, between: bytes = b""
) -> bytes:
    """A PNG of zeros, which has this many of the rows that its header promises; ``between``: before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    packer = zlib.compressobj(1)
    row = bytes(width * channels * bits // 8 + 1)
    pixels = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + between + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def gif_that_claims(screen_wh: tuple[int, int], frame_wh: tuple[int, int]) -> bytes:
    """A GIF of two colours, with a few pixels."""
    screen = b"GIF89a" + struct.pack("<HHBBB", *screen_wh, 0x80, 0, 0) + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, *frame_wh, 0) + b"\x02\x02\x4c\x01\0;"


def bmp_that_claims(width: int, height: int) -> bytes:
    """A BMP of 24 bits with a few pixels; a negative height is one that is stored from the top."""
    about = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + about + bytes(1000)


def webp_that_claims(width: int, height: int) -> bytes:
    """A WebP without losses, with a few pixels."""
    pixels = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + bytes(5)
    body = b"WEBPVP8L" + struct.pack("<I", len(pixels)) + pixels
    return b"RIFF" + struct.pack("<I", len(body)) + body


def extended_webp_that_claims(width: int, height: int) -> bytes:
    """A WebP whose canvas is larger than its pixels."""
    canvas = struct.pack("<I", 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + webp_that_claims(16, 16)[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff_that_claims(width: int, height: int, order: str = "<", tile_wh: tuple[int, int] | None = None) -> bytes:
    """A TIFF of grey, deflated, in one strip or tile; its second directory promises the same again."""
    pixels = zlib.compress(bytes(1_000_000), 9)
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 277: 1}
    places = (324, 325) if tile_wh else (273, 279)
    tags |= {322: tile_wh[0], 323: tile_wh[1]} if tile_wh else {278: height}
    length = 2 + 12 * (len(tags) + 2) + 4
    tags |= {places[0]: 8 + 2 * length, places[1]: len(pixels)}
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    count = struct.pack(f"{order}H", len(tags))
    beginning = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    directories = (count + entries + struct.pack(f"{order}I", following) for following in (8 + length, 0))
    return beginning + b"".join(directories) + pixels
