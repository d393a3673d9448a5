"""A Darknet network, ``cfg`` and ``weights`` -> the same network as ONNX, which every engine reads.

Four steps: :mod:`~lookout.models.darknet.cfg` reads the text, :mod:`~lookout.models.darknet.plan` plans the
layers that its sections describe, :mod:`~lookout.models.darknet.weights` reads the values that they need, and
:mod:`~lookout.models.darknet.graph` makes nodes and constants of both.

The ``[yolo]`` and ``[region]`` sections don't become nodes. The maps that they read are the network's outputs,
and :func:`lookout.core.heads.darknet_rows` decodes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lookout.core.detections import FloatArray
from lookout.core.framing import InputFormat
from lookout.core.heads import DarknetHead
from lookout.models.darknet.cfg import Section, parse_cfg
from lookout.models.darknet.graph import serialise
from lookout.models.darknet.layers import Plan
from lookout.models.darknet.plan import make_plan, weight_count
from lookout.models.darknet.weights import folded, read_values
from lookout.models.external_data import WeightsFile

__all__ = ["ImportedNetwork", "Plan", "Section", "import_darknet", "make_plan", "parse_cfg", "weight_count"]

_GREY = 128  # half of full, around pictures that are letterboxed


@dataclass(frozen=True, slots=True, eq=False)
class ImportedNetwork:
    """A network as it will be in ONNX: its layers, and the kernels and biases of each convolution, in turn.

    The input is "images", float32 (1, 3, height, width); the outputs are float32
    (1, anchors * (5 + classes), h, w), one to each of ``head.layers``.
    """

    plan: Plan
    weights: tuple[FloatArray, ...]
    labels: ClassVar[None] = None  # Darknet has them in a file that no cfg names

    @property
    def input_format(self) -> InputFormat:
        """What it wants to be fed."""
        width, height = self.plan.images.width, self.plan.images.height
        if self.plan.letterbox:
            return InputFormat(width, height, "letterbox-centred", "rgb", 1 / 255, _GREY)
        return InputFormat(width, height, "stretch", "rgb", 1 / 255)

    @property
    def head(self) -> DarknetHead:
        """How its outputs are read."""
        return DarknetHead(self.plan.head_layers)

    def graph(self, weights: WeightsFile) -> bytes:
        """The serialised ONNX model without its large weights, which go into their file."""
        return serialise(self.plan, self.weights, weights)


def import_darknet(
    cfg: str, weights: bytes, *, cfg_name: str = "network.cfg", weights_name: str = "network.weights"
) -> ImportedNetwork:
    """Import a network from the text of its ``cfg`` and the bytes of its ``weights``.

    The names are what errors call the two. Equal arguments give equal files. Raises ``DarknetError`` when the
    cfg describes no network that Lookout runs, or the weights don't fit it.
    """
    plan = make_plan(parse_cfg(cfg, cfg_name))
    values = read_values(weights, plan.value_count, cfg_name, weights_name)
    return ImportedNetwork(plan, tuple(folded(plan, values, weights_name)))
