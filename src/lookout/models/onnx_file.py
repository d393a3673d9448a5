"""A detection network that is an ONNX file already: what its head is, how it is fed, what its classes are called.

Exports differ in what only gets in an engine's way, so the graph is put into one form first: a fixed input of
one picture and no other input, and finished boxes as one output. A network that has that form stays as it is,
byte for byte, but for large weights that get a file of their own.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lookout.core.framing import LARGEST_SIDE, InputFormat
from lookout.core.heads import DetrHead, Head
from lookout.errors import ModelError
from lookout.models.external_data import WeightsFile
from lookout.models.labels import COCO
from lookout.models.onnx_heads import ONNX_FAMILIES, OnnxFamily, head_of, input_format_of, recognise

# The input size of an export that leaves it open, in the absence of any word on it.
_USUAL_SIDE = 640
# What the exports of RT-DETR and D-FINE call a picture's size, which they scale their boxes to.
_SIZES_INPUT = "orig_target_sizes"
# What reading a Python literal that somebody wrote into metadata may raise.
_UNREADABLE = (ArithmeticError, LookupError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class OnnxNetwork:
    """A serialised network, what it wants to be fed, how to read its outputs, and its own labels where it has any."""

    onnx: bytes
    input_format: InputFormat
    head: Head
    labels: tuple[str, ...] | None

    def graph(self, weights: WeightsFile) -> bytes:
        """The network without its large weights, which go into their file; as it is where it has none."""
        import onnx

        model = onnx.load_model_from_string(self.onnx)
        for tensor in model.graph.initializer:
            if tensor.HasField("raw_data"):  # others hold numbers one by one: few, or from an odd exporter
                weights.take(tensor, tensor.raw_data)
        return model.SerializeToString(deterministic=True) if weights.pieces else self.onnx


def read_onnx(data: bytes, name: str, *, family: OnnxFamily | None = None, classes: int | None = None) -> OnnxNetwork:
    """The network in an ONNX file, from its graph's shapes and its metadata.

    ``family`` names the head by hand; ``classes`` is how many labels the user gave. Raises ``ModelError`` for a
    file that is none, a network of another kind, or a head that is not known.
    """
    model = _parse(data, name)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    labels = _labels(metadata, name)
    if metadata.get("task", "detect") != "detect":
        raise ModelError(f"{name} is a network to {metadata['task']}: export one for the task detect")
    before = _signature(model)
    size_wh = _fix_input(model, metadata, name)
    _check(model, name)
    finished = _join_finished_boxes(model)
    _keep_decoded_output(model)
    outputs = _shapes(model.graph.output)
    count = len(labels or COCO) if classes is None else classes
    if family:
        head = head_of(family, outputs, size_wh, count)
    elif "RT-DETR" in metadata.get("description", ""):
        head = head_of("detr", outputs, size_wh, count)
    else:
        head = recognise(outputs, size_wh, count)
    if head is None:
        raise _unknown(before, name, family)
    input_format = input_format_of(DetrHead(count) if finished else head, size_wh)
    changed = _signature(model) != before
    return OnnxNetwork(model.SerializeToString() if changed else data, input_format, head, labels)


def _parse(data: bytes, name: str) -> Any:
    # Heavy, and needed once a network: what is found is kept in the model's description.
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ModelError(f"{name} is no ONNX file, or a truncated one") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ModelError(f"{name} has its weights in another file: export it as one file, with the weights inside")
    weights = {tensor.name for tensor in model.graph.initializer}
    if weights:  # older exporters list them as inputs, too
        inputs = [value for value in model.graph.input if value.name not in weights]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
    return model


def _check(model: Any, name: str) -> None:
    """Refuse a graph that contradicts itself: OpenCV's reader crashes on some of them."""
    from onnx import checker

    try:
        checker.check_model(model)
    except (checker.ValidationError, RuntimeError, ValueError) as error:
        raise ModelError(f"{name} is a damaged network ({str(error).splitlines()[0]}): export it again") from error


def _labels(metadata: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    """The classes' names that Ultralytics writes as a Python dictionary, ``{0: 'person', ...}``."""
    if "names" not in metadata:
        return None
    try:
        names = ast.literal_eval(metadata["names"])
        labels = tuple(str(names[class_id]) for class_id in range(len(names)))
        "".join(labels).encode()  # half a surrogate pair can't be written
        return labels
    except _UNREADABLE as error:
        raise ModelError(f"{name} names its classes in its metadata, but not readably: export it again") from error


def _fix_input(model: Any, metadata: Mapping[str, str], name: str) -> tuple[int, int]:
    """Make the one input (1, 3, height, width) with fixed sizes; its width and height."""
    from onnx import TensorProto

    graph = model.graph
    pictures = [value for value in graph.input if value.name != _SIZES_INPUT]
    match [_shape(value) for value in pictures]:
        case [[1 | str(), 3, height, width]]:
            pass
        case _:
            raise _unknown(_signature(model), name, None)
    if pictures[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise ModelError(f"{name} does not take float32: export it without half precision or quantised inputs")
    usual_height, usual_width = _usual_size(metadata)
    fixed = [
        1,
        3,
        height if isinstance(height, int) else usual_height,
        width if isinstance(width, int) else usual_width,
    ]
    if not all(0 < side <= LARGEST_SIDE for side in fixed[2:]):
        raise ModelError(f"{name} takes pictures of {fixed[3]} x {fixed[2]}, which no detection network does")
    for sizes in [value for value in graph.input if value.name == _SIZES_INPUT]:
        _make_constant(graph, sizes, [[fixed[3], fixed[2]]])
        graph.input.remove(sizes)
    if _shape(graph.input[0]) != fixed:
        for side, number in zip(graph.input[0].type.tensor_type.shape.dim, fixed, strict=True):
            side.dim_value = number
        _infer_outputs(model, name)
    return fixed[3], fixed[2]


def _usual_size(metadata: Mapping[str, str]) -> tuple[int, int]:
    """Height and width where the graph leaves them open: what the export was made for, by its metadata."""
    try:
        height, width = ast.literal_eval(metadata["imgsz"])
        return int(height), int(width)
    except _UNREADABLE:
        return _USUAL_SIDE, _USUAL_SIDE


def _make_constant(graph: Any, value: Any, numbers: Any) -> None:
    import numpy as np
    from onnx import helper, numpy_helper

    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    graph.initializer.append(numpy_helper.from_array(np.array(numbers, dtype), value.name))


def _infer_outputs(model: Any, name: str) -> None:
    """Shapes of the outputs, anew from the input's; a batch that stays open is of one picture."""
    from onnx import shape_inference

    for value in [*model.graph.output, *model.graph.value_info]:
        for size in value.type.tensor_type.shape.dim:
            if not size.HasField("dim_value"):
                size.Clear()
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    except shape_inference.InferenceError as error:
        raise ModelError(f"{name} is a damaged network, or one that ONNX can't follow: {error}") from error
    for value, found in zip(model.graph.output, inferred.output, strict=True):
        value.CopyFrom(found)
        sizes = value.type.tensor_type.shape.dim
        if len(sizes) > 1 and not sizes[0].HasField("dim_value"):
            sizes[0].dim_value = 1


def _join_finished_boxes(model: Any) -> bool:
    """Make labels (1, n), boxes (1, n, 4) and scores (1, n), if these are the outputs, one (1, n, 6)."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    by_kind = {(value.type.tensor_type.elem_type, len(_shape(value))): value for value in graph.output}
    labels = by_kind.get((TensorProto.INT64, 2)) or by_kind.get((TensorProto.INT32, 2))
    boxes, scores = by_kind.get((TensorProto.FLOAT, 3)), by_kind.get((TensorProto.FLOAT, 2))
    if len(graph.output) != 3 or not (labels and boxes and scores) or _shape(boxes)[2] != 4:
        return False
    graph.initializer.append(numpy_helper.from_array(np.array([1, -1, 1], np.int64), "lookout/column"))
    graph.node.extend(
        [
            helper.make_node("Cast", [labels.name], ["lookout/labels"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["lookout/labels", "lookout/column"], ["lookout/label_column"]),
            helper.make_node("Reshape", [scores.name, "lookout/column"], ["lookout/score_column"]),
            helper.make_node(
                "Concat", [boxes.name, "lookout/score_column", "lookout/label_column"], ["lookout/rows"], axis=2
            ),
        ]
    )
    queries = _shape(boxes)[1]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("lookout/rows", TensorProto.FLOAT, [1, queries, 6]))
    return True


def _keep_decoded_output(model: Any) -> None:
    """Drop the raw maps (1, anchors, height, width, entries) that older exports of YOLOv5 give besides."""
    match [len(shape) for shape in _shapes(model.graph.output)]:
        case [3, 5, *others] if set(others) <= {5}:
            del model.graph.output[1:]


def _signature(model: Any) -> tuple[list[list[int | str]], list[list[int | str]]]:
    """The shapes of what a network takes and gives; a size that is not fixed is its name, or '?'."""
    return _shapes(model.graph.input), _shapes(model.graph.output)


def _shapes(values: Any) -> list[list[int | str]]:
    return [_shape(value) for value in values]


def _shape(value: Any) -> list[int | str]:
    return [size.dim_value or size.dim_param or "?" for size in value.type.tensor_type.shape.dim]


def _unknown(signature: tuple[Any, Any], name: str, family: str | None) -> ModelError:
    inputs, outputs = signature
    shapes = f"{name} takes {inputs} and gives {outputs}"
    if family:
        return ModelError(
            f"{shapes}, which does not fit a head of the family {family}: leave --head out, or name another"
        )
    known = ", ".join(ONNX_FAMILIES)
    return ModelError(
        f"{shapes}: no detection network of a family that Lookout reads ({known}), which take one colour picture "
        "(1, 3, h, w); name its head with --head if it is one all the same"
    )
