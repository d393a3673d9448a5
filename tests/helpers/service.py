"""A server's parts around a detector, without its processes."""

from __future__ import annotations

from typing import Any

from lookout.apps.server.config import ServerConfig
from lookout.apps.server.metrics import Metrics
from lookout.apps.server.service import Service
from lookout.detector import Detector


def service_of(detector: Detector, **settings: Any) -> Service:
    """The parts, the network among them."""
    return Service(
        config=ServerConfig(**settings),
        model=detector.model,
        engine=detector.engine.name,
        selection=detector.selection,
        metrics=Metrics(detector.model.name),
        detectors=detector,
    )
