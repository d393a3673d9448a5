"""Published weights, from the folder beside the project: what OpenCV 4 makes of photographs with them."""

from __future__ import annotations

from importlib.util import find_spec

import cv2
import numpy as np
import pytest

from helpers.darknet_weights import make_weights
from helpers.networks import whole
from helpers.shared import shared
from lookout.core.heads import darknet_rows, decode
from lookout.core.suppression import suppress
from lookout.engines import NAMES, open_engine
from lookout.models.darknet import import_darknet, parse_cfg, weight_count

INSTALLED = [name for name in NAMES if name == "opencv" or find_spec(name)]
GOLDEN = ("yolo-fastest-1.1", "yolo-fastest-1.1-xl")
TOLERANCE = 1e-4  # of values around 1; the measured differences are under 3e-6
GOLDEN_THRESHOLD = 0.2  # OpenCV's region layer zeroes class scores that are not over it


def read_cfg(name):
    return shared("models", "cfg", f"{name}.cfg").read_text()


def run(folder, network, blob, engine=None):
    """The network's outputs, in order."""
    path = folder / "network.onnx"
    path.write_bytes(whole(network))
    opened = open_engine(engine, path, threads=1)
    outputs = opened.infer(blob)
    opened.close()
    return outputs


@pytest.mark.parametrize("engine", INSTALLED)
@pytest.mark.parametrize("model", GOLDEN)
def test_outputs_are_those_of_opencv_4(model, engine, tmp_path):
    cfg = shared("models", f"{model}.cfg").read_text()
    network = import_darknet(cfg, shared("models", f"{model}.weights").read_bytes())
    golden = np.load(shared("golden", f"{model}.npz"))
    images = sorted({key.split("/")[0] for key in golden})
    assert len(images) == 3
    for image in images:
        outputs = run(tmp_path, network, golden[f"{image}/input"], engine)
        for layer, name, output in zip(network.head.layers, ("yolo_121", "yolo_130"), outputs, strict=True):
            assert_golden(layer, output, golden[f"{image}/{name}"], network.input_format.size_wh)


def assert_golden(layer, output, golden_rows, input_wh):
    """Golden rows run over cells, then anchors; their boxes are centre and size, in parts of the picture."""
    boxes_xyxy, objectness, class_scores = darknet_rows(layer, output, input_wh)
    centres, sizes = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2, boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    golden = golden_rows.reshape(-1, len(layer.anchors), 5 + layer.classes)
    golden = golden.transpose(1, 0, 2).reshape(golden_rows.shape)
    np.testing.assert_allclose(np.hstack([centres, sizes]) / (input_wh * 2), golden[:, :4], atol=TOLERANCE)
    np.testing.assert_allclose(objectness, golden[:, 4], atol=TOLERANCE)
    scores = class_scores * objectness[:, None]
    kept = golden[:, 5:] > 0
    np.testing.assert_allclose(scores[kept], golden[:, 5:][kept], atol=TOLERANCE)
    assert scores[~kept].max() <= GOLDEN_THRESHOLD + TOLERANCE


def test_made_weights_find_a_few_things_in_a_photograph(tmp_path):
    cfg = read_cfg("yolov3-tiny")
    network = import_darknet(cfg, make_weights(cfg))
    image_bgr = cv2.imread(str(shared("coco", "images", "000000000009.jpg")))
    blob = cv2.dnn.blobFromImage(image_bgr, 1 / 255, network.input_format.size_wh, swapRB=True)
    outputs = run(tmp_path, network, blob)
    assert all(0.1 < output.std() < 10 for output in outputs)
    found = suppress(decode(network.head, outputs, network.input_format.size_wh, 0.25), 0.45)
    assert len(found) <= 20


@pytest.mark.parametrize(
    ("name", "size"),
    [("yolov2-tiny", 44948600), ("yolov3-tiny", 35434956), ("yolov4", 257717640), ("yolov4-tiny", 24251276)],
)
def test_published_weights_have_the_length_that_the_cfg_asks_for(name, size):
    assert 20 + 4 * weight_count(parse_cfg(read_cfg(name))) == size
