"""Small ONNX networks in the output forms of the families, made by hand: they say what a test wants.

Each output is a constant plus nothing times the picture's mean, so that it hangs on the input as in a real network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

INTEGER, FLOAT = TensorProto.INT64, TensorProto.FLOAT


def make_network(
    outputs: Mapping[str, np.ndarray],
    input_shape: Sequence[Any] = (1, 3, 64, 96),
    *,
    shapes: Mapping[str, Sequence[Any]] | None = None,
    metadata: Mapping[str, str] | None = None,
    scaled_by_sizes: str | None = None,
    input_type: int = FLOAT,
) -> bytes:
    """A network that always gives these outputs (float32 or int64).

    ``shapes``: how outputs are declared, where that is not as they are. ``scaled_by_sizes``: the output (1, n, 4)
    that is multiplied by a second input ``orig_target_sizes`` (1, 2), width and height, both ways.
    """
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    constants = [numpy_helper.from_array(np.zeros((), np.float32), "zero")]
    inputs = [helper.make_tensor_value_info("images", input_type, input_shape)]
    values = []
    for name, array in outputs.items():
        constants.append(numpy_helper.from_array(array.astype(np.float32), f"{name}/constant"))
        kind = INTEGER if array.dtype == np.int64 else FLOAT
        said = f"{name}/said" if kind == INTEGER or name == scaled_by_sizes else name
        nodes.append(helper.make_node("Add", [f"{name}/constant", "nothing"], [said]))
        if kind == INTEGER:
            nodes.append(helper.make_node("Cast", [said], [name], to=INTEGER))
        values.append(helper.make_tensor_value_info(name, kind, (shapes or {}).get(name, array.shape)))
    if scaled_by_sizes:
        inputs.append(helper.make_tensor_value_info("orig_target_sizes", INTEGER, [input_shape[0], 2]))
        constants.append(numpy_helper.from_array(np.array([1, 1, 2], np.int64), "twice"))
        constants.append(numpy_helper.from_array(np.array([1, 1, 2], np.int64), "pair"))
        nodes += [
            helper.make_node("Cast", ["orig_target_sizes"], ["sizes"], to=FLOAT),
            helper.make_node("Reshape", ["sizes", "pair"], ["sizes_3d"]),
            helper.make_node("Tile", ["sizes_3d", "twice"], ["sizes_twice"]),
            helper.make_node("Mul", [f"{scaled_by_sizes}/said", "sizes_twice"], [scaled_by_sizes]),
        ]
    graph = helper.make_graph(nodes, "made", inputs, values, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    return model.SerializeToString()
