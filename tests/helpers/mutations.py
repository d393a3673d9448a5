"""What fuzzing does to files: a few changes each, drawn from a case's randomness."""

from __future__ import annotations

import copy
import json
import random
import re
import struct
import zlib
from typing import Any

_PNG = b"\x89PNG\r\n\x1a\n"
_NUMBERS = ("0", "-1", "1", "2", "7", "99999", "2147483647", "-2147483648", "1e30", "nan", "inf", "0x10", "", "٣")


_VALUES = (
    None,
    True,
    False,
    0,
    1,
    -1,
    3,
    64,
    2**31,
    2**70,
    0.5,
    -1.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "0",
    "rgb",
)
_VALUES += ([], [[]], [0], [1, 2, 3], [[1, 2]], ["a", "a", "a"], {}, {"a": 1}, "letterbox", "stretch", "yolov8", "detr")


def mutate(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A few of: bytes changed, parts cut, doubled, taken from another file, numbers set to extremes."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at = rng.randrange(len(out) + 1)
        if rng.random() < 0.5:
            at = min(at, rng.randrange(64))  # headers decide most
        length = rng.choice([1, 2, 4, 4, 8, 64, 1024])
        match rng.randrange(7):
            case 0:
                out[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del out[at:]
            case 2:
                del out[at : at + length]
            case 3:
                out[at:at] = out[at : at + length]
            case 4:
                other = rng.choice(others)
                start = rng.randrange(len(other))
                out[at : at + length] = other[start : start + length]
            case 5:
                size = rng.choice([1, 2, 4])
                extreme = rng.choice([0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])
                out[at : at + size] = (extreme % 256**size).to_bytes(size, rng.choice(["big", "little"]))
            case 6:
                out[at:at] = rng.randbytes(length)
    return bytes(out)


def mutate_text(text: str, rng: random.Random) -> str:
    """A few of: lines dropped, doubled, moved, cut; numbers replaced by others."""
    lines = text.split("\n")
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2:
                lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
            case 3:
                lines[at] = re.sub(r"-?\d+", lambda _: rng.choice(_NUMBERS), lines[at], count=1)
            case 4:
                lines[at] = re.sub(r"-?\d+", lambda _: str(rng.randrange(-9, 70)), lines[at], count=1)
            case 5:
                lines[at] += "".join(rng.choices("=[],;#-. \t\x00é9", k=rng.randrange(1, 9)))
        lines = lines or [""]
    return "\n".join(lines)


def mutate_json(document: Any, rng: random.Random) -> Any:
    """A copy with one or a few values anywhere in it exchanged for others, or left out."""
    out = json.loads(json.dumps(document))
    for _ in range(rng.choice([1, 1, 2, 4])):
        holder, key = out, rng.choice(list(out))
        while isinstance(holder[key], dict | list) and holder[key] and rng.random() < 0.8:
            holder = holder[key]
            key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
        if rng.random() < 0.1 and len(holder) > 1:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(rng.choice(_VALUES))
    return out


def with_checksums(data: bytes) -> bytes:
    """A mutated PNG whose chunks' checksums fit their bytes again, so that its mutations are looked at."""
    out, position = bytearray(data), len(_PNG)
    while data.startswith(_PNG) and position + 8 <= len(out):
        end = position + 8 + int.from_bytes(out[position : position + 4])
        if end + 4 > len(out):
            break
        out[end : end + 4] = struct.pack(">I", zlib.crc32(out[position + 4 : end]))
        position = end + 4
    return bytes(out)
