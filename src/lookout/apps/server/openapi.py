"""The OpenAPI document, made from the routes, what is said beside them, and the types of their documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, is_typeddict

import msgspec
from flask import Flask

from lookout.apps.server.operations import Operation, Parameter, operation_of
from lookout.apps.server.problems import CONTENT_TYPE
from lookout.apps.server.schemas import ProblemDocument

_REF = "#/components/schemas/{name}"
_METHODS = ("GET", "POST")
_CONVERTER = re.compile(r"<(?:\w+:)?(\w+)>")


def operations(app: Flask) -> Iterator[tuple[str, str, Operation]]:
    """Each route that something is said of: its path, as OpenAPI writes it, and its method."""
    for rule in app.url_map.iter_rules():
        operation = operation_of(app.view_functions[rule.endpoint])
        for method in _METHODS:
            if operation and operation.documented and method in (rule.methods or ()):
                yield _CONVERTER.sub(r"{\1}", rule.rule), method.lower(), operation


def document(app: Flask, model: str) -> dict[str, Any]:
    """The document of an application's routes; ``model`` is what ``{name}`` may be."""
    found = list(operations(app))
    types = [kind for _, _, operation in found for kind in _types(operation)]
    _, components = msgspec.json.schema_components([ProblemDocument, *types], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for path, method, operation in found:
        paths.setdefault(path, {})[method] = _operation(operation, {"name": {"type": "string", "enum": [model]}})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lookout",
            "version": "1",
            "description": "Object detection with YOLO, executed here or offloaded to the cloud.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _types(operation: Operation) -> Iterator[Any]:
    for content in (operation.bodies, *operation.answers.values()):
        yield from filter(is_typeddict, content.values())


def _operation(operation: Operation, path_schemas: Mapping[str, Any]) -> dict[str, Any]:
    guarded: tuple[int, ...] = () if operation.public else (401,)
    problems = sorted({*operation.problems, *guarded} - operation.answers.keys())
    answers = {status: _answer(status, content) for status, content in operation.answers.items()}
    described = {
        "summary": operation.summary,
        "tags": [operation.group],
        "responses": {
            str(status): answer
            for status, answer in {**answers, **{status: _problem(status) for status in problems}}.items()
        },
        "security": [] if operation.public else [{"bearer": []}, {"header": []}, {}],
    }
    if operation.parameters:
        described["parameters"] = [_parameter(parameter, path_schemas) for parameter in operation.parameters]
    if operation.bodies:
        described["requestBody"] = {"required": True, "content": _content(operation.bodies)}
    return described


def _parameter(parameter: Parameter, path_schemas: Mapping[str, Any]) -> dict[str, Any]:
    known = path_schemas.get(parameter.name) if parameter.place == "path" else None
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.required,
        "schema": known or dict(parameter.schema),
    }


def _answer(status: int, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": _content(content)}


def _problem(status: int) -> dict[str, Any]:
    described: dict[str, Any] = _answer(status, {CONTENT_TYPE: ProblemDocument})
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        seconds = {"description": "seconds", "schema": {"type": "string"}}
        described["headers"] = {"Retry-After": seconds}
    return described


def _content(content: Mapping[str, Any]) -> dict[str, Any]:
    return {media_type: {"schema": _schema(schema)} for media_type, schema in content.items()}


def _schema(schema: Any) -> Any:
    return {"$ref": _REF.format(name=schema.__name__)} if is_typeddict(schema) else schema
