"""The web application: a request that was let in, to its answer.

Every error is a problem document (RFC 9457), and one that nobody foresaw tells its id and nothing else: the log has the
rest. Who is let in, and when, is ``door.py``'s business.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from flask import Flask, Response, g, request
from flask.json.provider import JSONProvider
from werkzeug.exceptions import HTTPException

from lookout.apps.server import deepstack, detection, documentation, logs, open_inference, page, status, uploads
from lookout.apps.server.problems import Reply, failure, problem
from lookout.apps.server.service import Service
from lookout.apps.server.wsgi import QUEUE_MS, REQUEST_ID
from lookout.errors import ImageError, LookoutError

_log = logs.logger(__name__)

# In place of Werkzeug's words, which are for people with a browser.
_ADVICE = {404: "there is nothing at this address: see /docs", 405: "this address takes another method: see /docs"}


class _Json(JSONProvider):
    """JSON by msgspec: its names in the contract's order, not the alphabet's."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """See ``JSONProvider``."""
        return msgspec.json.encode(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """See ``JSONProvider``."""
        return msgspec.json.decode(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """See ``JSONProvider``."""
        return Response(msgspec.json.encode(self._prepare_response_obj(args, kwargs)), mimetype="application/json")


def create_app(service: Service) -> Flask:
    """The web application of a service."""
    app = Flask("lookout", static_folder=None)
    app.json = _Json(app)
    app.url_map.merge_slashes = False  # no redirections: they are no problem documents
    for part in (detection, uploads, deepstack, open_inference, status, documentation, page):
        app.register_blueprint(part.blueprint(service))
    app.after_request(_tell_timings)
    _handle_errors(app, service)
    return app


def _tell_timings(response: Response) -> Response:
    """``Server-Timing``, which browsers show beside a request."""
    timings_ms = g.get("timings_ms", {})
    if timings_ms:
        timings_ms = {"queue": request.environ.get(QUEUE_MS, 0.0), **timings_ms}
        response.headers["Server-Timing"] = ", ".join(f"{stage};dur={ms:.3f}" for stage, ms in timings_ms.items())
    return response


def _handle_errors(app: Flask, service: Service) -> None:
    @app.errorhandler(LookoutError)
    def refuse(error: LookoutError) -> Response:
        if error.http_status >= 500:
            return fail(error)
        service.metrics.count_error(type(error).__name__)
        more = {"kind": type(error).__name__} if isinstance(error, ImageError) else {}
        return _response(problem(error.http_status, str(error), (), **more))

    @app.errorhandler(HTTPException)
    def refuse_http(error: HTTPException) -> Response:
        service.metrics.count_error(type(error).__name__)
        known = _ADVICE.get(error.code or 500) if error.description == type(error).description else None
        kept = [(name, value) for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")]
        return _response(problem(error.code or 500, known or error.description or error.name, kept))

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        foreseen = isinstance(error, LookoutError)
        service.metrics.count_error(type(error).__name__ if foreseen else "InternalError")
        error_id = request.environ.get(REQUEST_ID) or str(uuid.uuid4())
        _log.error("failed", request_id=error_id, exc_info=error)
        status = error.http_status if isinstance(error, LookoutError) else 500
        return _response(failure(status, error_id))


def _response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status)
    response.headers.clear()
    response.headers.extend(reply.headers)
    return response
