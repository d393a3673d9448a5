"""Findings -> ``report.md``: what the page says, in GitHub's flavour of Markdown; plots are their numbers in tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lookout.comparison.findings import Findings
from lookout.comparison.rendering.document import Block, Chapter, Column, Gallery, Plot, Section, Table, Words
from lookout.comparison.rendering.sections import TITLE, chapter, introduction
from lookout.comparison.rendering.sections.about import objects_in_words
from lookout.comparison.rendering.wording import printable

# What means something in Markdown, or to GitHub: there dollars begin formulas.
_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~$^<>&:@-])")
# Of those, what means nothing within a sentence as Lookout writes them.
_HARMLESS = frozenset("(){}+!^:-")
# What GitHub makes a link of.
_ADDRESS = re.compile(r"(?i)\b(?:https?|ftp)://|\bwww\.")


def render_markdown(findings: Sequence[Findings]) -> str:
    """The text of some runs, each in a section of its own."""
    chapters = [chapter(one) for one in findings]
    told = introduction(findings)
    parts = [f"# {TITLE}", *([text(told)] if told else [])]
    for one in chapters:
        parts += _chapter(one)
    return "\n\n".join(part for part in parts if part) + "\n"


def text(words: str) -> str:
    r"""Words that are only themselves, where a line begins.

    >>> text("# 1. x"), text("- x"), text("1. x")
    ('\\# 1. x', '\\- x', '1\\. x')
    """
    begun = re.sub(r"^(\s*)([-+=:!])", r"\1\\\2", inline(words))
    return re.sub(r"^(\s*\d+)([.)])(?=\s|$)", r"\1\\\2", begun)


def inline(words: str) -> str:
    r"""Words that are only themselves, on a single line, as in a cell.

    >>> inline("a|b_c.jpg <b> $5 (12.3)"), inline("www.example.com")
    ('a\\|b\\_c.jpg \\<b\\> \\$5 (12.3)', 'www\\.example.com')
    """
    marked = _MARKS.sub(lambda found: found[0] if found[0] in _HARMLESS else f"\\{found[0]}", printable(words))
    return _ADDRESS.sub(lambda found: found[0].replace(":", "\\:").replace(".", "\\."), marked)


def _chapter(one: Chapter) -> Iterator[str]:
    yield f"## {text(one.title)}"
    yield from (f"> {text(note)}" for note in one.notes)
    if one.answer:
        first, *rest = one.answer
        yield f"**{text(first)}**"
        yield _list(rest)
    for section in one.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield f"### {text(section.title)}"
    for block in section.blocks:
        yield _block(block)


def _block(block: Block) -> str:
    match block:
        case Words():
            told = [sentence for sentence in block.sentences if sentence]
            return text(told[0]) if len(told) == 1 else _list(told)
        case Table():
            return f"{text(block.caption)}:\n\n{_table(block.columns, block.rows)}"
        case Plot():
            return f"*{text(block.title)}.* Emulated." if block.emulated else f"*{text(block.title)}.*"
        case Gallery():
            columns = (Column("Picture", is_number=False), Column("Found", is_number=False))
            rows = [(Path(seen.picture.image).name, objects_in_words(seen.objects)) for seen in block.seen]
            return _table(columns, rows)


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {text(sentence)}" for sentence in sentences)


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    heads = [f"{column.group}: {column.name}" if column.group else column.name for column in columns]
    rules = ["---:" if column.is_number else "---" for column in columns]
    return "\n".join(_row(row) for row in (map(inline, heads), rules, *(map(inline, row) for row in rows)))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
