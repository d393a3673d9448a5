"""All engines behind one protocol: the same network gives the same outputs, or the same error."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lookout import engines
from lookout.engines import NAMES, available_cores, choose, open_engine
from lookout.errors import EngineError, MissingExtraError, UnknownEngineError, UsageError

INSTALLED = [name for name in NAMES if name == "opencv" or find_spec(name)]
HEIGHT, WIDTH, FILTERS = 6, 8, 4
SHAPES = {"sum": [1, FILTERS, HEIGHT, WIDTH], "squashed": [1, FILTERS, HEIGHT, WIDTH], "pooled": [1, FILTERS, 3, 4]}

rng = np.random.default_rng(3)
KERNELS = rng.normal(0, 1, (FILTERS, 3, 1, 1)).astype(np.float32)
BLOBS = rng.normal(0, 1, (16, 1, 3, HEIGHT, WIDTH)).astype(np.float32)


def write_network(path, outputs=("squashed", "sum", "pooled")):
    """A convolution, its sigmoid and its maximum, as these outputs in this order."""
    nodes = [
        helper.make_node("Conv", ["images", "kernels"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["squashed"]),
        helper.make_node("MaxPool", ["sum"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPES[name]) for name in outputs]
    graph = helper.make_graph(nodes, "graph", [images], values, [numpy_helper.from_array(KERNELS, "kernels")])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    path.write_bytes(model.SerializeToString())
    return path


def plain_outputs(blob):
    """What the network says, by its definition."""
    total = np.einsum("chw,fc->fhw", blob[0], KERNELS[:, :, 0, 0])[None]
    cells = total.reshape(1, FILTERS, HEIGHT // 2, 2, WIDTH // 2, 2)
    return {"sum": total, "squashed": 1 / (1 + np.exp(-total)), "pooled": cells.max(axis=(3, 5))}


@pytest.fixture
def network(tmp_path):
    return write_network(tmp_path / "network.onnx")


@pytest.fixture(params=INSTALLED)
def name(request):
    return request.param


@pytest.fixture
def engine(name, network):
    engine = open_engine(name, network, 1)
    yield engine
    engine.close()


def test_an_engine_knows_its_name(engine, name):
    assert engine.name == name


@pytest.mark.parametrize(
    "outputs",
    [("squashed", "sum", "pooled"), ("pooled", "squashed", "sum"), ("sum", "pooled", "squashed"), ("pooled",)],
)
def test_outputs_are_those_of_the_definition_in_the_order_of_the_graph(name, tmp_path, outputs):
    engine = open_engine(name, write_network(tmp_path / "ordered.onnx", outputs), 1)
    found = engine.infer(BLOBS[0])
    engine.close()
    expected = plain_outputs(BLOBS[0])
    assert isinstance(found, list)
    assert [output.shape for output in found] == [tuple(SHAPES[output]) for output in outputs]
    for output, output_name in zip(found, outputs, strict=True):
        assert output.dtype == np.float32
        np.testing.assert_allclose(output, expected[output_name], atol=1e-5)


def test_outputs_stay_when_the_engine_goes_on(engine):
    first = engine.infer(BLOBS[0])
    kept = [output.copy() for output in first]
    engine.infer(BLOBS[1])
    for output, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(output, copy)


def test_the_input_is_left_as_it_was(engine):
    blob = BLOBS[0].copy()
    engine.infer(blob)
    np.testing.assert_array_equal(blob, BLOBS[0])


@pytest.mark.parametrize("at_once", [1, 3])
def test_eight_threads_each_get_the_outputs_of_their_own_input(name, network, at_once):
    engine = open_engine(name, network, 1, at_once)
    count, rounds = 8, 25
    expected = [engine.infer(blob) for blob in BLOBS]
    start = threading.Barrier(count)

    def work(number):
        start.wait(60)
        order = [(number + step) % len(BLOBS) for step in range(rounds)]
        return [(index, engine.infer(BLOBS[index])) for index in order]

    with ThreadPoolExecutor(count) as pool:
        answers = [answer for part in pool.map(work, range(count)) for answer in part]
    assert len(answers) == count * rounds
    for index, outputs in answers:
        for output, alone in zip(outputs, expected[index], strict=True):
            np.testing.assert_array_equal(output, alone)
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer(BLOBS[0])


def test_two_networks_in_one_engine_do_not_mix(name, tmp_path):
    pair = [open_engine(name, write_network(tmp_path / f"{out}.onnx", (out,)), 1) for out in ("sum", "pooled")]
    shapes = [engine.infer(BLOBS[0])[0].shape for engine in (*pair, *pair)]
    assert shapes == [tuple(SHAPES["sum"]), tuple(SHAPES["pooled"])] * 2
    pair[0].close()
    assert pair[1].infer(BLOBS[0])[0].shape == tuple(SHAPES["pooled"])
    pair[1].close()


GARBAGE = {"a page": b"<html>not found", "nothing": b"", "noise": bytes(range(256)) * 4}


@pytest.mark.parametrize("data", [*GARBAGE.values(), None], ids=[*GARBAGE, "cut short"])
def test_a_file_that_is_no_network_is_refused(name, network, tmp_path, data):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(network.read_bytes()[:-40] if data is None else data)
    with pytest.raises(EngineError, match="can't load the network"):
        open_engine(name, broken, 1)


def test_a_missing_file_is_refused(name, tmp_path):
    with pytest.raises(EngineError, match="can't load the network"):
        open_engine(name, tmp_path / "missing.onnx", 1)


def test_an_operator_that_does_not_exist_is_refused(name, tmp_path):
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])
    graph = helper.make_graph([helper.make_node("Teleport", ["images"], ["output"])], "graph", [images], [output])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    (tmp_path / "odd.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(EngineError, match="can't load the network"):
        open_engine(name, tmp_path / "odd.onnx", 1)


def test_an_input_without_a_batch_is_refused(engine):
    with pytest.raises(EngineError, match="can't run the network"):
        engine.infer(BLOBS[0][0])


def test_after_an_error_the_engine_goes_on(engine):
    with pytest.raises(EngineError):
        engine.infer(BLOBS[0][0])
    np.testing.assert_allclose(engine.infer(BLOBS[0])[1], plain_outputs(BLOBS[0])["sum"], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_an_installed_engine_is_chosen_by_its_name(monkeypatch, name):
    monkeypatch.setattr(engines, "find_spec", lambda package: object())
    assert choose(name) == name


def test_without_a_name_onnx_runtime_is_chosen_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda package: object())
    assert choose() == "onnxruntime"


def test_without_a_name_opencv_is_chosen_where_onnx_runtime_is_not_installed(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda package: object() if package == "openvino" else None)
    assert choose() == "opencv"


@pytest.mark.parametrize("name", ["tensorrt", "", "OpenCV"])
def test_an_unknown_engine_is_answered_with_the_known_ones(name):
    with pytest.raises(UnknownEngineError, match="choose one of onnxruntime, opencv, openvino") as caught:
        choose(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_an_engine_that_is_not_installed_is_answered_with_its_extra(monkeypatch, name):
    monkeypatch.setattr(engines, "find_spec", lambda package: None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'lookout-vision\[{name}\]'") as caught:
        choose(name)
    assert caught.value.extra == name
    assert choose("opencv") == "opencv"


def test_an_engine_is_opened_as_it_is_chosen(network, monkeypatch):
    with pytest.raises(UnknownEngineError):
        open_engine("tensorrt", network)
    monkeypatch.setattr(engines, "find_spec", lambda package: None)
    engine = open_engine(None, network)
    assert engine.name == "opencv"
    engine.close()


class Recorder:
    """In the place of an engine: keeps what it was opened with."""

    def __init__(self, network, threads, at_once):
        self.opened_with = network, threads, at_once


@pytest.mark.parametrize(("asked", "given"), [(3, 3), (1, 1), (None, 5)])
def test_threads_are_those_asked_for_or_all_cores(monkeypatch, asked, given):
    monkeypatch.setattr(engines, "_opener", lambda name: Recorder)
    monkeypatch.setattr(engines, "available_cores", lambda: 5)
    assert open_engine("opencv", Path("network.onnx"), asked, 2).opened_with == (Path("network.onnx"), given, 2)


def test_available_cores_are_those_of_the_process(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 5}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert available_cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


def test_a_closed_engine_says_so_and_may_be_closed_again(engine):
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="the engine is closed: open another"):
        engine.infer(BLOBS[0])


@pytest.mark.parametrize("threads", [0, -1, 10**12])
def test_a_senseless_number_of_threads_is_refused(threads, tmp_path):
    with pytest.raises(UsageError, match=f"threads is {threads}: give a number from 1"):
        open_engine(None, tmp_path / "network.onnx", threads)
