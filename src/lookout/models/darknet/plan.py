"""Sections of a ``cfg`` -> the plan of a network, or the error that says what is wrong with it.

All shapes follow from the cfg alone, so all that could be wrong with a network is found here, before a byte of
its weights is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

from lookout.core.framing import LARGEST_SIDE
from lookout.models.darknet.cfg import Section
from lookout.models.darknet.layers import Layer, Plan, Shape
from lookout.models.darknet.sections import read_layer

# A gibibyte of float32: far over any published network, and far under what an allocation would fail at.
_LARGEST_MAP = 2**28
_MOST_LAYERS = 4096  # some eight times as many as the deepest published network


def make_plan(sections: Sequence[Section]) -> Plan:
    """Plan the network that the sections describe.

    Raises ``DarknetError``, naming the section and its line, for what is missing, wrong or not supported.
    """
    net = sections[0]
    images, letterbox = _read_net(net)
    if len(sections) - 1 > _MOST_LAYERS:
        raise net.error(f"is followed by {len(sections) - 1} sections; Lookout runs networks of up to {_MOST_LAYERS}")
    layers: list[Layer] = []
    for section in sections[1:]:
        layer = read_layer(section, Plan(images, layers))
        _check_size(section, layer.shape)
        layers.append(layer)
    plan = Plan(images, tuple(layers), letterbox)
    _check_heads(net, plan)
    return plan


def weight_count(sections: Sequence[Section]) -> int:
    r"""Count the float32 that the weights file of a cfg holds after its header.

    >>> from lookout.models.darknet.cfg import parse_cfg
    >>> conv = "[convolutional]\nfilters=6\nsize=3\nbatch_normalize=1"
    >>> weight_count(parse_cfg(f"[net]\nwidth=32\nheight=32\n{conv}\n[yolo]\nclasses=1\nanchors=9,9"))
    186
    """
    return make_plan(sections).value_count


def _read_net(net: Section) -> tuple[Shape, bool]:
    """The shape of the images, and whether they are letterboxed."""
    if net.name not in ("net", "network"):
        raise net.error("comes first, where [net] should be: is it the whole file?")
    images = Shape(net.integer("channels", 3), net.integer("height", least=1), net.integer("width", least=1))
    for key, side in (("width", images.width), ("height", images.height)):
        if side > LARGEST_SIDE:
            raise net.error(f"{key}={side} is more than the {LARGEST_SIDE} that Lookout runs", key)
    if images.channels != 3:
        raise net.error(f"has channels={images.channels}; Lookout detects in colour pictures only", "channels")
    _check_size(net, images)
    return images, net.integer("letter_box", 0) != 0


def _check_size(section: Section, shape: Shape) -> None:
    if shape.size > _LARGEST_MAP:
        raise section.error(f"makes a map of {shape}, which is larger than Lookout runs")


def _check_heads(net: Section, plan: Plan) -> None:
    heads = plan.head_layers
    if not heads:
        raise net.error("is followed by no [yolo] and no [region]: is it a detection network, and the whole file?")
    if len({head.classes for head in heads}) > 1:
        raise net.error("is followed by [yolo] or [region] sections with different classes=; they must agree")
