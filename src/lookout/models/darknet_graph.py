"""The sections of a Darknet ``cfg`` -> layers with their sources, shapes and parameters, as plain data.

Darknet numbers its layers from 0, starting after ``[net]``; each takes the output of the one before it unless
it names others, relative to itself (negative) or absolutely. All shapes follow from the cfg alone, so all
that could be wrong with a network is found here, before a byte of its weights is looked at.

Source: AlexeyAB/darknet ``parser.c`` for keys and defaults, ``convolutional_layer.c``, ``maxpool_layer.c``,
``route_layer.c``, ``shortcut_layer.c``, ``sam_layer.c`` and ``scale_channels_layer.c`` for sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lookout.core.heads import YoloLayer
from lookout.models.darknet_cfg import Section

IMAGES = -1
"""The source that is the network's input, and not a layer."""

ACTIVATIONS = ("leaky", "linear", "logistic", "mish", "relu", "relu6", "swish")

# A gibibyte of float32: far over any published network, and far under what an allocation would fail at.
_LARGEST_MAP = 2**28


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of one feature map."""

    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.channels} x {self.height} x {self.width}"


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution; ``padding`` is on each side, before dilation."""

    in_channels: int
    filters: int
    size: int
    stride: int
    padding: int
    dilation: int
    groups: int
    batch_normalize: bool
    activation: str

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """Of the kernels in the weights file: (filters, channels of a group, size, size)."""
        return self.filters, self.in_channels // self.groups, self.size, self.size

    @property
    def value_count(self) -> int:
        """How many float32 the weights file holds for it."""
        vectors = 4 if self.batch_normalize else 1
        filters, channels, height, width = self.kernel_shape
        return filters * (vectors + channels * height * width)


@dataclass(frozen=True, slots=True)
class MaxPool:
    """A maximum; ``padding`` is the sum of both sides, the larger half of it right and below."""

    size: int
    stride: int
    padding: int


@dataclass(frozen=True, slots=True)
class AveragePool:
    """The mean of each channel."""


@dataclass(frozen=True, slots=True)
class Upsample:
    """Each cell repeated ``factor`` times both ways and multiplied by ``scale``."""

    factor: int
    scale: float


@dataclass(frozen=True, slots=True)
class Route:
    """Group ``group_id`` of ``groups`` of each source's channels, one source after the other."""

    groups: int
    group_id: int


@dataclass(frozen=True, slots=True)
class Shortcut:
    """The sum of the sources, in the channels of the first: others are cut, or filled up with zeros."""

    activation: str


@dataclass(frozen=True, slots=True)
class Product:
    """The product of two sources: of equal size in ``[sam]``, the first one cell in ``[scale_channels]``."""

    activation: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What the source says: ``[dropout]`` when not training."""


Operation = Convolution | MaxPool | AveragePool | Upsample | Route | Shortcut | Product | Unchanged | YoloLayer


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: the section it comes from, what it reads, the shape of what it writes, and what it does."""

    section: Section
    sources: tuple[int, ...]
    shape: Shape
    operation: Operation


@dataclass(frozen=True, slots=True)
class Plan:
    """A network without its weights."""

    images: Shape
    layers: Sequence[Layer]

    def shape(self, source: int) -> Shape:
        """Tell the shape of a layer's output, or of the ``IMAGES``."""
        return self.images if source == IMAGES else self.layers[source].shape

    @property
    def yolo_layers(self) -> tuple[YoloLayer, ...]:
        """The ``[yolo]`` sections, in order."""
        return tuple(layer.operation for layer in self.layers if isinstance(layer.operation, YoloLayer))

    @property
    def value_count(self) -> int:
        """How many float32 the weights file holds after its header."""
        operations = (layer.operation for layer in self.layers)
        return sum(operation.value_count for operation in operations if isinstance(operation, Convolution))


def make_plan(sections: Sequence[Section]) -> Plan:
    """Plan the network that the sections describe.

    Raises ``DarknetError``, naming the section and its line, for what is missing, wrong or not supported.
    """
    net = sections[0]
    if net.name not in ("net", "network"):
        raise net.error("comes first, where [net] should be: is it the whole file?")
    images = Shape(net.integer("channels", 3), net.integer("height", least=1), net.integer("width", least=1))
    if images.channels != 3:
        raise net.error(f"has channels={images.channels}; Lookout detects in colour pictures only", "channels")
    _check_size(net, images)
    layers: list[Layer] = []
    for section in sections[1:]:
        layer = _read_layer(section, Plan(images, layers))
        _check_size(section, layer.shape)
        layers.append(layer)
    plan = Plan(images, tuple(layers))
    _check_heads(net, plan)
    return plan


def weight_count(sections: Sequence[Section]) -> int:
    r"""Count the float32 that the weights file of a cfg holds after its header.

    >>> from lookout.models.darknet_cfg import parse_cfg
    >>> conv = "[convolutional]\nfilters=6\nsize=3\nbatch_normalize=1"
    >>> weight_count(parse_cfg(f"[net]\nwidth=32\nheight=32\n{conv}\n[yolo]\nclasses=1\nanchors=9,9"))
    186
    """
    return make_plan(sections).value_count


def _read_layer(section: Section, plan: Plan) -> Layer:
    read = _READERS.get(section.name)
    if read is None:
        known = ", ".join(sorted(_READERS))
        raise section.error(f"is not supported; Lookout imports networks made of {known}")
    for key, neutral in _REFUSED.get(section.name, {}).items():
        if section.word(key, neutral) != neutral:
            raise section.error(f"{key}={section.word(key, neutral)[:40]} is not supported", key)
    return read(section, plan)


def _read_convolution(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    size = section.integer("size", 1, least=1)
    pad = size // 2 if section.integer("pad", 0) else section.integer("padding", 0, least=0)
    operation = Convolution(
        in_channels=shape.channels,
        filters=section.integer("filters", least=1),
        size=size,
        stride=section.integer("stride", 1, least=1),
        padding=pad,
        dilation=section.integer("dilation", 1, least=1) if size > 1 else 1,
        groups=section.integer("groups", 1, least=1),
        batch_normalize=section.integer("batch_normalize", 0) != 0,
        activation=_activation(section, "logistic"),
    )
    if shape.channels % operation.groups or operation.filters % operation.groups:
        sizes = f"{shape.channels} channels and {operation.filters} filters"
        raise section.error(f"groups={operation.groups} does not divide {sizes}", "groups")
    reach = operation.dilation * (size - 1) + 1
    height, width = _windows(section, shape, reach, operation.stride, 2 * pad * operation.dilation)
    return Layer(section, (source,), Shape(operation.filters, height, width), operation)


def _read_max_pool(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    stride = section.integer("stride", 1, least=1)
    size = section.integer("size", stride, least=1)
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
    factor = section.integer("stride", 2, least=1)
    larger = Shape(shape.channels, shape.height * factor, shape.width * factor)
    return Layer(section, (source,), larger, Upsample(factor, section.number("scale", 1.0)))


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
    return Layer(section, (source, *others), shape, Shortcut(_activation(section, "linear")))


def _read_sam(section: Section, plan: Plan) -> Layer:
    source, shape, other = _pair(section, plan)
    _check_same_cells(section, shape, plan.shape(other))
    return Layer(section, (source, other), shape, Product(_activation(section, "linear")))


def _read_scale_channels(section: Section, plan: Plan) -> Layer:
    source, shape, other = _pair(section, plan)
    _check_same_cells(section, shape, Shape(shape.channels, 1, 1))
    return Layer(section, (source, other), plan.shape(other), Product(_activation(section, "linear")))


def _read_dropout(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    return Layer(section, (source,), shape, Unchanged())


def _read_yolo(section: Section, plan: Plan) -> Layer:
    source, shape = _previous(section, plan)
    operation = YoloLayer(
        anchors=_anchors(section),
        classes=section.integer("classes", 20, least=1),
        scale_x_y=section.number("scale_x_y", 1.0),
        new_coords=section.integer("new_coords", 0) != 0,
    )
    wanted = len(operation.anchors) * (5 + operation.classes)
    if shape.channels != wanted:
        reason = f"{len(operation.anchors)} anchors of 5 + {operation.classes} values need {wanted} channels"
        raise section.error(f"reads {shape.channels} channels, but its {reason}")
    return Layer(section, (source,), shape, operation)


def _anchors(section: Section) -> tuple[tuple[float, float], ...]:
    """Read the anchors that the mask selects; all, without a mask."""
    sides = section.numbers("anchors")
    if len(sides) % 2 or min(sides) <= 0:
        raise section.error("anchors= must be pairs of positive numbers", "anchors")
    pairs = list(zip(sides[::2], sides[1::2], strict=True))
    mask = section.integers("mask", least=0) if "mask" in section.options else range(len(pairs))
    if max(mask) >= len(pairs):
        raise section.error(f"mask= selects anchor {max(mask)} of {len(pairs)}, counted from 0", "mask")
    return tuple(pairs[index] for index in mask)


_READERS: dict[str, Callable[[Section, Plan], Layer]] = {
    "avgpool": _read_average_pool,
    "convolutional": _read_convolution,
    "dropout": _read_dropout,
    "maxpool": _read_max_pool,
    "route": _read_route,
    "sam": _read_sam,
    "scale_channels": _read_scale_channels,
    "shortcut": _read_shortcut,
    "upsample": _read_upsample,
    "yolo": _read_yolo,
}

# Options that change what a layer computes or what the weights file holds, and the value at which they don't.
_REFUSED: dict[str, dict[str, str]] = {
    "convolutional": {
        **dict.fromkeys(("antialiasing", "assisted_excitation", "binary", "bin_output", "deform"), "0"),
        **dict.fromkeys(("dontload", "dontloadscales", "flipped", "rotate", "stretch"), "0"),
        **dict.fromkeys(("stretch_sway", "sway", "xnor"), "0"),
        **dict.fromkeys(("share_index", "stride_x", "stride_y"), ""),
    },
    "maxpool": {"antialiasing": "0", "maxpool_depth": "0", "stride_x": "", "stride_y": ""},
    "scale_channels": {"scale_wh": "0"},
    "shortcut": {"alpha": "1", "beta": "1", "weights_type": "none"},
}


def _previous(section: Section, plan: Plan) -> tuple[int, Shape]:
    """Find the layer before the section (or the images), and its shape."""
    source = len(plan.layers) - 1
    _check_readable(section, plan, source)
    return source, plan.shape(source)


def _named(section: Section, plan: Plan, key: str) -> tuple[int, ...]:
    """Find the layers that a key names."""
    here = len(plan.layers)
    sources = []
    for number in section.integers(key):
        source = here + number if number < 0 else number
        if not 0 <= source < here:
            raise section.error(f"{key}={number} is not one of the {here} layers before it", key)
        _check_readable(section, plan, source)
        sources.append(source)
    return tuple(sources)


def _pair(section: Section, plan: Plan) -> tuple[int, Shape, int]:
    """Find the layer before the section, its shape, and the one of as many channels that ``from=`` names."""
    source, shape = _previous(section, plan)
    others = _named(section, plan, "from")
    if len(others) != 1 or plan.shape(others[0]).channels != shape.channels:
        raise section.error(f"from= must name one layer of {shape.channels} channels", "from")
    return source, shape, others[0]


def _activation(section: Section, default: str) -> str:
    name = section.word("activation", default)
    if name not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise section.error(f"activation={name[:40]} is not supported; Lookout knows {known}", "activation")
    return name


def _windows(section: Section, shape: Shape, size: int, stride: int, padding: int) -> tuple[int, int]:
    """Height and width of what is left when a window moves over a padded map."""
    if min(shape.height, shape.width) + padding < size:
        raise section.error(f"has windows of {size}, more than its input of {shape} and its padding hold")
    return (shape.height + padding - size) // stride + 1, (shape.width + padding - size) // stride + 1


def _check_readable(section: Section, plan: Plan, source: int) -> None:
    """Refuse to read a ``[yolo]``: Darknet hands on decoded boxes there, which no published network reads."""
    if source != IMAGES and isinstance(plan.layers[source].operation, YoloLayer):
        line = plan.layers[source].section.line
        raise section.error(f"reads the [yolo] of line {line}, whose output can't be read; add a [route]")


def _check_same_cells(section: Section, one: Shape, other: Shape) -> None:
    if (one.height, one.width) != (other.height, other.width):
        raise section.error(f"joins maps of {one} and {other}, whose height and width must be the same")


def _check_size(section: Section, shape: Shape) -> None:
    if shape.channels * shape.height * shape.width > _LARGEST_MAP:
        raise section.error(f"makes a map of {shape}, which is larger than Lookout runs")


def _check_heads(net: Section, plan: Plan) -> None:
    heads = plan.yolo_layers
    if not heads:
        raise net.error("is followed by no [yolo] section: is it a detection network, and the whole file?")
    if len({head.classes for head in heads}) > 1:
        raise net.error("is followed by [yolo] sections with different classes=; they must agree")
