"""The reference system's function, written anew from what its report tells, and as slow: to measure the emulator by.

An object comes into the bucket; its image is fetched, the network is read from disk *in every invocation*, OpenCV runs
it, and one item with a column a label goes into the table. ``NETWORK`` is a Darknet cfg, with its weights beside it
(OpenCV 4), or an ONNX file (OpenCV 5, which no longer reads the other). ``SIZE``: its input's width and height, 416
where nothing is said.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote_plus

import boto3
import cv2
import numpy as np

SIZE = int(os.environ.get("SIZE", "416"))
CONFIDENCE = 0.5
IOU = 0.4

s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handle(event: dict, context: object) -> dict:  # noqa: ARG001  Lambda's form
    """Detect in each object that came."""
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
        image = cv2.imdecode(np.frombuffer(fetch(bucket, key), np.uint8), cv2.IMREAD_COLOR)
        best = detect(image)
        columns = {label: Decimal(f"{confidence:.4f}") for label, confidence in best.items()}
        table.put_item(Item={"image-url": f"https://{bucket}.s3.amazonaws.com/{key}", **columns})
    return {"statusCode": 200}


def fetch(bucket: str, key: str) -> bytes:
    """The object's bytes."""
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def read_network() -> cv2.dnn.Net:
    """The network, read from disk."""
    path = os.environ["NETWORK"]
    if path.endswith(".onnx"):
        return cv2.dnn.readNetFromONNX(path)
    return cv2.dnn.readNetFromDarknet(path, str(Path(path).with_suffix(".weights")))


def detect(image: np.ndarray) -> dict[str, float]:
    """The highest confidence of each label."""
    network = read_network()
    labels = Path(os.environ["LABELS"]).read_text().splitlines()
    network.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (SIZE, SIZE), swapRB=True, crop=False))
    outputs = network.forward(network.getUnconnectedOutLayersNames())
    if os.environ["NETWORK"].endswith(".onnx"):  # it ends in the raw maps, and what reads them is no part of it
        return {}
    height, width = image.shape[:2]
    rows = np.vstack(outputs)
    class_ids = rows[:, 5:].argmax(axis=1)
    confidences = rows[np.arange(len(rows)), 5 + class_ids]
    found = np.flatnonzero(confidences > CONFIDENCE)
    centres, sizes = rows[found, :2] * (width, height), rows[found, 2:4] * (width, height)
    boxes = np.hstack([centres - sizes / 2, sizes]).astype(int).tolist()
    kept = cv2.dnn.NMSBoxes(boxes, confidences[found].tolist(), CONFIDENCE, IOU)
    best: dict[str, float] = {}
    for index in found[np.asarray(kept, int).ravel()]:
        label = labels[class_ids[index]]
        best[label] = max(best.get(label, 0.0), float(confidences[index]))
    return best
