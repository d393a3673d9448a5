"""The networks whose golden outputs lie in ``tests/golden``: one small one a layer type and option, and whole ones.

Both the maker of the golden files and the tests build them here, from the same text, weights and images.
"""

from __future__ import annotations

import re

import numpy as np

from helpers.darknet_weights import make_weights

_LEAD = "[convolutional]\nfilters=16\nsize=1\nactivation=linear\n"
_CONV = "[convolutional]\nfilters=16\nactivation=linear\n"
_DOUBLED = "[shortcut]\nfrom=-1\n"  # twice what was there
_MAX = "[maxpool]\nsize=3\nstride=1\n"
# Without these two, OpenCV drops low scores and suppresses by itself. Lookout steps over them.
_ALL = "thresh=0\nnms_threshold=0\n"


def _case(layers: str, channels: int = 16, wh: tuple[int, int] = (8, 4)) -> str:
    """A network of 16 channels, the layers in question, and a head of one anchor that fits their output."""
    head = f"[yolo]\nmask=0\nanchors=4,5\nnum=1\nclasses={channels - 5}\n{_ALL}"
    return f"{_net(wh)}{_LEAD}{layers}\n{head}"


def _heads(heads: str, filters: int, activation: str = "linear") -> str:
    """A network with one map of so many channels, and what reads it."""
    return f"{_net((8, 4))}{_LEAD}[convolutional]\nfilters={filters}\nsize=1\nactivation={activation}\n{heads}"


def _net(wh: tuple[int, int]) -> str:
    return f"[net]\nwidth={wh[0]}\nheight={wh[1]}\nchannels=3\n"


def _yolo(options: str) -> str:
    return f"[yolo]\nanchors=4,5, 6,3, 7.5,8\nnum=3\nclasses=3\n{options}\n{_ALL}"


_ODD = (9, 7)

SMALL = {
    "convolution 1": _case(f"{_CONV}size=1"),
    "convolution 3": _case(f"{_CONV}size=3\npad=1"),
    "convolution 3 unpadded": _case(f"{_CONV}size=3"),
    "convolution 3 step 2": _case(f"{_CONV}size=3\nstride=2\npad=1", wh=_ODD),
    "convolution 5 step 3 padding 1": _case(f"{_CONV}size=5\nstride=3\npadding=1", wh=_ODD),
    "convolution 2": _case(f"{_CONV}size=2\npad=1", wh=_ODD),
    "convolution 4 step 2 padding 1": _case(f"{_CONV}size=4\nstride=2\npad=0\npadding=1"),
    "convolution pad wins": _case(f"{_CONV}size=3\npad=1\npadding=7"),
    "convolution grouped": _case(f"{_CONV}size=3\npad=1\ngroups=4"),
    "convolution depthwise": _case(f"{_CONV}size=3\nstride=2\npad=1\ngroups=16"),
    "convolution dilated": _case(f"{_CONV}size=3\npad=1\ndilation=2"),
    "convolution 1 dilated": _case(f"{_CONV}size=1\ndilation=3"),
    "convolution step in x and y": _case(f"{_CONV}size=3\npad=1\nstride_x=2\nstride_y=2"),
    "convolution normalised": _case(f"{_CONV}size=3\npad=1\nbatch_normalize=1"),
    "convolution of little variance": _case(f"{_CONV}size=3\npad=1\nbatch_normalize=1"),
    "convolution normalised grouped": _case(f"{_CONV}size=3\npad=1\nbatch_normalize=1\ngroups=8"),
    "convolution normalised over iterations": _case(f"{_CONV}size=3\npad=1\ncbn=1"),
    "conv": _case("[conv]\nfilters=16\nsize=3\npad=1\nactivation=leaky"),
    "no activation named": _case("[convolutional]\nfilters=16\nsize=1"),
    **{
        f"activation {name}": _case(f"{_DOUBLED * 3}[shortcut]\nfrom=-2\nactivation={name}")
        for name in ("linear", "leaky", "relu", "relu6", "logistic", "swish", "mish")
    },
    **{
        f"activation {name} of a convolution": _case(f"[convolutional]\nfilters=16\nsize=1\nactivation={name}")
        for name in ("linear", "leaky", "relu", "relu6", "logistic", "swish", "mish")
    },
    "maxpool 2 step 2": _case("[maxpool]\nsize=2\nstride=2", wh=_ODD),
    "maxpool 2 step 1": _case("[maxpool]\nsize=2\nstride=1", wh=_ODD),
    "maxpool 3 step 2": _case("[maxpool]\nsize=3\nstride=2", wh=_ODD),
    "maxpool 4 step 3": _case("[maxpool]\nsize=4\nstride=3", wh=_ODD),
    "maxpool 13": _case("[maxpool]\nsize=13\nstride=1", wh=_ODD),
    "maxpool 3 padding 1": _case("[maxpool]\nsize=3\nstride=1\npadding=1", wh=_ODD),
    "maxpool padding 0": _case("[maxpool]\nsize=2\nstride=2\npadding=0", wh=_ODD),
    "maxpool size of its step": _case("[maxpool]\nstride=3", wh=_ODD),
    "maxpool of nothing named": _case("[maxpool]"),
    "max": _case("[max]\nsize=2\nstride=2", wh=_ODD),
    "spatial pyramid": _case(
        "[maxpool]\nstride=1\nsize=5\n[route]\nlayers=-2\n[maxpool]\nstride=1\nsize=9\n[route]\nlayers=-4\n"
        "[maxpool]\nstride=1\nsize=13\n[route]\nlayers=-1,-3,-5,-6",
        64,
    ),
    "avgpool": _case("[avgpool]"),
    "avg": _case("[avg]"),
    "dropout": _case("[dropout]\nprobability=.5"),
    "upsample 2": _case("[upsample]\nstride=2"),
    "upsample 3": _case("[upsample]\nstride=3"),
    "upsample scaled": _case("[upsample]\nscale=0.5"),
    "reorg 2": _case("[reorg]\nstride=2", 64),
    "reorg 4": _case("[reorg]\nstride=4", 256, (12, 8)),
    "reorg 1": _case("[reorg]\nstride=1"),
    "reorg3d 2": _case("[reorg3d]\nstride=2", 64),
    "reorg3d 4": _case("[reorg3d]\nstride=4", 256, (12, 8)),
    "route": _case(f"{_MAX}[route]\nlayers=-2"),
    "route of several": _case(f"{_MAX}[route]\nlayers=-1,-2", 32),
    "route by number": _case(f"{_MAX}[route]\nlayers=0, 1", 32),
    "route of one layer twice": _case(f"{_MAX}[route]\nlayers=0,-1,0", 48),
    "route of a group": _case(f"{_MAX}[route]\nlayers=-1\ngroups=2\ngroup_id=1", 8),
    "route of the first group": _case(f"{_MAX}[route]\nlayers=-1\ngroups=2", 8),
    "route of groups of several": _case(f"{_MAX}[route]\nlayers=-1,-2\ngroups=4\ngroup_id=1", 8),
    "shortcut": _case(f"{_MAX}[shortcut]\nfrom=-2\nactivation=linear"),
    "shortcut by number": _case(f"{_MAX}[shortcut]\nfrom=0\nactivation=leaky"),
    "shortcut from several": _case(f"{_MAX}[dropout]\n[shortcut]\nfrom=0,-1"),
    "shortcut from more channels": _case(f"{_MAX}[route]\nlayers=-1\ngroups=2\n[shortcut]\nfrom=0", 8),
    "shortcut from fewer channels": _case("[route]\nlayers=0\ngroups=2\n[route]\nlayers=0\n[shortcut]\nfrom=1"),
    "sam": _case(f"{_MAX}[sam]\nfrom=-2"),
    "sam activated": _case(f"{_MAX}[sam]\nfrom=0\nactivation=leaky"),
    "scale_channels": _case("[avgpool]\n[scale_channels]\nfrom=0"),
    "scale_channels activated": _case("[avgpool]\n[scale_channels]\nfrom=-2\nactivation=relu"),
    "scale_channels by cell": _case(
        "[convolutional]\nfilters=1\nactivation=logistic\n[scale_channels]\nfrom=0\nscale_wh=1"
    ),
    "yolo": _heads(_yolo("mask=0,2"), 16),
    "yolo scale_x_y": _heads(_yolo("mask=1,2\nscale_x_y=1.2"), 16),
    "yolo new_coords": _heads(_yolo("mask=0,1,2\nscale_x_y=2.0\nnew_coords=1"), 24, "logistic"),
    "yolo twice": _heads(f"{_yolo('mask=1')}[route]\nlayers=-2\n[maxpool]\nstride=2\n{_yolo('mask=0')}", 8),
    "yolo of all anchors": _heads(_yolo(""), 24),
    "region": _heads(f"[region]\nanchors=1.1,1.2, 3.5,2.25\nnum=2\nclasses=4\ncoords=4\nsoftmax=1\n{_ALL}", 18),
}

LACKING = {
    "activation relu6": "relu6",
    "activation relu6 of a convolution": "relu6",
    "avg": "the name",
    "conv": "the name",
    "convolution dilated": "dilation",
    "convolution normalised over iterations": "cbn",
    "convolution step in x and y": "stride_x, stride_y",
    "max": "the name",
    "maxpool of nothing named": "Darknet's default size",
    "maxpool size of its step": "Darknet's default size",
    "no activation named": "Darknet's default activation",
    "reorg3d 2": "reorg3d",
    "reorg3d 4": "reorg3d",
    "route of groups of several": "groups of more than one layer",
    "scale_channels by cell": "scale_wh",
    "shortcut from several": "more than one",
    "upsample scaled": "scale, and Darknet's default stride",
    "yolo of all anchors": "a missing mask",
    "yolov4-sam-mish-csp-reorg-bfm": "reorg3d",
}
"""What OpenCV 4's reader lacks of these networks: their golden outputs are those of ``darknet_reference``."""

EVERY_LAYER = """\
# A network of every layer type
[net]
width = 48
height=32
channels=3
learning_rate=0.001

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
groups=8
filters=8
size=3
pad=1
activation=mish

[dropout]
probability=.2

[shortcut]
from=-3
activation=linear

[maxpool]
size=2
stride=2

[avgpool]

[scale_channels]
from=-2
activation=relu

[sam]
from=-3

[convolutional]
filters=14
size=1
activation=linear

[yolo]
mask=1,2
anchors=3,4, 10,12,  30.5,20
classes=2
num=3
scale_x_y=1.05

[route]
layers=-3

[upsample]
stride=2

[route]
layers=-1,3
groups=2
group_id=1

[convolutional]
filters=7
activation=logistic

[yolo]
mask=0
anchors=3,4, 10,12,  30.5,20
classes=2
new_coords=1

[route]
layers=3

[reorg]
stride=2

[reorg3d]
stride=2

[convolutional]
filters=7
activation=linear

[region]
anchors=1.5,2
num=1
classes=2
softmax=1
"""

SIDE = 128  # of whole networks


def weights_of(name: str, cfg: str) -> bytes:
    """The weights of a network, made or, for the one of little variance, made and changed."""
    weights = make_weights(cfg)
    if name != "convolution of little variance":
        return weights
    # So little that what is added to it, before the root is taken, makes a tenth of it.
    values = np.frombuffer(weights, "<f4", offset=20).copy()
    scales, variances = slice(5 * 16, 6 * 16), slice(7 * 16, 8 * 16)  # after 4 x 16 of _LEAD and 16 biases
    values[scales] *= 0.003
    values[variances] *= 1e-5
    return weights[:20] + values.tobytes()


def shrunk(cfg: str) -> str:
    """A published cfg with an input of ``SIDE`` x ``SIDE``, whose heads OpenCV doesn't filter."""
    cfg = re.sub(r"(?m)^\s*(width|height)\s*=.*$", rf"\1={SIDE}", cfg)
    cfg = re.sub(r"(?m)^\s*(thresh|nms_threshold)\s*=.*$", "", cfg)
    return re.sub(r"(?m)^\s*\[(yolo|region)\].*$", rf"[\1]\n{_ALL}", cfg)


def images(width: int, height: int) -> np.ndarray:
    """Noise, (1, 3, height, width)."""
    return np.random.default_rng(1).random((1, 3, height, width), np.float32)


def sample(values: np.ndarray, count: int) -> np.ndarray:
    """The same ``count`` entries of the first axis for every array of that length."""
    return values[np.random.default_rng(len(values)).integers(len(values), size=count)]
