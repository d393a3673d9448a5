"""The plan of a Darknet network and its weights -> an ONNX model.

The graph is built as plain data first. The weights, which are nearly all of the model, are never in it: they go to a
file of their own, one after the other (:mod:`~lookout.models.external_data`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from lookout.core.detections import FloatArray
from lookout.core.heads import RegionLayer, YoloLayer
from lookout.models.darknet.layers import (
    IMAGES,
    AveragePool,
    Convolution,
    MaxPool,
    Plan,
    Product,
    Reorg,
    Route,
    Shape,
    Shortcut,
    Unchanged,
    Upsample,
)
from lookout.models.external_data import WeightsFile

INPUT_NAME = "images"

_OPSET = 13
_IR_VERSION = 8

# Of the activations that are one ONNX operator.
_OPERATORS: dict[str, tuple[str, dict[str, float]]] = {
    "leaky": ("LeakyRelu", {"alpha": 0.1}),
    "logistic": ("Sigmoid", {}),
    "relu": ("Relu", {}),
}

_Plain = MaxPool | AveragePool | Upsample | Route | Shortcut | Product


@dataclass(frozen=True, slots=True)
class _Node:
    operator: str
    inputs: Sequence[str]
    output: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Graph:
    """Nodes, constants and outputs, in the order in which they were added."""

    nodes: list[_Node] = field(default_factory=list)
    constants: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    outputs: dict[str, Shape] = field(default_factory=dict)

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(_Node(operator, inputs, output, attributes))
        return output

    def floats(self, name: str, values: npt.ArrayLike) -> str:
        self.constants[name] = np.asarray(values, np.float32)
        return name

    def integers(self, name: str, values: Sequence[int]) -> str:
        self.constants[name] = np.array(values, np.int64)
        return name


def _build(plan: Plan) -> _Graph:
    """Everything but the weights, which are called ``layer_3/kernels`` and ``layer_3/biases``."""
    graph = _Graph()
    tensors = {IMAGES: INPUT_NAME}
    for index, layer in enumerate(plan.layers):
        inputs = [tensors[source] for source in layer.sources]
        shapes = [plan.shape(source) for source in layer.sources]
        name = f"layer_{index}"
        match layer.operation:
            case Unchanged():
                tensors[index] = inputs[0]
            case YoloLayer() | RegionLayer():
                graph.outputs[graph.node("Identity", inputs, f"{layer.section.name}_{index}")] = layer.shape
            case Convolution() as convolution:
                tensors[index] = _add_convolution(graph, name, inputs, convolution)
            case Reorg() as reorg:
                tensors[index] = _add_reorg(graph, name, inputs[0], reorg, layer.shape)
            case operation:
                tensors[index] = _add_plain(graph, name, inputs, shapes, operation)
    return graph


def _add_convolution(graph: _Graph, name: str, inputs: Sequence[str], convolution: Convolution) -> str:
    graph.node(
        "Conv",
        [*inputs, f"{name}/kernels", f"{name}/biases"],
        name,
        kernel_shape=[convolution.size] * 2,
        strides=[convolution.stride] * 2,
        pads=[convolution.padding * convolution.dilation] * 4,
        dilations=[convolution.dilation] * 2,
        group=convolution.groups,
    )
    return _add_activation(graph, name, convolution.activation)


def _add_reorg(graph: _Graph, name: str, source: str, reorg: Reorg, shape: Shape) -> str:
    """See ``Reorg``; the batch of one is left out, as not every engine moves six axes."""
    channels, height, width = reorg.blocks.channels, reorg.blocks.height, reorg.blocks.width
    blocks = graph.integers(f"{name}/blocks", [channels, height, reorg.stride, width, reorg.stride])
    graph.node("Reshape", [source, blocks], f"{name}/read")
    graph.node("Transpose", [f"{name}/read"], f"{name}/moved", perm=[2, 4, 0, 1, 3])
    sizes = graph.integers(f"{name}/sizes", [1, shape.channels, shape.height, shape.width])
    return graph.node("Reshape", [f"{name}/moved", sizes], name)


def _add_plain(graph: _Graph, name: str, inputs: Sequence[str], shapes: Sequence[Shape], operation: _Plain) -> str:
    """Add a layer without weights; return the tensor that holds its output."""
    match operation:
        case MaxPool(size, stride, padding):
            before, after = padding // 2, padding - padding // 2
            pads = [before, before, after, after]
            return graph.node("MaxPool", inputs, name, kernel_shape=[size] * 2, strides=[stride] * 2, pads=pads)
        case AveragePool():
            return graph.node("GlobalAveragePool", inputs, name)
        case Upsample(factor, scale):
            return _add_upsample(graph, name, inputs[0], factor, scale)
        case Route(groups, group_id):
            return _add_route(graph, name, inputs, shapes, groups, group_id)
        case Shortcut(activation):
            return _add_activation(graph, _add_sum(graph, name, inputs, shapes), activation)
        case Product(activation):
            return _add_activation(graph, _add_product(graph, name, inputs, shapes), activation)
        case _:
            assert_never(operation)


def _add_upsample(graph: _Graph, name: str, source: str, factor: int, scale: float) -> str:
    scales = graph.floats(f"{name}/scales", [1, 1, factor, factor])
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    graph.node("Resize", [source, "", scales], name, **how)
    if scale == 1:
        return name
    return graph.node("Mul", [name, graph.floats(f"{name}/scale", scale)], f"{name}/scaled")


def _add_route(
    graph: _Graph, name: str, inputs: Sequence[str], shapes: Sequence[Shape], groups: int, group_id: int
) -> str:
    parts = list(inputs)
    if groups > 1:
        for number, (source, shape) in enumerate(zip(inputs, shapes, strict=True)):
            share = shape.channels // groups
            channels = range(group_id * share, (group_id + 1) * share)
            parts[number] = _add_slice(graph, f"{name}/part_{number}", source, channels)
    return parts[0] if len(parts) == 1 else graph.node("Concat", parts, name, axis=1)


def _add_sum(graph: _Graph, name: str, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    """Add the other inputs to the first, as many of their channels as it has."""
    total, channels = inputs[0], shapes[0].channels
    for number, (source, shape) in enumerate(zip(inputs[1:], shapes[1:], strict=True)):
        part = source
        if shape.channels > channels:
            part = _add_slice(graph, f"{name}/part_{number}", source, range(channels))
        elif shape.channels < channels:
            pads = graph.integers(f"{name}/pads_{number}", [0] * 5 + [channels - shape.channels, 0, 0])
            part = graph.node("Pad", [source, pads], f"{name}/part_{number}", mode="constant")
        total = graph.node("Add", [total, part], f"{name}/sum_{number}")
    return total


def _add_product(graph: _Graph, name: str, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    """Multiply the second input by the first, whose one channel or one cell counts for all."""
    factor, scaled = shapes
    repeated = inputs[0]
    if factor.channels < scaled.channels:  # written out, as OpenCV 5.0 can't repeat channels in a product
        sizes = graph.integers(f"{name}/sizes", [1, scaled.channels, scaled.height, scaled.width])
        repeated = graph.node("Expand", [repeated, sizes], f"{name}/repeated")
    return graph.node("Mul", [inputs[1], repeated], name)


def _add_slice(graph: _Graph, name: str, source: str, channels: range) -> str:
    bounds = {"starts": channels.start, "ends": channels.stop, "axes": 1}
    constants = [graph.integers(f"{name}/{bound}", [value]) for bound, value in bounds.items()]
    return graph.node("Slice", [source, *constants], name)


def _add_activation(graph: _Graph, source: str, activation: str) -> str:
    """Add what an activation does to a tensor; mish and swish are spelt out, as this opset has neither."""
    output = f"{source}/{activation}"
    if activation == "linear":
        return source
    if activation == "relu6":
        bounds = [graph.floats(f"{output}/least", 0), graph.floats(f"{output}/most", 6)]
        return graph.node("Clip", [source, *bounds], output)
    if activation == "swish":
        return graph.node("Mul", [source, graph.node("Sigmoid", [source], f"{output}/gate")], output)
    if activation == "mish":
        softplus = graph.node("Softplus", [source], f"{output}/softplus")
        return graph.node("Mul", [source, graph.node("Tanh", [softplus], f"{output}/gate")], output)
    operator, attributes = _OPERATORS[activation]
    return graph.node(operator, [source], output, **attributes)


def serialise(plan: Plan, weights: Iterable[FloatArray], file: WeightsFile) -> bytes:
    """The bytes of the model; ``weights`` are the kernels and the biases of each convolution, in turn."""
    from onnx import TensorProto

    model = _model(plan, _build(plan))
    names = [
        f"layer_{index}/{part}"
        for index, layer in enumerate(plan.layers)
        if isinstance(layer.operation, Convolution)
        for part in ("kernels", "biases")
    ]
    for name, values in zip(names, weights, strict=True):
        tensor = model.graph.initializer.add(name=name, dims=values.shape, data_type=TensorProto.FLOAT)
        file.take(tensor, np.ascontiguousarray(values, "<f4").data.cast("B"))
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _model(plan: Plan, graph: _Graph) -> Any:
    """The model without its weights; ``Any``, since onnx is imported here only."""
    from onnx import TensorProto, helper, numpy_helper

    def values(name: str, shape: Shape) -> Any:
        sizes = [1, shape.channels, shape.height, shape.width]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)

    made = helper.make_graph(
        [
            helper.make_node(node.operator, node.inputs, [node.output], node.output, **node.attributes)
            for node in graph.nodes
        ],
        "darknet",
        [values(INPUT_NAME, plan.images)],
        [values(name, shape) for name, shape in graph.outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    return helper.make_model(
        made,
        producer_name="lookout",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
