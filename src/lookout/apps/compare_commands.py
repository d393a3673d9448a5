"""The commands that measure executions: ``lookout send`` and ``lookout compare``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from lookout.apps import console, opening, options, tables
from lookout.apps.progress import Progress
from lookout.errors import LookoutError, UsageError

if TYPE_CHECKING:
    from lookout.comparison.samples import Sample
    from lookout.executions.protocol import Execution


@click.command()
@click.argument("images", nargs=-1, required=True, type=options.IMAGES)
@click.option("--to", "url", default="http://127.0.0.1:5001", show_default=True, help="The server, for local.")
@click.option(
    "--execution",
    type=click.Choice(["local", "remote", "direct"]),
    default="local",
    show_default=True,
    help="Through the server, through S3 and Lambda, or through Lambda alone.",
)
@click.option("--stack", default="lookout", show_default=True, help="The stack, for remote and direct.")
@options.as_json
def send(images: tuple[Path, ...], url: str, execution: str, stack: str, *, as_json: bool) -> None:
    """Send images to a server or to the cloud.

    IMAGES are files or folders. Prints the results, and the average times.

    \b
    Example: lookout send photos/
             lookout send photos/ --execution remote
    """
    from lookout.comparison.load import closed_loop
    from lookout.comparison.report import averages
    from lookout.images import find

    paths = find(images)
    client, emulated = _client(execution, url, stack)
    with closing(client):
        samples = list(_shown(closed_loop([client], paths), as_json=as_json))
    console.print_averages(averages(samples), emulated=emulated, as_json=as_json)
    sys.exit(1 if any(sample.error for sample in samples) else 0)


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
    help="Of in-process, local and remote, with commas.",
)
@click.option(
    "--cloud",
    type=click.Choice(["emulator", "aws"]),
    default="emulator",
    show_default=True,
    help="An emulator started for this run, or the account that AWS's variables name.",
)
@click.option("--stack", default="lookout", show_default=True, help="The stack, on aws.")
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
    """
    from lookout.comparison.compare import Comparison
    from lookout.comparison.compare import compare as run_comparison
    from lookout.engines import choose
    from lookout.images import find

    executions = _execution_names(settings["executions"])
    _require_extras(executions, settings["cloud"])
    comparison = Comparison(
        paths=tuple(find(images)),
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
    samples_path = (out or Path("lookout-results") / time.strftime("%Y%m%dT%H%M%S")) / "samples.jsonl"
    console.end_with_signal()
    try:
        with Progress(len(comparison.paths) * len(executions)) as progress:
            report = run_comparison(comparison, samples_path, progress.notify)
    except (KeyboardInterrupt, SystemExit, LookoutError):
        if samples_path.exists():
            click.echo(console.printable(f"What was measured by then is in {samples_path}"), err=True)
        raise
    if as_json:
        console.put(json.dumps({**report.to_json(), "samples": str(samples_path)}))
    else:
        tables.print_report(report)
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


def _shown(samples: Iterable[Sample], *, as_json: bool) -> Iterator[Sample]:
    """The samples, each shown as it comes: a line for people, or one of JSON for programs."""
    for sample in samples:
        console.print_sample(sample, as_json=as_json)
        yield sample


def _client(execution: str, url: str, stack_name: str) -> tuple[Execution, bool]:
    """The execution, and whether it is emulated."""
    if execution == "local":
        from lookout.executions.local import LocalExecution

        return LocalExecution(url), False
    console.require("cloud", f"the execution {execution}", "boto3")
    from lookout.cloud.account import account_of_environment
    from lookout.cloud.stack import Stack
    from lookout.executions.direct import DirectExecution
    from lookout.executions.remote import RemoteExecution

    account = account_of_environment()
    deployment = Stack(account, stack_name).find()
    client = (RemoteExecution if execution == "remote" else DirectExecution)(account, deployment)
    return client, account.emulated


def _execution_names(text: str) -> tuple[str, ...]:
    from lookout.comparison.compare import NAMES

    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise UsageError(f"--executions {text}: name some of {', '.join(NAMES)}, with commas between them")
    return names


def _require_extras(executions: Sequence[str], cloud: Literal["emulator", "aws"]) -> None:
    if "local" in executions:
        console.require("server", "the execution local", "flask", "gunicorn")
    if "remote" in executions and cloud == "emulator":
        console.require("emulator", "the emulator", "ministack", "awslambdaric", "boto3")
    elif "remote" in executions:
        console.require("cloud", "the execution remote", "boto3")
