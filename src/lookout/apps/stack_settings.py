"""From the options of ``lookout stack up`` and ``plan`` to what is deployed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from lookout import __version__
from lookout.apps import opening, options
from lookout.engines import NAMES as ENGINES
from lookout.errors import UsageError

if TYPE_CHECKING:
    from lookout.cloud.account import Account
    from lookout.cloud.lifecycle.deploying import Provide
    from lookout.cloud.lifecycle.stack_state import StackState
    from lookout.cloud.packages import Kind, Recipe
    from lookout.cloud.template import Code, Names, StackSettings
    from lookout.models.model import Model

_ARCHITECTURES = ("x86_64", "arm64")
_RETENTIONS_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
# The reference system's.
DEFAULT_MODEL = "yolov3-tiny"
_DAYS = click.IntRange(min=0, max=36500)

deployed = options.together(
    click.option(
        "--model",
        envvar="LOOKOUT_MODEL",
        metavar="M",
        help=f"What the function detects with. {options.MODEL_HELP} With --image-uri it is in the image, and named for "
        f"send --shrink alone.  [default: what is deployed, else {DEFAULT_MODEL}]",
    ),
    options.labels,
    options.head,
    options.offline,
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        envvar="LOOKOUT_ENGINE",
        help="What runs the network in the function.  [default: of a zip opencv, else onnxruntime where it is there]",
    ),
    options.confidence,
    options.iou,
    options.memory,
    options.timeout,
    click.option("--architecture", type=click.Choice(_ARCHITECTURES), help="Of the function.  [default: x86_64]"),
    click.option(
        "--package",
        type=click.Choice(["auto", "image", "zip"]),
        default="auto",
        show_default=True,
        help="What the function is deployed as. auto: as it is deployed, else an image where docker, podman, finch or "
        "buildah is here, else a zip; on the emulator the installed Lookout.",
    ),
    click.option(
        "--image-uri", metavar="URI", help="A container image of your own, which has its model in /opt/model."
    ),
    click.option("--role-arn", metavar="ARN", help="A role that is there, as in student accounts; then none is made."),
    click.option(
        "--reserved-concurrency",
        type=click.IntRange(min=0),
        metavar="N",
        help="At most so many sandboxes, set aside; 0: as many as the account has free.",
    ),
    click.option(
        "--log-retention",
        type=click.Choice(_RETENTIONS_DAYS),
        default=14,
        show_default=True,
        metavar="DAYS",
        help="How long the log is kept.",
    ),
    click.option(
        "--expire-days",
        type=_DAYS,
        default=30,
        show_default=True,
        metavar="DAYS",
        help="When uploaded images are deleted; 0: never.",
    ),
    click.option(
        "--result-days", type=_DAYS, default=0, metavar="DAYS", help="When results are deleted.  [default: never]"
    ),
    click.option(
        "--prefix", default="", metavar="P", help="Only images whose keys start so start the function.  [default: all]"
    ),
)


@dataclass(frozen=True, slots=True)
class Packaging:
    """A package that Lookout makes of a recipe."""

    kind: Kind
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be deployed; the settings are without code where it is to be packaged.

    ``notes`` say what was chosen that nobody asked for, and why.
    """

    settings: StackSettings
    packaging: Packaging | None = None
    notes: tuple[str, ...] = ()

    def foreseen(self, account: Account, state: StackState | None) -> StackSettings:
        """The settings with the code that they will have, without making it."""
        if self.packaging is None:
            return self.settings
        from lookout.cloud.packages import foresee

        outputs = state.outputs if state else {}
        code = foresee(
            account, self.packaging.recipe, self.packaging.kind, repository_uri=outputs.get("Repository", "")
        )
        return replace(self.settings, code=code)

    def provider(self, account: Account, say: Callable[[str], None]) -> Provide | None:
        """What makes the package, once there is a place for it; None where there is none to make."""
        packaging = self.packaging
        if packaging is None:
            return None
        from lookout.cloud.packages import provide

        return lambda state: provide(
            account,
            packaging.recipe,
            packaging.kind,
            artifacts=state.outputs["Artifacts"],
            repository_uri=state.outputs["Repository"],
            say=say,
        )


# The options that say how the function is, and the template's parameter of each.
_KEPT: dict[str, tuple[str, Callable[[str], Any]]] = {
    "confidence": ("Confidence", float),
    "iou": ("Iou", float),
    "memory": ("Memory", int),
    "timeout": ("Timeout", int),
    "architecture": ("Architecture", str),
    "role_arn": ("RoleArn", str),
    "reserved_concurrency": ("ReservedConcurrency", lambda text: int(text) if text else None),
    "log_retention": ("LogRetention", int),
    "expire_days": ("ExpireDays", int),
    "result_days": ("ResultDays", int),
    "prefix": ("Prefix", str),
}
# The options that say what the function's package holds, which can't be made anew without the model.
_PACKAGED = ("labels", "head", "engine", "architecture", "package")


def given() -> frozenset[str]:
    """The options of the command under way that somebody named, on its line or by a variable."""
    context = click.get_current_context()
    usual = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    return frozenset(name for name in context.params if context.get_parameter_source(name) not in usual)


def gather(
    account: Account, names: Names, state: StackState | None, chosen: dict[str, Any], given: Collection[str]
) -> Wanted:
    """What the options ask for; those that were not ``given`` stay as they are deployed.

    Raises ``UsageError`` where they don't go together, and as opening a model does.
    """
    _refuse_contradictions(account, chosen)
    deployed = state.parameters if state else {}
    kept = {
        option: read(deployed[parameter])
        for option, (parameter, read) in _KEPT.items()
        if option not in given and parameter in deployed
    }
    chosen = {**chosen, **kept}
    if chosen["image_uri"] is not None:
        return _of_image(names, chosen)
    if chosen["model"] is None and state is not None and state.has_code:
        return _of_deployed(names, state, chosen, given)
    installed = account.emulated and chosen["package"] == "auto"
    chosen = {**chosen, "model": DEFAULT_MODEL if chosen["model"] is None else chosen["model"]}
    if installed:
        return _of_installed(names, chosen)
    return _of_package(account, names, state, chosen)


def _refuse_contradictions(account: Account, chosen: dict[str, Any]) -> None:
    if chosen["image_uri"] is not None and chosen["package"] != "auto":
        raise UsageError(
            "--image-uri is an image that is there, and --package one that is to be made: give one of them"
        )
    if account.emulated and (chosen["image_uri"] is not None or chosen["package"] == "image"):
        raise UsageError(
            "the emulator runs no container images: leave --image-uri and --package out, and it runs the Lookout that "
            "is installed, or say --package zip"
        )


def _of_deployed(names: Names, state: StackState, chosen: dict[str, Any], given: Collection[str]) -> Wanted:
    """The function with the package that it has."""
    from lookout.cloud.template import Code

    if packaged := [name for name in _PACKAGED if name in given]:
        raise UsageError(f"--{packaged[0]} makes the function's package anew: name the model, too, with --model")
    deployed = state.parameters
    code = Code(deployed.get("ImageUri", ""), deployed.get("CodeKey", ""), deployed.get("Runtime", Code().runtime))
    settings = _settings(names, chosen, None, code, deployed["ModelFolder"], deployed["Engine"])
    model, looks_at, version = (deployed.get(name, "") for name in ("Model", "Input", "Version"))
    return Wanted(replace(settings, model=model, input=looks_at, version=version))


def _of_image(names: Names, chosen: dict[str, Any]) -> Wanted:
    from lookout.cloud.stack import IMAGE_MODEL_FOLDER
    from lookout.cloud.template import Code

    uri, model = chosen["image_uri"], None
    if chosen["model"]:
        model = opening.take_model(chosen)
    # The engine is in the image, whatever is installed here.
    engine = chosen["engine"] or "onnxruntime"
    settings = _settings(names, chosen, model, Code(image_uri=uri), IMAGE_MODEL_FOLDER, engine)
    return Wanted(replace(settings, version=""))


def _of_installed(names: Names, chosen: dict[str, Any]) -> Wanted:
    from lookout.cloud.stack import EMULATED_IMAGE
    from lookout.cloud.template import Code
    from lookout.engines import choose

    model = opening.take_model(chosen)
    code, engine = Code(image_uri=EMULATED_IMAGE), choose(chosen["engine"])
    return Wanted(_settings(names, chosen, model, code, str(model.folder), engine))


def _of_package(account: Account, names: Names, state: StackState | None, chosen: dict[str, Any]) -> Wanted:
    from lookout.cloud.packages import Recipe, deployable_python, model_folder, running_recipe
    from lookout.cloud.template import Code

    kind, why = _kind(state, chosen["package"])
    notes = [f"The function is deployed as a zip: {why}."] if why else []
    engine = chosen["engine"] or ("opencv" if kind == "zip" else "onnxruntime")
    offline = chosen["offline"]
    model = opening.take_model(chosen)
    if account.emulated:
        recipe = running_recipe(model.folder, engine, offline=offline)
        if chosen["architecture"] not in (None, recipe.architecture):
            notes.append(
                f"The function's architecture is {recipe.architecture} and not {chosen['architecture']}: the emulator "
                "runs a zip on this machine's processor."
            )
    else:
        architecture = chosen["architecture"] or "x86_64"
        recipe = Recipe(model.folder, engine, architecture, deployable_python(), offline=offline)
    settings = _settings(
        names, {**chosen, "architecture": recipe.architecture}, model, Code(), model_folder(kind), engine
    )
    return Wanted(settings, Packaging(kind, recipe), tuple(notes))


def _kind(state: StackState | None, package: Literal["auto", "image", "zip"]) -> tuple[Kind, str]:
    """A stack stays what it is, whichever tools are here today. And why it is a zip, where there is no tool."""
    from lookout.cloud.packages import choose_kind

    if package != "auto":
        return package, ""
    if state is not None and state.has_code:
        return ("zip" if state.parameters.get("CodeKey") else "image"), ""
    return choose_kind()


def _settings(
    names: Names, chosen: dict[str, Any], model: Model | None, code: Code, model_folder: str, engine: str
) -> StackSettings:
    from lookout.cloud.template import StackSettings

    return StackSettings(
        names=names,
        code=code,
        architecture=chosen["architecture"] or "x86_64",
        model_folder=model_folder,
        model=_called(model) if model else "",
        engine=engine,
        confidence=chosen["confidence"],
        iou=chosen["iou"],
        input=model.input_format.described() if model else "",
        version=__version__,
        memory_mb=chosen["memory"],
        timeout_s=chosen["timeout"],
        reserved_concurrency=chosen["reserved_concurrency"] or None,
        log_retention_days=chosen["log_retention"],
        expire_days=chosen["expire_days"],
        result_days=chosen["result_days"],
        prefix=chosen["prefix"],
        role_arn=chosen["role_arn"] or "",
    )


def _called(model: Model) -> str:
    """The model in the template's ``Model``, for people: its name, and the beginning of its digest."""
    return f"{model.name[:80]} {model.digest[:12]}"
