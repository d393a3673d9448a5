"""Importing whole networks: what comes out, and every error by name."""

from __future__ import annotations

import struct
import subprocess
import sys

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.darknet_weights import make_weights
from lookout.core.framing import InputFormat
from lookout.core.heads import DarknetHead, RegionLayer, YoloLayer
from lookout.errors import DarknetError
from lookout.models.darknet import import_darknet, parse_cfg, weight_count
from lookout.models.darknet.sections import ACTIVATIONS, READERS

CFG = """\
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
WEIGHTS = make_weights(CFG)
NET = "[net]\nwidth=32\nheight=32\n"
CONV = "[convolutional]\nfilters=6\nactivation=linear\n"
YOLO = "[yolo]\nclasses=1\nanchors=9,9\n"


def test_a_network_has_its_input_outputs_and_head():
    network = import_darknet(CFG, WEIGHTS)
    assert network.input_format == InputFormat(48, 32, "stretch", "rgb", 1 / 255)
    assert network.head == DarknetHead(
        (
            YoloLayer(((10, 12), (30.5, 20)), 2, scale_x_y=1.05),
            YoloLayer(((3, 4),), 2, new_coords=True),
            RegionLayer(((1.5, 2),), 2),
        )
    )
    model = onnx.load_from_string(network.onnx)
    onnx.checker.check_model(model, full_check=True)
    assert model.producer_name == "lookout"
    assert shapes(model.graph.input) == {"images": [1, 3, 32, 48]}
    assert list(shapes(model.graph.output).values()) == [[1, 14, 8, 12], [1, 7, 16, 24], [1, 7, 4, 6]]


def shapes(values):
    return {value.name: [side.dim_value for side in value.type.tensor_type.shape.dim] for value in values}


def test_the_test_network_has_every_layer_type():
    assert {section.name for section in parse_cfg(CFG)} == {"net", *READERS}


def test_equal_files_give_equal_bytes():
    assert import_darknet(CFG, WEIGHTS) == import_darknet(CFG, WEIGHTS)
    assert make_weights(CFG) == WEIGHTS
    assert make_weights(CFG, seed=1) != WEIGHTS


def test_importing_the_module_loads_no_onnx():
    code = "import sys, lookout.models.darknet; sys.exit('onnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_weight_count_is_what_the_file_holds():
    assert 20 + 4 * weight_count(parse_cfg(CFG)) == len(WEIGHTS)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(struct.pack("<3ii", 0, 1, 0, 7), id="0.1: 32 bits"),
        pytest.param(struct.pack("<3iq", 0, 2, 0, 7), id="0.2: 64 bits"),
        pytest.param(struct.pack("<3iq", 1, 0, 0, 7), id="1.0: 64 bits"),
        pytest.param(struct.pack("<3ii", 1000, 2, 0, 7), id="absurd: 32 bits"),
    ],
)
def test_headers_of_old_and_new_weights(header):
    assert import_darknet(CFG, header + WEIGHTS[20:]) == import_darknet(CFG, WEIGHTS)


def test_a_network_without_weights_is_one_too():
    cfg = f"{NET}[upsample]\n[route]\nlayers=0,0\n{YOLO}"
    onnx.checker.check_model(onnx.load_from_string(import_darknet(cfg, make_weights(cfg)).onnx))


def test_two_yolo_layers_may_read_one_map():
    cfg = f"{NET}{CONV}{YOLO}[route]\nlayers=0\n{YOLO}"
    model = onnx.load_from_string(import_darknet(cfg, make_weights(cfg)).onnx)
    assert list(shapes(model.graph.output)) == ["yolo_1", "yolo_3"]


def test_anchors_without_a_mask_are_all_selected():
    cfg = f"{NET}[convolutional]\nfilters=12\n[yolo]\nclasses=1\nanchors=1,2,3,4,\n"
    assert import_darknet(cfg, make_weights(cfg)).head.layers[0].anchors == ((1, 2), (3, 4))


def test_blanks_comments_and_repeated_keys_are_read_as_darknet_does():
    text = "\ufeff; comment\r\n [ n e t ]\r\n wi dth = 3 2\r\n\r\nwidth=9\n# [yolo]\nheight=8 # inline\n"
    (net,) = parse_cfg(text)
    assert (net.name, net.line) == ("net", 2)
    assert (net.integer("width"), net.integer("height")) == (32, 8)


@pytest.mark.parametrize("size", [0, 3, 11, 12, 19, len(WEIGHTS) - 1, len(WEIGHTS) - 4, len(WEIGHTS) + 4])
def test_weights_of_another_length(size):
    with pytest.raises(DarknetError) as caught:
        import_darknet(CFG, (WEIGHTS + bytes(4))[:size], cfg_name="a.cfg", weights_name="b.weights")
    message = str(caught.value)
    for part in (f"b.weights holds {size} bytes", f"a.cfg needs {len(WEIGHTS)}", "of another network"):
        assert part in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(value):
    weights = WEIGHTS[:-4] + struct.pack("<f", value)
    with pytest.raises(DarknetError, match=r"n\.cfg line 85: \[convolutional\] .*w\.weights.* not finite"):
        import_darknet(CFG, weights, cfg_name="n.cfg", weights_name="w.weights")


def test_a_negative_variance_is_not_finite_either():
    variances = 20 + 4 * 3 * 8
    weights = WEIGHTS[:variances] + struct.pack("<f", -2) + WEIGHTS[variances + 4 :]
    with pytest.raises(DarknetError, match=r"line 8: \[convolutional\] .*not finite"):
        import_darknet(CFG, weights)


def test_absurd_sizes_are_compared_before_anything_is_allocated():
    layers = [f"[convolutional]\nfilters=200000\nsize={size}\npad=1\n" for size in (31, 2001)]
    with pytest.raises(DarknetError, match=r"holds 5700 bytes where network\.cfg needs 6406401[0-9]{11}:"):
        import_darknet(NET + "".join(layers) + CONV + YOLO, WEIGHTS)


ERRORS = [
    ("", "holds no sections"),
    ("# nothing\n\n", "holds no sections"),
    ("width=32", "line 1: 'width=32' is neither"),
    (f"{NET}what is this", "line 4: 'whatisthis' is neither"),
    (f"{NET}=3", "line 4: '=3' is neither"),
    (f"{NET}[convolutional\n", "line 4: '[convolutional' is no section name"),
    (f"{NET}[]\n", "line 4: '[]' is no section name"),
    (f"{CONV}{YOLO}", "line 1: [convolutional] comes first, where [net] should be"),
    ("[net]\nheight=32\n", "line 1: [net] has no width="),
    ("[net]\nwidth=32\n", "line 1: [net] has no height="),
    ("[net]\nheight=32\nwidth=0\n", "line 3: [net] width=0 must be at least 1"),
    ("[net]\nheight=32\nwidth=3.5\n", "line 3: [net] width=3.5 is not a whole number"),
    ("[net]\nheight=32\nwidth=99999999999999\n", "width=99999999999999 is not a whole number in range"),
    ("[net]\nheight=32\nwidth=2147483647\n", "line 1: [net] makes a map of 3 x 32 x 2147483647"),
    (f"{NET}channels=1\n", "line 4: [net] has channels=1"),
    (NET, "line 1: [net] is followed by no [yolo]"),
    (f"{NET}{CONV}", "line 1: [net] is followed by no [yolo]"),
    (f"{NET}{CONV}{YOLO}{NET}", "line 10: [net] is not supported"),
    (
        f"{NET}{CONV}[batchnorm]\n{YOLO}",
        "line 7: [batchnorm] is not supported; Lookout imports networks made of avgpool",
    ),
    (f"{NET}[convolutional]\n", "line 4: [convolutional] has no filters="),
    (f"{NET}[convolutional]\nfilters=-1", "line 5: [convolutional] filters=-1 must be at least 1"),
    (f"{NET}[convolutional]\nfilters=many", "filters=many is not a whole number"),
    (f"{NET}{CONV}size=33", "line 4: [convolutional] has windows of 33, more than its input of 3 x 32 x 32"),
    (f"{NET}{CONV}stride=0", "line 7: [convolutional] stride=0 must be at least 1"),
    (f"{NET}{CONV}groups=2", "line 7: [convolutional] groups=2 does not divide 3 channels and 6 filters"),
    (f"{NET}[convolutional]\nfilters=6\nactivation=selu", "line 6: [convolutional] activation=selu is not"),
    (f"{NET}{CONV}xnor=1", "line 7: [convolutional] xnor=1 is not supported"),
    (f"{NET}{CONV}stride_x=2", "line 4: [convolutional] has steps of 2 across and 1 down"),
    (f"{NET}{CONV}padding=2000000000", "makes a map of 6 x 4000000032 x 4000000032"),
    (f"{NET}[maxpool]\nsize=2\npadding=3", "line 6: [maxpool] padding=3 leaves windows of size=2"),
    (f"{NET}[maxpool]\nsize=40\npadding=2", "line 4: [maxpool] has windows of 40"),
    (f"{NET}[upsample]\nstride=-2", "line 5: [upsample] stride=-2, which makes the map smaller, is not supported"),
    (f"{NET}[upsample]\nstride=0", "line 5: [upsample] stride=0 must be at least 1"),
    (f"{NET}[upsample]\nstride=2000000", "line 4: [upsample] makes a map of 3 x 64000000 x 64000000"),
    (f"{NET}[upsample]\nscale=nan", "line 5: [upsample] scale=nan is not a number in range"),
    (f"{NET}[route]\nlayers=-1", "line 5: [route] layers=-1 is not one of the 0 layers before it"),
    (f"{NET}{CONV}[route]\nlayers=0,-2", "line 8: [route] layers=-2 is not one of the 1 layers"),
    (f"{NET}{CONV}[route]\nlayers=1", "line 8: [route] layers=1 is not one of the 1 layers"),
    (f"{NET}{CONV}[route]\nlayers=,", "line 8: [route] layers= is empty"),
    (f"{NET}{CONV}[route]\n", "line 7: [route] has no layers="),
    (f"{NET}{CONV}[route]\nlayers=0\ngroups=4", "line 9: [route] groups=4 does not divide"),
    (f"{NET}{CONV}[route]\nlayers=0\ngroups=2\ngroup_id=2", "line 10: [route] group_id=2 is not one of 2"),
    (f"{NET}{CONV}[maxpool]\nstride=2\n[route]\nlayers=0,1", "joins maps of 6 x 32 x 32 and 6 x 16 x 16"),
    (f"{NET}{CONV}[shortcut]\n", "line 7: [shortcut] has no from="),
    (f"{NET}{CONV}[maxpool]\nstride=2\n[shortcut]\nfrom=0", "line 9: [shortcut] joins maps of 6 x 16 x 16"),
    (f"{NET}{CONV}[shortcut]\nfrom=0\nweights_type=per_channel", "weights_type=per_channel is not supported"),
    (f"{NET}{CONV}[sam]\nfrom=0,0", "line 8: [sam] from= names 2 layers; at most 1 are supported"),
    (f"{NET}{CONV}[avgpool]\n[sam]\nfrom=0", "line 8: [sam] multiplies maps of 6 x 1 x 1 and 6 x 32 x 32"),
    (
        f"{NET}{CONV}[scale_channels]\nfrom=0",
        "line 7: [scale_channels] scales a map of 6 x 32 x 32 by one of 6 x 32 x 32, which must be 6 x 1 x 1",
    ),
    (f"{NET}{CONV}{YOLO}{CONV}", "line 10: [convolutional] reads the [yolo] of line 7"),
    (f"{NET}{CONV}{YOLO}[route]\nlayers=-1", "line 10: [route] reads the [yolo] of line 7"),
    (f"{NET}{CONV}[yolo]\nclasses=1", "line 7: [yolo] has no anchors="),
    (f"{NET}{CONV}[yolo]\nclasses=1\nanchors=9", "line 9: [yolo] anchors= must be pairs of positive numbers"),
    (f"{NET}{CONV}[yolo]\nclasses=1\nanchors=9,-9", "anchors= must be pairs of positive numbers"),
    (f"{NET}{CONV}[yolo]\nclasses=1\nanchors=9,inf", "line 9: [yolo] anchors=inf is not a number in range"),
    (f"{NET}{CONV}{YOLO}mask=1", "line 10: [yolo] mask= selects anchor 1 of 1"),
    (f"{NET}{CONV}{YOLO}mask=-1", "line 10: [yolo] mask=-1 must be at least 0"),
    (
        f"{NET}{CONV}[yolo]\nclasses=80\nanchors=9,9",
        "line 7: [yolo] reads 6 channels, but its 1 anchors of 5 + 80",
    ),
    (
        f"{NET}{CONV}{YOLO}[route]\nlayers=0\n[upsample]\n[route]\nlayers=-1,-1\n[yolo]\nclasses=7\nanchors=9,9",
        "[yolo] or [region] sections with different classes=",
    ),
]


@pytest.mark.parametrize(("cfg", "message"), ERRORS)
def test_errors_name_file_line_and_section(cfg, message):
    with pytest.raises(DarknetError) as caught:
        import_darknet(cfg, WEIGHTS, cfg_name="my.cfg")
    assert message in str(caught.value)
    assert str(caught.value).startswith("my.cfg ")


def outcome(cfg, weights):
    """A network that ONNX accepts, or the one error that is allowed."""
    try:
        network = import_darknet(cfg, weights)
    except DarknetError as error:
        assert str(error)
        return
    onnx.checker.check_model(onnx.load_from_string(network.onnx))


@settings(deadline=None)  # the first example may load onnx
@given(st.text(), st.binary(max_size=64))
def test_random_text_raises_nothing_else(cfg, weights):
    outcome(cfg, weights)


KEYS = [
    "filters",
    "size",
    "stride",
    "pad",
    "padding",
    "groups",
    "layers",
    "from",
    "activation",
    "anchors",
    "mask",
]
VALUES = [
    *ACTIVATIONS,
    "0",
    "1",
    "2",
    "3",
    "6",
    "-1",
    "-2",
    "0,1",
    "1e9",
    "9" * 9,
    "9" * 99,
    "-",
    "",
    "nan",
    "٣",
]
LINES = st.one_of(
    st.sampled_from([f"[{name}]" for name in [*READERS, "net", "reorg"]]),
    st.builds("{}={}".format, st.sampled_from(KEYS), st.sampled_from(VALUES)),
)


@settings(deadline=None)
@given(st.lists(LINES, max_size=30))
def test_random_sections_raise_nothing_else(lines):
    cfg = "\n".join([NET, "[convolutional]", "filters=6", *lines, YOLO])
    outcome(cfg, WEIGHTS)
    outcome(cfg, fitting_weights(cfg))


NUMBERS = st.one_of(
    st.integers(-3, 20).map(str),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", "1,2", "9" * 5000, "0x10", "1_0"]),
)


@settings(deadline=None)
@given(st.data())
def test_a_changed_or_truncated_network_raises_nothing_else(data):
    lines = CFG.splitlines()
    for _ in range(data.draw(st.integers(1, 2))):
        index = data.draw(st.sampled_from([number for number, line in enumerate(lines) if "=" in line]))
        lines[index] = lines[index].partition("=")[0] + "=" + data.draw(NUMBERS)
    cfg = "\n".join(lines)
    cfg = cfg[: data.draw(st.one_of(st.just(len(cfg)), st.integers(0, len(cfg))))]
    outcome(cfg, WEIGHTS)
    outcome(cfg, fitting_weights(cfg))


def fitting_weights(cfg):
    """Weights of the right length, as long as that is small."""
    try:
        count = weight_count(parse_cfg(cfg))
    except DarknetError:
        return b""
    return make_weights(cfg) if count < 100_000 else b""
