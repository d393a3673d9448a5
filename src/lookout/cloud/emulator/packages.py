"""A function's code, from what was deployed: where it is, and which handler it names.

An image's address stands for the installed package: whatever ``ImageUri`` says, the function runs in this very
Python, with the handler that ``ImageConfig.Command`` names. A zip with a Python runtime runs in it as well,
from the zip's files.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class BadCodeError(Exception):
    """A function that can't be run, with the type of error that its caller sees."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class Packages:
    """The code of functions, unpacked in a folder that is empty at first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def code(self, config: Mapping[str, Any], archive: bytes | None) -> tuple[str, Path]:
        """The handler's name, and the folder to find it in. Raises ``BadCodeError``."""
        if config.get("PackageType") == "Image":
            return _image_handler(config), self._unpacked(b"")
        if not str(config.get("Runtime")).startswith("python"):
            raise BadCodeError("Runtime.Unsupported", "the emulator runs functions in Python only")
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


def _image_handler(config: Mapping[str, Any]) -> str:
    image_config = (config.get("ImageConfigResponse") or {}).get("ImageConfig") or config.get("ImageConfig")
    command = (image_config or {}).get("Command")
    if not command:
        raise BadCodeError("Runtime.InvalidEntrypoint", "ImageConfig.Command names no handler")
    return str(command[0])
