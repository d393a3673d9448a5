"""A network's large weights in a file of their own: ONNX's *external data*.

ONNX Runtime and OpenVINO map it into memory, and OpenCV reads it. As a part of the graph a convolution's weights take
their size three times over while ONNX Runtime opens it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import TensorProto

# Smaller ones stay in the graph. Each of the others begins where the widest instructions like it.
_LARGE_BYTES, _ALIGNED_BYTES = 1024, 64


class WeightsFile:
    """The file beside a graph: its name, and the pieces that it consists of."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pieces: list[bytes | memoryview] = []
        self.size_bytes = 0

    def take(self, tensor: TensorProto, values: bytes | memoryview) -> None:
        """Give a tensor its values: here, where they are large, and in the graph where they aren't."""
        if len(values) < _LARGE_BYTES:
            tensor.raw_data = bytes(values)
            return
        gap = -self.size_bytes % _ALIGNED_BYTES
        tensor.ClearField("raw_data")
        tensor.data_location = tensor.EXTERNAL
        place = {"location": self.name, "offset": self.size_bytes + gap, "length": len(values)}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self.pieces += [bytes(gap), values]
        self.size_bytes += gap + len(values)
