"""DeepStack's route, for programs that speak to it already: Frigate, Home Assistant, Blue Iris."""

from __future__ import annotations

from flask import Blueprint, g, request

from lookout.apps.server.detection import BINARY, UNIT
from lookout.apps.server.operations import Operation, describe
from lookout.apps.server.reading import Asked, image_of, read_form_of, read_selection
from lookout.apps.server.schemas import DeepStackAnswer, DeepStackPrediction
from lookout.apps.server.service import Service
from lookout.core.detections import Detection

_FORM = {
    "type": "object",
    "properties": {
        "image": BINARY,
        "min_confidence": {**UNIT, "description": "Objects at or below this score are left out."},
        "api_key": {"type": "string", "description": "The key, for clients that can't send it as a header."},
    },
    "required": ["image"],
}
_DETECT = Operation(
    summary="Find the objects in an image, as DeepStack does",
    group="What others speak",
    lane="compute",
    key_in_form=True,
    bodies={"multipart/form-data": _FORM},
    answers={200: {"application/json": DeepStackAnswer}},
    problems=(400, 408, 413, 415, 422, 500, 503),
)


def blueprint(service: Service) -> Blueprint:
    """``POST /v1/vision/detection``."""
    routes = Blueprint("deepstack", __name__)

    @routes.post("/v1/vision/detection")
    @describe(_DETECT)
    def detect() -> DeepStackAnswer:
        form = read_form_of(Asked.of(request))
        data = image_of(form)
        asked = {"confidence": form["min_confidence"].decode("utf-8", "replace")} if "min_confidence" in form else {}
        result = service.detect(data, read_selection(asked, [], service.model, service.selection))
        g.timings_ms = result.timings
        return {
            "success": True,
            "predictions": [_prediction(found) for found in result.objects],
            "duration": round(sum(result.timings.values()), 3),
        }

    return routes


def _prediction(found: Detection) -> DeepStackPrediction:
    """DeepStack's coordinates are whole pixels."""
    box = found.box
    return {
        "label": found.label,
        "confidence": round(found.confidence, 6),
        "x_min": round(box.x),
        "y_min": round(box.y),
        "x_max": round(box.x + box.width),
        "y_max": round(box.y + box.height),
    }
