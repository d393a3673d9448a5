"""``lookout send``: images to a server or to the cloud, and what it took."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lookout.apps import console, options, tables
from lookout.apps.ending import Ending

if TYPE_CHECKING:
    from lookout.apps.sending import End, Sender
    from lookout.comparison.journal import Journal
    from lookout.comparison.tally import Totals
    from lookout.executions.protocol import Execution


@dataclass(frozen=True, slots=True)
class _Places:
    """What is written: a table, a folder of pictures, a journal."""

    table: Path | None
    save: Path | None
    resume: Path | None


@click.command(short_help="Send images to a server or to the cloud.")
@click.argument("images", nargs=-1, required=True, type=options.IMAGES)
@click.option(
    "--to",
    "url",
    default="http://127.0.0.1:5001",
    show_default=True,
    envvar="LOOKOUT_URL",
    help="The server. Given with remote or direct: go through its stack, with no AWS keys here.",
)
@click.option(
    "--execution",
    type=click.Choice(["local", "remote", "direct"]),
    default="local",
    show_default=True,
    help="Through the server, through S3 and Lambda, or through Lambda alone.",
)
@click.option("--stack", help="The stack, for remote and direct with AWS keys.  [default: lookout]")
@click.option(
    "--concurrency", type=click.IntRange(1, 256), default=1, show_default=True, help="Images under way at once."
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="How often an image is sent again that the server was too busy for, or whose connection was lost.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60,
    show_default=True,
    help="Seconds to wait for an answer; with direct and AWS keys, the function's own time-out holds.",
)
@click.option("--shrink", is_flag=True, help="Send pictures no larger than the model looks at; boxes fit the original.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file that keeps what was done; given again, that is not done again.",
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
    resume: Path | None,
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

    With --resume FILE an interrupted run (Ctrl-C, a crash) goes on where it was. What was answered is taken from FILE.
    An image that was uploaded is not uploaded again, unless it got lost there; one that failed is tried again, unless
    it is no image.

    \b
    --execution local               the server at --to detects
    --execution remote|direct       AWS keys of your own, and a stack of lookout stack up
    --execution remote --to URL     no keys: that server gives leave to upload to its stack's bucket
    --execution direct --to URL     no keys: that server invokes its stack's function

    \b
    Example: lookout send photos/
             lookout send photos/ --to http://10.0.0.7:5001 --concurrency 8 --csv times.csv
             lookout send 'photos/**/*.jpg' --classes person,dog --save out/
             lookout send photos/ --execution remote --concurrency 32 --resume photos.journal
    """
    ending = Ending()
    ending.listen()
    try:
        places = _Places(table, save, resume)
        status = _send(images, concurrency, places, ending, as_json=as_json, settings=settings)
    except KeyboardInterrupt:  # before the first image, or for the second time
        click.echo("Interrupted", err=True)
        status = ending.status or console.INTERRUPTED
    if ending.status is not None:
        console.leave(status)
    sys.exit(status)


def _send(
    paths: Sequence[Path],
    concurrency: int,
    places: _Places,
    ending: Ending,
    *,
    as_json: bool,
    settings: dict[str, Any],
) -> int:
    """Send, and print the summary; the exit status."""
    from lookout.apps.picture_folder import PictureFolder
    from lookout.apps.progress import SendProgress
    from lookout.apps.routes import open_route
    from lookout.apps.sending import Reception, SampleTable, run
    from lookout.apps.streams import Stream
    from lookout.comparison.journal import Journal
    from lookout.images import walk

    _spare(paths, places)
    total = sum(1 for _ in walk(paths))
    route = open_route(settings, concurrency, by_server=_is_given("url"), resumes=places.resume is not None)
    with closing(route.client), ExitStack() as stack:
        journal = stack.enter_context(closing(Journal(places.resume, route.settings))) if places.resume else None
        table = SampleTable(Stream(places.table, option="--csv")) if places.table else None
        rows = stack.enter_context(closing(table)) if table else None
        pictures = PictureFolder(places.save) if places.save else None
        if pictures:
            stack.callback(pictures.discard)
        reception = Reception(SendProgress(total), as_json, rows, pictures)
        sender = _sender(route.client, journal, draws=pictures is not None)
        end = run(sender, walk(paths), concurrency, reception, ending)
    totals = reception.tally.totals(end.seconds, interrupted=end.interrupted, emulated=route.emulated, total=total)
    return _summarise(totals, end, ending, as_json=as_json, resume=places.resume)


def _sender(client: Execution, journal: Journal | None, *, draws: bool) -> Sender:
    from lookout.apps.sending import Sender
    from lookout.executions.protocol import UploadingExecution

    noted = client.detect_noted if isinstance(client, UploadingExecution) else None
    return Sender(client.name, client.detect, draws, journal, noted)


def _is_given(parameter: str) -> bool:
    """Whether an option stands on the command line: LOOKOUT_URL alone is where local goes."""
    return click.get_current_context().get_parameter_source(parameter) is ParameterSource.COMMANDLINE


def _summarise(totals: Totals, end: End, ending: Ending, *, as_json: bool, resume: Path | None) -> int:
    """Print what the run came to; the exit status."""
    if as_json:
        console.put(json.dumps({"summary": totals.to_json()}))
    elif totals.images or totals.failed or end.error is None:
        tables.print_totals(totals)
    if totals.left and not as_json:
        how = f"--resume {resume}" if resume else "--resume FILE, given from the beginning, goes on where a run ended"
        console.put(console.printable(f"Not sent: {totals.left} images ({how})"))
    if end.interrupted:
        return ending.status or console.INTERRUPTED
    if end.error:
        raise end.error
    return 1 if totals.failed else 0


def _spare(paths: Sequence[Path], places: _Places) -> None:
    """Refuse to write over what is read."""
    from lookout.apps import sparing
    from lookout.images import walk

    if places.table:
        sparing.spare(places.table, map(Path, walk(paths)), "--csv")
    if places.resume:
        sparing.spare(places.resume, map(Path, walk(paths)), "--resume")
    if places.save:
        sparing.spare_folder(places.save, walk(paths), "--save", "the images themselves")
