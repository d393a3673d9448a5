"""``lookout send``: images to a server or to the cloud, and what it took."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookout.apps import console, options, tables
from lookout.apps.ending import Ending
from lookout.errors import UsageError

if TYPE_CHECKING:
    from lookout.apps.sending import End, Reception, Sender
    from lookout.executions.protocol import Execution


@click.command(short_help="Send images to a server or to the cloud.")
@click.argument("images", nargs=-1, required=True, type=options.IMAGES)
@click.option(
    "--to",
    "url",
    default="http://127.0.0.1:5001",
    show_default=True,
    envvar="LOOKOUT_URL",
    help="The server, for local.",
)
@click.option(
    "--execution",
    type=click.Choice(["local", "remote", "direct"]),
    default="local",
    show_default=True,
    help="Through the server, through S3 and Lambda, or through Lambda alone.",
)
@click.option("--stack", default="lookout", show_default=True, help="The stack, for remote and direct.")
@click.option(
    "--concurrency", type=click.IntRange(1, 256), default=1, show_default=True, help="Images under way at once."
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="How often an image is sent again that the server was too busy for, or whose connection was lost; for local.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60,
    show_default=True,
    help="Seconds to wait for an answer, for local and remote.",
)
@click.option("--api-key", envvar="LOOKOUT_API_KEY", help="The server's key; better kept in LOOKOUT_API_KEY.")
@options.asked
@options.as_json
@click.option("--csv", "table", type=click.Path(path_type=Path), help="A file for a table, a row an image.")
@click.option("--save", type=click.Path(path_type=Path, file_okay=False), help="A folder for pictures with boxes.")
def send(
    images: tuple[Path, ...],
    concurrency: int,
    table: Path | None,
    save: Path | None,
    *,
    as_json: bool,
    **settings: Any,
) -> None:
    """Send images to a server or to the cloud.

    IMAGES are files, folders (not the folders in them) or quoted patterns ('photos/**/*.jpg'). Prints what is found,
    in the order of the images, and what it took. An image that fails is told on standard error, and makes the exit
    status 1. Ctrl-C ends it, with the summary of what was done.

    \b
    --json  a JSON object an image, one a line, and at last {"summary": ...}
    --csv   image,error,round_trip,inference_time,transfer_time,retries,count,objects:
            times in ms, the number of objects, and the objects as JSON

    The round trip of an image that was sent again is that of the attempt that was answered.

    \b
    Example: lookout send photos/
             lookout send photos/ --to http://10.0.0.7:5001 --concurrency 8 --csv times.csv
             lookout send 'photos/**/*.jpg' --classes person,dog --save out/
             lookout send photos/ --execution remote
    """
    ending = Ending()
    ending.listen()
    try:
        status = _send(images, concurrency, table, save, ending, as_json=as_json, settings=settings)
    except KeyboardInterrupt:  # before the first image, or for the second time
        click.echo("Interrupted", err=True)
        status = ending.status or console.INTERRUPTED
    if ending.status is not None:
        console.leave(status)
    sys.exit(status)


def _send(
    paths: Sequence[Path],
    concurrency: int,
    table: Path | None,
    save: Path | None,
    ending: Ending,
    *,
    as_json: bool,
    settings: dict[str, Any],
) -> int:
    """Send, and print the summary; the exit status."""
    from lookout.apps.picture_folder import PictureFolder
    from lookout.apps.progress import SendProgress
    from lookout.apps.sending import Reception, SampleTable, run
    from lookout.apps.streams import Stream
    from lookout.images import walk

    _spare(paths, table, save)
    total = sum(1 for _ in walk(paths))
    sender, client, emulated = _sender(settings, concurrency, draws=save is not None)
    with closing(client), ExitStack() as stack:
        rows = stack.enter_context(closing(SampleTable(Stream(table, option="--csv")))) if table else None
        pictures = PictureFolder(save) if save else None
        if pictures:
            stack.callback(pictures.discard)
        reception = Reception(SendProgress(total), as_json, rows, pictures)
        end = run(sender, walk(paths), concurrency, reception, ending)
    return _summarise(reception, end, ending, emulated=emulated)


def _summarise(reception: Reception, end: End, ending: Ending, *, emulated: bool) -> int:
    """Print what the run came to; the exit status."""
    totals = reception.tally.totals(end.seconds, interrupted=end.interrupted, emulated=emulated)
    if reception.as_json:
        console.put(json.dumps({"summary": totals.to_json()}))
    elif totals.images or totals.failed or end.error is None:
        tables.print_totals(totals)
    if end.interrupted:
        return ending.status or console.INTERRUPTED
    if end.error:
        raise end.error
    return 1 if totals.failed else 0


def _spare(paths: Sequence[Path], table: Path | None, save: Path | None) -> None:
    """Refuse to write over what is read."""
    from lookout.apps import sparing
    from lookout.images import walk

    if table:
        sparing.spare(table, walk(paths), "--csv")
    if save:
        sparing.spare_folder(save, map(str, walk(paths)), "--save", "the images themselves")


def _sender(settings: dict[str, Any], concurrency: int, *, draws: bool) -> tuple[Sender, Execution, bool]:
    """What sends an image, the execution that it goes through, and whether that is emulated."""
    from lookout.apps.sending import Sender

    asked = {name: settings[name] for name in ("confidence", "iou", "classes") if settings[name] is not None}
    if settings["execution"] == "local":
        from lookout.executions.local import LocalExecution
        from lookout.executions.retrying import Retries

        local = LocalExecution(
            settings["url"],
            settings["timeout"],
            api_key=settings["api_key"] or None,
            retries=Retries(count=settings["retries"]),
            connections=concurrency,
        )
        return Sender(local.name, partial(local.detect, **asked), draws), local, False
    if asked:
        names = " and ".join(f"--{name}" for name in asked)
        raise UsageError(f"{names}: only a server takes that; a stack has its own from lookout stack up")
    client, emulated = _offloading(settings)
    return Sender(client.name, client.detect, draws), client, emulated


def _offloading(settings: dict[str, Any]) -> tuple[Execution, bool]:
    console.require("cloud", f"the execution {settings['execution']}", "boto3")
    from lookout.cloud.account import account_of_environment
    from lookout.cloud.stack import Stack
    from lookout.executions.direct import DirectExecution
    from lookout.executions.remote import RemoteExecution

    account = account_of_environment()
    deployment = Stack(account, settings["stack"]).find()
    if settings["execution"] == "direct":
        return DirectExecution(account, deployment), account.emulated
    return RemoteExecution(account, deployment, settings["timeout"]), account.emulated
