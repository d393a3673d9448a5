"""What a check says, and what it is told of what is about to be made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import ClientError

from lookout.cloud.account import DENIED, error_code
from lookout.cloud.template import StackSettings

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was looked at: what was found, and, unless it is as it should be, what to do about it."""

    name: str
    state: State
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """What the function will run.

    ``kind`` is ``image``, ``zip``, or ``there`` for an image that somebody else has made. ``tool``: the container tool
    that builds an image, None where none can, and ``tool_fault`` says why. Sizes are in bytes, None where they are not
    known yet.
    """

    kind: Literal["image", "zip", "there"] = "there"
    tool: str | None = None
    size_bytes: int | None = None
    unpacked_bytes: int | None = None
    tool_fault: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is about to be made."""

    settings: StackSettings
    package: Package = Package()


class Denied(Exception):  # noqa: N818 - not an error: it is an answer
    """Whoever asks may not know."""


@contextmanager
def denials() -> Iterator[None]:
    """Let ``Denied`` tell of what may not be asked; other errors pass."""
    try:
        yield
    except ClientError as error:
        if error_code(error) in DENIED:
            raise Denied from error
        raise
