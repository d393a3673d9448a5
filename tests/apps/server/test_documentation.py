"""The OpenAPI document: valid, complete, and true of what the server answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("gunicorn", reason="the extra server is not installed")

from flask import Flask

from helpers.service import service_of
from lookout.apps.server import openapi
from lookout.apps.server.app import create_app
from lookout.apps.server.operations import operation_of
from lookout.detector import Detector


@pytest.fixture(scope="module")
def app(detector: Detector) -> Flask:
    return create_app(service_of(detector))


@pytest.fixture(scope="module")
def document(app: Flask) -> Any:
    return app.test_client().get("/openapi.json").json


def test_the_document_is_valid_openapi(document: Any):
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")
    validator.validate(document)


def test_every_route_is_described(app: Flask):
    for rule in app.url_map.iter_rules():
        assert operation_of(app.view_functions[rule.endpoint]), f"nothing is said of {rule.rule}"


def test_the_page_is_the_only_thing_that_is_not_documented(app: Flask, document: Any):
    left_out = {rule.rule for rule in app.url_map.iter_rules()} - {
        path.replace("{name}", "<name>").replace("{id}", "<uuid:id>") for path in document["paths"]
    }
    assert left_out == {"/", "/web/<name>"}


def test_every_type_is_described_and_every_operation_has_a_summary(document: Any):
    for schema in document["components"]["schemas"].values():
        assert schema["description"].endswith((".", ";"))
    for methods in document["paths"].values():
        for said in methods.values():
            assert said["summary"]
            assert said["responses"]


def test_people_read_the_same(app: Flask, document: Any):
    page = app.test_client().get("/docs")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for path in document["paths"]:
        assert path in page.text
    for name in document["components"]["schemas"]:
        assert f'id="{name}"' in page.text
    assert "<script" not in page.text
    assert "style=" not in page.text


def test_openapi_names_no_reference_that_is_not_there(document: Any):
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"]


def test_a_key_is_asked_for_where_it_is(app: Flask):
    for path, _, operation in openapi.operations(app):
        assert operation.public == (path in PUBLIC), path


PUBLIC = {
    "/healthz", "/readyz", "/info", "/docs", "/openapi.json", "/v2/health/live", "/v2/health/ready",
}  # fmt: skip
