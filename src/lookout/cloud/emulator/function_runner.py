"""From the control plane's record of a function to an invocation on our host."""

from __future__ import annotations

import logging
import os
import site
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lookout
from lookout.cloud.emulator.function import FunctionConfig, Invocation, refusal
from lookout.cloud.emulator.host import FunctionHost
from lookout.cloud.emulator.packages import BadCodeError, Packages

_log = logging.getLogger(__name__)


class FunctionRunner:
    """Runs functions on a host. ``folder`` is an empty one to unpack code in."""

    def __init__(self, host: FunctionHost, folder: Path, endpoint: str, region: str) -> None:
        self._host = host
        self._packages = Packages(folder)
        self._endpoint = endpoint
        self._region = region

    def invoke(self, record: Mapping[str, Any], payload: bytes, request_id: str) -> Invocation:
        """Invoke a function with a payload of JSON, and wait for what comes of it."""
        config = record.get("config") or record
        refused = partial(refusal, _version(config), _memory_mb(config), request_id)
        try:
            function = self._function(config, record.get("code_zip"))
        except BadCodeError as error:
            return refused(error.error_type, str(error), host_fault=False)
        except OSError as error:
            _log.error("the code of the function %s can't be unpacked: %s", config["FunctionName"], error)
            return refused("Runtime.SandboxError", f"the code can't be unpacked: {error}")
        return self._host.invoke(function, payload, request_id)

    def _function(self, config: Mapping[str, Any], code: bytes | None) -> FunctionConfig:
        handler, task_root = self._packages.code(config, code)
        own = (config.get("Environment") or {}).get("Variables") or {}
        variables = {name: str(value) for name, value in own.items()}
        client_folder = self._packages.client_folder(config, variables)
        return FunctionConfig(
            name=config["FunctionName"],
            arn=config["FunctionArn"],
            handler=handler,
            memory_mb=_memory_mb(config),
            timeout_s=float(config.get("Timeout") or 3),
            environment=variables if client_folder else _with_lookout(variables),
            task_root=task_root,
            python=sys.executable,
            region=config["FunctionArn"].split(":")[3] or self._region,
            endpoint=self._endpoint,
            version=_version(config),
            log_group=(config.get("LoggingConfig") or {}).get("LogGroup") or "",
            revision=revision(config),
            client_folder=client_folder,
        )


def revision(config: Mapping[str, Any]) -> str:
    """What tells apart the deployments of a function, from the control plane's record of it."""
    return str(config.get("RevisionId") or config.get("LastModified") or "")


def _version(config: Mapping[str, Any]) -> str:
    return config.get("Version") or "$LATEST"


def _memory_mb(config: Mapping[str, Any]) -> int:
    return int(config.get("MemorySize") or 128)


def _with_lookout(variables: Mapping[str, str]) -> Mapping[str, str]:
    """A function's variables, such that it can import Lookout also where that runs from its source tree."""
    folder = str(Path(lookout.__file__).parent.parent)
    if folder in (*site.getsitepackages(), site.getusersitepackages()):
        return variables  # to name it would put it before the standard library
    own = variables.get("PYTHONPATH")
    return {**variables, "PYTHONPATH": os.pathsep.join([own, folder] if own else [folder])}
