"""The commands that measure executions against each other: ``lookout compare`` and ``lookout demo``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookout.apps import measuring, options, reporting
from lookout.errors import UsageError

if TYPE_CHECKING:
    from lookout.comparison.conditions import Measure
    from lookout.comparison.load import Load


@click.command()
@click.argument("images", nargs=-1, required=True, type=options.IMAGES)
@measuring.detecting
@click.option(
    "--executions",
    default="local,remote",
    show_default=True,
    help="Of in-process, local, remote and direct, with commas.",
)
@measuring.cloud
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
    type=options.Number(min=0, min_open=True),
    metavar="R",
    help="In place of it, R images a second on average, whatever became of those before.",
)
@click.option(
    "--burst", type=click.IntRange(1, 256), metavar="N", help="Or N images at once, as after idleness; see --idle."
)
@click.option(
    "--idle",
    type=options.Number(0, 3600),
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
    "--full",
    is_flag=True,
    help="Measure networks, memories, rates and bursts too, for all that a report can show: some minutes.",
)
@click.option(
    "--p99",
    type=options.Number(min=0, min_open=True),
    metavar="MS",
    help="Search the highest rate of each execution whose 99th percentile keeps this, after the rest.",
)
@click.option(
    "--annotations",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What is to be found in the images, in COCO's form: then each execution's average precision is told.",
)
@measuring.out
@reporting.settings
@options.as_json
def compare(
    images: tuple[Path, ...],
    out: Path | None,
    *,
    as_json: bool,
    **settings: Any,
) -> None:
    """Measure executions against each other, and say which is better.

    IMAGES (files or folders) go through each execution; the answer and the table are printed, and a report is
    written beside the samples. What is not running is started, and stopped at the end: the web server, the
    emulator, the stack on it.

    \b
    Example: lookout compare photos/ --model yolov3-tiny.cfg
             lookout compare photos/ --model yolov3-tiny.cfg --network 4g --rate 2
             lookout compare photos/ --model yolov3-tiny.cfg --full --machine-cost 0.08
    """
    from lookout.comparison.network import read_network
    from lookout.comparison.plans import Both, Full, Server, Single
    from lookout.engines import available_cores

    executions = measuring.execution_names(settings["executions"])
    network = read_network(settings["network"]) if settings["network"] else None
    if network and settings["cloud"] == "aws":
        raise UsageError("--network: AWS is reached over the network that there is; leave one of the two out")
    if network and executions == ("in-process",):
        raise UsageError("--network: in-process needs no network; leave it out, or name another execution")
    load = _load(settings)
    subject = measuring.subject(settings, executions)
    plan: Callable[[Measure], object] = Single(subject, load, network)
    if settings["full"]:
        if load.scenario != "single-stream":
            raise UsageError("--full measures one image at a time, many, and rates by itself: leave the others out")
        plan = Full(subject, load, network, available_cores())
    if settings["p99"]:
        plan = Both(plan, Server(subject, load, network, settings["p99"]))
    measuring.measure(images, subject, plan, out, settings, as_json=as_json)


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
    if settings["idle"] and settings["burst"] is None:
        raise UsageError("--idle is the time between bursts: give --burst N too, or leave it out")
    if settings["burst"] is not None:  # after idleness nothing is warm
        return Load(seed=settings["seed"], burst=settings["burst"], idle_s=settings["idle"])
    return Load(settings["concurrency"], settings["rate"], settings["seed"], warm_up=settings["warm_up"])
