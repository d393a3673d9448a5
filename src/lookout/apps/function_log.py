"""What the function logs: a line of JSON when an image is begun and one when it is done; and what a library remarks.

A line names its object by its quoted URL, so that a key can't forge a line, and tells sizes and times; never what is
in a picture, nor a credential.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from typing import Any, TextIO


class Log:
    """Lines of JSON on standard output, which Lambda keeps in the function's log group."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def info(self, event: str, request_id: str, **members: Any) -> None:
        """What went as it should."""
        self._write("INFO", event, request_id, members)

    def warning(self, event: str, request_id: str, **members: Any) -> None:
        """What whoever sent the image should know."""
        self._write("WARNING", event, request_id, members)

    def error(self, event: str, request_id: str, **members: Any) -> None:
        """What whoever runs the function should know."""
        self._write("ERROR", event, request_id, members)

    def _write(self, level: str, event: str, request_id: str, members: dict[str, Any]) -> None:
        told = {name: value for name, value in members.items() if value is not None}
        line = json.dumps({"level": level, "event": event, "request_id": request_id, **told})
        print(line, file=self._stream or sys.stdout, flush=True)


class JsonFormatter(logging.Formatter):
    """A library's remark as a line of JSON, in the form of ``Log``'s. ``end``: what its handler does not add itself."""

    def __init__(self, end: str = "") -> None:
        super().__init__()
        self._end = end

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        line = {
            "level": record.levelname,
            "event": "remark",
            # Lambda's runtime client puts it on every record.
            "request_id": getattr(record, "aws_request_id", None),
            "logger": record.name,
            "message": record.getMessage().strip(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value}) + self._end


def start_logging() -> None:
    """Let what libraries log, and Python warns of, be lines of JSON too."""
    logging.captureWarnings(capture=True)
    warnings.simplefilter("default")
    root = logging.getLogger()
    handlers = root.handlers or [logging.StreamHandler(sys.stdout)]
    for handler in handlers:
        # Lambda's own handler writes what it is given, and no end of line.
        handler.setFormatter(JsonFormatter("" if isinstance(handler, logging.StreamHandler) else "\n"))
        if handler not in root.handlers:
            root.addHandler(handler)
