"""The bytes of a Darknet ``weights`` file -> kernels and biases of the convolutions.

The file is a header, then float32 without names or sizes, so its length is the only sign that it belongs to the
cfg: a length that is not exactly right is an error, and is looked at before anything is allocated.

Batch normalisation is folded into the convolution before it: with ``k = scale / sqrt(variance + epsilon)``,
``(conv(x) - mean) * k + bias`` is a convolution with ``weights * k`` and the bias ``bias - mean * k``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from lookout.core.detections import FloatArray
from lookout.errors import DarknetError
from lookout.models.darknet.layers import Convolution, Plan

# Darknet's CPU code adds 1e-6 to the root and its CUDA code 1e-5 under it; OpenCV's reader, which the golden
# outputs come from, adds 1e-6 under it.
_EPSILON = 1e-6
# A protocol buffer ends at 2 GiB; the graph around the weights is small.
_LARGEST_COUNT = (2**31 - 2**24) // 4


def read_values(weights: bytes, count: int, cfg_name: str, weights_name: str) -> FloatArray:
    """Return the values after the header, float32 (count,), without copying them.

    Raises ``DarknetError`` where the file doesn't hold exactly as many.
    """
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


def folded(plan: Plan, values: FloatArray, weights_name: str) -> Iterator[FloatArray]:
    """The kernels (filters, channels, size, size) and the biases (filters,) of each convolution, in turn.

    One after the other, since all of them together are as large as the file. Raises ``DarknetError`` at a
    convolution whose values are not finite.
    """
    used = 0
    for layer in plan.layers:
        if isinstance(layer.operation, Convolution):
            count = layer.operation.value_count
            kernels, biases = _fold(layer.operation, values[used : used + count])
            used += count
            if not (np.isfinite(kernels).all() and np.isfinite(biases).all()):
                reason = f"gets weights from {weights_name} that are not finite: is the file damaged?"
                raise layer.section.error(reason)
            yield kernels
            yield biases


def _fold(convolution: Convolution, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Make kernels and biases of a convolution's values.

    In the file's order these are biases, with batch normalisation scales, means and variances, and kernels.
    """
    filters = convolution.filters
    if not convolution.batch_normalize:
        return values[filters:].reshape(convolution.kernel_shape), values[:filters]
    kernels = np.empty(convolution.kernel_shape, np.float32)
    unfolded = values[4 * filters :].reshape(convolution.kernel_shape)
    with np.errstate(all="ignore"):  # damaged weights become infinite or not a number, which the caller sees
        biases, scales, means, variances = values[: 4 * filters].reshape(4, filters).astype(np.float64)
        factors = scales / np.sqrt(variances + _EPSILON)
        # In double precision, but a buffer at a time: no copy of the kernels is that large.
        np.multiply(unfolded, factors[:, None, None, None], out=kernels, casting="same_kind")
        return kernels, (biases - means * factors).astype(np.float32)
