"""Object detection with YOLO, executed locally or offloaded to the cloud.

::

    import lookout

    detector = lookout.load("yolov3-tiny")      # a name, a .cfg or an .onnx file
    result = detector.detect("street.jpg")      # a path, bytes, or an array
    for found in result.objects:
        print(found.label, found.confidence, found.box)
    result.annotated()                          # the picture with boxes, as an array

    with lookout.connect("http://127.0.0.1:5001") as client:    # a server: lookout serve
        client.detect("street.jpg").objects
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lookout.core.detections import Box, Detection
    from lookout.detector import Detector, Result
    from lookout.errors import LookoutError
    from lookout.executions.local import connect
    from lookout.loading import load

__version__ = "0.1.0"

__all__ = ["Box", "Detection", "Detector", "LookoutError", "Result", "__version__", "connect", "load"]

_HOMES = {
    "Box": "core.detections",
    "Detection": "core.detections",
    "Detector": "detector",
    "LookoutError": "errors",
    "Result": "detector",
    "connect": "executions.local",
    "load": "loading",
}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first used: importing the package alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
