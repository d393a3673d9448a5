"""The commands about what is deployed: ``lookout stack up``, ``failures`` and ``down``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from lookout.apps import console, opening, options
from lookout.errors import UsageError

if TYPE_CHECKING:
    from lookout.cloud.account import Account


@click.group()
def stack() -> None:
    """Deploy to the cloud, look after it, and delete it.

    AWS's own variables name the account: AWS_PROFILE, AWS_REGION or AWS_DEFAULT_REGION, AWS_ENDPOINT_URL.
    """


@stack.command()
@options.stack_name
@click.option(
    "--model",
    envvar="LOOKOUT_MODEL",
    metavar="M",
    help="As of lookout detect; needed on the emulator. On AWS it is in the image, and named for send --shrink alone.",
)
@options.labels
@options.head
@options.offline
@options.engine
@options.confidence
@options.iou
@options.memory
@options.timeout
@click.option("--image-uri", help="On AWS: the function's container image, which holds its model in /opt/model.")
@options.yes
def up(name: str, image_uri: str | None, *, yes: bool, **settings: Any) -> None:
    """Make the stack, or bring it to these settings.

    That is a bucket, a function, a table, a log group, a queue for failures and a role, by CloudFormation.

    \b
    Example: lookout stack up --model yolov3-tiny.cfg --memory 1024
    """
    console.require("cloud", "lookout stack", "boto3")
    from lookout.cloud.account import account_of_environment
    from lookout.cloud.stack import Stack
    from lookout.cloud.template import Code, Names, StackSettings
    from lookout.engines import choose

    names = Names.of(name)
    account = account_of_environment()
    image, model_folder, described = _function_code(account, image_uri, settings)
    wanted = StackSettings(
        names=names,
        code=Code(image_uri=image),
        model_folder=model_folder,
        # On AWS the engine is in the image, whatever is installed here.
        engine=choose(settings["engine"]) if account.emulated else settings["engine"] or "onnxruntime",
        confidence=settings["confidence"],
        iou=settings["iou"],
        memory_mb=settings["memory"],
        timeout_s=settings["timeout"],
        input=described,
    )
    _confirm(f"Make or change the stack {name} in {_place(account)}?", yes=yes)
    deployment = Stack(account, names.stack).up(wanted)
    console.put(f"{name} is up in {_place(account)}.")
    console.put(f"An image put into s3://{deployment.bucket} is detected into the table {deployment.table}.")


@stack.command()
@options.stack_name
@options.yes
def down(name: str, *, yes: bool) -> None:
    """Delete the stack, with all its images and results.

    \b
    Example: lookout stack down
    """
    console.require("cloud", "lookout stack", "boto3")
    from lookout.cloud.account import account_of_environment
    from lookout.cloud.stack import Stack

    account = account_of_environment()
    deployed = Stack(account, name)
    if not deployed.exists():
        console.put(f"There is no stack {name} in {_place(account)}.")
        return
    _confirm(f"Delete the stack {name} with all its images and results in {_place(account)}?", yes=yes)
    deployed.down()
    console.put(f"{name} is gone from {_place(account)}.")


@stack.command()
@options.stack_name
@click.option("--retry", is_flag=True, help="Send the events to the function again, and take them out of the queue.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="The most to list, or to send again.",
)
@options.as_json
def failures(name: str, *, retry: bool, limit: int, as_json: bool) -> None:
    """List what the function failed at, or send it again.

    Failures are in a queue of the stack's, where Lambda puts an event that failed three times, and stay for 14 days.
    An image that can't be read is none of them: it has its reason in the table.

    \b
    Example: lookout stack failures --retry
    """
    console.require("cloud", "lookout stack", "boto3")
    from lookout.apps import failures as shown
    from lookout.cloud.account import account_of_environment
    from lookout.cloud.failures import FailureQueue
    from lookout.cloud.stack import Stack

    account = account_of_environment()
    deployment = Stack(account, name).find()
    queue = FailureQueue(account.queues, deployment.failure_queue)
    found = shown.look(queue, limit)
    if retry:
        retried = shown.retry(found, queue, account.functions, deployment.function)
        console.put(shown.describe_retry(found, retried, as_json=as_json))
    elif as_json:
        console.put(json.dumps(found.to_json()))
    elif found.failures:
        shown.print_failures(found)
    else:
        console.put(f"The failure queue of {name} is empty.")


def _function_code(account: Account, image_uri: str | None, settings: dict[str, Any]) -> tuple[str, str, str]:
    """The function's image, where its model is, and what that looks at; empty where nobody knows."""
    from lookout.cloud.stack import EMULATED_IMAGE, IMAGE_MODEL_FOLDER

    if account.emulated:
        if settings["model"] is None:
            raise UsageError("on the emulator the function takes its model from this machine: name one with --model")
        model = opening.take_model(settings)
        return EMULATED_IMAGE, str(model.folder), model.input_format.described()
    if image_uri is None:
        raise UsageError("on AWS the function runs from a container image: name one with --image-uri")
    described = opening.take_model(settings).input_format.described() if settings["model"] else ""
    return image_uri, IMAGE_MODEL_FOLDER, described


def _place(account: Account) -> str:
    if account.emulated:
        return f"the emulator at {account.address}"
    return f"AWS account {account.account_id()}, {account.region}"


def _confirm(question: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(question, abort=True)
