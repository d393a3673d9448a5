"""The way that ``lookout send`` goes: to a server, through a server to its cloud, or to the cloud itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lookout.apps import console
from lookout.errors import ExecutionError, UsageError
from lookout.executions.local import LocalExecution
from lookout.executions.protocol import Answer, Execution
from lookout.executions.relayed import RelayedDirect, RelayedRemote
from lookout.executions.retrying import Retries
from lookout.executions.server_client import ServerClient
from lookout.executions.shrinking import input_of, read_input, shrinking

if TYPE_CHECKING:
    from lookout.core.framing import InputFormat


@dataclass(frozen=True, slots=True)
class Route:
    """An execution, whether its cloud is emulated, and what its results depend on, as a journal keeps it."""

    client: Execution
    emulated: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Asking:
    """The local execution, asked for something else than the server's own thresholds."""

    local: LocalExecution
    asked: Mapping[str, Any]
    name: str = LocalExecution.name

    def detect(self, data: bytes, name: str = "image") -> Answer:
        """See ``Execution``."""
        return self.local.detect(data, name, **self.asked)

    def close(self) -> None:
        """See ``Execution``."""
        self.local.close()


def open_route(settings: Mapping[str, Any], concurrency: int, *, by_server: bool, resumes: bool) -> Route:
    """The way that the options of ``lookout send`` name; ``by_server``: ``--to`` was given.

    Raises ``UsageError`` for options that don't go together, and as finding a stack or asking a server does.
    """
    asked = {name: settings[name] for name in ("confidence", "iou", "classes") if settings[name] is not None}
    execution = settings["execution"]
    if execution == "local":
        return _to_server(settings, concurrency, asked, resumes=resumes)
    if asked:
        names = " and ".join(f"--{name}" for name in asked)
        raise UsageError(f"{names}: only the execution local takes that; a stack finds what it was made to find")
    if by_server:
        if settings["stack"] is not None:
            raise UsageError("--stack: the server at --to has its own; leave --to out to go there with AWS keys")
        return _through_server(settings, concurrency)
    return _to_cloud(settings)


def _to_server(settings: Mapping[str, Any], concurrency: int, asked: Mapping[str, Any], *, resumes: bool) -> Route:
    local = LocalExecution(
        settings["url"],
        settings["timeout"],
        api_key=settings["api_key"] or None,
        retries=Retries(count=settings["retries"]),
        connections=concurrency,
    )
    client: Execution = _Asking(local, asked)
    if not (settings["shrink"] or resumes):  # then nothing need be known of the server
        return Route(client)
    with closing(_server(settings, concurrency)) as server:
        info = _info(server)
    if settings["shrink"]:
        client = shrinking(client, _input_of(info, server))
    return Route(client, settings=_of_server(settings, info, asked))


def _through_server(settings: Mapping[str, Any], concurrency: int) -> Route:
    server, execution = _server(settings, concurrency), settings["execution"]
    info = _info(server)
    if execution not in info.get("executions", ()):
        raise UsageError(f"{server.source} offers no execution {execution}: start it with --stack")
    client: Execution
    if execution == "direct":
        client = RelayedDirect(server)
    else:
        retries = Retries(count=settings["retries"])
        client = RelayedRemote(server, settings["timeout"], retries=retries, connections=concurrency)
    if settings["shrink"]:
        client = shrinking(client, _input_of(info, server))
    return Route(client, emulated=bool(info.get("emulated")), settings=_of_server(settings, info, {}))


def _to_cloud(settings: Mapping[str, Any]) -> Route:
    execution = settings["execution"]
    console.require("cloud", f"the execution {execution}", "boto3")
    from lookout.cloud.account import account_of_environment
    from lookout.cloud.stack import Stack
    from lookout.executions.direct import DirectExecution
    from lookout.executions.remote import RemoteExecution

    account = account_of_environment()
    deployment = Stack(account, "lookout" if settings["stack"] is None else settings["stack"]).find()
    # Before anything is opened: the stack may not say it.
    input_format = read_input(deployment.parameters.get("Input", "")) if settings["shrink"] else None
    client: Execution
    if execution == "direct":
        client = DirectExecution(account, deployment, Retries(count=settings["retries"]))
    else:
        client = RemoteExecution(account, deployment, settings["timeout"])
    if input_format:
        client = shrinking(client, input_format)
    told = ("ImageUri", "ModelFolder", "Confidence", "Iou")
    deployed = {name: deployment.parameters.get(name) for name in told}
    where = {"execution": execution, "cloud": account.address, "bucket": deployment.bucket}
    return Route(client, account.emulated, {**where, **deployed, "shrink": settings["shrink"]})


def _server(settings: Mapping[str, Any], concurrency: int) -> ServerClient:
    return ServerClient(
        settings["url"],
        settings["timeout"],
        api_key=settings["api_key"] or None,
        retries=Retries(count=settings["retries"]),
        connections=concurrency,
    )


def _info(server: ServerClient) -> Mapping[str, Any]:
    info = server.ask("GET", "/info").document
    if not isinstance(info, Mapping):
        raise ExecutionError(f"{server.source} does not say what it is: is it one of lookout serve?")
    return info


def _input_of(info: Mapping[str, Any], server: ServerClient) -> InputFormat:
    try:
        width, height = info["input"]
        return input_of(width, height, info["fit"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{server.source} does not say what its model looks at, which --shrink must know: run a newer Lookout there"
        ) from error


def _of_server(settings: Mapping[str, Any], info: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: info.get(name) for name in ("model", "confidence", "iou")}
    where = {"execution": settings["execution"], "server": settings["url"].rstrip("/")}
    return {**where, **own, "classes": None, **asked, "shrink": settings["shrink"]}
