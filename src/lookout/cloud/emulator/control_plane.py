"""The control plane: ministack, with functions run by our host. The one module that knows ministack.

ministack (MIT) speaks the protocols of S3, DynamoDB, Lambda, CloudFormation and the rest. It runs container
images with Docker, by one private function; that is replaced here, and ``LAMBDA_STRICT`` sends every kind of
function through it. All else that this module relies on: the settings in ``_settings``, which ministack reads
from the environment when it is imported; ``ministack.app.app``, its ASGI application; and
``ministack.app._collect_scripts``, which finds scripts to run at start. The test of the emulator is the
contract: it speaks to it with AWS's own client.

An image's address stands for the installed package: whatever ``ImageUri`` says, the function runs in this very
Python, with the handler that ``ImageConfig.Command`` names. A zip with a Python runtime runs in it as well,
from the zip's files.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import site
import sys
import zipfile
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import lookout
from lookout import __version__
from lookout.cloud.emulator import report
from lookout.cloud.emulator.config import ACCOUNT, environment
from lookout.cloud.emulator.function import FunctionConfig
from lookout.cloud.emulator.host import FunctionHost
from lookout.errors import MissingExtraError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

RECOGNITION_PATH = "/_lookout"

_SERVICES = "s3,dynamodb,lambda,cloudformation,logs,sqs,iam,sts,ecr,monitoring"

# Settings of other programs that would change what ministack does: AWS's own may hold real keys.
_FOREIGN_PREFIXES = ("AWS_", "MINISTACK_", "LOCALSTACK_", "LAMBDA_", "S3_", "DOCKER_")


def check_installed() -> None:
    """Raise ``MissingExtraError`` unless what the emulator is made of is installed."""
    if not all(importlib.util.find_spec(name) for name in ("ministack", "hypercorn", "awslambdaric")):
        raise MissingExtraError("emulator", "the emulator")


def configure(variables: MutableMapping[str, str], endpoint: str, region: str) -> None:
    """Make a process's environment that of the emulator, before ministack is imported."""
    for name in list(variables):
        if name.startswith(_FOREIGN_PREFIXES):
            del variables[name]
    variables.update(_settings(endpoint.rpartition(":")[2], region))
    variables.update(environment(endpoint, region))


def _settings(port: str, region: str) -> dict[str, str]:
    return {
        "GATEWAY_PORT": port,
        "BIND_HOST": "127.0.0.1",
        "LOG_LEVEL": "ERROR",
        "MINISTACK_REGION": region,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "SERVICES": _SERVICES,
        "LAMBDA_STRICT": "1",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "1",
        # Ours is the host's, which lets invocations wait.
        "LAMBDA_ACCOUNT_CONCURRENCY": "0",
        # Never look at the containers of whoever runs this.
        "DOCKER_HOST": "unix:///nonexistent/lookout-emulator.sock",
        # No further ports, no files, no signature checks.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "USE_SSL": "0",
        "AUTH": "false",
    }


def application(runner: FunctionRunner, about: Mapping[str, str]) -> App:
    """Import ministack, give it our way to run functions, and return the application to serve.

    ``about`` is added to what clients recognise the emulator by.
    """
    from ministack import app  # only after the environment is configured
    from ministack.services import lambda_svc

    lambda_svc._execute_function_docker = runner.execute
    app._collect_scripts = _no_scripts
    return _with_recognition(app.app, {"emulator": "lookout", "version": __version__, **about})


def _no_scripts(*_folders: str) -> list[str]:
    """Find none of the scripts that ministack's own container would run at start."""
    return []


def _with_recognition(app: App, about: Mapping[str, str]) -> App:
    """Add the address that tells what this is, and an end that doesn't wait."""
    body = json.dumps(about).encode()

    async def wrapped(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _start_only(app, scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == RECOGNITION_PATH:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await app(scope, receive, send)

    return wrapped


class _Ended(Exception):  # noqa: N818 - not an error
    pass


async def _start_only(app: App, scope: Any, receive: Receive, send: Send) -> None:
    """Let the application hear of the server's start, but not of its end.

    At the end ministack imports an SFTP server to stop it, and asks Docker; it has nothing of ours to save.
    """

    async def until_shutdown() -> Message:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            raise _Ended
        return message

    try:
        await app(scope, until_shutdown, send)
    except _Ended:
        return


class FunctionRunner:
    """Runs ministack's functions on our host. ``folder`` is an empty one to unpack code in."""

    def __init__(self, host: FunctionHost, folder: Path, endpoint: str, region: str) -> None:
        self._host = host
        self._folder = folder
        self._endpoint = endpoint
        self._region = region

    def execute(self, record: Mapping[str, Any], event: object, request_id: str) -> dict[str, object]:
        """Stand in for ministack's function of the same arguments and result."""
        config = record.get("config") or record
        try:
            handler, task_root = self._code(config, record.get("code_zip"))
        except _BadCodeError as error:
            outcome = report.refused(request_id, error.error_type, str(error))
            return _result(outcome.payload, error=True, log_lines=outcome.notes)
        function = self._function(config, handler, task_root)
        invocation = self._host.invoke(function, json.dumps(event).encode(), request_id)
        return _result(invocation.payload, error=invocation.error, log_lines=invocation.log_lines)

    def _function(self, config: Mapping[str, Any], handler: str, task_root: Path) -> FunctionConfig:
        variables = (config.get("Environment") or {}).get("Variables") or {}
        return FunctionConfig(
            name=config["FunctionName"],
            arn=config["FunctionArn"],
            handler=handler,
            memory_mb=int(config.get("MemorySize") or 128),
            timeout_s=float(config.get("Timeout") or 3),
            environment=_with_lookout({name: str(value) for name, value in variables.items()}),
            task_root=task_root,
            python=sys.executable,
            region=config["FunctionArn"].split(":")[3] or self._region,
            endpoint=self._endpoint,
            version=config.get("Version") or "$LATEST",
            log_group=(config.get("LoggingConfig") or {}).get("LogGroup") or "",
            revision=str(config.get("RevisionId") or config.get("LastModified") or ""),
        )

    def _code(self, config: Mapping[str, Any], archive: bytes | None) -> tuple[str, Path]:
        """The handler's name, and the folder to find it in."""
        if config.get("PackageType") == "Image":
            return _image_handler(config), self._unpacked(b"")
        if not str(config.get("Runtime")).startswith("python"):
            raise _BadCodeError("Runtime.Unsupported", "the emulator runs functions in Python only")
        return config["Handler"], self._unpacked(archive or b"")

    def _unpacked(self, archive: bytes) -> Path:
        """Unpack an archive once; beside its place, since two invocations may want it at the same time."""
        folder = self._folder / hashlib.sha256(archive).hexdigest()[:16]
        if folder.is_dir():
            return folder
        draft = self._folder / f"draft-{os.urandom(8).hex()}"
        draft.mkdir()
        if archive:
            with zipfile.ZipFile(io.BytesIO(archive)) as files:
                files.extractall(draft)  # zipfile keeps every member below the folder
        try:
            draft.rename(folder)
        except OSError:
            if not folder.is_dir():  # another invocation was faster
                raise
        return folder


class _BadCodeError(Exception):
    """A function that can't be run, with the type of error that its caller sees."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def _image_handler(config: Mapping[str, Any]) -> str:
    image_config = (config.get("ImageConfigResponse") or {}).get("ImageConfig") or config.get("ImageConfig")
    command = (image_config or {}).get("Command")
    if not command:
        raise _BadCodeError("Runtime.InvalidEntrypoint", "ImageConfig.Command names no handler")
    return str(command[0])


def _with_lookout(variables: Mapping[str, str]) -> Mapping[str, str]:
    """A function's variables, such that it can import Lookout also where that runs from its source tree."""
    folder = str(Path(lookout.__file__).parent.parent)
    if folder in (*site.getsitepackages(), site.getusersitepackages()):
        return variables  # to name it would put it before the standard library
    own = variables.get("PYTHONPATH")
    return {**variables, "PYTHONPATH": os.pathsep.join([own, folder] if own else [folder])}


def _result(payload: bytes, *, error: bool, log_lines: tuple[str, ...]) -> dict[str, object]:
    """What ministack expects; ``rie`` tells it that the log has Lambda's own lines already."""
    try:
        body = json.loads(payload)
    except ValueError:
        body = payload.decode("utf-8", "replace")
    return {"body": body, "error": error, "log": "\n".join(log_lines), "log_source": "rie"}
