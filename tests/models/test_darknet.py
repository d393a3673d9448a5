"""Importing whole networks: what comes out, and every error by name."""

from __future__ import annotations

import struct
import subprocess
import sys

import numpy as np
import onnx
import pytest

from helpers.darknet_cases import EVERY_LAYER
from helpers.darknet_weights import make_weights
from helpers.networks import whole
from lookout.core.framing import InputFormat
from lookout.core.heads import DarknetHead, RegionLayer, YoloLayer
from lookout.errors import DarknetError
from lookout.models.darknet import import_darknet, parse_cfg, weight_count
from lookout.models.darknet.sections import READERS

WEIGHTS = make_weights(EVERY_LAYER)
NET = "[net]\nwidth=32\nheight=32\n"
CONV = "[convolutional]\nfilters=6\nactivation=linear\n"
REGION = "[region]\nclasses=1\nanchors=1,1\nsoftmax=1\n"
YOLO = "[yolo]\nclasses=1\nanchors=9,9\n"
FEW = make_weights(NET + CONV + YOLO)


def test_a_network_has_its_input_outputs_and_head():
    network = import_darknet(EVERY_LAYER, WEIGHTS)
    assert network.input_format == InputFormat(48, 32, "stretch", "rgb", 1 / 255)
    assert network.head == DarknetHead(
        (
            YoloLayer(((10, 12), (30.5, 20)), 2, scale_x_y=1.05),
            YoloLayer(((3, 4),), 2, new_coords=True),
            RegionLayer(((1.5, 2),), 2),
        )
    )
    model = onnx.load_from_string(whole(network))
    onnx.checker.check_model(model, full_check=True)
    assert model.producer_name == "lookout"
    assert shapes(model.graph.input) == {"images": [1, 3, 32, 48]}
    assert list(shapes(model.graph.output).values()) == [[1, 14, 8, 12], [1, 7, 16, 24], [1, 7, 4, 6]]


def shapes(values):
    return {value.name: [side.dim_value for side in value.type.tensor_type.shape.dim] for value in values}


def test_the_test_network_has_every_layer_type():
    assert {section.name for section in parse_cfg(EVERY_LAYER)} == {"net", *READERS}


def test_equal_files_give_equal_bytes():
    assert whole(import_darknet(EVERY_LAYER, WEIGHTS)) == whole(import_darknet(EVERY_LAYER, WEIGHTS))
    assert make_weights(EVERY_LAYER) == WEIGHTS
    assert make_weights(EVERY_LAYER, seed=1) != WEIGHTS


def test_importing_the_module_loads_no_onnx():
    code = "import sys, lookout.models.darknet; sys.exit('onnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_weight_count_is_what_the_file_holds():
    assert 20 + 4 * weight_count(parse_cfg(EVERY_LAYER)) == len(WEIGHTS)


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
    given = whole(import_darknet(EVERY_LAYER, header + WEIGHTS[20:]))
    assert given == whole(import_darknet(EVERY_LAYER, WEIGHTS))


def test_a_network_without_weights_is_one_too():
    cfg = f"{NET}[upsample]\n[route]\nlayers=0,0\n{YOLO}"
    onnx.checker.check_model(onnx.load_from_string(whole(import_darknet(cfg, make_weights(cfg)))))


def test_two_yolo_layers_may_read_one_map():
    cfg = f"{NET}{CONV}{YOLO}[route]\nlayers=0\n{YOLO}"
    model = onnx.load_from_string(whole(import_darknet(cfg, make_weights(cfg))))
    assert list(shapes(model.graph.output)) == ["yolo_1", "yolo_3"]


def test_anchors_without_a_mask_are_all_selected():
    cfg = f"{NET}[convolutional]\nfilters=12\n[yolo]\nclasses=1\nanchors=1,2,3,4,\n"
    assert import_darknet(cfg, make_weights(cfg)).head.layers[0].anchors == ((1, 2), (3, 4))


def test_anchors_beyond_their_number_are_left_out():
    cfg = f"{NET}{CONV}[yolo]\nclasses=1\nnum=1\nanchors=1,2,3,4\n"
    assert import_darknet(cfg, make_weights(cfg)).head.layers[0].anchors == ((1, 2),)


def test_a_letterboxed_network_is_fed_a_centred_letterbox_with_grey():
    cfg = f"{NET}letter_box=1\n{CONV}{YOLO}"
    network = import_darknet(cfg, make_weights(cfg))
    assert network.input_format == InputFormat(32, 32, "letterbox-centred", "rgb", 1 / 255, 128)


def test_options_of_the_training_and_those_that_change_nothing_are_stepped_over():
    net = f"{NET}batch=64\nsubdivisions=8\nmosaic=1\nema_alpha=0.9998\n"
    layers = f"{CONV}stopbackward=1\nassisted_excitation=4000\nxnor=0\n[dropout]\ndropblock=1\n"
    head = f"{YOLO}jitter=.3\nignore_thresh=.7\niou_loss=ciou\nnms_kind=greedynms\nrandom=1\nmax_delta=5\n"
    assert whole(import_darknet(net + layers + head, FEW)) == whole(
        import_darknet(f"{NET}{CONV}[dropout]\n{YOLO}", FEW)
    )


def test_other_names_of_sections_are_read():
    plain = f"{NET}{CONV}[maxpool]\n[avgpool]\n{YOLO}"
    other = plain.replace("net", "network").replace("convolutional", "conv").replace("pool", "")
    assert whole(import_darknet(other, FEW)) == whole(import_darknet(plain, FEW))


def test_blanks_comments_and_repeated_keys_are_read_as_darknet_does():
    text = "\ufeff; comment\r\n [ n e t ]\r\n wi dth = 3 2\r\n\r\nwidth=9\n# [yolo]\nheight=8 # inline\n"
    (net,) = parse_cfg(text)
    assert (net.name, net.line) == ("net", 2)
    assert (net.integer("width"), net.integer("height")) == (32, 8)


@pytest.mark.parametrize("size", [0, 3, 11, 12, 19, len(WEIGHTS) - 1, len(WEIGHTS) - 4, len(WEIGHTS) + 4])
def test_weights_of_another_length(size):
    with pytest.raises(DarknetError) as caught:
        import_darknet(EVERY_LAYER, (WEIGHTS + bytes(4))[:size], cfg_name="a.cfg", weights_name="b.weights")
    message = str(caught.value)
    for part in (f"b.weights holds {size} bytes", f"a.cfg needs {len(WEIGHTS)}", "of another network"):
        assert part in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(value):
    weights = WEIGHTS[:-4] + struct.pack("<f", value)
    with pytest.raises(DarknetError, match=r"n\.cfg line 85: \[convolutional\] .*w\.weights.* not finite"):
        import_darknet(EVERY_LAYER, weights, cfg_name="n.cfg", weights_name="w.weights")


def test_a_negative_variance_is_not_finite_either():
    variances = 20 + 4 * 3 * 8
    weights = WEIGHTS[:variances] + struct.pack("<f", -2) + WEIGHTS[variances + 4 :]
    with pytest.raises(DarknetError, match=r"line 8: \[convolutional\] .*not finite"):
        import_darknet(EVERY_LAYER, weights)


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
    ("[net]\nheight=32\nwidth=2147483647\n", "line 3: [net] width=2147483647 is more than the 16384 that Lookout runs"),
    ("[net]\nheight=16384\nwidth=16384\n", "line 1: [net] makes a map of 3 x 16384 x 16384"),
    (f"{NET}channels=1\n", "line 4: [net] has channels=1"),
    (NET, "line 1: [net] is followed by no [yolo]"),
    (f"{NET}{CONV}", "line 1: [net] is followed by no [yolo]"),
    (f"{NET}{CONV}{YOLO}{NET}", "line 10: [net] is not supported"),
    (
        f"{NET}{CONV}[batchnorm]\n{YOLO}",
        "line 7: [batchnorm] is not supported; Lookout imports networks made of avgpool",
    ),
    (f"{NET}{CONV}[softmax]\n", "line 7: [softmax] is not supported; it belongs to a network that classifies"),
    (f"{NET}{CONV}[cost]\n{YOLO}", "line 7: [cost] is not supported; it belongs to a network that classifies"),
    (f"{NET}{CONV}[detection]\n", "line 7: [detection] is not supported; it belongs to the first YOLO"),
    (f"{NET}{CONV}[local]\n", "line 7: [local] is not supported; it belongs to the first YOLO"),
    (f"{NET}[crnn]\n", "line 4: [crnn] is not supported; it belongs to a network for sequences"),
    (f"{NET}{CONV}[Gaussian_yolo]\n", "line 7: [Gaussian_yolo] is not supported; of the heads, Lookout knows"),
    (f"{NET}{CONV}[region]\nclasses=1\nanchors=1,1", "line 7: [region] without softmax=1 is not supported"),
    (f"{NET}{CONV}[region]\nclasses=1\nanchors=1,1\nsoftmax=0", "line 10: [region] without softmax=1 is not"),
    (f"{NET}{CONV}{REGION}tree=9k.tree", "line 11: [region] tree=9k.tree is not supported"),
    (f"{NET}{CONV}{REGION}background=1", "line 11: [region] background=1 is not supported"),
    (f"{NET}{CONV}{REGION}classfix=-1", "line 11: [region] classfix=-1 is not supported"),
    (f"{NET}{CONV}{REGION}coords=5", "line 11: [region] coords=5 is not supported"),
    (f"{NET}{CONV}{REGION}num=2", "line 11: [region] num=2 asks for more than the 1 pairs of anchors="),
    (f"{NET}{CONV}{REGION}{CONV}", "line 11: [convolutional] reads the [region] of line 7"),
    (f"{NET}[reorg]\nstride=2", "line 4: [reorg] has 3 channels, which its stride=2 squared does not divide"),
    (f"{NET}{CONV}[reorg]\nstride=3", "line 7: [reorg] has a map of 6 x 32 x 32, whose height and width"),
    (f"{NET}{CONV}[reorg3d]\nstride=5", "line 7: [reorg3d] has a map of 6 x 32 x 32, whose height and width"),
    (f"{NET}{CONV}[reorg]\nreverse=1", "line 8: [reorg] reverse=1 is not supported"),
    (f"{NET}[convolutional]\n", "line 4: [convolutional] has no filters="),
    (f"{NET}[convolutional]\nfilters=-1", "line 5: [convolutional] filters=-1 must be at least 1"),
    (f"{NET}[convolutional]\nfilters=many", "filters=many is not a whole number"),
    (f"{NET}{CONV}size=33", "line 4: [convolutional] has windows of 33, more than its input of 3 x 32 x 32"),
    (f"{NET}{CONV}stride=0", "line 7: [convolutional] stride=0 must be at least 1"),
    (f"{NET}{CONV}groups=2", "line 7: [convolutional] groups=2 does not divide 3 channels and 6 filters"),
    (f"{NET}[convolutional]\nfilters=6\nactivation=selu", "line 6: [convolutional] activation=selu is not"),
    (f"{NET}{CONV.replace('linear', 'hard_mish')}", "line 6: [convolutional] activation=hard_mish is not supported"),
    (f"{NET}{CONV.replace('linear', 'norm_chan_softmax')}", "activation=norm_chan_softmax is not supported"),
    (f"{NET}{CONV}size=3\ndilation=2", "line 8: [convolutional] dilation=2 needs an odd size= and pad=1"),
    (f"{NET}{CONV}size=5000\npadding=5000", "line 4: [convolutional] has windows of 5000; up to 2048"),
    (f"{NET}{CONV}flipped=1.0", "line 7: [convolutional] flipped=1.0 is not supported"),
    (f"{NET}{CONV}xnor=1", "line 7: [convolutional] xnor=1 is not supported"),
    (f"{NET}{CONV}stride_x=2", "line 4: [convolutional] has steps of 2 across and 1 down"),
    (f"{NET}{CONV}padding=2000000000", "makes a map of 6 x 4000000032 x 4000000032"),
    (f"{NET}[maxpool]\nsize=2\npadding=3", "line 6: [maxpool] padding=3 leaves windows of size=2"),
    (f"{NET}[maxpool]\nmaxpool_depth=1", "line 5: [maxpool] maxpool_depth=1 is not supported"),
    (f"{NET}[maxpool]\nsize=40\npadding=2", "line 4: [maxpool] has windows of 40"),
    (
        f"{NET}[upsample]\nstride=-2",
        "line 5: [upsample] stride= below 0, which makes the map smaller, is not supported",
    ),
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
    (f"{NET}{CONV}[shortcut]\nfrom={'0,' * 65}", "line 8: [shortcut] from= names 65 layers; at most 64"),
    (f"{NET}{CONV}[sam]\nfrom=0\nactivation=mish", "line 9: [sam] activation=mish is not supported"),
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
    (f"{NET}{CONV}[yolo]\nclasses=1\nanchors=9,1_0", "line 9: [yolo] anchors=1_0 is not a number in range"),
    (f"{NET}{CONV}{YOLO}num=3", "line 10: [yolo] num=3 asks for more than the 1 pairs"),
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
