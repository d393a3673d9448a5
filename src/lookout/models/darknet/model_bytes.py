"""An ONNX model without its weights, and the weights -> the bytes of the whole, each weight copied once.

onnx's own way holds a network's weights three times over: in the model, in the buffer that it is written to,
and in the bytes that come out. But an ONNX file is a protocol buffer (encoding: protobuf.dev, "Encoding"), a
row of fields in any order, so whoever knows the lengths can write the large ones straight into the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from lookout.core.detections import FloatArray

if TYPE_CHECKING:
    from onnx import ModelProto

Shapes = Sequence[tuple[str, tuple[int, ...]]]
"""Names and shapes of weights."""

# The numbers of ModelProto.graph, GraphProto.initializer and TensorProto.raw_data in onnx.proto.
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
_LENGTH_DELIMITED = 2  # the wire type of all three


def with_weights(model: ModelProto, shapes: Shapes, weights: Iterable[FloatArray]) -> bytes:
    """The bytes of the model with float32 initializers added, whose ``weights`` come in the order of ``shapes``."""
    graph = model.graph.SerializeToString(deterministic=True)
    heads = [_initializer_head(name, shape) for name, shape in shapes]
    length = len(graph) + sum(map(len, heads)) + sum(_byte_count(shape) for _, shape in shapes)
    rest = type(model)()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    stream = BytesIO()
    stream.write(rest.SerializeToString(deterministic=True) + _field_head(_GRAPH, length) + graph)
    for head, values in zip(heads, weights, strict=True):
        stream.write(head)
        stream.write(np.ascontiguousarray(values, "<f4").data)
    return stream.getvalue()


def _initializer_head(name: str, shape: tuple[int, ...]) -> bytes:
    """What comes before the values of an initializer."""
    from onnx import TensorProto

    tensor: bytes = TensorProto(dims=shape, data_type=TensorProto.FLOAT, name=name).SerializeToString()
    tensor += _field_head(_RAW_DATA, _byte_count(shape))
    return _field_head(_INITIALIZER, len(tensor) + _byte_count(shape)) + tensor


def _byte_count(shape: tuple[int, ...]) -> int:
    return 4 * math.prod(shape)


def _field_head(number: int, length: int) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow.

    >>> _varint(300).hex(" ")
    'ac 02'
    """
    sevens = []
    while value > 0x7F:
        sevens.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*sevens, value])
