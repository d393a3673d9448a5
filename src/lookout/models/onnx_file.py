"""A YOLO network that is an ONNX file already: what its head is, and how it wants its input."""

from __future__ import annotations

from typing import Any

from lookout.core.framing import InputFormat
from lookout.core.heads import YOLOX_STRIDES, Head, YoloxHead, grid_cells
from lookout.errors import ModelError


def describe_onnx(data: bytes, name: str) -> tuple[InputFormat, Head]:
    """The input format and head of an ONNX network, from its graph's shapes.

    YOLOX's release is the one family known so far: one image input (1, 3, h, w), one output
    (1, cells, 5 + classes) over strides 8, 16 and 32. Raises ``ModelError`` for any other.
    """
    # Heavy, and needed once a network: what is found is kept in the model's description.
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load_model_from_string(data).graph
    except DecodeError as error:
        raise ModelError(f"{name} is no ONNX file, or a truncated one") from error
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [_shape(value) for value in graph.input if value.name not in weights]
    outputs = [_shape(value) for value in graph.output]
    match inputs, outputs:
        case [[1, 3, int(height), int(width)]], [[1, int(cells), int(entries)]] if entries > 5 and cells == grid_cells(
            (width, height), YOLOX_STRIDES
        ):
            return (
                InputFormat(width, height, "letterbox", "bgr", 1.0),
                YoloxHead(classes=entries - 5),
            )
    raise ModelError(
        f"{name} takes {inputs} and gives {outputs}: of ONNX files only YOLOX's release form is known, "
        "(1, 3, h, w) to (1, cells, 5 + classes) with a fixed size"
    )


def _shape(value: Any) -> list[int | str]:
    """The sizes of a graph's input or output; a size that is not fixed is its name, or '?'."""
    return [size.dim_value or size.dim_param or "?" for size in value.type.tensor_type.shape.dim]
