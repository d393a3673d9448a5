"""``lookout tune``: the function at several memories, and the one to take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lookout.apps import measuring, options, reporting
from lookout.errors import UsageError

# Many accounts may give a function no more.
_MOST_UNASKED_MB = 3008


@click.command()
@click.argument("images", nargs=-1, required=True, type=options.IMAGES)
@measuring.detecting
@click.option(
    "--memories",
    metavar="MB,MB,...",
    help="The memories to measure.  [default: from 128 MB up to what this machine can emulate, or 3008 on AWS]",
)
@measuring.cloud
@options.yes
@click.option(
    "--execution",
    type=click.Choice(["direct", "remote"]),
    default="direct",
    show_default=True,
    help="How images get to the function.",
)
@click.option("--each", type=click.IntRange(2, 10_000), default=12, show_default=True, help="Images at each memory.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the choice of images, and their order.")
@options.timeout
@measuring.out
@reporting.settings
@options.as_json
def tune(
    images: tuple[Path, ...],
    out: Path | None,
    memories: str | None,
    execution: str,
    each: int,
    *,
    yes: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Measure the function at several memories, and recommend one.

    More memory is more CPU, and costs more a millisecond. Recommended is the cheapest, the fastest, the best balance
    of the two, and with --deadline the cheapest whose 95th percentile keeps it. Measured on an emulator that gives a
    function its share of this machine's cores, or with --cloud aws on the stack that is up: its function gets each
    memory in turn, and its own back at the end.

    \b
    Example: lookout tune photos/ --model yolov3-tiny
             lookout tune photos/ --model yolov3-tiny --memories 512,1024,1769 --deadline 300
             lookout tune photos/ --model yolov3-tiny --cloud aws --stack lookout
    """
    from lookout.comparison.load import Load
    from lookout.comparison.plans import Sweep

    is_real = settings["cloud"] == "aws"
    chosen = _memories(memories, is_real=is_real)
    if is_real:
        from lookout.apps.stack_telling import Telling

        question = (
            f"Give the function of the stack {settings['stack']} {len(chosen)} memories in turn, and its own back?"
        )
        Telling(yes=yes).ask(question)
    settings["memory"] = chosen[0]
    subject = measuring.subject(settings, (execution,))
    plan = Sweep(subject, Load(seed=settings["seed"], warm_up=1), chosen, each)
    measuring.measure(images, subject, plan, out, settings, as_json=as_json)


def _memories(text: str | None, *, is_real: bool) -> tuple[int, ...]:
    """The memories to measure, ascending. Raises ``UsageError``."""
    from lookout.comparison.machine import free_memory_mb
    from lookout.comparison.tuning import LEAST_MB, MOST_MB, candidates
    from lookout.engines import available_cores

    if text is None and is_real:
        return candidates(_MOST_UNASKED_MB)
    if text is None:
        return candidates(cores=available_cores(), free_mb=free_memory_mb())
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = []
    if len(found) < 2 or not LEAST_MB <= found[0] <= found[-1] <= MOST_MB:
        raise UsageError(
            f"--memories {text[:60]}: give two or more numbers of MB from {LEAST_MB} to {MOST_MB:,}, with commas "
            "between them"
        )
    return tuple(found)
