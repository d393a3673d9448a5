"""What ``lookout stack logs`` shows of a line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lookout.apps.console import printable

if TYPE_CHECKING:
    from lookout.cloud.watching.log_reader import LogLine


def show_line(line: LogLine, *, as_json: bool) -> str:
    """A line of a log, for programs or people; what somebody else wrote does a terminal no harm."""
    if as_json:
        return json.dumps({"at": _time(line), "stream": line.stream, "message": line.message})
    # Lambda puts tabs between a REPORT's parts, and a traceback has lines of its own.
    first, *more = [printable(part.replace("\t", "  ")) for part in line.message.splitlines()] or [""]
    return "\n".join([f"{_time(line)} {first}", *(f"  {part}" for part in more)])


def _time(line: LogLine) -> str:
    return datetime.fromtimestamp(line.at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
