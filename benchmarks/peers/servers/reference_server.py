"""The reference system's local execution, written anew from what its report tells; the network is loaded once.

Flask's own server, base64 in JSON, OpenCV 4's reader of Darknet files, as many threads as OpenCV likes. OpenCV's
networks can't be run by two threads at once, so they take turns.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from pathlib import Path

import cv2
import numpy as np
from flask import Flask, request

CFG = Path(os.environ["BENCHMARK_MODEL"])
LABELS = Path(os.environ["BENCHMARK_LABELS"]).read_text().splitlines()
CONFIDENCE, IOU = 0.25, 0.45

network = cv2.dnn.readNetFromDarknet(str(CFG), str(CFG.with_suffix(".weights")))
outputs = network.getUnconnectedOutLayersNames()
size_wh = tuple(
    int(next(line.split("=")[1] for line in CFG.read_text().splitlines() if line.replace(" ", "").startswith(side)))
    for side in ("width=", "height=")
)
turn = threading.Lock()
app = Flask(__name__)


@app.post("/object-detection")
def detect() -> dict[str, object]:
    """The objects in an image: their labels and confidences."""
    document = request.get_json()
    image = cv2.imdecode(np.frombuffer(base64.b64decode(document["image_data"]), np.uint8), cv2.IMREAD_COLOR)
    blob = cv2.dnn.blobFromImage(image, 1 / 255, size_wh, swapRB=True, crop=False)
    with turn:
        start = time.perf_counter()
        network.setInput(blob)
        rows = np.vstack(network.forward(outputs))
        elapsed_ms = (time.perf_counter() - start) * 1000
    return {"id": document["id"], "objects": objects(rows, image.shape), "inference_time": elapsed_ms}


def objects(rows: np.ndarray, shape: tuple[int, ...]) -> list[dict[str, object]]:
    """What the network's rows hold, overlaps suppressed class by class."""
    height, width = shape[:2]
    class_ids = rows[:, 5:].argmax(axis=1)
    confidences = rows[np.arange(len(rows)), 5 + class_ids]
    found = np.flatnonzero(confidences > CONFIDENCE)
    centres, sizes = rows[found, :2] * (width, height), rows[found, 2:4] * (width, height)
    boxes = np.hstack([centres - sizes / 2, sizes])
    kept = cv2.dnn.NMSBoxesBatched(
        boxes.tolist(), confidences[found].tolist(), class_ids[found].tolist(), CONFIDENCE, IOU
    )
    chosen = found[np.asarray(kept, int).ravel()]
    return [{"label": LABELS[class_ids[row]], "accuracy": float(confidences[row])} for row in chosen]


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["BENCHMARK_PORT"]))
