"""What operators and their tools ask: is it there, is it ready, what does it run, how does it do."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response

from lookout.apps.server import metrics
from lookout.apps.server.operations import Operation, describe
from lookout.apps.server.problems import problem
from lookout.apps.server.schemas import HealthAnswer, InfoAnswer
from lookout.apps.server.service import Service
from lookout.apps.server.wsgi import response_of

_GROUP = "Operation"
_HEALTH = {200: {"application/json": HealthAnswer}}


def blueprint(service: Service) -> Blueprint:
    """``GET /healthz``, ``/readyz``, ``/info`` and ``/metrics``."""
    routes = Blueprint("status", __name__)

    @routes.get("/healthz")
    @describe(Operation("Whether the server is there", _GROUP, public=True, answers=_HEALTH))
    def health() -> HealthAnswer:
        return _health(service)

    @routes.get("/readyz")
    @describe(Operation("Whether the network has warmed up", _GROUP, public=True, answers=_HEALTH, problems=(503,)))
    def ready() -> HealthAnswer | Response:
        if service.ready:
            return _health(service)
        return response_of(problem(503, "the network is warming up: ask again in 1 s", [("Retry-After", "1")]))

    @routes.get("/info")
    @describe(
        Operation(
            "What the server runs and offers", _GROUP, public=True, answers={200: {"application/json": InfoAnswer}}
        )
    )
    def info() -> InfoAnswer:
        return cast(InfoAnswer, service.describe())

    @routes.get("/metrics")
    @describe(Operation("Prometheus metrics", _GROUP, answers={200: {"text/plain": {"type": "string"}}}))
    def exposition() -> Response:
        return Response(service.metrics.exposition(), content_type=metrics.CONTENT_TYPE)

    return routes


def _health(service: Service) -> HealthAnswer:
    return {"status": "ok", "model": service.model.name, "engine": service.engine}
