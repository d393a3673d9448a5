"""The server's page: plain HTML, CSS and ES modules, as they are in the package."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePath

from flask import Blueprint, Response, abort, request

from lookout.apps.server.operations import Operation, describe
from lookout.apps.server.service import Service

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Nothing from elsewhere, nothing inline; pictures are shown from memory, and sent to this server alone.
_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
# Of every page that a browser shows.
HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Asked for again each time, which costs a 304: a newer Lookout's page is seen at once.
    "Cache-Control": "no-cache",
}


_OPERATION = Operation("The page", "Page", public=True, documented=False)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the page; ``etag`` changes with its content alone."""

    data: bytes
    media_type: str
    etag: str


def blueprint(_service: Service) -> Blueprint:
    """The page at ``/``, and its files under ``/web/``."""
    page = Blueprint("page", __name__)
    contents = _files()

    @page.get("/")
    @describe(_OPERATION)
    def index() -> Response:
        return _answer(contents["index.html"])

    @page.get("/web/<name>")
    @describe(_OPERATION)
    def file(name: str) -> Response:
        if name not in contents:
            abort(404)
        return _answer(contents[name])

    @page.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return page


def _files() -> dict[str, _File]:
    """The page's files by their names, all of them in memory: a name is looked up, and never made a path."""
    folder = files("lookout.apps") / "web"
    return {
        entry.name: _File(entry.read_bytes(), _MEDIA_TYPES[suffix], hashlib.sha256(entry.read_bytes()).hexdigest())
        for entry in folder.iterdir()
        if (suffix := PurePath(entry.name).suffix) in _MEDIA_TYPES
    }


def _answer(file: _File) -> Response:
    response = Response(file.data, content_type=file.media_type)
    response.set_etag(file.etag)
    response.make_conditional(request)
    return response
