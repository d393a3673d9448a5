"""A Darknet network, ``cfg`` and ``weights`` -> the same network as ONNX, which every engine reads.

Three steps: :mod:`lookout.models.darknet_cfg` reads the text, :mod:`lookout.models.darknet_graph` plans the
layers, and here plan and weights become nodes and constants. A ``weights`` file is a header, then float32
without names or sizes, so its length is the only sign that it belongs to the cfg: a length that is not
exactly right is an error, and is looked at before anything is allocated.

Batch normalisation is folded into the convolution before it: with ``k = scale / sqrt(variance + epsilon)``,
``(conv(x) - mean) * k + bias`` is a convolution with ``weights * k`` and the bias ``bias - mean * k``.

The ``[yolo]`` sections don't become nodes. The maps that they read are the network's outputs, and
:func:`lookout.core.heads.darknet_rows` decodes them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from lookout.core.detections import FloatArray
from lookout.core.framing import InputFormat
from lookout.core.heads import DarknetHead, YoloLayer
from lookout.errors import DarknetError
from lookout.models.darknet_cfg import Section, parse_cfg
from lookout.models.darknet_graph import (
    IMAGES,
    AveragePool,
    Convolution,
    MaxPool,
    Plan,
    Product,
    Route,
    Shape,
    Shortcut,
    Unchanged,
    Upsample,
    make_plan,
    weight_count,
)

__all__ = ["ImportedNetwork", "Section", "import_darknet", "parse_cfg", "weight_count"]

INPUT_NAME = "images"

# Darknet's CPU code adds 1e-6 to the root and its CUDA code 1e-5 under it; OpenCV's reader, which the golden
# outputs come from, adds 1e-6 under it.
_EPSILON = 1e-6
_OPSET = 13
_IR_VERSION = 8
# A protocol buffer ends at 2 GiB; the graph around the weights is small.
_LARGEST_COUNT = (2**31 - 2**24) // 4

# Of the activations that are one ONNX operator.
_OPERATORS: dict[str, tuple[str, dict[str, float]]] = {
    "leaky": ("LeakyRelu", {"alpha": 0.1}),
    "logistic": ("Sigmoid", {}),
    "relu": ("Relu", {}),
}

_Folded = tuple[FloatArray, FloatArray]
_Plain = MaxPool | AveragePool | Upsample | Route | Shortcut | Product


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """A serialised ONNX model, what it wants to be fed, and how to read its outputs.

    The input is "images", float32 (1, 3, height, width); the outputs are float32
    (1, anchors * (5 + classes), h, w), one to each of ``head.layers``.
    """

    onnx: bytes
    input_format: InputFormat
    head: DarknetHead


def import_darknet(
    cfg: str, weights: bytes, *, cfg_name: str = "network.cfg", weights_name: str = "network.weights"
) -> ImportedNetwork:
    """Import a network from the text of its ``cfg`` and the bytes of its ``weights``.

    The names are what errors call the two. Equal arguments give equal bytes. Raises ``DarknetError`` when the
    cfg describes no network that Lookout runs, or the weights don't fit it.
    """
    plan = make_plan(parse_cfg(cfg, cfg_name))
    values = _read_weights(weights, plan.value_count, cfg_name, weights_name)
    graph = _build(plan, _fold_all(plan, values, weights_name))
    input_format = InputFormat(plan.images.width, plan.images.height, "stretch", "rgb", 1 / 255)
    return ImportedNetwork(_serialise(plan, graph), input_format, DarknetHead(plan.yolo_layers))


def _read_weights(weights: bytes, count: int, cfg_name: str, weights_name: str) -> FloatArray:
    """Return the values after the header, float32 (count,)."""
    header = _header_size(weights)
    needed = header + 4 * count
    if len(weights) != needed:
        raise DarknetError(
            f"{weights_name} holds {len(weights)} bytes where {cfg_name} needs {needed}: "
            "is it the weights file of another network, or one that was cut short?"
        )
    if count > _LARGEST_COUNT:
        raise DarknetError(f"{cfg_name} needs {needed} bytes of weights: use a network under 2 GiB")
    return np.frombuffer(weights, "<f4", offset=header).astype(np.float32, copy=False)


def _header_size(weights: bytes) -> int:
    """Tell how long the header is: three integers, then the pictures seen, in 64 bits since version 0.2."""
    if len(weights) < 12:
        return 20
    major, minor, _ = struct.unpack_from("<3i", weights)
    return 20 if major * 10 + minor >= 2 and major < 1000 and minor < 1000 else 16


def _fold_all(plan: Plan, values: FloatArray, weights_name: str) -> dict[int, _Folded]:
    """Fold every convolution; the keys are the numbers of their layers."""
    folded = {}
    used = 0
    for index, layer in enumerate(plan.layers):
        if isinstance(layer.operation, Convolution):
            count = layer.operation.value_count
            folded[index] = _fold(layer.operation, values[used : used + count])
            used += count
            if not all(np.isfinite(part).all() for part in folded[index]):
                reason = f"gets weights from {weights_name} that are not finite: is the file damaged?"
                raise layer.section.error(reason)
    return folded


def _fold(convolution: Convolution, values: FloatArray) -> _Folded:
    """Make kernels (filters, channels, size, size) and biases (filters,) of a convolution's values.

    In the file's order these are biases, with batch normalisation scales, means and variances, and kernels.
    """
    filters = convolution.filters
    if not convolution.batch_normalize:
        return values[filters:].reshape(convolution.kernel_shape), values[:filters]
    biases, scales, means, variances = values[: 4 * filters].reshape(4, filters).astype(np.float64)
    kernels = values[4 * filters :].reshape(convolution.kernel_shape)
    with np.errstate(all="ignore"):  # damaged weights become infinite or not a number, which the caller sees
        factors = scales / np.sqrt(variances + _EPSILON)
        kernels = (kernels * factors[:, None, None, None]).astype(np.float32)
        return kernels, (biases - means * factors).astype(np.float32)


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


def _build(plan: Plan, folded: Mapping[int, _Folded]) -> _Graph:
    graph = _Graph()
    tensors = {IMAGES: INPUT_NAME}
    for index, layer in enumerate(plan.layers):
        inputs = [tensors[source] for source in layer.sources]
        shapes = [plan.shape(source) for source in layer.sources]
        match layer.operation:
            case Unchanged():
                tensors[index] = inputs[0]
            case YoloLayer():
                graph.outputs[graph.node("Identity", inputs, f"yolo_{index}")] = layer.shape
            case Convolution() as convolution:
                tensors[index] = _add_convolution(graph, f"layer_{index}", inputs, convolution, folded[index])
            case operation:
                tensors[index] = _add_plain(graph, f"layer_{index}", inputs, shapes, operation)
    return graph


def _add_convolution(graph: _Graph, name: str, inputs: Sequence[str], convolution: Convolution, folded: _Folded) -> str:
    kernels, biases = folded
    constants = [graph.floats(f"{name}/kernels", kernels), graph.floats(f"{name}/biases", biases)]
    graph.node(
        "Conv",
        [*inputs, *constants],
        name,
        kernel_shape=[convolution.size] * 2,
        strides=[convolution.stride] * 2,
        pads=[convolution.padding * convolution.dilation] * 4,
        dilations=[convolution.dilation] * 2,
        group=convolution.groups,
    )
    return _add_activation(graph, name, convolution.activation)


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
            return _add_activation(graph, graph.node("Mul", inputs, name), activation)
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


def _serialise(plan: Plan, graph: _Graph) -> bytes:
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
    )
    model = helper.make_model(
        made,
        producer_name="lookout",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    for name, array in graph.constants.items():  # last, as both helpers copy what they are given
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised
