"""The commands that measure executions against each other: ``lookout compare`` and ``lookout demo``."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from lookout.apps import console, opening, options, tables
from lookout.apps.ending import Ending
from lookout.apps.progress import Progress
from lookout.errors import LookoutError, UsageError

if TYPE_CHECKING:
    from lookout.comparison.load import Load
    from lookout.comparison.results import Run
    from lookout.comparison.samples import Sample


@click.command()
@click.argument("images", nargs=-1, required=True, type=options.IMAGES)
@options.model
@options.engine
@options.confidence
@options.iou
@click.option(
    "--executions",
    default="local,remote",
    show_default=True,
    help="Of in-process, local, remote and direct, with commas.",
)
@click.option(
    "--cloud",
    type=click.Choice(["emulator", "aws"]),
    default="emulator",
    show_default=True,
    help="An emulator started for this run, or the account that AWS's variables name.",
)
@click.option("--stack", default="lookout", show_default=True, help="The stack, on aws.")
@click.option(
    "--network",
    metavar="NAME|RTT,UP,DOWN",
    help=(
        "The network between here and server or emulator: lan, wifi, 5g, 4g, 3g or satellite, or its round trip in ms "
        "and its Mbit/s up and down.  [default: loopback, as fast as it is]"
    ),
)
@click.option(
    "--concurrency", type=click.IntRange(1, 256), default=1, show_default=True, help="Images under way at once."
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="R",
    help="In place of it, R images a second on average, whatever became of those before.",
)
@click.option(
    "--burst", type=click.IntRange(1, 256), metavar="N", help="Or N images at once, as after idleness; see --idle."
)
@click.option(
    "--idle",
    type=click.FloatRange(0, 3600),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="From when a burst is answered to the next.",
)
@click.option(
    "--warm-up",
    type=click.IntRange(0, 1000),
    default=2,
    show_default=True,
    help="Images of each execution that are sent first, and are in no figure but those of cold starts.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the order of images, and of their arrivals.")
@options.memory
@options.timeout
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder for samples.jsonl. [default: a new one, lookout-results/<time>]",
)
@options.as_json
def compare(
    images: tuple[Path, ...],
    out: Path | None,
    *,
    as_json: bool,
    **settings: Any,
) -> None:
    """Measure executions against each other.

    IMAGES (files or folders) go through each execution, and the table that compares them is printed. What is
    not running is started, and stopped at the end: the web server, the emulator, the stack on it.

    \b
    Example: lookout compare photos/ --model yolov3-tiny.cfg
             lookout compare photos/ --model yolov3-tiny.cfg --network 4g --rate 2
    """
    from lookout.comparison.bench import Subject
    from lookout.comparison.compare import Comparison
    from lookout.comparison.compare import compare as run_comparison
    from lookout.comparison.conditions import Condition
    from lookout.comparison.network import read_network
    from lookout.comparison.report import make_report
    from lookout.comparison.results import SAMPLES_FILE
    from lookout.engines import choose
    from lookout.images import find

    executions = _execution_names(settings["executions"])
    _require_extras(executions, settings["cloud"])
    network = read_network(settings["network"]) if settings["network"] else None
    if network and settings["cloud"] == "aws":
        raise UsageError("--network: AWS is reached over the network that there is; leave one of the two out")
    subject = Subject(
        model=opening.take_model(settings),
        engine=choose(settings["engine"]),
        confidence=settings["confidence"],
        iou=settings["iou"],
        executions=executions,
        cloud=settings["cloud"],
        stack=settings["stack"],
        memory_mb=settings["memory"],
        timeout_s=settings["timeout"],
    )
    load = _load(settings)
    memory_mb = subject.memory_mb if subject.offloaded and subject.cloud == "emulator" else None
    condition = Condition(load.scenario, executions, load, network, memory_mb)
    comparison = Comparison(tuple(find(images)), subject, lambda measure: measure(condition))
    folder = out or Path("lookout-results") / time.strftime("%Y%m%dT%H%M%S")
    samples_path = folder / SAMPLES_FILE
    ending = Ending()
    ending.listen()
    try:
        with Progress((len(comparison.paths) + load.warm_ups) * len(executions)) as progress:

            def notify(news: str | Sample) -> None:
                with ending.held():  # an interruption that Python lost, as in a finaliser, holds from here on
                    progress.notify(news)

            run = run_comparison(comparison, folder, notify)
    except (KeyboardInterrupt, LookoutError) as error:
        if samples_path.exists():
            click.echo(console.printable(f"What was measured by then is in {samples_path}"), err=True)
        if isinstance(error, KeyboardInterrupt):
            click.echo("Interrupted", err=True)
            sys.exit(ending.status or console.INTERRUPTED)
        raise
    report = make_report(run.points[0].samples, executions)
    if as_json:
        console.put(json.dumps({**_document(run), **report.to_json(), "samples": str(samples_path)}))
    else:
        tables.print_report(run, report)
        console.put(console.printable(f"Samples: {samples_path}"))
    sys.exit(0 if report.sound else 1)


@click.command(short_help="Compare here and the emulated cloud.")
@click.argument("images", nargs=-1, type=options.IMAGES)
@click.option(
    "--model",
    envvar="LOOKOUT_MODEL",
    metavar="M",
    help=f"{options.MODEL_HELP} [default: lookout-tiny, the package's own]",
)
@options.as_json
@click.pass_context
def demo(context: click.Context, images: tuple[Path, ...], model: str | None, *, as_json: bool) -> None:
    """Compare local and remote execution on what comes with the package.

    That needs no network, no account and no model: lookout-tiny detects in a dozen rendered pictures, here and in
    an emulated cloud. Your own images and model take their place.

    \b
    Example: lookout demo
             lookout demo photos/ --model yolov3-tiny
    """
    from lookout.models import bundled

    if images and model is None:
        click.echo(
            "lookout-tiny knows rendered pictures and little of photographs; "
            "for these, name a model, such as --model yolov3-tiny",
            err=True,
        )
    paths = images or (bundled.PICTURES,)
    context.invoke(compare, images=paths, model=model or bundled.NAME, as_json=as_json)


def _load(settings: Mapping[str, Any]) -> Load:
    """How images come. Raises ``UsageError`` where that is asked for in two ways."""
    from lookout.comparison.load import Load

    concurrency = settings["concurrency"] if settings["concurrency"] != 1 else None
    ways = {"--concurrency": concurrency, "--rate": settings["rate"], "--burst": settings["burst"]}
    given = [option for option, value in ways.items() if value is not None]
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join(given)}: images come at a rate, so many at a time, or in bursts; give one of them"
        )
    if settings["burst"] is not None:  # after idleness nothing is warm
        return Load(seed=settings["seed"], burst=settings["burst"], idle_s=settings["idle"])
    return Load(settings["concurrency"], settings["rate"], settings["seed"], warm_up=settings["warm_up"])


def _document(run: Run) -> dict[str, Any]:
    """What ``--json`` tells of a run beside its figures."""
    condition = run.points[0].condition
    return {
        "warnings": list(run.warnings),
        "emulated": run.emulated,
        "machine": dict(run.machine),
        "network": dataclasses.asdict(condition.network) if condition.network else None,
        "load": dataclasses.asdict(condition.load),
    }


def _execution_names(text: str) -> tuple[str, ...]:
    from lookout.comparison.bench import NAMES

    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise UsageError(f"--executions {text}: name some of {', '.join(NAMES)}, with commas between them")
    return names


def _require_extras(executions: Sequence[str], cloud: Literal["emulator", "aws"]) -> None:
    from lookout.comparison.samples import OFFLOADED

    if "local" in executions:
        console.require("server", "the execution local", "flask", "gunicorn")
    offloaded = [name for name in executions if name in OFFLOADED]
    if offloaded and cloud == "emulator":
        console.require("emulator", "the emulator", "ministack", "boto3")
    elif offloaded:
        console.require("cloud", f"the execution {offloaded[0]}", "boto3")
