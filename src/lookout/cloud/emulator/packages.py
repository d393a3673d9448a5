"""A function's code, from what was deployed: where it is, and which handler it names.

An image's address stands for the installed package: whatever ``ImageUri`` says, the function runs in this very
Python, with the handler that ``ImageConfig.Command`` names. A zip with a Python runtime runs in it as well,
from the zip's files.

A zip whose function has ``LOOKOUT_EMULATOR_ISOLATED=1`` in its environment runs with these files, the standard library,
AWS's runtime client and boto3 alone, as on Lambda. That shows whether a zip holds all that it needs.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ISOLATED = "LOOKOUT_EMULATOR_ISOLATED"

_ON_LAMBDA = ("awslambdaric", "boto3")

# What zipfile raises for one that is damaged, encrypted, or packed in a way that it doesn't know.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError)


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

    def client_folder(self, config: Mapping[str, Any], variables: Mapping[str, str]) -> Path | None:
        """The folder that holds what Lambda adds to a zip, for a function that is to find nothing else."""
        if config.get("PackageType") == "Image" or variables.get(ISOLATED) != "1":
            return None
        folder = self._folder / "runtime-client"
        if not folder.is_dir():
            draft = self._draft()
            seen: set[str] = set()
            for distribution in _ON_LAMBDA:
                for file in _top_level_files(distribution, seen):
                    (draft / file.name).symlink_to(file)
            self._publish(draft, folder)
        return folder

    def _unpacked(self, archive: bytes) -> Path:
        """Unpack an archive once; beside its place, since two invocations may want it at the same time."""
        folder = self._folder / hashlib.sha256(archive).hexdigest()[:16]
        if folder.is_dir():
            return folder
        draft = self._draft()
        try:
            if archive:
                with zipfile.ZipFile(io.BytesIO(archive)) as files:
                    files.extractall(draft)  # zipfile keeps every member below the folder
        except _UNREADABLE as error:
            raise BadCodeError("Runtime.InvalidZipFileException", f"the zip can't be read: {error}") from error
        else:
            self._publish(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)  # where it was not moved; the disk may be full
        return folder

    def _draft(self) -> Path:
        draft = self._folder / f"draft-{os.urandom(8).hex()}"
        draft.mkdir()
        return draft

    @staticmethod
    def _publish(draft: Path, folder: Path) -> None:
        try:
            draft.rename(folder)
        except OSError:
            if not folder.is_dir():  # another invocation was faster
                raise


def _top_level_files(distribution: str, seen: set[str]) -> set[Path]:
    """The modules and packages of an installed distribution, and of those that it needs; none where it is missing."""
    if distribution in seen:
        return set()
    seen.add(distribution)
    try:
        installed = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return set()
    names = {file.parts[0] for file in installed.files or () if file.parts[0] not in ("..", "__pycache__")}
    found = {Path(str(installed.locate_file(name))) for name in names}
    for requirement in installed.requires or ():
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if name and "extra ==" not in requirement:
            found |= _top_level_files(name.group(), seen)
    return found


def _image_handler(config: Mapping[str, Any]) -> str:
    image_config = (config.get("ImageConfigResponse") or {}).get("ImageConfig") or config.get("ImageConfig")
    command = (image_config or {}).get("Command")
    if not command:
        raise BadCodeError("Runtime.InvalidEntrypoint", "ImageConfig.Command names no handler")
    return str(command[0])
