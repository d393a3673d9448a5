"""Options that several commands share, each defined once."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from lookout.cloud.template import Names
from lookout.core.detections import CONFIDENCE, IOU
from lookout.core.selection import MAX_DETECTIONS
from lookout.engines import NAMES as ENGINES
from lookout.errors import UsageError
from lookout.models.onnx_heads import ONNX_FAMILIES

Command = TypeVar("Command", bound=Callable[..., Any])


class Number(click.FloatRange):
    """A number within a range; click's own lets "nan" through, and "inf" where there is no upper bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A finite number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


_UNIT = Number(0, 1)


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, shown in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


offline = click.option(
    "--offline", is_flag=True, envvar="LOOKOUT_OFFLINE", help="Fetch nothing: use a model that is here, or fail."
)
labels = click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="A file with one label a line. [default: the .names file beside the model, or the labels in an .onnx file, "
    "else COCO's 80]",
)
head = click.option(
    "--head", type=click.Choice(ONNX_FAMILIES), help="The head of an .onnx file.  [default: told by its shapes]"
)


class _Model(click.ParamType[str]):
    """What a model is named by."""

    name = "model"

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        del param, ctx
        return (
            "lookout-tiny comes with the package, to try it; lookout models pull yolov3-tiny gets one for photographs."
        )


MODEL_HELP = "A Darknet .cfg (its .weights beside it), an .onnx file, or a name of lookout models list."


# Whoever takes a model takes what else there is to say of it.
model = together(
    click.option("--model", type=_Model(), required=True, envvar="LOOKOUT_MODEL", metavar="M", help=MODEL_HELP),
    labels,
    head,
    offline,
)
engine = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    envvar="LOOKOUT_ENGINE",
    help="What runs the network. [default: onnxruntime where it is installed, else opencv]",
)
threads = click.option("--threads", type=click.IntRange(min=1), help="Cores that one inference may use. [default: all]")


def confidence_over(default: float) -> Callable[[Command], Command]:
    """``--confidence``, with a default of the command's own."""
    return click.option(
        "--confidence",
        type=_UNIT,
        default=default,
        show_default=True,
        help="Objects at or below this score are left out.",
    )


def at_most(default: int) -> Callable[[Command], Command]:
    """``--max-detections``, with a default of the command's own."""
    return click.option(
        "--max-detections",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        help="At most this many objects an image, the most confident.",
    )


confidence = confidence_over(CONFIDENCE)
max_detections = at_most(MAX_DETECTIONS)
classes = click.option(
    "--classes",
    multiple=True,
    metavar="A,B",
    help="The labels wanted, with commas between them. [default: all]",
)
iou = click.option(
    "--iou",
    type=_UNIT,
    default=IOU,
    show_default=True,
    help="Of two boxes of one label that overlap more than this, the less confident goes (NMS).",
)
# What a server does with one image in place of its own settings.
asked = together(
    click.option(
        "--confidence", type=_UNIT, help="Objects at or below this score are left out.  [default: the server's]"
    ),
    click.option("--iou", type=_UNIT, help="The overlap above which NMS drops a box.  [default: the server's]"),
    click.option(
        "--classes", metavar="A,B", help="The labels wanted, with commas between them.  [default: the server's]"
    ),
)
as_json = click.option("--json", "as_json", is_flag=True, help="For programs: JSON on standard output.")
api_key = click.option(
    "--api-key", envvar="LOOKOUT_API_KEY", help="The server's key; better in LOOKOUT_API_KEY, where nobody sees it."
)
_names = together(
    click.option("--name", metavar="NAME", help="The stack's name.  [default: lookout]"),
    click.option(
        "--group",
        metavar="GROUP",
        help="In place of it, the reference system's names for a group, such as image-bucket-GROUP.",
    ),
)


def stack_names(command: Command) -> Command:
    """``--name`` or ``--group``; the command takes ``names``, those of the stack and of all in it."""

    @_names
    @wraps(command)
    def named(*arguments: Any, name: str | None, group: str | None, **settings: Any) -> Any:
        if name is not None and group is not None:
            raise UsageError("--name and --group both name the stack: give one of them")
        names = Names.of_group(group) if group is not None else Names.of("lookout" if name is None else name)
        return command(*arguments, names=names, **settings)

    return cast(Command, named)


def stack_name(command: Command) -> Command:
    """``--name`` or ``--group``; the command takes ``name``, the stack's."""

    @stack_names
    @wraps(command)
    def named(*arguments: Any, names: Names, **settings: Any) -> Any:
        return command(*arguments, name=names.stack, **settings)

    return cast(Command, named)


prices = click.option(
    "--prices",
    "prices_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A JSON or TOML file with prices in place of ours, each by its name.",
)
yes = click.option("--yes", is_flag=True, help="Don't ask.")
memory = click.option(
    "--memory",
    type=click.IntRange(128, 10240),
    default=512,
    show_default=True,
    help="The function's memory in MB.",
)
timeout = click.option(
    "--timeout",
    type=click.IntRange(1, 900),
    default=15,
    show_default=True,
    help="The function's time-out in seconds.",
)
# Of programs that start others: a child that would outlive its parent is told by its standard input's end.
stop_on_eof = click.option("--stop-on-eof", is_flag=True, hidden=True)

detection = together(model, engine, threads, confidence, iou, classes, max_detections)
IMAGES = click.Path(path_type=Path)
