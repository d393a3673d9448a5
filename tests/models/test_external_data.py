"""Weights in a file of their own: every engine finds them there, and opening takes less memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from helpers.darknet_weights import make_weights
from helpers.networks import whole
from lookout.engines import NAMES, choose, open_engine
from lookout.errors import MissingExtraError
from lookout.models.darknet import ImportedNetwork, import_darknet
from lookout.models.external_data import WeightsFile
from lookout.models.onnx_file import OnnxNetwork

LARGE_CFG = """
[net]
width=32
height=32

[convolutional]
filters=1024
size=3
stride=8
activation=linear

[convolutional]
filters=1024
size=3
pad=1
activation=linear

[convolutional]
filters=7
size=1
activation=linear

[yolo]
classes=2
anchors=10,14
"""
OPENED = """
import sys
from pathlib import Path
import onnxruntime
from lookout.engines import open_engine

def peak_mb():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024

before = peak_mb()
engine = open_engine("onnxruntime", Path(sys.argv[1]), threads=1)
print(peak_mb() - before)
"""


def network(side: int) -> bytes:
    """A picture's pixels, times a matrix; and a bias too small to leave the graph."""
    values = np.random.default_rng(1).normal(size=(side, side)).astype(np.float32)
    initializers = [numpy_helper.from_array(values, "w"), numpy_helper.from_array(np.ones(1, np.float32), "b")]
    nodes = [helper.make_node("MatMul", ["images", "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["o"])]
    images, outputs = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 4, side]) for name in ("images", "o")
    )
    graph = helper.make_graph(nodes, "g", [images], [outputs], initializers)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()


def write_apart(network: OnnxNetwork | ImportedNetwork, folder: Path) -> Path:
    weights, path = WeightsFile("network.onnx.data"), folder / "network.onnx"
    path.write_bytes(network.graph(weights))
    (folder / weights.name).write_bytes(b"".join(weights.pieces))
    assert (folder / weights.name).stat().st_size == weights.size_bytes
    return path


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Each engine that is installed."""
    try:
        return choose(request.param)
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_every_engine_computes_the_same_with_the_weights_apart(tmp_path: Path, name: str):
    data = network(64)
    (tmp_path / "one.onnx").write_bytes(data)
    blob = np.random.default_rng(2).normal(size=(1, 3, 4, 64)).astype(np.float32)
    paths = tmp_path / "one.onnx", write_apart(OnnxNetwork(data, None, None, None), tmp_path)
    here, apart = (open_engine(name, path, threads=1).infer(blob) for path in paths)
    assert np.array_equal(here[0], apart[0])


def test_numbers_that_a_graph_holds_one_by_one_stay_there(tmp_path: Path, name: str):
    model = onnx.load_model_from_string(network(64))
    model.graph.initializer[1].CopyFrom(helper.make_tensor("b", TensorProto.FLOAT, [1], [3.0]))
    written = write_apart(OnnxNetwork(model.SerializeToString(), None, None, None), tmp_path)
    zeros = np.zeros((1, 3, 4, 64), np.float32)
    assert np.array_equal(open_engine(name, written, threads=1).infer(zeros)[0], zeros + 3)


def test_files_may_be_links(tmp_path: Path, name: str):
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    written = write_apart(OnnxNetwork(network(64), None, None, None), tmp_path / "there")
    for path in written.parent.iterdir():
        (tmp_path / "here" / path.name).symlink_to(path)
    zeros = np.zeros((1, 3, 4, 64), np.float32)
    assert np.array_equal(open_engine(name, tmp_path / "here" / written.name, threads=1).infer(zeros)[0], zeros + 1)


def test_what_is_taken_out_can_be_put_back():
    data = network(64)
    assert onnx.load_model_from_string(whole(OnnxNetwork(data, None, None, None))) == onnx.load_model_from_string(data)


def test_small_weights_stay_where_they_are():
    data, weights = network(8), WeightsFile("w")
    assert (OnnxNetwork(data, None, None, None).graph(weights), weights.pieces, weights.size_bytes) == (data, [], 0)


def test_a_network_is_opened_in_less_memory(tmp_path: Path):
    pytest.importorskip("onnxruntime", reason="the extra onnxruntime is not installed")
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not tell a process's peak of memory")
    imported = import_darknet(LARGE_CFG, make_weights(LARGE_CFG))
    (tmp_path / "one.onnx").write_bytes(whole(imported))
    one, apart = (
        float(subprocess.run([sys.executable, "-c", OPENED, path], capture_output=True, text=True, check=True).stdout)
        for path in (tmp_path / "one.onnx", write_apart(imported, tmp_path))
    )
    weights_mb = sum(values.nbytes for values in imported.weights) / 1024 / 1024
    assert one - apart > 0.5 * weights_mb
