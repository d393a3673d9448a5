"""The web application: a request that was let in, to its answer. Who is let in, and when, is ``door.py``'s business."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Flask, Response, g, request
from flask.json.provider import JSONProvider

from lookout.apps.server import deepstack, detection, documentation, open_inference, page, status, uploads
from lookout.apps.server.faults import reply_to
from lookout.apps.server.service import Service
from lookout.apps.server.wsgi import QUEUE_MS, request_id_in, response_of, server_timing


class _Json(JSONProvider):
    """JSON by msgspec: its names in the contract's order, not the alphabet's."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """See ``JSONProvider``."""
        return msgspec.json.encode(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """See ``JSONProvider``."""
        return msgspec.json.decode(s)


def create_app(service: Service) -> Flask:
    """The web application of a service."""
    app = Flask("lookout", static_folder=None)
    app.json = _Json(app)
    app.url_map.merge_slashes = False  # no redirections: they are no problem documents
    for part in (detection, uploads, deepstack, open_inference, status, documentation, page):
        app.register_blueprint(part.blueprint(service))
    app.after_request(_tell_timings)

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        return response_of(reply_to(error, service, request_id_in(request.environ)))

    return app


def _tell_timings(response: Response) -> Response:
    timings_ms = g.get("timings_ms", {})
    if timings_ms:
        timings_ms = {"queue": request.environ.get(QUEUE_MS, 0.0), **timings_ms}
        response.headers["Server-Timing"] = server_timing(timings_ms)
    return response
