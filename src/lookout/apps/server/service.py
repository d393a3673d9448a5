"""What the routes work with: the network, what counts as an object, and the cloud where one is configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lookout.apps.server import offloading
from lookout.apps.server.config import ServerConfig
from lookout.apps.server.metrics import Metrics
from lookout.apps.server.offloading import Offloading
from lookout.core.selection import Selection
from lookout.detector import Result, Source
from lookout.models.model import Model


class Detects(Protocol):
    """A detector, or several in the place of one."""

    def detect(self, image: Source, selection: Selection | None = None) -> Result:
        """See ``Detector.detect``."""
        ...


@dataclass(slots=True)
class Service:
    """A server's parts. ``detectors`` come last, as networks take their time; without them the server isn't ready."""

    config: ServerConfig
    model: Model
    engine: str
    selection: Selection
    metrics: Metrics
    offloading: Offloading | None = None
    detectors: Detects | None = None

    @property
    def ready(self) -> bool:
        """Whether a detection would be worked on."""
        return self.detectors is not None

    def detect(self, image: Source, selection: Selection | None) -> Result:
        """Find the objects in an image, and count it."""
        if self.detectors is None:
            raise RuntimeError("the network is not there yet: detections must wait for it")
        result = self.detectors.detect(image, selection)
        self.metrics.count(result)
        return result

    def describe(self) -> Mapping[str, Any]:
        """What a client may want to know before it asks."""
        return {
            "model": self.model.name,
            "engine": self.engine,
            "labels": list(self.model.labels),
            "confidence": self.selection.confidence,
            "iou": self.selection.iou,
            "executions": ["local", *(offloading.NAMES if self.offloading else ())],
            "emulated": self.offloading is not None and self.offloading.emulated,
            "authentication": self.config.api_key is not None,
            "max_body_bytes": self.config.max_body_bytes,
            "input": list(self.model.input_format.size_wh),
            "fit": self.model.input_format.framing,
        }
