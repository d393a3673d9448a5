"""``lookout serve``: the local execution."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import click

from lookout.apps import console, opening, options
from lookout.errors import UsageError

if TYPE_CHECKING:
    from lookout.apps.server.config import ServerConfig
    from lookout.apps.server.offloading import Offloading
    from lookout.apps.server.service import Service


@click.command()
@options.detection
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5001, show_default=True, help="0 takes a free one.")
@options.api_key
@click.option("--no-auth", is_flag=True, help="Ask nobody for a key, also where others can reach the server.")
@click.option("--stack", help="Offload to this stack too, for clients that ask for it.  [default: none]")
@click.option(
    "--queue",
    type=click.IntRange(min=0),
    default=32,
    show_default=True,
    help="Images that may wait; of more, clients are told when to come back (503, Retry-After).",
)
@click.option(
    "--max-wait",
    type=click.FloatRange(min=0, min_open=True),
    default=10,
    show_default=True,
    help="Seconds that an image may wait, before it is refused (503).",
)
@click.option(
    "--grace",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Seconds for what was accepted to be answered, once the server is told to end.",
)
@click.option(
    "--idle",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Seconds that a connection may be silent, or take over a request's head.",
)
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default="console",
    show_default=True,
    envvar="LOOKOUT_LOG_FORMAT",
    help="On standard error: for people, or a JSON object a line.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    envvar="LOOKOUT_LOG_LEVEL",
    help="info has a line a request.",
)
@options.as_json
@options.stop_on_eof
def serve(*, stack: str | None, as_json: bool, stop_on_eof: bool, **settings: Any) -> None:
    """Run the local execution, a web server.

    POST /object-detection takes an image as the body (image/* or application/octet-stream), as the file image of
    a form (multipart/form-data), or in JSON: {"id", "image_data"}, the image in base64. It answers id, objects (each
    with label, accuracy and box: x, y, width, height in pixels), inference_time and timings, in milliseconds.
    There is a page at /, documentation at /docs, Prometheus metrics at /metrics, /healthz and /readyz.

    One image alone gets all cores, of several each gets one. Others reach the server with --host 0.0.0.0, and then
    need the key in LOOKOUT_API_KEY, sent as "Authorization: Bearer KEY" or "X-API-Key: KEY".

    \b
    Example: lookout serve --model yolov3-tiny.cfg
             curl --data-binary @street.jpg -H 'Content-Type: image/jpeg' \\
                  http://127.0.0.1:5001/object-detection
    """
    console.require("server", "lookout serve", "flask", "gunicorn", "uvicorn_worker", "structlog", "multipart")
    from lookout.apps.server import running

    service = _service(_server_config(settings), settings)
    open_offloading = _find_stack(stack) if stack else None
    if stop_on_eof:
        console.stop_on_eof()

    def on_ready(url: str) -> None:
        text = f"{service.model.name} on {service.engine} at {url}/object-detection, page at {url} (Ctrl-C ends it)"
        console.put(json.dumps({"url": url}) if as_json else text)

    running.serve(service, on_ready, open_offloading)


def _server_config(settings: dict[str, Any]) -> ServerConfig:
    """What the options say of the server, which are taken out of a command's. Raises ``UsageError``."""
    from lookout.apps.server.config import ServerConfig
    from lookout.engines import available_cores
    from lookout.executions.server_client import check_api_key

    taken = {name: settings.pop(name) for name in ("host", "port", "queue", "log_format", "log_level")}
    api_key, no_auth = settings.pop("api_key") or None, settings.pop("no_auth")
    if api_key:
        check_api_key(api_key)
    if not (api_key or no_auth or _is_loopback(taken["host"])):
        raise UsageError(
            f"{taken['host']} can be reached by others: put a key into LOOKOUT_API_KEY, or say --no-auth to do without"
        )
    return ServerConfig(
        **taken,
        api_key=None if no_auth else api_key,
        cores=settings.pop("threads") or available_cores(),
        max_wait_s=settings.pop("max_wait"),
        grace_s=settings.pop("grace"),
        idle_s=settings.pop("idle"),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _service(config: ServerConfig, settings: dict[str, Any]) -> Service:
    """The server's parts, but for the network: that is opened where it runs."""
    from lookout.apps.server.metrics import Metrics
    from lookout.apps.server.service import Service
    from lookout.engines import choose

    engine = choose(settings.pop("engine"))
    model = opening.take_model(settings)
    return Service(
        config=config,
        model=model,
        engine=engine,
        selection=opening.selection_of(model, **settings),
        metrics=Metrics(model.name),
    )


def _find_stack(stack: str) -> Callable[[], Offloading]:
    """How to offload to a stack, which must be there."""
    console.require("cloud", "lookout serve --stack", "boto3")
    from lookout.apps.server.stack_offloading import StackOffloading
    from lookout.cloud.account import account_of_environment
    from lookout.cloud.stack import Stack

    deployment = Stack(account_of_environment(), stack).find()
    return lambda: StackOffloading(account_of_environment(), deployment)
