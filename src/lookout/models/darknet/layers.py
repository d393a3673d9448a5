"""A Darknet network as plain data: layers with their sources, the shapes of their outputs, and what they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lookout.core.heads import RegionLayer, YoloLayer
from lookout.models.darknet.cfg import Section

IMAGES = -1
"""The source that is the network's input, and not a layer."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of one feature map."""

    channels: int
    height: int
    width: int

    @property
    def size(self) -> int:
        """How many values it holds."""
        return self.channels * self.height * self.width

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
class Reorg:
    """Blocks of ``stride`` x ``stride`` cells moved into channels.

    The input is read as blocks (channels, height, stride, width, stride) and written as (stride, stride,
    channels, height, width), where ``blocks`` has the channels, height and width.

    In ``[reorg3d]`` (``reorg_layer.c``) the blocks are those of the map, which makes a space-to-depth. In
    ``[reorg]`` (``reorg_old_layer.c``) the values of the map are read as if they were one of stride times the
    height and width and a stride squared of the channels, which mixes cells that are no neighbours. YOLOv2 was
    trained with that, so it belongs to its weights.
    """

    stride: int
    blocks: Shape


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
    """The product of two sources: of equal size in ``[sam]``, the first one cell or channel in ``[scale_channels]``."""

    activation: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What the source says: ``[dropout]`` when not training."""


HeadLayer = YoloLayer | RegionLayer
Operation = Convolution | MaxPool | AveragePool | Upsample | Reorg | Route | Shortcut | Product | Unchanged | HeadLayer


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: the section it comes from, what it reads, the shape of what it writes, and what it does."""

    section: Section
    sources: tuple[int, ...]
    shape: Shape
    operation: Operation


@dataclass(frozen=True, slots=True)
class Plan:
    """A network without its weights; ``letterbox`` says that it wants pictures that keep their shape."""

    images: Shape
    layers: Sequence[Layer]
    letterbox: bool = False

    def shape(self, source: int) -> Shape:
        """Tell the shape of a layer's output, or of the ``IMAGES``."""
        return self.images if source == IMAGES else self.layers[source].shape

    @property
    def head_layers(self) -> tuple[HeadLayer, ...]:
        """The ``[yolo]`` and ``[region]`` sections, in order."""
        return tuple(layer.operation for layer in self.layers if isinstance(layer.operation, HeadLayer))

    @property
    def value_count(self) -> int:
        """How many float32 the weights file holds after its header."""
        operations = (layer.operation for layer in self.layers)
        return sum(operation.value_count for operation in operations if isinstance(operation, Convolution))
