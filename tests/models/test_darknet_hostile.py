"""Whatever is handed to the importer: a network that ONNX accepts, or a ``DarknetError``, and soon."""

from __future__ import annotations

import re
import tracemalloc

import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.darknet_cases import EVERY_LAYER, SMALL
from helpers.darknet_weights import make_weights
from helpers.networks import whole
from helpers.shared import shared
from lookout.errors import DarknetError
from lookout.models.darknet import import_darknet, make_plan, parse_cfg, weight_count
from lookout.models.darknet.sections import ACTIVATIONS, ALIASES, READERS

WEIGHTS = make_weights(EVERY_LAYER)
NET = "[net]\nwidth=32\nheight=32\n"
CONV = "[convolutional]\nfilters=6\nactivation=linear\n"
YOLO = "[yolo]\nclasses=1\nanchors=9,9\n"
MEBIBYTE = 2**20


def outcome(cfg, weights):
    """A network that ONNX accepts, or the one error that is allowed."""
    try:
        network = import_darknet(cfg, weights)
    except DarknetError as error:
        assert str(error)
        return
    onnx.checker.check_model(onnx.load_from_string(whole(network)))


def both_outcomes(cfg):
    """With weights of another network, and with those that fit where that is no large file."""
    outcome(cfg, WEIGHTS)
    try:
        count = weight_count(parse_cfg(cfg))
    except DarknetError:
        return
    if count < 100_000:
        outcome(cfg, make_weights(cfg))


@given(st.text(), st.binary(max_size=64))
def test_random_text(cfg, weights):
    outcome(cfg, weights)


NAMES = [*READERS, *ALIASES, "net", "network", "softmax", "local", "Gaussian_yolo", "", "é"]
KEYS = [
    *("activation", "anchors", "batch_normalize", "classes", "dilation", "filters", "from", "group_id", "groups"),
    *("layers", "mask", "num", "pad", "padding", "scale", "scale_wh", "size", "softmax", "stride", "stride_x"),
]
NUMBERS = st.one_of(
    st.integers(-3, 20).map(str),
    st.integers().map(str),
    st.floats().map(str),
    st.lists(st.integers(-5, 9), max_size=6).map(lambda numbers: ",".join(map(str, numbers))),
    st.sampled_from(["", "-", "1e9", "1e999", "9" * 5000, "0x10", "1_0", "2147483647", "-2147483648", "\u0663", "½"]),
)
LINES = st.one_of(
    st.sampled_from([f"[{name}]" for name in NAMES]),
    st.builds("{}={}".format, st.sampled_from(KEYS), st.one_of(NUMBERS, st.sampled_from(ACTIVATIONS))),
)


@given(st.lists(LINES, max_size=30))
def test_random_sections(lines):
    both_outcomes("\n".join([NET, "[convolutional]", "filters=6", *lines, YOLO]))


@st.composite
def mutated(draw, cfgs):
    """One of the cfgs with some of its lines changed, dropped, repeated, moved or cut off."""
    lines = draw(st.sampled_from(cfgs)).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["number", "number", "drop", "repeat", "move", "section", "text", "cut"])):
            case "number":
                key, equals, _ = lines[at].partition("=")
                lines[at] = key + equals + draw(NUMBERS) if equals else lines[at]
            case "drop":
                del lines[at : at + draw(st.integers(1, 8))]
            case "repeat":
                lines[at:at] = lines[at : at + draw(st.integers(1, 40))] * draw(st.integers(1, 3))
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case "section":
                lines.insert(at, f"[{draw(st.sampled_from(NAMES))}]")
            case "text":
                place = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:place] + draw(st.text(max_size=4)) + lines[at][place:]
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
        lines = lines or [""]
    return "\n".join(lines)


@settings(max_examples=300)
@given(mutated([EVERY_LAYER, *SMALL.values()]))
def test_small_networks_with_lines_changed(cfg):
    both_outcomes(cfg)


@settings(max_examples=150)
@given(st.data())
def test_published_networks_with_lines_changed(data):
    cfgs = [path.read_text() for path in sorted(shared("models", "cfg").glob("*.cfg"))]
    both_outcomes(data.draw(mutated(cfgs)))


@given(st.data())
def test_weights_with_bytes_changed_or_cut_off(data):
    weights = bytearray(WEIGHTS)
    for _ in range(data.draw(st.integers(0, 8))):
        weights[data.draw(st.integers(0, len(weights) - 1))] = data.draw(st.integers(0, 255))
    outcome(EVERY_LAYER, bytes(weights[: data.draw(st.one_of(st.just(None), st.integers(0, len(weights))))]))


@given(st.binary(max_size=len(WEIGHTS)))
@example(b"\xff" * len(WEIGHTS))
@example(bytes(len(WEIGHTS) - 4))
def test_random_weights(weights):
    outcome(EVERY_LAYER, weights)


LARGEST = 2**31 - 1
ABSURD = {
    "sections": ("[dropout]\n" * 20_000, "line 1: [net] is followed by 20000 sections"),
    "many more sections": ("[dropout]\n" * 1_000_000, "holds 10000025 characters"),
    "one long line": (f"[route]\nlayers={'0,' * 10**6}", "holds 2000040 characters"),
    "filters": (f"[convolutional]\nfilters={LARGEST}", "line 4: [convolutional] makes a map of 2147483647 x"),
    "kernels": (f"[convolutional]\nsize=2001\npad=1\nfilters=200000\n{CONV}{YOLO}", " where network.cfg needs 960"),
    "kernels of the largest size": (f"[convolutional]\nfilters=1\nsize={LARGEST}\npad=1", "has windows of 2147483647"),
    "windows": (f"[maxpool]\nsize={LARGEST}", "has windows of 2147483647; up to 2048"),
    "upsampling": (f"[upsample]\nstride={LARGEST}", "line 4: [upsample] makes a map of 3 x"),
    "upsampling again and again": ("[upsample]\n" * 100, "line 12: [upsample] makes a map of 3 x 16384 x 16384"),
    "routes to oneself": ("[max]\n" + "[route]\nlayers=-1,-1\n" * 100, "[route] makes a map of 393216 x 32 x 32"),
    "names of layers": (f"[max]\n[route]\nlayers={'0,' * 10_000}", "layers= names 10000 layers; at most 64"),
    "classes": (f"{CONV}[yolo]\nanchors=1,1\nclasses={LARGEST}", "1 anchors of 5 + 2147483647 values"),
    "anchors": (f"{CONV}[yolo]\nanchors={'1,' * 10_000}\nclasses=1", "5000 anchors of 5 + 1 values"),
    "input": ("width=9\n[max]\n", "is followed by no [yolo]"),
}


@pytest.mark.parametrize(("layers", "message"), ABSURD.values(), ids=ABSURD)
def test_absurd_networks_are_refused_and_take_little_memory(layers, message):
    cfg = NET + layers
    tracemalloc.start()
    try:
        with pytest.raises(DarknetError, match=re.escape(message)):
            import_darknet(cfg, WEIGHTS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * MEBIBYTE


def test_the_largest_network_that_is_planned_is_planned_with_little_memory():
    cfg = NET + CONV + "[route]\nlayers=0,-1\n[route]\nlayers=0\n" * 2000 + YOLO
    tracemalloc.start()
    try:
        plan = make_plan(parse_cfg(cfg))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(plan.layers) == 4002
    assert peak < 32 * MEBIBYTE
