"""Darknet in plain NumPy: from cfg and weights to what its heads say, by the definitions in its sources.

Slow, in double precision, and without a line of what it is there to check: the text, the weights, the layers and
the heads are all read anew. It knows only what the golden networks need.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class HeadOutput:
    """What one head reads, (channels, height, width), and the rows that it makes of it.

    Rows run over cells, then anchors: centre and size in parts of the picture, objectness, and the score of each
    class times the objectness.
    """

    map: np.ndarray
    rows: np.ndarray


def run(cfg: str, weights: bytes, images: np.ndarray) -> list[HeadOutput]:
    """The outputs of the heads for images (1, 3, height, width); all of the weights must have been used."""
    (_, net), *sections = _sections(cfg)
    values = _Values(weights)
    outputs: list[np.ndarray] = []
    heads = []
    for name, options in sections:
        x = outputs[-1] if outputs else images[0].astype(np.float64)
        if name in ("yolo", "region"):
            decode = _yolo_rows if name == "yolo" else _region_rows
            heads.append(HeadOutput(x, decode(options, x, int(net["width"]), int(net["height"]))))
            outputs.append(x)
        elif name in ("convolutional", "conv"):
            outputs.append(_convolution(options, x, values))
        else:
            outputs.append(_LAYERS[name](options, x, outputs))
    assert values.used == len(weights), "the weights file is longer than the network"
    return heads


def _sections(cfg):
    found = []
    for written in cfg.splitlines():
        line = "".join(written.split()).split("#")[0]
        if line.startswith("["):
            found.append((line[1:-1], {}))
        elif line:
            key, value = line.split("=")
            found[-1][1].setdefault(key, value)
    return found


class _Values:
    """The weights file, read from front to back."""

    def __init__(self, data: bytes):
        major, minor, _ = struct.unpack_from("<3i", data)
        self.data, self.used = data, 20 if 10 * major + minor >= 2 else 16

    def take(self, *shape):
        count = int(np.prod(shape))
        values = np.frombuffer(self.data, "<f4", count, self.used)
        self.used += 4 * count
        return values.reshape(shape).astype(np.float64)


def _convolution(options, x, values):
    filters, size, stride = (int(options.get(key, default)) for key, default in _CONVOLUTION)
    groups, dilation = int(options.get("groups", 1)), int(options.get("dilation", 1))
    pad = size // 2 if int(options.get("pad", 0)) else int(options.get("padding", 0))
    stride = int(options.get("stride_x", stride))
    biases = values.take(filters)
    normalised = int(options.get("batch_normalize", 0)) or int(options.get("cbn", 0))
    scales, means, variances = values.take(3, filters) if normalised else (None, None, None)
    kernels = values.take(filters, len(x) // groups, size, size)
    y = np.concatenate(
        [
            _windows_times(part, kernel, stride, pad * dilation, dilation)
            for part, kernel in zip(np.split(x, groups), np.split(kernels, groups), strict=True)
        ]
    )
    if normalised:
        y = (y - means[:, None, None]) / np.sqrt(variances + 1e-6)[:, None, None] * scales[:, None, None]
    return _activate(y + biases[:, None, None], options.get("activation", "logistic"))


_CONVOLUTION = (("filters", 1), ("size", 1), ("stride", 1))


def _windows_times(x, kernels, stride, pad, dilation):
    reach = dilation * (kernels.shape[-1] - 1) + 1
    windows = _windows(np.pad(x, ((0, 0), (pad, pad), (pad, pad))), reach, stride)[..., ::dilation, ::dilation]
    return np.einsum("chwij,fcij->fhw", windows, kernels, optimize=True)


def _windows(x, size, stride):
    return np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]


def _activate(x, name):
    return _ACTIVATIONS[name](x)


def _logistic(x):
    return 1 / (1 + np.exp(-x))


_ACTIVATIONS = {
    "linear": lambda x: x,
    "leaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.minimum(np.maximum(x, 0), 6),
    "logistic": _logistic,
    "swish": lambda x: x * _logistic(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
}


def _max_pool(options, x, outputs):
    stride = int(options.get("stride", 1))
    size = int(options.get("size", stride))
    pad = int(options.get("padding", size - 1))
    before, after = pad // 2, pad - pad // 2
    padded = np.pad(x, ((0, 0), (before, after), (before, after)), constant_values=-np.inf)
    return _windows(padded, size, stride).max(axis=(3, 4))


def _average_pool(options, x, outputs):
    return x.mean(axis=(1, 2), keepdims=True)


def _dropout(options, x, outputs):
    return x


def _upsample(options, x, outputs):
    factor = int(options.get("stride", 2))
    channels, height, width = x.shape
    y = np.empty((channels, height * factor, width * factor))
    for j in range(height * factor):
        for i in range(width * factor):
            y[:, j, i] = x[:, j // factor, i // factor]
    return y * float(options.get("scale", 1))


def _reorg_cpu(x, out_w, out_h, out_c, stride):
    """``blas.c``, with forward=0: x is as flat as in C, and so is what comes out."""
    flat = np.empty(out_w * out_h * out_c)
    in_c = out_c // stride**2
    for k in range(out_c):
        for j in range(out_h):
            for i in range(out_w):
                offset = k // in_c
                w2, h2 = i * stride + offset % stride, j * stride + offset // stride
                from_index = w2 + out_w * stride * (h2 + out_h * stride * (k % in_c))
                flat[i + out_w * (j + out_h * k)] = x.flat[from_index]
    return flat


def _reorg(options, x, outputs):
    """``reorg_old_layer.c``: reorg_cpu is given the sizes of the input."""
    stride, (c, h, w) = int(options.get("stride", 1)), x.shape
    return _reorg_cpu(x, w, h, c, stride).reshape(c * stride**2, h // stride, w // stride)


def _reorg3d(options, x, outputs):
    """``reorg_layer.c``: reorg_cpu is given the sizes of the output."""
    stride, (c, h, w) = int(options.get("stride", 1)), x.shape
    out_c, out_h, out_w = c * stride**2, h // stride, w // stride
    return _reorg_cpu(x, out_w, out_h, out_c, stride).reshape(out_c, out_h, out_w)


def _named(options, key, outputs):
    return [outputs[int(number)] for number in options[key].split(",")]  # -1 is the last, as in Python


def _route(options, x, outputs):
    groups, group_id = int(options.get("groups", 1)), int(options.get("group_id", 0))
    return np.concatenate([np.split(part, groups)[group_id] for part in _named(options, "layers", outputs)])


def _shortcut(options, x, outputs):
    """``shortcut_multilayer_cpu``: flat, as far as both go."""
    total = x.copy().reshape(-1)
    for other in _named(options, "from", outputs):
        count = min(total.size, other.size)
        total[:count] += other.reshape(-1)[:count]
    return _activate(total.reshape(x.shape), options.get("activation", "linear"))


def _product(options, x, outputs):
    """``[sam]``, and ``[scale_channels]`` with and without scale_wh: they differ in the shape of x alone."""
    (other,) = _named(options, "from", outputs)
    return _activate(x * other, options.get("activation", "linear"))


_LAYERS = {
    "avgpool": _average_pool,
    "avg": _average_pool,
    "dropout": _dropout,
    "max": _max_pool,
    "maxpool": _max_pool,
    "reorg": _reorg,
    "reorg3d": _reorg3d,
    "route": _route,
    "sam": _product,
    "scale_channels": _product,
    "shortcut": _shortcut,
    "upsample": _upsample,
}


def _yolo_rows(options, x, net_width, net_height):
    """``yolo_layer.c``: forward_yolo_layer, then get_yolo_box."""
    anchors = (
        _anchors(options)[[int(n) for n in options["mask"].split(",")]] if "mask" in options else _anchors(options)
    )
    entries, height, width = _entries(options, x, anchors)
    scale, new = float(options.get("scale_x_y", 1)), int(options.get("new_coords", 0))
    rows = entries.copy()
    if not new:
        rows[:, [0, 1, *range(4, rows.shape[1])]] = _logistic(rows[:, [0, 1, *range(4, rows.shape[1])]])
    rows[:, :2] = rows[:, :2] * scale - 0.5 * (scale - 1)
    rows[:, 0] = (rows[:, 0] + np.arange(width)) / width
    rows[:, 1] = (rows[:, 1] + np.arange(height)[:, None]) / height
    for side, net_side in ((0, net_width), (1, net_height)):
        grown = rows[:, 2 + side] ** 2 * 4 if new else np.exp(rows[:, 2 + side])
        rows[:, 2 + side] = grown * anchors[:, side, None, None] / net_side
    rows[:, 5:] *= rows[:, 4:5]
    return _flat(rows)


def _region_rows(options, x, net_width, net_height):
    """``region_layer.c``: forward_region_layer with softmax=1, then get_region_box; anchors are in cells."""
    anchors = _anchors(options)
    rows, height, width = _entries(options, x, anchors)
    rows = rows.copy()
    rows[:, 0] = (_logistic(rows[:, 0]) + np.arange(width)) / width
    rows[:, 1] = (_logistic(rows[:, 1]) + np.arange(height)[:, None]) / height
    rows[:, 2] = np.exp(rows[:, 2]) * anchors[:, 0, None, None] / width
    rows[:, 3] = np.exp(rows[:, 3]) * anchors[:, 1, None, None] / height
    rows[:, 4] = _logistic(rows[:, 4])
    powers = np.exp(rows[:, 5:] - rows[:, 5:].max(axis=1, keepdims=True))
    rows[:, 5:] = powers / powers.sum(axis=1, keepdims=True) * rows[:, 4:5]
    return _flat(rows)


def _anchors(options):
    return np.array([float(side) for side in options["anchors"].split(",") if side]).reshape(-1, 2)


def _entries(options, x, anchors):
    """The map as (anchors, 5 + classes, height, width), and its height and width."""
    _, height, width = x.shape
    return x.reshape(len(anchors), 5 + int(options["classes"]), height, width), height, width


def _flat(rows):
    return rows.transpose(2, 3, 0, 1).reshape(-1, rows.shape[1])
