"""Weights for any Darknet cfg that Lookout imports: seeded noise, scaled so that the network stays alive.

Kernels are scaled by their fan-in and activation (He), so that what flows through the network neither grows
nor dies, whatever its depth; dead networks compute with denormal numbers, which takes engines many times as
long and would spoil every time that a test takes.
"""

from __future__ import annotations

import struct

import numpy as np

from lookout.models.darknet.cfg import parse_cfg
from lookout.models.darknet.layers import Convolution, HeadLayer, Plan, Shortcut
from lookout.models.darknet.plan import make_plan

# 1 over the mean square of the activation of a normal variable; kernels are scaled by its root.
_GAINS = {
    "linear": 1.0,
    "leaky": 1.98,
    "relu": 2.0,
    "relu6": 2.0,
    "swish": 2.81,
    "mish": 2.2,
    "logistic": 3.4,
}
_BRANCH = 0.3  # of what is added to something else: a sum of many branches must not grow
_OBJECTNESS = -2.75  # 0.06 where nothing is: a few cells of a photograph get over 0.25
_HEADER = struct.pack("<3iq", 0, 2, 5, 64)


def make_weights(cfg_text: str, seed: int = 0) -> bytes:
    """The bytes of a weights file that fits the cfg; equal arguments give equal bytes.

    Raises ``DarknetError`` where ``import_darknet`` would.
    """
    plan = make_plan(parse_cfg(cfg_text))
    rng = np.random.default_rng(seed)
    parts = [_HEADER]
    for index, layer in enumerate(plan.layers):
        if isinstance(layer.operation, Convolution):
            parts.extend(part.astype("<f4").tobytes() for part in _convolution(rng, plan, index))
    return b"".join(parts)


def _convolution(rng: np.random.Generator, plan: Plan, index: int) -> list[np.ndarray]:
    """Its arrays in the file's order."""
    convolution = plan.layers[index].operation
    assert isinstance(convolution, Convolution)
    shape = convolution.kernel_shape
    scale = np.sqrt(_gain(plan, index) / np.prod(shape[1:]))
    biases = 0.1 * rng.standard_normal(convolution.filters, np.float32)
    kernels = scale * rng.standard_normal(shape, np.float32)
    head = _head_of(plan, index)
    if head is not None:
        biases.reshape(len(head.anchors), -1)[:, 4] = _OBJECTNESS
        # Kernels without a mean answer to the picture alone, and not to what all cells have in common.
        objectness = kernels.reshape(len(head.anchors), 5 + head.classes, -1)[:, 4]
        objectness -= objectness.mean(axis=1, keepdims=True)
    vectors = [biases]
    if convolution.batch_normalize:
        scales, variances = rng.uniform(0.9, 1.1, (2, convolution.filters))
        vectors += [scales, 0.1 * rng.standard_normal(convolution.filters), variances]
    return [*vectors, kernels]


def _gain(plan: Plan, index: int) -> float:
    """What the squares of the kernels, over one filter, add up to."""
    convolution = plan.layers[index].operation
    assert isinstance(convolution, Convolution)
    readers = [layer.operation for layer in plan.layers if index in layer.sources]
    added = any(isinstance(operation, Shortcut) for operation in readers)
    return _GAINS[_before(plan, index)] * (_BRANCH**2 if added else 1.0)


def _before(plan: Plan, index: int) -> str:
    """The activation that made what a convolution reads; linear, where there was none."""
    source = plan.layers[index].sources[0]
    operation = plan.layers[source].operation if source >= 0 else None
    return getattr(operation, "activation", "leaky") if source >= 0 else "linear"


def _head_of(plan: Plan, index: int) -> HeadLayer | None:
    """The ``[yolo]`` layer that reads the convolution, if one does."""
    readers = [layer.operation for layer in plan.layers if index in layer.sources]
    return next((operation for operation in readers if isinstance(operation, HeadLayer)), None)
