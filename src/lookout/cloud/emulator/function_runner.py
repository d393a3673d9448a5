"""From the control plane's record of a function to an invocation on our host."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lookout
from lookout.cloud.emulator import report
from lookout.cloud.emulator.function import FunctionConfig, Invocation
from lookout.cloud.emulator.host import FunctionHost
from lookout.cloud.emulator.packages import BadCodeError, Packages


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
        try:
            handler, task_root = self._packages.code(config, record.get("code_zip"))
        except BadCodeError as error:
            outcome = report.refused(request_id, error.error_type, str(error))
            return Invocation(outcome.payload, error=True, log_lines=outcome.notes)
        return self._host.invoke(self._function(config, handler, task_root), payload, request_id)

    def _function(self, config: Mapping[str, Any], handler: str, task_root: Path) -> FunctionConfig:
        own = (config.get("Environment") or {}).get("Variables") or {}
        variables = {name: str(value) for name, value in own.items()}
        client_folder = self._packages.client_folder(config, variables)
        return FunctionConfig(
            name=config["FunctionName"],
            arn=config["FunctionArn"],
            handler=handler,
            memory_mb=int(config.get("MemorySize") or 128),
            timeout_s=float(config.get("Timeout") or 3),
            environment=variables if client_folder else _with_lookout(variables),
            task_root=task_root,
            python=sys.executable,
            region=config["FunctionArn"].split(":")[3] or self._region,
            endpoint=self._endpoint,
            version=config.get("Version") or "$LATEST",
            log_group=(config.get("LoggingConfig") or {}).get("LogGroup") or "",
            revision=str(config.get("RevisionId") or config.get("LastModified") or ""),
            client_folder=client_folder,
        )


def _with_lookout(variables: Mapping[str, str]) -> Mapping[str, str]:
    """A function's variables, such that it can import Lookout also where that runs from its source tree."""
    folder = str(Path(lookout.__file__).parent.parent)
    if folder in (*site.getsitepackages(), site.getusersitepackages()):
        return variables  # to name it would put it before the standard library
    own = variables.get("PYTHONPATH")
    return {**variables, "PYTHONPATH": os.pathsep.join([own, folder] if own else [folder])}
