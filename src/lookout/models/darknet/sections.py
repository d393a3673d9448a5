"""One section of a Darknet ``cfg`` -> the layer that it describes, by what the layers before it write.

Darknet numbers its layers from 0, starting after ``[net]``; each takes the output of the one before it unless
it names others, relative to itself (negative) or absolutely. What changes only the training is stepped over;
what changes what a layer computes, and isn't known here, is an error.

Source: AlexeyAB/darknet ``parser.c`` for names, keys and defaults, ``convolutional_layer.c``,
``maxpool_layer.c``, ``reorg_layer.c``, ``reorg_old_layer.c``, ``route_layer.c``, ``shortcut_layer.c``,
``sam_layer.c`` and ``scale_channels_layer.c`` for sizes, ``yolo_layer.c`` and ``region_layer.c`` for the heads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lookout.core.heads import RegionLayer, YoloLayer
from lookout.models.darknet.cfg import Section
from lookout.models.darknet.layers import (
    IMAGES,
    AveragePool,
    Convolution,
    HeadLayer,
    Layer,
    MaxPool,
    Plan,
    Product,
    Reorg,
    Route,
    Shape,
    Shortcut,
    Unchanged,
    Upsample,
)
from lookout.models.darknet.refusals import check_options, unknown_section

ACTIVATIONS = ("leaky", "linear", "logistic", "mish", "relu", "relu6", "swish")
"""Of ``[convolutional]`` and ``[shortcut]``."""

_PRODUCT_ACTIVATIONS = ("leaky", "linear", "logistic", "relu", "relu6")
# Windows as large as the largest published inputs; engines take forever over absurd ones.
_LARGEST_WINDOW = 2048


def read_layer(section: Section, plan: Plan) -> Layer:
    """Read the layer that comes after those of the plan.

    Raises ``DarknetError``, naming the section and its line, for what is missing, wrong or not supported.
    """
    name = ALIASES.get(section.name, section.name)
    if name not in READERS:
        raise unknown_section(section, sorted(READERS))
    check_options(section, name)
    return READERS[name](section, plan)


def _read_convolution(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    size = section.integer("size", 1, least=1)
    pad = size // 2 if section.integer("pad", 0) else section.integer("padding", 0, least=0)
    operation = Convolution(
        in_channels=shape.channels,
        filters=section.integer("filters", least=1),
        size=size,
        stride=_stride(section),
        padding=pad,
        dilation=section.integer("dilation", 1, least=1) if size > 1 else 1,
        groups=section.integer("groups", 1, least=1),
        batch_normalize=section.integer("batch_normalize", 0) != 0 or section.integer("cbn", 0) != 0,
        activation=_activation(section, ACTIVATIONS, "logistic"),
    )
    if shape.channels % operation.groups or operation.filters % operation.groups:
        sizes = f"{shape.channels} channels and {operation.filters} filters"
        raise section.error(f"groups={operation.groups} does not divide {sizes}", "groups")
    if operation.dilation > 1 and 2 * pad != size - 1:
        # Darknet counts the windows as if there were no dilation, which is right for this padding alone.
        raise section.error(f"dilation={operation.dilation} needs an odd size= and pad=1", "dilation")
    reach = operation.dilation * (size - 1) + 1
    height, width = _windows(section, shape, reach, operation.stride, 2 * pad * operation.dilation)
    return Layer(section, (source,), Shape(operation.filters, height, width), operation)


def _read_max_pool(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    stride = _stride(section)
    size = section.integer("size", section.integer("stride", 1), least=1)
    padding = section.integer("padding", size - 1, least=0)
    if padding > 2 * (size - 1):
        raise section.error(f"padding={padding} leaves windows of size={size} that see nothing", "padding")
    height, width = _windows(section, shape, size, stride, padding)
    return Layer(section, (source,), Shape(shape.channels, height, width), MaxPool(size, stride, padding))


def _read_average_pool(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    return Layer(section, (source,), Shape(shape.channels, 1, 1), AveragePool())


def _read_upsample(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    if section.integer("stride", 2) < 0:
        raise section.error("stride= below 0, which makes the map smaller, is not supported", "stride")
    factor = section.integer("stride", 2, least=1)
    larger = Shape(shape.channels, shape.height * factor, shape.width * factor)
    return Layer(section, (source,), larger, Upsample(factor, section.number("scale", 1.0)))


def _read_reorg(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    stride, smaller = _smaller(section, shape)
    if shape.channels % stride**2:
        raise section.error(f"has {shape.channels} channels, which its stride={stride} squared does not divide")
    blocks = replace(shape, channels=shape.channels // stride**2)
    return Layer(section, (source,), smaller, Reorg(stride, blocks))


def _read_reorg3d(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    stride, smaller = _smaller(section, shape)
    return Layer(section, (source,), smaller, Reorg(stride, replace(smaller, channels=shape.channels)))


def _smaller(section: Section, shape: Shape) -> tuple[int, Shape]:
    """The stride, and what is left of a map whose blocks of cells become channels."""
    stride = section.integer("stride", 1, least=1)
    if shape.height % stride or shape.width % stride:
        raise section.error(f"has a map of {shape}, whose height and width its stride={stride} does not divide")
    return stride, Shape(shape.channels * stride**2, shape.height // stride, shape.width // stride)


def _read_route(section: Section, plan: Plan) -> Layer:
    sources = _named(section, plan, "layers")
    groups = section.integer("groups", 1, least=1)
    group_id = section.integer("group_id", 0, least=0)
    if group_id >= groups:
        raise section.error(f"group_id={group_id} is not one of {groups} groups", "group_id")
    first, *others = shapes = [plan.shape(source) for source in sources]
    for shape in others:
        _check_same_cells(section, first, shape)
    if any(shape.channels % groups for shape in shapes):
        raise section.error(f"groups={groups} does not divide the channels of its layers", "groups")
    channels = sum(shape.channels // groups for shape in shapes)
    return Layer(section, sources, replace(first, channels=channels), Route(groups, group_id))


def _read_shortcut(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    others = _named(section, plan, "from")
    for other in others:
        _check_same_cells(section, shape, plan.shape(other))
    return Layer(section, (source, *others), shape, Shortcut(_activation(section, ACTIVATIONS, "linear")))


def _read_sam(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    (other,) = _named(section, plan, "from", most=1)
    if plan.shape(other) != shape:
        raise section.error(f"multiplies maps of {shape} and {plan.shape(other)}, which must be the same")
    operation = Product(_activation(section, _PRODUCT_ACTIVATIONS, "linear"))
    return Layer(section, (source, other), shape, operation)


def _read_scale_channels(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    (other,) = _named(section, plan, "from", most=1)
    scaled = plan.shape(other)
    # By one factor a channel, or with scale_wh by one a cell.
    by_cell = section.integer("scale_wh", 0) != 0
    wanted = replace(scaled, channels=1) if by_cell else Shape(scaled.channels, 1, 1)
    if shape != wanted:
        raise section.error(f"scales a map of {scaled} by one of {shape}, which must be {wanted}")
    operation = Product(_activation(section, _PRODUCT_ACTIVATIONS, "linear"))
    return Layer(section, (source, other), scaled, operation)


def _read_dropout(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    return Layer(section, (source,), shape, Unchanged())


def _read_yolo(section: Section, plan: Plan) -> Layer:
    anchors = _anchors(section)
    mask = section.integers("mask", least=0) if "mask" in section.options else range(len(anchors))
    if max(mask) >= len(anchors):
        raise section.error(f"mask= selects anchor {max(mask)} of {len(anchors)}, counted from 0", "mask")
    operation = YoloLayer(
        anchors=tuple(anchors[index] for index in mask),
        classes=section.integer("classes", 20, least=1),
        scale_x_y=section.number("scale_x_y", 1.0),
        new_coords=section.integer("new_coords", 0) != 0,
    )
    return _head(section, plan, operation)


def _read_region(section: Section, plan: Plan) -> Layer:
    if section.integer("softmax", 0) == 0:
        raise section.error("without softmax=1 is not supported", "softmax")
    return _head(section, plan, RegionLayer(_anchors(section), section.integer("classes", 20, least=1)))


def _head(section: Section, plan: Plan, operation: HeadLayer) -> Layer:
    source, shape = _previous(section, plan)
    wanted = len(operation.anchors) * (5 + operation.classes)
    if shape.channels != wanted:
        reason = f"{len(operation.anchors)} anchors of 5 + {operation.classes} values need {wanted} channels"
        raise section.error(f"reads {shape.channels} channels, but its {reason}")
    return Layer(section, (source,), shape, operation)


def _anchors(section: Section) -> tuple[tuple[float, float], ...]:
    """Read the pairs of ``anchors=``, the first ``num=`` of them."""
    sides = section.numbers("anchors")
    if len(sides) % 2 or min(sides) <= 0:
        raise section.error("anchors= must be pairs of positive numbers", "anchors")
    pairs = tuple(zip(sides[::2], sides[1::2], strict=True))
    count = section.integer("num", len(pairs), least=1)
    if count > len(pairs):
        raise section.error(f"num={count} asks for more than the {len(pairs)} pairs of anchors=", "num")
    return pairs[:count]


READERS: dict[str, Callable[[Section, Plan], Layer]] = {
    "avgpool": _read_average_pool,
    "convolutional": _read_convolution,
    "dropout": _read_dropout,
    "maxpool": _read_max_pool,
    "region": _read_region,
    "reorg": _read_reorg,
    "reorg3d": _read_reorg3d,
    "route": _read_route,
    "sam": _read_sam,
    "scale_channels": _read_scale_channels,
    "shortcut": _read_shortcut,
    "upsample": _read_upsample,
    "yolo": _read_yolo,
}

ALIASES = {"avg": "avgpool", "conv": "convolutional", "max": "maxpool"}


def _previous(section: Section, plan: Plan) -> tuple[int, Shape]:
    """Find the layer before the section (or the images), and its shape."""
    source = len(plan.layers) - 1
    _check_readable(section, plan, source)
    return source, plan.shape(source)


def _named(section: Section, plan: Plan, key: str, most: int = 64) -> tuple[int, ...]:
    """Find the layers that a key names."""
    here = len(plan.layers)
    numbers = section.integers(key)
    if len(numbers) > most:
        raise section.error(f"{key}= names {len(numbers)} layers; at most {most} are supported", key)
    sources = []
    for number in numbers:
        source = here + number if number < 0 else number
        if not 0 <= source < here:
            raise section.error(f"{key}={number} is not one of the {here} layers before it", key)
        _check_readable(section, plan, source)
        sources.append(source)
    return tuple(sources)


def _stride(section: Section) -> int:
    """The step of windows, which must be the same both ways."""
    stride = section.integer("stride", 1, least=1)
    across, down = (section.integer(key, stride, least=1) for key in ("stride_x", "stride_y"))
    if across != down:
        raise section.error(f"has steps of {across} across and {down} down; only equal ones are supported")
    return across


def _activation(section: Section, known_names: tuple[str, ...], default: str) -> str:
    name = section.word("activation", default)
    if name not in known_names:
        known = ", ".join(known_names)
        raise section.error(f"activation={name[:40]} is not supported; here Lookout knows {known}", "activation")
    return name


def _windows(section: Section, shape: Shape, size: int, stride: int, padding: int) -> tuple[int, int]:
    """Height and width of what is left when a window moves over a padded map."""
    if size > _LARGEST_WINDOW:
        raise section.error(f"has windows of {size}; up to {_LARGEST_WINDOW} are supported")
    if min(shape.height, shape.width) + padding < size:
        raise section.error(f"has windows of {size}, more than its input of {shape} and its padding hold")
    return (shape.height + padding - size) // stride + 1, (shape.width + padding - size) // stride + 1


def _check_readable(section: Section, plan: Plan, source: int) -> None:
    """Refuse to read a head: Darknet hands on decoded boxes there, which no published network reads."""
    if source != IMAGES and isinstance(plan.layers[source].operation, HeadLayer):
        head = plan.layers[source].section
        raise section.error(f"reads the [{head.name}] of line {head.line}, whose output can't be read; add a [route]")


def _check_same_cells(section: Section, one: Shape, other: Shape) -> None:
    if (one.height, one.width) != (other.height, other.width):
        raise section.error(f"joins maps of {one} and {other}, whose height and width must be the same")
