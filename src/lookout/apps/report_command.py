"""``lookout report``: a comparison's report, made again from its samples."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lookout.apps import console, options, reporting, tables


@click.command()
@click.argument("samples", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder for report.html and report.md.  [default: beside the first samples]",
)
@reporting.settings
@options.as_json
def report(
    samples: tuple[Path, ...],
    out: Path | None,
    machine_cost: float | None,
    deadline: float | None,
    prices_file: Path | None,
    latencies: str | None,
    *,
    as_json: bool,
) -> None:
    """Make a comparison's report again, without measuring.

    SAMPLES are files that lookout compare or tune wrote (samples.jsonl), or the folders that they are in. Runs of
    different machines, networks or models stand one below the other, and are never pooled. Without options it is
    byte for byte the report that the comparison made; what they name takes the place of what it was made with.

    \b
    Example: lookout report lookout-results/20261125T101500
             lookout report laptop/samples.jsonl server/samples.jsonl --machine-cost 0.08 --out both/
    """
    from lookout.comparison.results import read_runs

    beside = samples[0] if samples[0].is_dir() else samples[0].parent
    chosen = reporting.given(machine_cost, deadline, prices_file, latencies)
    found = reporting.findings_of_runs(read_runs(samples), chosen)
    written = reporting.write(found, beside, out or beside)
    if as_json:
        runs = [{"run": one.run.id, **one.report.to_json(), **reporting.document(one)} for one in found]
        console.put(json.dumps({"runs": runs, "written": [str(path) for path in written]}))
        return
    for one in found:
        tables.print_report(one)
    tables.print_written(written)
