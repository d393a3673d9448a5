"""A parsed Darknet cfg -> the same network as a PyTorch module, and the module's weights -> a weights file.

The cfg is the one source of the network's shape: what is trained here is what Lookout imports.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lookout.core.heads import YoloLayer
from lookout.models.darknet import make_plan, parse_cfg
from lookout.models.darknet.layers import IMAGES, Convolution, Layer, MaxPool, Plan, Route, Shortcut, Upsample

_HEADER = struct.Struct("<3iq")  # the version in three parts, then how many pictures were seen
_EPSILON = 1e-6  # what Lookout's importer folds batch normalisation with
_ACTIVATIONS = {
    "leaky": lambda: nn.LeakyReLU(0.1, inplace=True),
    "relu": lambda: nn.ReLU(inplace=True),
    "linear": nn.Identity,
}


def read_plan(cfg: Path) -> Plan:
    """The plan of a cfg file. Raises ``DarknetError``."""
    return make_plan(parse_cfg(cfg.read_text("utf-8"), cfg.name))


class DarknetNetwork(nn.Module):
    """The network of a plan: images (n, 3, height, width) in 0..1 -> the raw map of each ``[yolo]`` layer, in order."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.convolutions = nn.ModuleDict(
            {
                str(index): _convolution(layer.operation)
                for index, layer in enumerate(plan.layers)
                if isinstance(layer.operation, Convolution)
            }
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run all layers."""
        tensors, outputs = {IMAGES: images}, []
        for index, layer in enumerate(self.plan.layers):
            inputs = [tensors[source] for source in layer.sources]
            if isinstance(layer.operation, YoloLayer):
                outputs.append(inputs[0])
            elif isinstance(layer.operation, Convolution):
                tensors[index] = self.convolutions[str(index)](inputs[0])
            else:
                tensors[index] = _without_weights(layer, inputs)
        return outputs

    @property
    def parameter_count(self) -> int:
        """How many numbers are learnt."""
        return sum(parameter.numel() for parameter in self.parameters())


def export_weights(network: DarknetNetwork, pictures_seen: int = 0) -> bytes:
    """The bytes of a Darknet weights file: a header, then each convolution's values in the file's order."""
    parts = [_HEADER.pack(0, 2, 5, pictures_seen)]
    parts += [tensor.detach().float().contiguous().numpy().astype("<f4").tobytes() for tensor in _in_order(network)]
    return b"".join(parts)


def load_weights(network: DarknetNetwork, weights: bytes) -> None:
    """Put what ``export_weights`` wrote into a network of the same cfg. Raises ``ValueError`` where it doesn't fit."""
    values = torch.from_numpy(np.frombuffer(weights, "<f4", offset=_HEADER.size).copy())
    tensors = _in_order(network)
    if len(values) != sum(tensor.numel() for tensor in tensors):
        raise ValueError(f"the weights file holds {len(values)} values, which is not what the network has")
    parts = values.split([tensor.numel() for tensor in tensors])
    with torch.no_grad():
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))


def _in_order(network: DarknetNetwork) -> list[Tensor]:
    """All that a weights file holds, in its order."""
    tensors = []
    for block in network.convolutions.values():
        convolution, normalisation = block[0], block[1]
        if isinstance(normalisation, nn.BatchNorm2d):
            means = [normalisation.running_mean, normalisation.running_var]
            tensors += [normalisation.bias, normalisation.weight, *means]
        else:
            tensors.append(convolution.bias)
        tensors.append(convolution.weight)
    return tensors


def _convolution(operation: Convolution) -> nn.Sequential:
    if operation.activation not in _ACTIVATIONS:
        raise NotImplementedError(f"activation={operation.activation} is not trained here")
    convolution = nn.Conv2d(
        operation.in_channels,
        operation.filters,
        operation.size,
        operation.stride,
        operation.padding * operation.dilation,
        operation.dilation,
        operation.groups,
        bias=not operation.batch_normalize,
    )
    normalisation = (
        nn.BatchNorm2d(operation.filters, eps=_EPSILON, momentum=0.03) if operation.batch_normalize else nn.Identity()
    )
    return nn.Sequential(convolution, normalisation, _ACTIVATIONS[operation.activation]())


def _without_weights(layer: Layer, inputs: list[Tensor]) -> Tensor:
    match layer.operation:
        case Upsample(factor, scale):
            return functional.interpolate(inputs[0], scale_factor=factor, mode="nearest") * scale
        case Route(groups, group_id):
            return torch.cat([part.chunk(groups, dim=1)[group_id] for part in inputs], dim=1)
        case MaxPool(size, stride, padding):
            before, after = padding // 2, padding - padding // 2
            padded = functional.pad(inputs[0], (before, after, before, after), value=float("-inf"))
            return functional.max_pool2d(padded, size, stride)
        case Shortcut("linear") if len({part.shape[1] for part in inputs}) == 1:
            return torch.stack(inputs).sum(dim=0) if len(inputs) > 2 else inputs[0] + inputs[1]
    raise NotImplementedError(f"[{layer.section.name}] of line {layer.section.line} is not trained here")
