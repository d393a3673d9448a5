"""Structured logs on standard error: for people, or a JSON object a line; the server's own and its libraries'."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

from lookout.apps.console import printable

_SHARED: tuple[Any, ...] = (
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(form: Literal["console", "json"], level: str) -> None:
    """Send all logs of this process to standard error, in this form."""
    last: tuple[Any, ...] = (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())
    if form == "console":
        # Plain tracebacks: the others show variables, and with them keys.
        plain = structlog.dev.plain_traceback
        last = (_make_printable, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            foreign_pre_chain=_SHARED,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _make_printable(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Texts that do a terminal no harm: a path may hold what clears it, or worse."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in event.items()}


def logger(name: str) -> Any:
    """A logger whose calls take an event and its values: ``log.info("request", status=200)``."""
    return structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
