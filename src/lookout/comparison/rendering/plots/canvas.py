"""What all plots share: sizes, colours, and the way from a figure to SVG that fits into a page.

A plot is drawn twice, for a wide page and for a phone, at the size that it is shown in: a unit of it is a pixel, and
so text is as large as it says. The page shows one of the two.

matplotlib writes colours into what it draws; the page wants to choose them, by light and dark. So plots use the
colours of ``COLOURS``, each its own, and what comes out names them instead (``var(--local)``). Text stays text, in the
page's font, whose metrics are guessed by those of DejaVu Sans, which comes with matplotlib and is wider than most.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

from lookout.comparison.rendering.document import Draw
from lookout.comparison.rendering.wording import printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

Dashes = Literal["-", "--", "-.", ":", "none"]

FONT_PX = 12.0
SMALL_PX = 11.0

# A colour a name; here only to be told apart, as the page's style sheet (style.css) says what each looks like.
COLOURS: Mapping[str, str] = {
    "ink": "#1a1f25",
    "muted": "#545d68",
    "line": "#d9dde3",
    "surface": "#fefefe",
    "in-process": "#009e73",
    "local": "#0072b2",
    "remote": "#d55e00",
    "direct": "#cc79a7",
    "other": "#7a7a7a",
    "encode": "#88ccee",
    "upload": "#4b63c8",
    "waiting": "#ddcc77",
    "init": "#a3325c",
    "fetch": "#44aa99",
    "decode": "#a6a13a",
    "preprocess": "#b65fb0",
    "inference": "#cc6677",
    "postprocess": "#2e8b57",
    "store": "#9a8c98",
    "notice": "#6699cc",
    "on-light": "#000001",
    "on-dark": "#fffffe",
}
_NAMES = {colour: name for name, colour in COLOURS.items()}

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": FONT_PX,
    "figure.dpi": 72,
    "savefig.dpi": 72,
    "savefig.transparent": True,
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.labelsize": FONT_PX,
    "axes.titlesize": FONT_PX,
    "axes.titlelocation": "left",
    "axes.titlecolor": COLOURS["ink"],
    "axes.edgecolor": COLOURS["muted"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.8,
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.labelsize": SMALL_PX,
    "ytick.labelsize": SMALL_PX,
    "legend.fontsize": FONT_PX,
    "legend.frameon": False,
    "legend.borderaxespad": 0.0,
    "hatch.linewidth": 1.2,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """A width to draw for, in pixels."""

    name: str
    width_px: int

    @property
    def is_wide(self) -> bool:
        """Whether there is room for things beside each other."""
        return self.width_px >= 600

    def figure(self, height_px: float) -> Figure:
        """An empty figure that arranges what is put on it."""
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        engine = ConstrainedLayoutEngine(w_pad=4 / 72, h_pad=4 / 72)
        return Figure(figsize=(self.width_px / 72, height_px / 72), layout=engine)


WIDE = Layout("wide", 720)
NARROW = Layout("narrow", 328)
LAYOUTS = (WIDE, NARROW)


def line_key(label: str, colour: str, *, marker: str = "", dashes: Dashes = "-", hollow: bool = False) -> Artist:
    """A line of a legend that stands for a curve or a mark."""
    from matplotlib.lines import Line2D

    face = COLOURS["surface"] if hollow else COLOURS[colour]
    return Line2D(
        [],
        [],
        label=legend_label(label),
        color=COLOURS[colour],
        linestyle=dashes,
        linewidth=2,
        marker=marker,
        markersize=7,
        markerfacecolor=face,
    )


def patch_key(label: str, colour: str, *, hatch: str = "", alpha: float = 1.0) -> Artist:
    """A line of a legend that stands for a filled area."""
    from matplotlib.patches import Patch

    return Patch(label=legend_label(label), **fill(colour, hatch=hatch, alpha=alpha))


def fill(colour: str, *, hatch: str = "", alpha: float = 1.0) -> dict[str, Any]:
    """How an area is filled: with a colour, or with a pattern in it on the page's ground."""
    from matplotlib.colors import to_rgba

    if hatch:
        return {"facecolor": COLOURS["surface"], "edgecolor": COLOURS[colour], "linewidth": 1.0, "hatch": hatch}
    return {"facecolor": to_rgba(COLOURS[colour], alpha), "edgecolor": COLOURS["surface"], "linewidth": 1.0}


def legend_label(label: str) -> str:
    """A label as a legend takes it: one that begins with an underscore would be left out."""
    told = printable(label)
    return f" {told}" if told.startswith("_") else told


def legend(figure: Figure, layout: Layout, keys: Sequence[Artist], narrow_columns: int = 2) -> None:
    """A legend above the plot, as many columns wide as there is room for; a long label has several lines."""
    longest = int((layout.width_px - 48) / 7.0)
    for key in keys:
        key.set_label("\n".join(textwrap.wrap(str(key.get_label()), longest)))
    widest = max((len(line) for key in keys for line in str(key.get_label()).split("\n")), default=0)
    columns = max(1, min(len(keys), int(layout.width_px / (widest * 7.0 + 48))))
    columns = columns if layout.is_wide else min(columns, narrow_columns)
    if keys:
        figure.legend(handles=list(keys), loc="outside upper left", ncols=columns, handlelength=1.6, columnspacing=1.4)


def svg(draw: Draw, layout: Layout, *, id_prefix: str, title: str, description: str) -> str:
    """A plot as an element of a page; always the same for the same plot. ``id_prefix`` is its own on the page."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # How wide a character is that DejaVu lacks is guessed; the page's fonts have it.
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": id_prefix})
        written = io.StringIO()
        figure = draw(layout)
        figure.savefig(written, format="svg", metadata={"Date": None})
    return _fitted(written.getvalue(), layout, id_prefix, title, description)


_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_DROPPED = frozenset(f"{{{_SVG}}}{name}" for name in ("metadata", "style"))
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"font: (?:(?:normal|italic|\d+|bold) )*([\d.]+px) [^;]+;?|font-family: [^;]+;?")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_PLACED = ("d", "x", "y", "transform", "points", "width", "height")


def _fitted(written: str, layout: Layout, id_prefix: str, title: str, description: str) -> str:
    """What matplotlib wrote, as part of a page: with names of its own, the page's colours and font, and words."""
    root = ElementTree.fromstring(written)  # noqa: S314  it is our own
    for parent in root.iter():
        for child in [child for child in parent if child.tag in _DROPPED]:
            parent.remove(child)
    used = set(_REFERENCE.findall(written)) | set(re.findall(r'href="#([^"]+)"', written))
    for element in root.iter():
        _fit(element, id_prefix, used)
    height = root.get("viewBox", "").split()[-1]
    root.attrib.clear()
    title_id, description_id = f"{id_prefix}-title", f"{id_prefix}-desc"
    root.attrib |= {
        "class": f"plot {layout.name}",
        "viewBox": f"0 0 {layout.width_px} {height}",
        "width": str(layout.width_px),
        "height": height,
        "role": "img",
        "aria-labelledby": f"{title_id} {description_id}",
    }
    for place, (name, words) in enumerate((("title", title), ("desc", description))):
        told = ElementTree.Element(f"{{{_SVG}}}{name}", {"id": f"{id_prefix}-{name}"})
        told.text = printable(words)
        root.insert(place, told)
    ElementTree.register_namespace("", _SVG)
    return "".join(ElementTree.tostring(root, encoding="unicode").split("\n"))


def _fit(element: ElementTree.Element, id_prefix: str, used: set[str]) -> None:
    name = element.attrib.pop("id", "")
    if name in used:
        element.set("id", f"{id_prefix}-{name}")
    target = element.attrib.pop(f"{{{_XLINK}}}href", "")
    if target:
        element.set("href", f"#{id_prefix}-{target[1:]}")
    for attribute, value in element.attrib.items():
        if attribute in _PLACED:
            element.set(attribute, _LONG.sub(lambda found: f"{float(found[0]):.2f}", value))
        else:
            named = _COLOUR.sub(lambda found: f"var(--{_NAMES[found[0]]})", _FONT.sub(_font_size, value))
            element.set(attribute, _REFERENCE.sub(rf"url(#{id_prefix}-\1)", named))
    if element.text and not element.text.strip():
        element.text = None
    if element.tail and not element.tail.strip():
        element.tail = None


def _font_size(found: re.Match[str]) -> str:
    weight = "font-weight: bold; " if re.search(r"\b(?:bold|700)\b", found[0]) else ""
    return f"{weight}font-size: {found[1]};" if found[1] else ""
