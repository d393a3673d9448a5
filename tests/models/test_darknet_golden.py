"""Each layer type and each published network against outputs that Lookout had no hand in; see tests/golden."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from helpers.darknet_cases import LACKING, SMALL, images, sample, shrunk, weights_of
from helpers.networks import whole
from helpers.shared import shared
from lookout.core.heads import RegionLayer, darknet_rows
from lookout.engines import NAMES, open_engine
from lookout.models.darknet import import_darknet, parse_cfg
from lookout.models.darknet.sections import ACTIVATIONS, ALIASES, READERS

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
LAYERS = np.load(GOLDEN / "darknet_layers.npz")
NETWORKS = np.load(GOLDEN / "darknet_networks.npz")
PUBLISHED = sorted({key.split("/")[0] for key in NETWORKS})
# Over 50 million weights each, which other engines than the default take many seconds to load.
LARGE = {
    *("yolov2", "yolov3-spp", "yolov3_5l", "yolov4", "yolov4-csp", "yolov4-csp-swish", "yolov4-p5"),
    *("yolov4-sam-mish-csp-reorg-bfm", "yolov4x-mish"),
}
TOLERANCE = 5e-5  # of values around 1; see tests/golden/README.md


def outputs_of(network, engine, folder):
    """The maps of a network (1, channels, height, width), by an engine."""
    path = folder / "network.onnx"
    path.write_bytes(whole(network))
    opened = open_engine(engine, path)
    try:
        return opened.infer(images(*network.input_format.size_wh))
    finally:
        opened.close()
        path.unlink()  # pytest keeps such folders for a while, and some networks are of 400 MB


def rows_of(layer, output, input_wh):
    """Rows as OpenCV writes them: over cells, then anchors; centre and size in parts of the picture."""
    boxes_xyxy, objectness, class_scores = darknet_rows(layer, output, input_wh)
    centres, sizes = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2, boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    boxes = np.hstack([centres, sizes]) / (input_wh * 2)
    rows = np.hstack([boxes, objectness[:, None], class_scores * objectness[:, None]])
    return rows.reshape(len(layer.anchors), -1, rows.shape[1]).transpose(1, 0, 2).reshape(rows.shape)


def assert_close(found, golden):
    np.testing.assert_allclose(found, golden, rtol=TOLERANCE, atol=TOLERANCE)


def assert_rows(layer, found, golden):
    """OpenCV suppresses in a [region], and there alone can't be kept from it: what it has suppressed is 0."""
    seen = golden != 0 if isinstance(layer, RegionLayer) else np.full(golden.shape, fill_value=True)
    assert seen[:, :5].all()
    assert_close(found[seen], golden[seen])


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("name", SMALL)
def test_layers(name, engine, tmp_path):
    network = import_darknet(SMALL[name], weights_of(name, SMALL[name]))
    outputs = outputs_of(network, engine, tmp_path)
    assert len(outputs) == len(network.head.layers) == sum(key.startswith(f"{name}/") for key in LAYERS if "map" in key)
    for number, (layer, output) in enumerate(zip(network.head.layers, outputs, strict=True)):
        assert output.shape[0] == 1
        assert_close(output[0], LAYERS[f"{name}/{number}/map"])
        if f"{name}/{number}/rows" in LAYERS:
            rows = rows_of(layer, output, network.input_format.size_wh)
            assert_rows(layer, rows, LAYERS[f"{name}/{number}/rows"])


@pytest.mark.parametrize("name", SMALL)
def test_layers_are_valid_onnx_of_the_shapes_that_they_promise(name):
    model = onnx.load_from_string(whole(import_darknet(SMALL[name], weights_of(name, SMALL[name]))))
    onnx.checker.check_model(model, full_check=True)


def test_every_layer_type_alias_and_activation_is_tested():
    sections = [section for cfg in SMALL.values() for section in parse_cfg(cfg)]
    assert {section.name for section in sections} == {"net", *READERS, *ALIASES}
    assert {section.word("activation", "linear") for section in sections} == set(ACTIVATIONS)


def test_golden_outputs_tell_networks_apart():
    maps = [LAYERS[key] for key in LAYERS if key.endswith("map")]
    assert all(values.std() > 0.05 for values in maps)
    assert all(NETWORKS[f"{key}/moments"][1] > 0.05 for key in {key.rpartition("/")[0] for key in NETWORKS})


ENGINES = [
    pytest.param(
        name,
        engine,
        id=f"{name}-{engine}",
        marks=pytest.mark.skipif(
            engine != "onnxruntime" and name in LARGE and "LOOKOUT_ALL_NETWORKS" not in os.environ,
            reason="takes many seconds: set LOOKOUT_ALL_NETWORKS=1",
        ),
    )
    for name in PUBLISHED
    for engine in NAMES
]


@pytest.mark.parametrize(("name", "engine"), ENGINES)
def test_published_networks(name, engine, tmp_path):
    cfg = shrunk(shared("models", "cfg", f"{name}.cfg").read_text())
    network = import_darknet(cfg, weights_of(name, cfg))
    outputs = outputs_of(network, engine, tmp_path)
    assert (
        len(outputs) == len(network.head.layers) == sum(key.startswith(f"{name}/") for key in NETWORKS if "map" in key)
    )
    for number, (layer, output) in enumerate(zip(network.head.layers, outputs, strict=True)):
        golden = {part: NETWORKS[f"{name}/{number}/{part}"] for part in ("shape", "moments", "map", "rows")}
        assert list(output.shape) == [1, *golden["shape"]]
        assert_close([output.mean(), output.std()], golden["moments"])
        assert_close(sample(output.reshape(-1), 256), golden["map"])
        rows = rows_of(layer, output, network.input_format.size_wh)
        assert_rows(layer, sample(rows, 6), golden["rows"])


def test_every_published_cfg_is_tested():
    assert sorted(path.stem for path in shared("models", "cfg").glob("*.cfg")) == PUBLISHED


def test_what_opencv_lacks_is_a_network_of_the_golden_files():
    assert set(LACKING) <= {*SMALL, *PUBLISHED}
