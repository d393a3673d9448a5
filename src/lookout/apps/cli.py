"""The command line. Each command gathers its settings, hands them to the house, and shows what came of it.

Heavy modules are imported within the commands that need them, so that ``lookout --help`` is there at once.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from lookout import __version__
from lookout.apps import console, options
from lookout.apps.stack_commands import stack as stack_group
from lookout.errors import LookoutError, UsageError

if TYPE_CHECKING:
    from lookout.comparison.samples import Sample
    from lookout.detector import Detector
    from lookout.executions.protocol import Execution
    from lookout.models.model import Model


@click.group(cls=console.Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lookout")
def main() -> None:
    """Detect objects with YOLO: here, or offloaded to the cloud, and measure which is better."""


@main.command()
@click.argument("images", nargs=-1, required=True, type=options.IMAGES)
@options.detection
@click.option("--save", type=click.Path(path_type=Path, file_okay=False), help="A folder for pictures with boxes.")
@options.as_json
def detect(images: tuple[Path, ...], save: Path | None, *, as_json: bool, **settings: Any) -> None:
    """Detect the objects in images, in this process.

    IMAGES are files or folders.

    \b
    Example: lookout detect street.jpg --model yolov3-tiny.cfg
    """
    from lookout.comparison.load import closed_loop
    from lookout.executions.in_process import InProcessExecution
    from lookout.images import find

    paths = find(images)
    if save and any(path.resolve().parent == save.resolve() for path in paths):
        raise UsageError(f"{save} holds the images themselves: name another folder with --save")
    with closing(InProcessExecution(_open_detector(**settings))) as execution:
        samples = list(_shown(_saved(closed_loop([execution], paths), save), as_json=as_json))
    sys.exit(1 if any(sample.error for sample in samples) else 0)


@main.command()
@options.detection
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5001, show_default=True, help="0 takes a free one.")
@options.as_json
@options.stop_on_eof
def serve(host: str, port: int, *, as_json: bool, stop_on_eof: bool, **settings: Any) -> None:
    """Run the local execution, a web server.

    It answers POST /object-detection.

    \b
    Example: lookout serve --model yolov3-tiny.cfg
             curl --data-binary @street.jpg -H 'Content-Type: image/jpeg' \\
                  http://127.0.0.1:5001/object-detection
    """
    console.require("server", "lookout serve", "flask", "waitress")
    from lookout.apps import server

    if stop_on_eof:
        console.stop_on_eof()
    with closing(_open_detector(**settings)) as detector:
        detector.warm_up()

        def on_ready(url: str) -> None:
            text = f"{detector.model.name} on {detector.engine.name} at {url}/object-detection (Ctrl-C ends it)"
            click.echo(json.dumps({"url": url}) if as_json else text)

        server.serve(detector, host, port, on_ready)


@main.command()
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


@main.command()
@click.argument("images", nargs=-1, required=True, type=options.IMAGES)
@options.model
@options.labels
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
    model: str,
    labels: Path | None,
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
        model=_load_model(model, labels),
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
        with console.Progress(len(comparison.paths) * len(executions)) as progress:
            report = run_comparison(comparison, samples_path, progress.notify)
    except (KeyboardInterrupt, SystemExit, LookoutError):
        if samples_path.exists():
            click.echo(f"What was measured by then is in {samples_path}", err=True)
        raise
    if as_json:
        click.echo(json.dumps({**report.to_json(), "samples": str(samples_path)}))
    else:
        console.print_report(report)
        click.echo(f"Samples: {samples_path}")
    sys.exit(0 if report.sound else 1)


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=4566, show_default=True, help="0 takes a free one.")
@options.as_json
@options.stop_on_eof
@click.option("--sweep", is_flag=True, hidden=True, help="Remove what killed emulators left, and end.")
def emulator(port: int, *, as_json: bool, stop_on_eof: bool, sweep: bool) -> None:
    """Run the embedded cloud on this machine.

    S3, Lambda, DynamoDB and what they need, with no account. It listens on loopback only, and prints the
    variables that point AWS's tools, and Lookout, at it: paste them into another terminal.

    \b
    Example: lookout emulator
    """
    console.require("emulator", "the emulator", "ministack", "awslambdaric", "boto3")
    from lookout.cloud.emulator import EmulatorConfig, environment, leave
    from lookout.cloud.emulator import serve as serve_emulator
    from lookout.cloud.emulator import sweep as sweep_up

    if sweep:
        sweep_up()
        return
    if stop_on_eof:
        console.stop_on_eof()
    config = EmulatorConfig(port=port)

    def on_ready(url: str) -> None:
        variables = environment(url, config.region)
        if as_json:
            click.echo(json.dumps({"url": url, "environment": variables}))
            return
        # Real keys that lie about in the terminal must not go to the emulator.
        click.echo("unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN")
        for name, value in variables.items():
            click.echo(f"export {name}={value}")
        click.echo(f"# the emulator listens at {url}; Ctrl-C ends it, and all that it holds", err=True)

    serve_emulator(config, on_ready)
    leave()


main.add_command(stack_group)


def _load_model(reference: str, labels: Path | None) -> Model:
    from lookout.models.store import load_model

    return load_model(reference, labels=labels)


def _open_detector(
    model: str, labels: Path | None, engine: str | None, threads: int | None, confidence: float, iou: float
) -> Detector:
    from lookout.loading import load

    return load(model, engine=engine, threads=threads, confidence=confidence, iou=iou, labels=labels)


def _shown(samples: Iterable[Sample], *, as_json: bool) -> Iterator[Sample]:
    """The samples, each shown as it comes: a line for people, or one of JSON for programs."""
    for sample in samples:
        console.print_sample(sample, as_json=as_json)
        yield sample


def _saved(samples: Iterable[Sample], folder: Path | None) -> Iterator[Sample]:
    """The samples, a picture with boxes of each written into the folder, where there is one."""
    from lookout import images

    taken: set[str] = set()
    for sample in samples:
        if folder and sample.answer:
            path = Path(sample.image)
            picture = images.draw(images.decode(images.read(path)).pixels_bgr, sample.answer.objects)
            images.write(picture, folder / _free_name(path.stem, taken))
        yield sample


def _free_name(stem: str, taken: set[str]) -> str:
    """``<stem>.jpg``, or ``<stem>-2.jpg`` and so on where another picture of this run has that name."""
    names = (f"{stem}{number}.jpg" for number in ("", *(f"-{n}" for n in range(2, len(taken) + 3))))
    name = next(name for name in names if name not in taken)
    taken.add(name)
    return name


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
        console.require("server", "the execution local", "flask", "waitress")
    if "remote" in executions and cloud == "emulator":
        console.require("emulator", "the emulator", "ministack", "awslambdaric", "boto3")
    elif "remote" in executions:
        console.require("cloud", "the execution remote", "boto3")
