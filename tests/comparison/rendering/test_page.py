from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import findings
from helpers.markup import Markup
from lookout.comparison import rendering
from lookout.comparison.findings import PUBLISHED, Findings, Seen
from lookout.comparison.rendering.page import render_html
from lookout.comparison.rendering.wording import printable
from lookout.comparison.results import Picture
from lookout.core.detections import Box, Detection

pytest.importorskip("matplotlib", reason="the extra report is not installed")

WHOLE = findings.whole()


@pytest.fixture(scope="module")
def markup(page: str) -> Markup:
    return Markup(page)


def test_the_package_gives_two_functions():
    assert rendering.__all__ == ["render_html", "render_markdown"]


def test_the_page_is_well_formed_and_refers_only_to_itself(page: str, markup: Markup):
    assert len(markup.ids) == len(set(markup.ids))
    assert markup.references <= set(markup.ids)
    assert not {"script", "link", "iframe", "object", "embed", "form"} & set(markup.tags)
    for _, attributes in markup.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src"):
            assert attributes.get(name, "#").startswith(("#", "data:image/"))
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_it_asks_nothing_of_anyone_by_its_own_policy(markup: Markup):
    policies = [a["content"] for tag, a in markup.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    ]


def test_each_sentence_is_there_and_the_answer_comes_first(markup: Markup):
    sentences = (*WHOLE.answer, *WHOLE.added, *WHOLE.caveats, *WHOLE.method, *WHOLE.run.warnings)
    assert WHOLE.memory and WHOLE.costs
    for sentence in (*sentences, *WHOLE.memory.words, *WHOLE.costs.break_evens, WHOLE.costs.source):
        assert sentence in markup.text
    places = [
        markup.text.index(text) for text in ("cloud of this run is emulated", WHOLE.answer[0], "The table", "CPU")
    ]
    assert places == sorted(places)


def test_the_published_figures_stand_beside_ours(markup: Markup):
    assert "1,780.20 378.99 1,214.06 3,008.06" in " ".join(markup.text.split())
    for row in (*PUBLISHED, *WHOLE.report.rows):
        assert row.task in markup.text
    cells = " ".join(markup.text.split())
    ours = WHOLE.report.rows[1].summary
    assert ours
    assert f"21.00 58.00 {ours.mean:,.2f} {ours.sd:,.2f} {ours.min:,.2f} {ours.max:,.2f} {ours.n}" in cells


def test_each_plot_is_drawn_twice_and_described_in_words(markup: Markup):
    drawn = [a["class"] for tag, a in markup.elements if tag == "svg" and a["class"].startswith("plot")]
    assert len(drawn) == 16
    assert drawn.count("plot wide") == drawn.count("plot narrow") == 8
    for tag, attributes in markup.elements:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-labelledby"]
    assert "remote (emulated), warm: half within 230 (226 to 234) ms" in markup.text
    assert "remote (emulated): 236 ms, most of it inference 121, notice 28.1 and waiting 21.3." in markup.text


def test_colours_are_names_that_the_style_sheet_has_and_no_others(page: str):
    style = page[page.index("<style>") : page.index("</style>")]
    named = set(re.findall(r"var\(--([a-z-]+)\)", page))
    assert {"local", "remote", "inference", "ink"} <= named
    assert named <= set(re.findall(r"--([a-z-]+):", style))
    drawings = "".join(re.findall(r'<svg [^>]*class="plot.*?</svg>', page, re.DOTALL))
    assert "var(--local)" in drawings
    assert not re.search(r"(?:fill|stroke): ?#", drawings)
    assert "font-family" not in drawings


def test_what_is_predicted_and_what_is_emulated_is_called_so(markup: Markup):
    emulated = [a for _, a in markup.elements if a.get("class") == "badge"]
    assert len(emulated) == 8
    assert "24 are predicted" in markup.text
    assert "≈ without frame: predicted" in markup.text


def test_nothing_is_called_emulated_that_is_not(folder: Path):
    run = dataclasses.replace(WHOLE.run, emulated=False, cloud={"region": "us-east-1"})
    real = dataclasses.replace(WHOLE, run=run, answer=(), added=())
    assert "emulated" not in rendering.render_markdown([real])
    plotted = dataclasses.replace(findings.almost_empty(), distributions=WHOLE.distributions, peaks=WHOLE.peaks)
    text = Markup(render_html([plotted], folder)).text
    assert "remote" in text
    assert "emulated" not in text


def test_runs_are_apart_and_said_not_to_be_pooled(markup: Markup):
    assert markup.tags.count("article") == 2
    assert "2 runs of different machines and models, each shown by itself: their samples are not pooled" in markup.text
    assert "This run did not come to its end" in markup.text


def test_what_the_samples_do_not_allow_has_no_section(tmp_path: Path):
    markup = Markup(render_html([findings.almost_empty()], tmp_path))
    headings = [attributes["id"] for tag, attributes in markup.elements if tag == "section"]
    assert headings == ["run-1-environment"]
    assert "not pooled" not in markup.text
    assert "svg" not in markup.tags


def test_the_same_findings_give_the_same_bytes_in_another_process(page: str, folder: Path):
    program = (
        "import sys; from pathlib import Path; from helpers import findings\n"
        "from lookout.comparison.rendering import render_html\n"
        "assert 'matplotlib' not in sys.modules, 'it is loaded where nothing is drawn'\n"
        "runs = [findings.whole(), findings.almost_empty()]\n"
        "sys.stdout.buffer.write(render_html(runs, Path(sys.argv[1])).encode())"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    tests = str(Path(findings.__file__).parents[1])
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": tests}
    other = subprocess.run(
        [sys.executable, "-c", program, str(folder)], env=environment, capture_output=True, check=True
    ).stdout
    assert hashlib.sha256(other).hexdigest() == hashlib.sha256(page.encode()).hexdigest()


def test_a_user_s_settings_of_matplotlib_are_neither_used_nor_changed(folder: Path):
    import matplotlib as mpl

    plotted = dataclasses.replace(findings.almost_empty(), peaks=WHOLE.peaks, memory=WHOLE.memory)
    page = render_html([plotted], folder)
    with mpl.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "font.size": 30}):
        before = dict(mpl.rcParams)
        assert render_html([plotted], folder) == page
        assert dict(mpl.rcParams) == before


def seen_findings(label: str, image: str, **of_machine: str) -> Findings:
    """Findings with names that a user brought wherever there are such."""
    empty = findings.almost_empty()
    found = (Detection(label, 0.5, Box(1, 2, 3, 4)),)
    run = dataclasses.replace(empty.run, description={"model": label}, machine=of_machine, warnings=(f"Mind {image}",))
    seen = (Seen(Picture(image, "pictures/1.jpg", (640, 480)), found),)
    return dataclasses.replace(empty, run=run, seen=seen, answer=(label,))


TAGS = Markup(render_html([seen_findings("a", "b", cpu="c")], Path("nowhere"))).tags


@given(label=st.text(), image=st.text(), cpu=st.text())
@settings(max_examples=60)
def test_names_that_users_bring_are_text_and_nothing_else(label: str, image: str, cpu: str):
    markup = Markup(render_html([seen_findings(label, image, cpu=cpu)], Path("nowhere")))
    assert markup.tags == TAGS
    shown = markup.text
    for name in (label, image, cpu):
        assert printable(name).strip() in shown or not printable(name).strip()
    shown.encode("utf-8")


@pytest.mark.parametrize(
    "hostile", ["</title><script>alert(1)</script>", "<b", "&amp;", "$x_1$ %s {0}", "_a", "\ud800\x00"]
)
def test_names_in_plots_are_text_and_nothing_else(hostile: str):
    from lookout.comparison.findings import CostCurve, Costs, Peak
    from lookout.comparison.rendering.plots.canvas import NARROW, svg
    from lookout.comparison.rendering.plots.checks import draw_peaks
    from lookout.comparison.rendering.plots.rates import draw_costs

    peaks = (Peak(hostile, 3.0),)
    costs = Costs((), (CostCurve(hostile, (1.0, 2.0), (3.0, 1.0)),), (), "")
    for draw in (
        lambda layout: draw_peaks(peaks, layout),
        lambda layout: draw_costs(costs, layout, emulated=True),
    ):
        markup = Markup(svg(draw, NARROW, id_prefix="x", title=hostile, description=hostile))
        assert printable(hostile) in "".join(markup.texts)
        assert "script" not in markup.tags


@pytest.mark.parametrize(
    "file", ["../secret.jpg", "/etc/hostname", "pictures/no.jpg", "pictures", "pictures/text.jpg", "a\0b", "x" * 5000]
)
def test_a_picture_s_file_that_can_t_be_shown_is_left_out_with_a_word(tmp_path: Path, file: str):
    (tmp_path / "secret.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "out" / "pictures").mkdir(parents=True)
    (tmp_path / "out" / "pictures" / "text.jpg").write_text("no picture")
    seen = (Seen(Picture("a.jpg", file, (640, 480)), ()),)
    html = render_html([dataclasses.replace(findings.almost_empty(), seen=seen)], tmp_path / "out")
    assert "copy is missing" in html
    assert "data:image" not in html
