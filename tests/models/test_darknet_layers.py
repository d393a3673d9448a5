"""Each layer type against its definition, written out slowly, on both engines.

Every network here is a first convolution of 16 filters (``LEAD``), the layers in question, and a ``[yolo]``
section that fits the channels of the last one, so that its output can be looked at.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np
import onnxruntime
import pytest

from lookout.models import darknet_graph
from lookout.models.darknet import import_darknet

WIDTH, HEIGHT, LEAD_FILTERS = 11, 9, 16
LEAD = f"[convolutional]\nfilters={LEAD_FILTERS}\nsize=1\nactivation=linear\n"
HEADER = struct.pack("<3iq", 0, 2, 5, 0)

rng = np.random.default_rng(7)
IMAGES = rng.uniform(0, 1, (1, 3, HEIGHT, WIDTH)).astype(np.float32)
LEAD_BIASES = rng.normal(0, 1, LEAD_FILTERS).astype(np.float32)
LEAD_KERNELS = rng.normal(0, 2, (LEAD_FILTERS, 3, 1, 1)).astype(np.float32)
X = np.einsum("chw,fc->fhw", IMAGES[0], LEAD_KERNELS[:, :, 0, 0]) + LEAD_BIASES[:, None, None]


def run(layers, channels, *arrays):
    """The output of the last layer (channels, height, width), on which both engines agree."""
    net = f"[net]\nwidth={WIDTH}\nheight={HEIGHT}\nchannels=3\n"
    yolo = f"[yolo]\nmask=0\nanchors=4,5\nclasses={channels - 5}\n"
    parts = [LEAD_BIASES, LEAD_KERNELS, *arrays]
    weights = HEADER + b"".join(np.asarray(part, "<f4").tobytes() for part in parts)
    model = import_darknet(net + LEAD + layers + "\n" + yolo, weights).onnx
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"images": IMAGES})
    assert list(session.get_outputs()[0].shape) == list(output.shape)
    net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
    net.setInput(IMAGES)
    np.testing.assert_allclose(net.forward().reshape(output.shape), output, rtol=1e-4, atol=1e-4)
    return output[0]


def assert_close(output, expected):
    assert output.shape == expected.shape
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4)


def convolve(x, kernels, stride=1, padding=0, groups=1, dilation=1):
    filters, channels, size, _ = kernels.shape
    reach = dilation * (size - 1) + 1
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    height, width = ((side - reach) // stride + 1 for side in x.shape[1:])
    output = np.zeros((filters, height, width))
    for f in range(filters):
        group = x[f // (filters // groups) * channels :][:channels]
        for i in range(height):
            for j in range(width):
                top, left = i * stride, j * stride
                window = group[:, top : top + reach : dilation, left : left + reach : dilation]
                output[f, i, j] = (window * kernels[f]).sum()
    return output


def pool(x, size, stride, padding):
    channels, height, width = x.shape
    out_height, out_width = (height + padding - size) // stride + 1, (width + padding - size) // stride + 1
    output = np.full((channels, out_height, out_width), -np.inf)
    for i in range(out_height):
        for j in range(out_width):
            for row in range(i * stride - padding // 2, i * stride - padding // 2 + size):
                for column in range(j * stride - padding // 2, j * stride - padding // 2 + size):
                    if 0 <= row < height and 0 <= column < width:
                        output[:, i, j] = np.maximum(output[:, i, j], x[:, row, column])
    return output


@pytest.mark.parametrize(
    ("options", "size", "keywords"),
    [
        ("size=1", 1, {}),
        ("size=3\npad=1", 3, {"padding": 1}),
        ("size=3\nstride=2\npad=1", 3, {"stride": 2, "padding": 1}),
        ("size=5\nstride=3\npadding=1", 5, {"stride": 3, "padding": 1}),
        ("size=2\npad=1", 2, {"padding": 1}),
        ("size=4\nstride=2\npad=0\npadding=1", 4, {"stride": 2, "padding": 1}),
        ("size=3\npad=1\npadding=7", 3, {"padding": 1}),
        ("size=3\npad=1\ngroups=4", 3, {"padding": 1, "groups": 4}),
        ("size=3\nstride=2\npad=1\ngroups=16", 3, {"stride": 2, "padding": 1, "groups": 16}),
        ("size=3\npad=1\ndilation=2", 3, {"padding": 2, "dilation": 2}),
        ("size=1\ndilation=3", 1, {}),
    ],
)
def test_convolution(options, size, keywords):
    kernels = rng.normal(0, 0.3, (LEAD_FILTERS, LEAD_FILTERS // keywords.get("groups", 1), size, size))
    biases = rng.normal(0, 1, LEAD_FILTERS)
    layers = f"[convolutional]\nfilters={LEAD_FILTERS}\nactivation=linear\n{options}"
    expected = convolve(X, kernels, **keywords) + biases[:, None, None]
    assert_close(run(layers, LEAD_FILTERS, biases, kernels), expected)


def test_batch_normalisation_is_folded():
    kernels = rng.normal(0, 0.3, (8, LEAD_FILTERS, 3, 3))
    biases, scales, means = rng.normal(0, 1, (3, 8))
    variances = rng.uniform(0.1, 3, 8)
    normalised = convolve(X, kernels, padding=1) - means[:, None, None]
    expected = normalised * (scales / np.sqrt(variances + 1e-6))[:, None, None] + biases[:, None, None]
    layers = "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\npad=1\nactivation=linear"
    assert_close(run(layers, 8, biases, scales, means, variances, kernels), expected)


ACTIVATIONS = {
    "linear": lambda x: x,
    "leaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation(activation):
    kernels, biases = 3 * np.eye(LEAD_FILTERS), np.linspace(-9, 9, LEAD_FILTERS)
    layers = f"[convolutional]\nfilters={LEAD_FILTERS}\nactivation={activation}"
    expected = ACTIVATIONS[activation](3 * X + biases[:, None, None])
    assert_close(run(layers, LEAD_FILTERS, biases, kernels), expected)


def test_every_activation_is_tested():
    assert sorted(ACTIVATIONS) == sorted(darknet_graph.ACTIVATIONS)


def test_activation_of_a_convolution_is_logistic_when_none_is_named():
    layers = f"[convolutional]\nfilters={LEAD_FILTERS}"
    output = run(layers, LEAD_FILTERS, np.zeros(LEAD_FILTERS), np.eye(LEAD_FILTERS))
    assert_close(output, ACTIVATIONS["logistic"](X))


@pytest.mark.parametrize(
    ("options", "size", "stride", "padding"),
    [
        ("size=2\nstride=2", 2, 2, 1),
        ("size=2\nstride=1", 2, 1, 1),
        ("size=3\nstride=2", 3, 2, 2),
        ("size=5\nstride=1", 5, 1, 4),
        ("size=4\nstride=3", 4, 3, 3),
        ("size=2\nstride=2\npadding=0", 2, 2, 0),
        ("size=3\nstride=1\npadding=1", 3, 1, 1),
        ("stride=2", 2, 2, 1),
        ("", 1, 1, 0),
    ],
)
def test_max_pool_never_sees_its_padding(options, size, stride, padding):
    kernels, biases = np.eye(LEAD_FILTERS), np.full(LEAD_FILTERS, -50)  # below any zero of the padding
    shift = f"[convolutional]\nfilters={LEAD_FILTERS}\nactivation=linear\n"
    output = run(f"{shift}[maxpool]\n{options}", LEAD_FILTERS, biases, kernels)
    assert_close(output, pool(X - 50, size, stride, padding))


def test_upsample_repeats_cells():
    assert_close(run("[upsample]\nstride=3", LEAD_FILTERS), X.repeat(3, axis=1).repeat(3, axis=2))


def test_upsample_by_two_when_nothing_is_named_and_its_scale():
    output = run("[upsample]\nscale=0.5", LEAD_FILTERS)
    assert_close(output, 0.5 * X.repeat(2, axis=1).repeat(2, axis=2))


def test_average_pool():
    assert_close(run("[avgpool]", LEAD_FILTERS), X.mean(axis=(1, 2), keepdims=True))


def test_dropout_changes_nothing():
    assert_close(run("[dropout]\nprobability=.5", LEAD_FILTERS), X)


MAXIMUM = "[maxpool]\nsize=3\nstride=1\n"  # layer 1, of the size of layer 0


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ("layers=-1", lambda x, y: [y]),
        ("layers=-1,-2", lambda x, y: [y, x]),
        ("layers=0,1", lambda x, y: [x, y]),
        ("layers=0,-1,0", lambda x, y: [x, y, x]),
        ("layers=-1\ngroups=2\ngroup_id=1", lambda x, y: [y[8:]]),
        ("layers=-1\ngroups=2", lambda x, y: [y[:8]]),
        ("layers=-1,-2\ngroups=4\ngroup_id=2", lambda x, y: [y[8:12], x[8:12]]),
    ],
)
def test_route(options, parts):
    expected = np.concatenate(parts(X, pool(X, 3, 1, 2)))
    assert_close(run(f"{MAXIMUM}[route]\n{options}", len(expected)), expected)


@pytest.mark.parametrize("activation", ["linear", "leaky", "swish"])
def test_shortcut(activation):
    layers = f"{MAXIMUM}[shortcut]\nfrom=-2\nactivation={activation}"
    assert_close(run(layers, LEAD_FILTERS), ACTIVATIONS[activation](X + pool(X, 3, 1, 2)))


def test_shortcut_from_several():
    assert_close(run(f"{MAXIMUM}[shortcut]\nfrom=0,-1", LEAD_FILTERS), X + 2 * pool(X, 3, 1, 2))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param("[route]\nlayers=0\ngroups=2\n[shortcut]\nfrom=0", X[:8] + X[:8], id="cut"),
        pytest.param(
            "[route]\nlayers=0\ngroups=2\n[route]\nlayers=0\n[shortcut]\nfrom=1",
            X + np.concatenate([X[:8], 0 * X[:8]]),
            id="filled up",
        ),
    ],
)
def test_shortcut_has_the_channels_of_the_layer_before_it(layers, expected):
    assert_close(run(layers, len(expected)), expected)


def test_sam_multiplies_maps():
    assert_close(run(f"{MAXIMUM}[sam]\nfrom=-2", LEAD_FILTERS), X * pool(X, 3, 1, 2))


def test_scale_channels_multiplies_by_one_cell():
    output = run("[avgpool]\n[scale_channels]\nfrom=0\nactivation=relu", LEAD_FILTERS)
    assert_close(output, np.maximum(X * X.mean(axis=(1, 2), keepdims=True), 0))
