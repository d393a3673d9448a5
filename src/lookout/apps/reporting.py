"""A comparison's report, written beside its samples: what ``compare``, ``tune`` and ``report`` end with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookout.apps import options
from lookout.errors import UsageError

if TYPE_CHECKING:
    from lookout.comparison.findings import Findings
    from lookout.comparison.results import Run
    from lookout.comparison.statistics import Interval

HTML_FILE, MARKDOWN_FILE = "report.html", "report.md"
WITHOUT_PLOTS = "Install the extra report (pip install 'lookout-vision[report]') for report.html, with plots."

settings = options.together(
    click.option(
        "--machine-cost",
        type=options.Number(min=0),
        metavar="DOLLARS",
        help="What an hour of a machine of your own costs.  [default: 0.10, as an assumption]",
    ),
    click.option(
        "--deadline",
        type=options.Number(min=0, min_open=True),
        metavar="MS",
        help="What the function's p95 must keep, for the memory that is recommended.",
    ),
    options.prices,
    click.option(
        "--latencies",
        metavar="FILE|none",
        help="What AWS's services take that the emulator does not: a JSON or TOML file in place of what others "
        "published, or none.",
    ),
)


def given(
    machine_cost: float | None, deadline: float | None, prices_file: Path | None, latencies: str | None
) -> dict[str, Any]:
    """Those of the ``Settings`` that the options name. Raises ``UsageError``."""
    from lookout.apps.money import load_document, load_prices
    from lookout.comparison.service_latencies import NOTHING, read_service_latencies

    chosen: dict[str, Any] = {}
    if machine_cost is not None:
        chosen |= {"dollars_per_hour": machine_cost, "assumed_price": False}
    if deadline is not None:
        chosen["deadline_ms"] = deadline
    if prices_file is not None:
        chosen["prices"] = load_prices(prices_file)
    if latencies == "none":
        chosen["latencies"] = NOTHING
    elif latencies is not None:
        chosen["latencies"] = read_service_latencies(load_document(Path(latencies)), latencies)
    return chosen


def findings_of_runs(runs: Sequence[Run], chosen: Mapping[str, Any] | None = None) -> list[Findings]:
    """What there is to say of some runs; those without a sample are left out. Raises ``UsageError`` without any.

    ``chosen`` takes the place of what a run was measured with, which holds for all else.
    """
    from lookout.comparison.analysis import Settings, findings_of

    measured = [run for run in runs if run.points and run.points[0].samples]
    if not measured:
        raise UsageError("no sample was taken: measure with lookout compare first")
    with_what = [Settings.from_json(run.description.get("asked", {})) for run in measured]
    return [
        findings_of(run, dataclasses.replace(settings, **(chosen or {})))
        for run, settings in zip(measured, with_what, strict=True)
    ]


def write(found: Sequence[Findings], samples_folder: Path, folder: Path) -> list[Path]:
    """Write the report, ``report.html`` where plots can be drawn; which files. Raises ``UsageError``."""
    from lookout.comparison.rendering import render_html, render_markdown

    pages = {MARKDOWN_FILE: render_markdown(found)}
    if find_spec("matplotlib"):
        pages[HTML_FILE] = render_html(found, samples_folder)
    for name, text in pages.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        except OSError as error:
            raise UsageError(f"{folder / name} can't be written ({error.strerror}): name another --out") from error
    return [folder / name for name in (HTML_FILE, MARKDOWN_FILE) if name in pages]


def document(found: Findings) -> dict[str, Any]:
    """The answer, for programs."""
    return {
        "emulated": found.run.emulated,
        "complete": found.run.is_complete,
        "answer": list(found.answer),
        "added": list(found.added),
        "caveats": list(found.caveats),
        "latencies": [
            {
                "execution": one.execution,
                "cold": one.cold,
                "n": len(one.values_ms),
                **{name: _interval(getattr(one, name)) for name in ("mean", "p50", "p95")},
            }
            for one in found.distributions
        ],
        "recommended_memory_mb": dict(found.memory.recommended) if found.memory else None,
        "mean_absolute_percentage_error": found.prediction.mape if found.prediction else None,
    }


def _interval(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else dataclasses.asdict(interval)
