"""What Prometheus reads: how long what took, how much was done, and what waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from lookout.detector import Result

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
# Seconds: from a tenth of what the smallest networks take to the longest that anybody waits.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_MODEL = ("model",)


class Metrics:
    """The metrics of one server, each with its model as a label."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        stages = Histogram(
            "lookout_stage_duration_seconds",
            "How long an image's stage took: queue, decode, preprocess, inference, postprocess.",
            ("model", "stage"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._whole = Histogram(
            "lookout_request_duration_seconds",
            "How long a detection took, from the request's head to its answer.",
            _MODEL,
            buckets=_BUCKETS,
            registry=registry,
        ).labels(model)
        self._offloads = Histogram(
            "lookout_offload_duration_seconds",
            "How long an image took that was offloaded, as this server saw it.",
            ("model", "execution"),
            buckets=_BUCKETS,
            registry=registry,
        )
        images = Counter("lookout_images", "Images that were answered with objects.", _MODEL, registry=registry)
        detections = Counter("lookout_detections", "Objects that were found.", ("model", "label"), registry=registry)
        self._errors = Counter(
            "lookout_errors", "Requests that failed or were refused.", ("model", "kind"), registry=registry
        )
        self._images = images.labels(model)  # shown as 0 from the start
        # Of every image: to look a child up takes longer than to count.
        self._stage = cache(partial(stages.labels, model))
        self._label = cache(partial(detections.labels, model))
        self._gauge = Gauge("lookout_queue_length", "Detections that wait.", _MODEL, registry=registry)
        self._busy = Gauge("lookout_requests_in_flight", "Detections at work.", _MODEL, registry=registry)

    def watch(self, waiting: Callable[[], float], busy: Callable[[], float]) -> None:
        """Read the gauges from these."""
        self._gauge.labels(self._model).set_function(waiting)
        self._busy.labels(self._model).set_function(busy)

    def count(self, result: Result) -> None:
        """An image was answered."""
        self._images.inc()
        self.observe(result.timings)
        for found in result.objects:
            self._label(found.label).inc()

    def observe(self, timings_ms: Mapping[str, float]) -> None:
        """Stages took so long."""
        for stage, elapsed_ms in timings_ms.items():
            self._stage(stage).observe(elapsed_ms / 1000)

    def observe_offload(self, execution: str, elapsed_ms: float) -> None:
        """An image was offloaded, and answered after so long."""
        self._offloads.labels(self._model, execution).observe(elapsed_ms / 1000)

    def observe_whole(self, elapsed_s: float) -> None:
        """A detection took so long in all."""
        self._whole.observe(elapsed_s)

    def count_error(self, kind: str) -> None:
        """A request failed: ``kind`` is one of few, never a text of the client's."""
        self._errors.labels(self._model, kind).inc()

    def exposition(self) -> bytes:
        """All of them, in Prometheus's text format."""
        return generate_latest(self._registry)
