"""Measuring for a command: what is measured, how far it is, what becomes of it when it is interrupted, its report."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from lookout.apps import console, opening, options, reporting, tables
from lookout.apps.ending import Ending
from lookout.apps.progress import Progress
from lookout.errors import LookoutError, UsageError

if TYPE_CHECKING:
    from lookout.comparison.bench import Subject
    from lookout.comparison.coco import Annotations
    from lookout.comparison.compare import Comparison
    from lookout.comparison.conditions import Measure
    from lookout.comparison.results import Run
    from lookout.comparison.samples import Sample

detecting = options.together(options.model, options.engine, options.confidence, options.iou)
cloud = options.together(
    click.option(
        "--cloud",
        type=click.Choice(["emulator", "aws"]),
        default="emulator",
        show_default=True,
        help="An emulator started for this run, or the account that AWS's variables name.",
    ),
    click.option("--stack", default="lookout", show_default=True, help="The stack, on aws."),
)
out = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder for samples.jsonl and the report.  [default: a new one, lookout-results/<time>]",
)


def execution_names(text: str) -> tuple[str, ...]:
    """Executions, with commas between them. Raises ``UsageError`` for what is none."""
    from lookout.comparison.bench import NAMES

    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise UsageError(f"--executions {text}: name some of {', '.join(NAMES)}, with commas between them")
    return names


def subject(settings: dict[str, Any], executions: Sequence[str]) -> Subject:
    """What a command's settings ask to be measured."""
    from lookout.comparison.bench import Subject
    from lookout.engines import choose

    _require_extras(executions, settings["cloud"])
    return Subject(
        model=opening.take_model(settings),
        engine=choose(settings["engine"]),
        confidence=settings["confidence"],
        iou=settings["iou"],
        executions=tuple(executions),
        cloud=settings["cloud"],
        stack=settings["stack"],
        memory_mb=settings["memory"],
        timeout_s=settings["timeout"],
    )


def measure(
    images: Sequence[Path],
    subject: Subject,
    plan: Callable[[Measure], object],
    folder: Path | None,
    settings: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Measure, print what came of it, write the report, and end with its status."""
    from lookout.comparison.analysis import Settings
    from lookout.comparison.compare import Comparison
    from lookout.comparison.results import SAMPLES_FILE, read_runs
    from lookout.images import find

    names = ("machine_cost", "deadline", "prices_file", "latencies")
    chosen = Settings(**reporting.given(*(settings[name] for name in names)), p99_ms=settings.get("p99"))
    truth = _annotations(settings.get("annotations"))
    comparison = Comparison(tuple(find(images)), subject, plan, truth, chosen.to_json())
    folder = folder or Path("lookout-results") / time.strftime("%Y%m%dT%H%M%S")
    run = _measured(comparison, folder)
    of_all = reporting.findings_of_runs(read_runs([folder]))
    found = next(one for one in of_all if one.run.id == run.id)
    written = reporting.write(of_all, folder, folder)
    if as_json:
        places = {"samples": str(folder / SAMPLES_FILE), "report": [str(path) for path in written]}
        console.put(json.dumps({**_document(run), **found.report.to_json(), **reporting.document(found), **places}))
    else:
        tables.print_report(found)
        console.put(console.printable(f"Samples: {folder / SAMPLES_FILE}"))
        tables.print_written(written)
    sys.exit(0 if found.report.sound else 1)


def _measured(comparison: Comparison, folder: Path) -> Run:
    from lookout.comparison.compare import compare
    from lookout.comparison.plans import Single
    from lookout.comparison.results import SAMPLES_FILE

    ending = Ending()
    ending.listen()
    try:
        plan, images = comparison.plan, len(comparison.paths)
        with Progress(plan.samples(images) if isinstance(plan, Single) else None) as progress:

            def notify(news: str | Sample) -> None:
                with ending.held():  # an interruption that Python lost, as in a finaliser, holds from here on
                    progress.notify(news)

            return compare(comparison, folder, notify)
    except (KeyboardInterrupt, LookoutError) as error:
        if (folder / SAMPLES_FILE).exists():
            told = f"What was measured by then is in {folder / SAMPLES_FILE}: lookout report makes its report"
            click.echo(console.printable(told), err=True)
        if isinstance(error, KeyboardInterrupt):
            click.echo("Interrupted", err=True)
            sys.exit(ending.status or console.INTERRUPTED)
        raise


def _annotations(path: Path | None) -> Annotations | None:
    from lookout.comparison.coco import Annotations

    if path is None:
        return None
    console.require("evaluate", "--annotations", "faster_coco_eval")
    return Annotations.read(path)


def _document(run: Run) -> dict[str, Any]:
    """What ``--json`` tells of a run beside its figures."""
    condition = run.points[0].condition
    return {
        "warnings": list(run.warnings),
        "emulated": run.emulated,
        "machine": dict(run.machine),
        "network": dataclasses.asdict(condition.network) if condition.network else None,
        "load": dataclasses.asdict(condition.load),
        "average_precision": {one.execution: one.ap for one in run.precisions},
    }


def _require_extras(executions: Sequence[str], cloud: Literal["emulator", "aws"]) -> None:
    from lookout.comparison.samples import OFFLOADED

    if "local" in executions:
        console.require("server", "the execution local", "flask", "gunicorn")
    offloaded = [name for name in executions if name in OFFLOADED]
    if offloaded and cloud == "emulator":
        console.require("emulator", "the emulator", "ministack", "boto3")
    elif offloaded:
        console.require("cloud", f"the execution {offloaded[0]}", "boto3")
