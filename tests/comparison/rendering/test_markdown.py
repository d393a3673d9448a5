from __future__ import annotations

import dataclasses
import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from helpers import findings
from lookout.comparison.findings import Seen
from lookout.comparison.rendering import render_markdown
from lookout.comparison.rendering.markdown import inline
from lookout.comparison.rendering.wording import printable
from lookout.comparison.results import Picture

WHOLE = findings.whole()


def cells(line: str) -> list[str]:
    """The cells of a table's line, read as GitHub reads them."""
    return [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]]


def test_it_says_what_the_page_says():
    text = render_markdown([WHOLE, findings.almost_empty()])
    plain = re.sub(r"\\(.)", r"\1", text)
    assert WHOLE.memory
    for sentence in (*WHOLE.answer, *WHOLE.added, *WHOLE.caveats, *WHOLE.method, *WHOLE.memory.words):
        assert sentence in plain
    assert "**Detect here: local is" in text
    assert "> The cloud of this run is emulated" in text
    assert "their samples are not pooled" in text
    assert "| Remote execution (here emulated) | Duration (ms) | 1,780.20 | 378.99 | 1,214.06 | 3,008.06 |" in text
    assert "<svg" not in text


def test_each_table_has_as_many_cells_in_every_row():
    lines = render_markdown([WHOLE]).split("\n")
    widths = {len(cells(line)) for line in lines if line.startswith("|")}
    assert widths == {2, 3, 4, 5, 7, 9, 10, 11}
    for before, line in pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert len(cells(before)) == len(cells(line))


@given(name=st.text(min_size=1), label=st.text())
def test_names_that_users_bring_stay_in_their_cell(name: str, label: str):
    found = dataclasses.replace(findings.OBJECTS[0], label=label)
    seen = (Seen(Picture(name.replace("/", "") or "a", "1.jpg", (1, 1)), (found,)),)
    text = render_markdown([dataclasses.replace(findings.almost_empty(), seen=seen)])
    (line,) = (line for line in text.split("\n") if line.endswith(f"| 1 {inline(label)} |"))
    assert len(cells(line)) == 2
    assert cells(line)[1] == f"1 {printable(label)}".strip()
    assert "<" not in line.replace("\\<", "")
