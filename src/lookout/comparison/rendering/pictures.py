"""A picture in the page, with its boxes over it: as much of the report as is no figure."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path

from lookout.comparison.findings import Seen
from lookout.comparison.rendering.sections.about import objects_in_words
from lookout.comparison.rendering.wording import printable
from lookout.comparison.results import Picture
from lookout.core.detections import Detection

# The width that it is drawn for; the page shows it as wide or a little wider, and text with it.
_WIDTH_PX = 320
_TEXT_PX = 12
_MOST_NAMED = 15
_LONGEST_LABEL = 24
# More than a small copy ever has.
_LARGEST_BYTES = 2_000_000

_TYPES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


def picture_html(seen: Seen, folder: Path, identity: str) -> str:
    """A figure of a picture and what was found in it; where its file can't be shown, that is said."""
    name, found = Path(seen.picture.image).name or seen.picture.image, objects_in_words(seen.objects)
    caption = f"<figcaption><b>{_text(name)}</b>: {_text(found)}</figcaption>"
    address = _data_address(seen.picture, folder)
    if address is None:
        return f'<figure class="picture"><p class="absent">Its copy is missing.</p>{caption}</figure>'
    scale = _WIDTH_PX / max(seen.picture.size_wh[0], 1)
    height = max(seen.picture.size_wh[1] * scale, 1.0)
    drawn = "".join(_boxes(seen.objects, scale))
    return (
        f'<figure class="picture"><svg class="seen" viewBox="0 0 {_WIDTH_PX} {height:.1f}" width="{_WIDTH_PX}" '
        f'height="{height:.1f}" role="img" aria-labelledby="{identity}">'
        f'<title id="{identity}">{_text(f"{name}: {found}")}</title>'
        f'<image href="{address}" width="{_WIDTH_PX}" height="{height:.1f}" preserveAspectRatio="none"/>'
        f"{drawn}</svg>{caption}</figure>"
    )


def _data_address(picture: Picture, folder: Path) -> str | None:
    """The file as an address that holds it; None for what is missing, too large, no picture, or not in the folder."""
    root = folder.resolve()
    try:
        path = (root / picture.file).resolve()
        if not path.is_relative_to(root) or path.stat().st_size > _LARGEST_BYTES:
            return None
        data = path.read_bytes()
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return None
    kind = next((kind for magic, kind in _TYPES if data.startswith(magic)), None)
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}" if kind else None


def _boxes(objects: tuple[Detection, ...], scale: float) -> Iterator[str]:
    """The boxes, then the labels of the surest, which so are over all boxes."""
    for found in objects:
        box = found.box
        place = f'x="{box.x * scale:.1f}" y="{box.y * scale:.1f}"'
        size = f'width="{max(box.width, 0) * scale:.1f}" height="{max(box.height, 0) * scale:.1f}"'
        yield f'<rect class="halo" {place} {size}/><rect class="box" {place} {size}/>'
    surest = sorted(objects, key=lambda one: -one.confidence)[:_MOST_NAMED]
    for found in reversed(surest):
        yield _label(found, scale)


def _label(found: Detection, scale: float) -> str:
    """A label at its box's top: above it where there is room, else in it; it grows to the left at the right edge."""
    left, top, right = found.box.x * scale, found.box.y * scale, (found.box.x + found.box.width) * scale
    y = top - 4 if top > _TEXT_PX + 4 else max(top, 0) + _TEXT_PX + 1
    grows_left = left > _WIDTH_PX * 0.65
    x = min(right, _WIDTH_PX) - 2 if grows_left else max(left, 0) + 2
    label = printable(found.label)
    label = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
    anchor = ' text-anchor="end"' if grows_left else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{anchor}>{_text(label)} {found.confidence:.2f}</text>'


def _text(words: str) -> str:
    return escape(printable(words))
