"""The local execution: a web server over one detector.

``POST /object-detection`` takes the contract's JSON, an image as the body, or a multipart field ``image``, and
answers the contract's JSON; every error is a problem document (RFC 9457).
"""

from __future__ import annotations

import signal
import socket
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import waitress
from flask import Flask, Response, json, request
from flask.json.provider import DefaultJSONProvider
from waitress.server import BaseWSGIServer
from werkzeug.exceptions import BadRequest, HTTPException, UnsupportedMediaType

from lookout.apps.server import page
from lookout.detector import Detector
from lookout.errors import LookoutError, PortInUseError
from lookout.executions.contract import MAX_ID_LENGTH, answer_document, problem_document, read_request
from lookout.images import MAX_BYTES

# base64 needs four characters for three bytes; the rest is room for JSON or a multipart frame.
MAX_BODY_BYTES = MAX_BYTES * 4 // 3 + 64 * 1024


class _InOrder(DefaultJSONProvider):
    """JSON with its names in the contract's order, not the alphabet's."""

    sort_keys = False


def create_app(detector: Detector) -> Flask:
    """The web application of a detector."""
    app = Flask("lookout", static_folder=None)
    app.json = _InOrder(app)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    app.register_blueprint(page.blueprint(detector))

    @app.post("/object-detection")
    def detect() -> dict[str, Any]:
        request_id, data = _read_body()
        return answer_document(request_id, detector.detect(data))

    @app.get("/healthz")
    def health() -> dict[str, str]:
        return {"status": "ok", "model": detector.model.name, "engine": detector.engine.name}

    @app.errorhandler(LookoutError)
    def refuse(error: LookoutError) -> Response:
        return _problem(error.http_status, HTTPStatus(error.http_status).phrase, str(error))

    @app.errorhandler(HTTPException)
    def refuse_http(error: HTTPException) -> Response:
        problem = _problem(error.code or 500, error.name, error.description or error.name)
        problem.headers.extend(
            (name, value) for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")
        )
        return problem

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        error_id = str(uuid.uuid4())
        app.logger.error("error %s", error_id, exc_info=error)
        return _problem(500, "Internal Server Error", f"the server failed; its log tells more under {error_id}")

    return app


def serve(detector: Detector, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve a detector until SIGTERM or SIGINT; port 0 takes a free one.

    ``on_ready`` is told the server's URL once it answers. Raises ``PortInUseError``.
    """
    listener = _listen(host, port)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    server: BaseWSGIServer = waitress.create_server(
        create_app(detector),
        sockets=[listener],
        threads=4,
        # The application refuses what is too large, with a problem document. This is for what is absurdly so, which
        # waitress would write to the disk first.
        max_request_body_size=4 * MAX_BODY_BYTES,
        ident=None,
    )
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        on_ready(url)
        server.run()  # ends at KeyboardInterrupt, its tasks done
    except KeyboardInterrupt:
        pass  # told to end before it ran
    finally:
        server.close()


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise PortInUseError(
            f"{host}:{port} can't be listened on ({error.strerror}): choose another address with --host and --port"
        ) from error


def _read_body() -> tuple[str, bytes]:
    """The request's id and image, whichever of the three forms it came in."""
    media_type = request.mimetype
    if media_type == "application/json":
        try:
            document = json.loads(request.get_data())
        except (ValueError, RecursionError) as error:  # the second of brackets within brackets
            raise BadRequest("the body is not JSON") from error
        return read_request(document)
    if media_type == "multipart/form-data":
        if "image" not in request.files:
            raise BadRequest("the form has no file named image")
        return _request_id(), request.files["image"].read()
    if media_type.startswith("image/") or media_type == "application/octet-stream":
        return _request_id(), request.get_data()
    raise UnsupportedMediaType("send application/json, image/*, or multipart/form-data with a file named image")


def _request_id() -> str:
    """The id of a request whose body is no JSON: the query's ``id``, or a new one."""
    return request.args.get("id", "")[:MAX_ID_LENGTH] or str(uuid.uuid4())


def _problem(status: int, title: str, detail: str) -> Response:
    body = json.dumps(problem_document(status, title, detail))
    return Response(body, status, content_type="application/problem+json")
