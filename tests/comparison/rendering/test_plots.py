from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import findings
from helpers.markup import Markup
from lookout.comparison.findings import (
    Cell,
    CostCurve,
    Costs,
    Distribution,
    MemoryPoint,
    MemorySweep,
    NetworkMap,
    Peak,
    Prediction,
    RateCurve,
    RatePoint,
    StageBar,
)
from lookout.comparison.rendering import render_html, render_markdown
from lookout.comparison.rendering.plots.axes import log_ticks
from lookout.comparison.rendering.plots.canvas import LAYOUTS, svg
from lookout.comparison.rendering.plots.latency import draw_distributions
from lookout.comparison.rendering.plots.rates import draw_costs

pytest.importorskip("matplotlib", reason="the extra report is not installed")

NOTHING = findings.almost_empty()
INFINITE, UNKNOWN = float("inf"), float("nan")

EXTREMES = {
    "one value": {"distributions": (Distribution("local", False, (5.0,), None, None, None),)},
    "the same values": {"distributions": (findings.distribution("local", cold=False, values_ms=(5.0,) * 9),)},
    "cold starts alone": {"distributions": (findings.distribution("remote", cold=True, values_ms=(900.0, 1e6)),)},
    "a stage in all": {"stages": (StageBar("direct", True, 1, 3.0, {"upload": 3.0}, -0.2),)},
    "no stage": {"stages": (StageBar("local", False, 1, 3.0, {}, 3.0),)},
    "one rate": {"rates": (RateCurve("local", (RatePoint(3.0, 1.0, 1.0, 1, 0),), 3.0),)},
    "no answer at any rate": {"rates": (RateCurve("local", (RatePoint(3.0, UNKNOWN, INFINITE, 9, 9),)),)},
    "all predicted": {"rates": (RateCurve("remote", (RatePoint(3.0, 1.0, 2.0, 0, 0, predicted=True),)),)},
    "no curve": {"costs": Costs((), (), ("Free.",), "")},
    "one rate's cost": {"costs": Costs((), (CostCurve("remote", (1.0,), (0.0,)),), (), "")},
    "no memory is enough": {
        "memory": MemorySweep(
            "direct", (MemoryPoint(128, 0, None, None, None, None, None, excluded="too little"),), {}, ()
        )
    },
    "one memory": {
        "memory": MemorySweep("direct", (MemoryPoint(512, 1, 9.0, 9.0, 0.1, None, 1.0),), {"fastest": 512}, ())
    },
    "one network": {
        "network_map": NetworkMap((0.0,), (5.0,), ((Cell(0.0, 5.0, {"local": 3.0}, "local", predicted=False),),))
    },
    "a winner of another name": {
        "network_map": NetworkMap((1.0,), (5.0,), ((Cell(1.0, 5.0, {}, "nobody", predicted=True),),))
    },
    "one prediction": {"prediction": Prediction(0.0, (("x", 5.0, 5.0),))},
    "a prediction of nothing": {"prediction": Prediction(1.0, (("local", 0.0, 0.0), ("direct", 5.0, 0.0)))},
    "no prediction": {"prediction": Prediction(UNKNOWN, ())},
    "no memory used": {"peaks": (Peak("local", 0.0),)},
}


@pytest.mark.parametrize("members", EXTREMES.values(), ids=EXTREMES.keys())
def test_extremes_are_drawn_and_told(members: dict[str, object]):
    extreme = dataclasses.replace(NOTHING, **members)
    markup = Markup(render_html([extreme], Path("nowhere")))
    assert markup.tags.count("section") == 2
    assert "nan" not in markup.text.lower().split()
    assert render_markdown([extreme])


def test_what_is_free_is_drawn_in_the_colour_of_its_execution_and_marked_emulated():
    names = ("a machine of $0.10 an hour", "remote", "remote after the free tier")
    shown = Costs((), tuple(CostCurve(name, (1.0, 2.0), (1.0, 2.0)) for name in names), (), "")
    figure = draw_costs(shown, LAYOUTS[0], emulated=True)
    machine, remote, free = figure.axes[0].lines
    assert machine.get_color() != remote.get_color() == free.get_color()
    assert (remote.get_linestyle(), free.get_linestyle()) == ("-", ":")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["a machine of $0.10 an hour", "remote (emulated)", "remote (emulated) after the free tier"]


def test_how_wrong_the_queue_is_and_a_p99_of_few_are_told():
    measured = RatePoint(3.0, 20.0, UNKNOWN, 9, 0)
    curve = RateCurve("local", (measured, RatePoint(3.0, 15.0, 30.0, 0, 0, predicted=True)))
    told = render_markdown([dataclasses.replace(NOTHING, rates=(curve,))])
    assert "is off by 25.0 % in the median, on average of 1 rate; most at 3 images a second, by 25.0 %" in told
    assert "there p50 is 20.0 ms" in told
    assert ["local", "3", "20.0", "-", "9", "0", "measured"] in [
        [cell.strip() for cell in line.strip("|").split("|")] for line in told.split("\n")
    ]


def test_many_values_make_no_large_drawing():
    values_ms = tuple(10 + place / 100 for place in range(50_000))
    shown = [Distribution("local", False, values_ms, None, None, None)]
    for layout in LAYOUTS:
        drawn = svg(
            lambda layout: draw_distributions(shown, layout, emulated=False),
            layout,
            id_prefix="x",
            title="t",
            description="d",
        )
        assert len(drawn) < 40_000


@given(low=st.floats(1e-6, 1e6), times=st.floats(1.001, 1e8), most=st.integers(2, 12))
def test_ticks_are_round_and_few_and_in_their_place(low: float, times: float, most: int):
    ticks = log_ticks(low, low * times, most)
    assert ticks == sorted(set(ticks))
    assert len(ticks) <= most
    assert all(low <= tick <= low * times for tick in ticks)
    assert all(len(f"{tick:e}".split("e")[0].rstrip("0").replace(".", "")) <= 2 for tick in ticks)
    if times >= 10:
        assert ticks
