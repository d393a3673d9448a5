"""What is answered where something goes wrong: a problem document (RFC 9457) for every error.

One that nobody foresaw tells its id and nothing else: the log has the rest.
"""

from __future__ import annotations

from werkzeug.exceptions import HTTPException

from lookout.apps.server import logs
from lookout.apps.server.problems import Reply, failure, problem
from lookout.apps.server.service import Service
from lookout.errors import ImageError, LookoutError

_log = logs.logger(__name__)

# In place of Werkzeug's words, which are for people with a browser.
_ADVICE = {404: "there is nothing at this address: see /docs", 405: "this address takes another method: see /docs"}


def reply_to(error: Exception, service: Service, request_id: str) -> Reply:
    """The answer to a request that ended in this error, which is counted; what is our fault is logged by the id."""
    if isinstance(error, HTTPException):
        service.metrics.count_error(type(error).__name__)
        return _refused_http(error)
    if not isinstance(error, LookoutError):
        service.metrics.count_error("InternalError")
        return _failed(error, 500, request_id)
    service.metrics.count_error(type(error).__name__)
    if error.http_status >= 500:
        return _failed(error, error.http_status, request_id)
    more = {"kind": type(error).__name__} if isinstance(error, ImageError) else {}
    return problem(error.http_status, str(error), (), **more)


def _refused_http(error: HTTPException) -> Reply:
    known = _ADVICE.get(error.code or 500) if error.description == type(error).description else None
    kept = [(name, value) for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")]
    return problem(error.code or 500, known or error.description or error.name, kept)


def _failed(error: Exception, status: int, request_id: str) -> Reply:
    _log.error("failed", request_id=request_id, exc_info=error)
    return failure(status, request_id)
