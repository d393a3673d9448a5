"""Findings -> ``report.html``: one file that opens anywhere and asks nothing of anyone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from string import Template

from lookout.comparison.findings import Findings
from lookout.comparison.rendering.document import Block, Chapter, Column, Gallery, Plot, Section, Table, Words
from lookout.comparison.rendering.numbers import UNKNOWN, count
from lookout.comparison.rendering.pictures import picture_html
from lookout.comparison.rendering.plots.canvas import LAYOUTS, svg
from lookout.comparison.rendering.sections import TITLE, chapter, introduction
from lookout.comparison.rendering.wording import printable
from lookout.comparison.samples import EMULATED


def render_html(findings: Sequence[Findings], folder: Path) -> str:
    """The page of some runs, each in a section of its own.

    Pictures' files are read from where a run's samples were, or from ``folder`` where that isn't known.

    The same findings give the same page, byte for byte. Needs matplotlib, of the extra ``report``.
    """
    chapters = [chapter(one) for one in findings]
    told = introduction(findings)
    package = files("lookout.comparison.rendering")
    heading = TITLE if len(chapters) != 1 else chapters[0].title
    return Template(package.joinpath("page.html").read_text("utf-8")).substitute(
        title=text(f"Lookout: {heading}"),
        style=package.joinpath("style.css").read_text("utf-8").strip(),
        heading=text(TITLE),
        introduction=f"<p>{text(told)}</p>{_runs(chapters)}" if told else "",
        chapters="\n".join(
            _chapter(one, place, found.run.folder or folder)
            for place, (one, found) in enumerate(zip(chapters, findings, strict=True), 1)
        ),
    )


def text(words: str) -> str:
    """Words as the page may have them: what a user brought can't be markup, and harms nothing."""
    return escape(printable(words))


def _runs(chapters: Sequence[Chapter]) -> str:
    links = (f'<li><a href="#run-{place}">{text(one.title)}</a></li>' for place, one in enumerate(chapters, 1))
    return f"<nav aria-label='Runs'><ol>{''.join(links)}</ol></nav>"


def _chapter(one: Chapter, place: int, folder: Path) -> str:
    prefix = f"run-{place}"
    notes = "".join(f'<p class="note">{text(note)}</p>' for note in one.notes)
    sections = "\n".join(_section(section, prefix, folder) for section in one.sections)
    links = "".join(
        f'<li><a href="#{_anchor(section, prefix)}">{text(section.title)}</a></li>' for section in one.sections
    )
    return (
        f'<article id="{prefix}" aria-labelledby="{prefix}-heading">\n'
        f'<h2 id="{prefix}-heading">{text(one.title)}</h2>\n'
        f"{notes}\n"
        f"{_answer(one.answer)}\n"
        f'<nav class="contents" aria-label="{text(f"Contents of {one.title}")}"><ul>{links}</ul></nav>\n'
        f"{sections}\n</article>"
    )


def _answer(sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    first, *rest = sentences
    more = f"<ul>{''.join(f'<li>{text(sentence)}</li>' for sentence in rest)}</ul>" if rest else ""
    return f'<div class="answer"><p class="verdict">{text(first)}</p>{more}</div>'


def _anchor(section: Section, prefix: str) -> str:
    return f"{prefix}-{re.sub('[^a-z]+', '-', section.title.lower())}"


def _section(section: Section, prefix: str, folder: Path) -> str:
    blocks = "\n".join(_block(block, prefix, folder) for block in section.blocks)
    return f'<section id="{_anchor(section, prefix)}">\n<h3>{text(section.title)}</h3>\n{blocks}\n</section>'


def _block(block: Block, prefix: str, folder: Path) -> str:
    match block:
        case Words():
            return _words(block)
        case Table():
            return _folded(block) if block.folded else _table(block)
        case Plot():
            return _plot(block, prefix)
        case Gallery():
            shown = "\n".join(
                picture_html(seen, folder, f"{prefix}-picture-{place}") for place, seen in enumerate(block.seen, 1)
            )
            return f'<div class="pictures">\n{shown}\n</div>'


def _words(words: Words) -> str:
    told = [text(sentence) for sentence in words.sentences if sentence]
    if len(told) == 1:
        return f"<p>{told[0]}</p>"
    items = "".join(f"<li>{sentence}</li>" for sentence in told)
    return f"<ul>{items}</ul>" if items else ""


def _plot(plot: Plot, prefix: str) -> str:
    drawn = "\n".join(
        svg(
            plot.draw,
            layout,
            id_prefix=f"{prefix}-{plot.name}-{layout.name}",
            title=plot.title,
            description=plot.description,
        )
        for layout in LAYOUTS
    )
    badge = f' <span class="badge">{EMULATED}</span>' if plot.emulated else ""
    return f"<figure>\n<figcaption>{text(plot.title)}{badge}</figcaption>\n{drawn}\n</figure>"


def _folded(table: Table) -> str:
    """A table that opens when it is asked for; on paper it is open."""
    summary = f"{text(table.caption)} ({count(len(table.rows), 'row')})"
    return f"<details><summary>{summary}</summary>\n{_scrolled(table)}\n</details>"


def _table(table: Table) -> str:
    shown = _scrolled(table)
    if any(column.group for column in table.columns):  # too wide for a phone, which gets it in another order
        shown = f'<div class="wide">{shown}</div>\n<div class="narrow">{_scrolled(table, stacked=True)}</div>'
    return f"<figure>\n<figcaption>{text(table.caption)}</figcaption>\n{shown}\n</figure>"


def _scrolled(table: Table, *, stacked: bool = False) -> str:
    """A table that is scrolled where it is wider than its place, by keyboard too."""
    rows = _stacked(table) if stacked else _side_by_side(table)
    label = text(table.caption)
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table>\n{rows}\n</table></div>'


def _side_by_side(table: Table) -> str:
    rows = "\n".join(f"<tr>{''.join(_cells(table.columns, row))}</tr>" for row in table.rows)
    return f"<thead>{_head(table.columns)}</thead>\n<tbody>\n{rows}\n</tbody>"


def _stacked(table: Table) -> str:
    """The groups of columns below each other: for each row a heading, and under it a row a group."""
    groups = list(dict.fromkeys(column.group for column in table.columns if column.group))
    names = list(dict.fromkeys(column.name for column in table.columns if column.group))
    columns = (Column("", is_number=False), *map(Column, names))
    bodies = []
    for row in table.rows:
        cells = list(zip(table.columns, row, strict=True))
        first, *others = (cell for column, cell in cells if not column.group)
        heading = ", ".join((first, *(f"{other[:1].lower()}{other[1:]}" for other in others)))
        lines = [f'<tr class="of"><th scope="rowgroup" colspan="{len(columns)}">{text(heading)}</th></tr>']
        for group in groups:
            known = {column.name: cell for column, cell in cells if column.group == group}
            if any(cell != UNKNOWN for cell in known.values()):
                line = (group, *(known.get(name, "") for name in names))
                lines.append(f"<tr>{''.join(_cells(columns, line))}</tr>")
        if len(lines) == 1:
            lines.append(f'<tr><td colspan="{len(columns)}">not measured</td></tr>')
        bodies.append(f"<tbody>{''.join(lines)}</tbody>")
    return f"<thead>{_head(columns)}</thead>\n" + "\n".join(bodies)


def _cells(columns: Sequence[Column], row: Sequence[str]) -> Iterator[str]:
    for place, (column, cell) in enumerate(zip(columns, row, strict=True)):
        kind = ' class="number"' if column.is_number else ""
        yield f'<th scope="row"{kind}>{text(cell)}</th>' if place == 0 else f"<td{kind}>{text(cell)}</td>"


def _head(columns: Sequence[Column]) -> str:
    names = "".join(map(_name, columns))
    if not any(column.group for column in columns):
        return f"<tr>{names}</tr>"
    groups = [(name, len(list(several))) for name, several in groupby(columns, key=lambda column: column.group)]
    above = "".join(
        f'<th scope="colgroup" colspan="{n}">{text(name)}</th>' if name else f'<td colspan="{n}"></td>'
        for name, n in groups
    )
    return f'<tr class="groups">{above}</tr>\n<tr>{names}</tr>'


def _name(column: Column) -> str:
    kind = ' class="number"' if column.is_number else ""
    return f'<th scope="col"{kind}>{text(column.name)}</th>' if column.name else "<td></td>"
