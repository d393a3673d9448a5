"""The control plane: ministack, with functions run by our host.

This module, ``ministack_functions``, ``uploads``, ``refusals`` and ``formation`` know ministack (MIT), which speaks the
protocols of S3, DynamoDB, Lambda, CloudFormation and the rest. Of its private parts some are replaced:
``_execute_function_docker``, which runs container images with Docker, and with ``LAMBDA_STRICT`` every kind of
function; ``_collect_scripts``, which finds scripts to run at start; and what ``uploads``, ``refusals`` and
``formation`` change. Others are called: see ``MinistackFunctions`` and ``save_state``. All else that this module relies
on: the settings in ``_settings``, which ministack reads from the environment when it is imported, and
``ministack.app.app``, its ASGI application. The test of the emulator is the contract: it speaks to it with AWS's own
client.
"""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lookout import __version__
from lookout.cloud.emulator import data_folder
from lookout.cloud.emulator.config import ACCOUNT, EmulatorConfig, environment
from lookout.cloud.emulator.event_queue import EventQueue
from lookout.cloud.emulator.formation import complete_formation
from lookout.cloud.emulator.ministack_functions import MinistackFunctions
from lookout.cloud.emulator.refusals import refuse_as_lambda_does
from lookout.cloud.emulator.uploads import keep_uploads
from lookout.errors import MissingExtraError

AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

RECOGNITION_PATH = "/_lookout"

# The names of this machine that clients use.
_HOSTS = {"127.0.0.1", "localhost", "::1"}

_SERVICES = "s3,dynamodb,lambda,cloudformation,logs,sqs,iam,sts,ecr,monitoring,tagging"

# Settings of other programs that would change what ministack does: AWS's own may hold real keys.
_FOREIGN_PREFIXES = ("AWS_", "MINISTACK_", "LOCALSTACK_", "LAMBDA_", "S3_", "DOCKER_")


def check_installed() -> None:
    """Raise ``MissingExtraError`` unless what the emulator is made of is installed.

    Not AWS's runtime client, which is published for Linux alone: we have one of our own.
    """
    if not all(importlib.util.find_spec(name) for name in ("ministack", "hypercorn")):
        raise MissingExtraError("emulator", "the emulator")


def configure(variables: MutableMapping[str, str], endpoint: str, config: EmulatorConfig) -> None:
    """Make a process's environment that of the emulator, before ministack is imported."""
    for name in list(variables):
        if name.startswith(_FOREIGN_PREFIXES):
            del variables[name]
    variables.update(_settings(endpoint.rpartition(":")[2], config))
    variables.update(environment(endpoint, config.region))


def _settings(port: str, config: EmulatorConfig) -> dict[str, str]:
    return {
        "GATEWAY_PORT": port,
        "BIND_HOST": "127.0.0.1",
        "LOG_LEVEL": "ERROR",
        "MINISTACK_REGION": config.region,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "SERVICES": _SERVICES,
        "LAMBDA_STRICT": "1",
        "LAMBDA_ACCOUNT_CONCURRENCY": str(config.concurrency),
        # Never look at the containers of whoever runs this.
        "DOCKER_HOST": "unix:///nonexistent/lookout-emulator.sock",
        # No further ports, no signature checks.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "USE_SSL": "0",
        "AUTH": "false",
        **_persistence(config.data),
    }


def _persistence(data: Path | None) -> dict[str, str]:
    if data is None:
        return {"PERSIST_STATE": "0", "S3_PERSIST": "0"}
    return {
        "PERSIST_STATE": "1",
        "STATE_DIR": str(data / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(data / "objects"),
    }


def application(
    functions: MinistackFunctions,
    events: EventQueue,
    about: Callable[[], Mapping[str, Any]],
    on_change: Callable[[], None],
) -> App:
    """Give ministack our ways to run functions, and return the application to serve.

    ``about`` gives what is told of the emulator, beside what clients recognise it by. ``on_change`` is called after
    each request that may have changed something.
    """
    from ministack import app  # only after the environment is configured
    from ministack.services import lambda_svc

    lambda_svc._execute_function_docker = functions.execute
    keep_uploads(events)
    refuse_as_lambda_does()
    app._collect_scripts = _no_scripts
    complete_formation()
    return _with_recognition(app.app, about, on_change)


def save_state(data: Path) -> None:
    """Write what the control plane holds, but for objects, to the data folder: all or nothing. Raises ``OSError``.

    Only where nothing else runs any more, or in a process of its own: ministack would copy all that it holds first, and
    is kept from that. Its own writing would also take a full disk for a success.
    """
    from ministack.services import lambda_svc

    outdated: list[set[str]] = []
    with _replaced(copy, "deepcopy", _itself), _replaced(lambda_svc, "_prune_orphan_code_blobs", outdated.append):
        data_folder.keep_state(data, _documents())
    for referenced in outdated:  # code that the state before still had
        lambda_svc._prune_orphan_code_blobs(referenced)


def _documents() -> Iterator[tuple[str, str]]:
    """What there is to be saved of each service."""
    from ministack import app
    from ministack.core import persistence

    for service, get_state in app._build_persistence_save_dict().items():
        state = get_state()
        if state is not None:
            document = {"__ministack_format__": persistence._state_format_version(service), "payload": state}
            yield service, json.dumps(document, default=persistence._json_default)


def _itself(value: Any, _memo: object = None) -> Any:
    return value


@contextmanager
def _replaced(module: Any, name: str, other: object) -> Iterator[None]:
    original = getattr(module, name)
    setattr(module, name, other)
    try:
        yield
    finally:
        setattr(module, name, original)


def _no_scripts(*_folders: str) -> list[str]:
    """Find none of the scripts that ministack's own container would run at start."""
    return []


def _with_recognition(app: App, about: Callable[[], Mapping[str, Any]], on_change: Callable[[], None]) -> App:
    """Add the address that tells what this is, and an end that doesn't wait; tell of requests that change something."""

    async def wrapped(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _start_only(app, scope, receive, send)
        elif _is_foreign(scope):
            await _refuse(send, is_http=scope["type"] == "http")
        elif scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == RECOGNITION_PATH:
            body = json.dumps({"emulator": "lookout", "version": __version__, **about()}).encode()
            await _answer(send, 200, b"application/json", body)
        else:
            await app(scope, receive, send)
            if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
                on_change()

    return wrapped


def _is_foreign(scope: Any) -> bool:
    """Whether a page in a browser asks, or somebody by a name that only leads here: who may do so runs code here.

    The emulator knows no keys, and ministack answers every origin. AWS's clients send no ``Origin``.
    """
    headers = {name.lower(): value for name, value in scope["headers"]}
    try:
        host = urlsplit("//" + headers.get(b"host", b"localhost").decode("latin-1")).hostname
    except ValueError:
        host = None
    return scope["type"] != "http" or b"origin" in headers or host not in _HOSTS


async def _refuse(send: Send, *, is_http: bool) -> None:
    if is_http:
        body = b"the emulator is for programs on this machine, at 127.0.0.1, and for no page in a browser\n"
        await _answer(send, 403, b"text/plain", body)
    else:
        await send({"type": "websocket.close", "code": 1008})


async def _answer(send: Send, status: int, media_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Ended(Exception):  # noqa: N818 - not an error
    pass


async def _start_only(app: App, scope: Any, receive: Receive, send: Send) -> None:
    """Let the application hear of the server's start, but not of its end.

    At the end ministack imports an SFTP server to stop it, and asks Docker; it has nothing of ours to save.
    """

    async def until_shutdown() -> AsgiMessage:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            raise _Ended
        return message

    try:
        await app(scope, until_shutdown, send)
    except _Ended:
        return
