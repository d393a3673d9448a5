"""The documentation: ``/openapi.json`` for programs, ``/docs`` for people; both say what the code says."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from flask import Blueprint, Response, current_app, render_template

from lookout.apps.server import openapi, page
from lookout.apps.server.operations import Operation, describe
from lookout.apps.server.service import Service

_GROUP = "Documentation"


def blueprint(service: Service) -> Blueprint:
    """``GET /openapi.json`` and ``GET /docs``."""
    routes = Blueprint("documentation", __name__, template_folder="../web")

    @routes.get("/openapi.json")
    @describe(Operation("This document", _GROUP, public=True, answers={200: {"application/json": {"type": "object"}}}))
    def document() -> dict[str, Any]:
        return openapi.document(current_app, service.model.name)

    @routes.get("/docs")
    @describe(
        Operation("This documentation, to read", _GROUP, public=True, answers={200: {"text/html": {"type": "string"}}})
    )
    def read() -> Response:
        described = openapi.document(current_app, service.model.name)
        text = render_template("docs.html", document=described, groups=_groups(described), service=service)
        return Response(text, headers=page.HEADERS)

    return routes


def _groups(document: dict[str, Any]) -> list[tuple[str, list[tuple[str, str, dict[str, Any]]]]]:
    """The operations by their group, each with its method and path, in the order of their groups' names."""
    found = [(method, path, said) for path, methods in document["paths"].items() for method, said in methods.items()]
    found.sort(key=lambda entry: entry[2]["tags"][0])
    return [(group, list(entries)) for group, entries in groupby(found, key=lambda entry: entry[2]["tags"][0])]
