"""What a server is told when it starts: one frozen value, made from the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lookout.images import MAX_BYTES

# base64 needs four characters for three bytes; the rest is room for JSON or a multipart frame.
MAX_BODY_BYTES = MAX_BYTES * 4 // 3 + 64 * 1024


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where a server listens, what it takes, and for how long.

    ``cores``: how many images it works on at once. ``queue``: how many more may wait. ``max_wait_s``: for how long,
    before they are refused. ``body_timeout_s``: how long a body may take to come. ``max_held_bytes``: of all the
    bodies that are here together. ``grace_s``: how long accepted requests may still take when the server is told to
    end. ``idle_s``: how long a connection may be silent. ``api_key``: what clients must know; None for an open server.
    """

    host: str = "127.0.0.1"
    port: int = 5001
    cores: int = 1
    queue: int = 32
    max_wait_s: float = 10.0
    max_body_bytes: int = MAX_BODY_BYTES
    max_held_bytes: int = 512 * 1024 * 1024
    body_timeout_s: float = 30.0
    idle_s: int = 30
    grace_s: int = 30
    api_key: str | None = field(default=None, repr=False)  # it must not get into a log
    log_format: Literal["console", "json"] = "console"
    log_level: str = "info"
