"""Raw outputs -> candidates, against slow definitions in plain Python numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lookout.core.framing import Frame
from lookout.core.heads import DarknetHead, YoloLayer, YoloxHead, darknet_rows, decode, grid_cells
from lookout.core.suppression import suppress

LARGE = YoloLayer(((30.0, 61.0), (62.0, 45.5)), classes=3)
SMALL = YoloLayer(((10.0, 13.0), (16.0, 30.0), (33.0, 23.0)), classes=3, scale_x_y=1.05)
SQUASHED = YoloLayer(((12.0, 16.0), (19.0, 36.0)), classes=3, scale_x_y=2.0, new_coords=True)
INPUT_WH = (96, 64)
YOLOX = YoloxHead(classes=3)
YOLOX_CELLS = (96 // 8) * (64 // 8) + (96 // 16) * (64 // 16) + (96 // 32) * (64 // 32)

SEEDS = st.integers(0, 2**32 - 1)
CONFIDENCES = st.one_of(st.sampled_from([0.0, 0.25, 1.0]), st.floats(0, 1))
EDGE = 1e-5  # so near to the threshold, float32 may fall on either side of it


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def darknet_map(layer, seed, height=4, width=6):
    """Raw values as a network gives them: most objectness low, some high."""
    shape = (1, len(layer.anchors) * (5 + layer.classes), height, width)
    rng = np.random.default_rng(seed)
    low, high = (0, 1) if layer.new_coords else (-7, 7)
    return rng.uniform(low, high, shape).astype(np.float32)


def plain_darknet(layer, output, input_wh):
    """Every row of a map, as Darknet's own code has it: box, confidence of the best class, its number."""
    entries = 5 + layer.classes
    _, _, height, width = output.shape
    squash = (lambda x: x) if layer.new_coords else sigmoid
    for anchor, (anchor_width, anchor_height) in enumerate(layer.anchors):
        for y in range(height):
            for x in range(width):
                cell = [float(output[0, anchor * entries + entry, y, x]) for entry in range(entries)]
                shift = (layer.scale_x_y - 1) / 2
                centre_x = (x + squash(cell[0]) * layer.scale_x_y - shift) * input_wh[0] / width
                centre_y = (y + squash(cell[1]) * layer.scale_x_y - shift) * input_wh[1] / height
                grow = (lambda t: (2 * t) ** 2) if layer.new_coords else math.exp
                yield plain_row(
                    (centre_x, centre_y, grow(cell[2]) * anchor_width, grow(cell[3]) * anchor_height),
                    squash(cell[4]),
                    [squash(score) for score in cell[5:]],
                )


def yolox_map(seed):
    shape = (1, YOLOX_CELLS, 5 + YOLOX.classes)
    rng = np.random.default_rng(seed)
    output = rng.uniform(0, 1, shape)
    output[..., :4] = rng.uniform(-2, 2, (*shape[:2], 4))
    return output.astype(np.float32)


def plain_yolox(output, input_wh, strides=(8, 16, 32)):
    rows = iter(output[0].tolist())
    for stride in strides:
        for y in range(input_wh[1] // stride):
            for x in range(input_wh[0] // stride):
                cell = next(rows)
                centre = (cell[0] + x) * stride, (cell[1] + y) * stride
                yield plain_row((*centre, math.exp(cell[2]) * stride, math.exp(cell[3]) * stride), cell[4], cell[5:])
    assert next(rows, None) is None


def plain_row(box, objectness, scores):
    x, y, width, height = box
    best = max(range(len(scores)), key=lambda class_id: scores[class_id])
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2), objectness * scores[best], best


def assert_same(found, rows, confidence):
    """The same candidates in the same order, but for those at the very edge of the threshold."""
    assert (found.confidences > np.float32(confidence)).all()
    sure = found.take(np.abs(found.confidences - confidence) > EDGE)
    expected = [row for row in rows if row[1] > confidence + EDGE]
    assert len(sure) == len(expected)
    assert sure.class_ids.tolist() == [row[2] for row in expected]
    np.testing.assert_allclose(sure.confidences, [row[1] for row in expected], atol=1e-6)
    boxes_xyxy = np.array([row[0] for row in expected]).reshape(-1, 4)
    np.testing.assert_allclose(sure.boxes_xyxy, boxes_xyxy, rtol=1e-5, atol=1e-2)


@given(SEEDS, CONFIDENCES)
def test_darknet_is_decoded_as_by_the_definition(seed, confidence):
    outputs = [darknet_map(LARGE, seed, 2, 3), darknet_map(SMALL, seed + 1)]
    found = decode(DarknetHead((LARGE, SMALL)), outputs, INPUT_WH, confidence)
    rows = [*plain_darknet(LARGE, outputs[0], INPUT_WH), *plain_darknet(SMALL, outputs[1], INPUT_WH)]
    assert_same(found, rows, confidence)


@given(SEEDS, CONFIDENCES)
def test_new_coordinates_are_decoded_as_by_the_definition(seed, confidence):
    output = darknet_map(SQUASHED, seed)
    found = decode(DarknetHead((SQUASHED,)), [output], INPUT_WH, confidence)
    assert_same(found, list(plain_darknet(SQUASHED, output, INPUT_WH)), confidence)


@given(SEEDS, CONFIDENCES)
def test_yolox_is_decoded_as_by_the_definition(seed, confidence):
    output = yolox_map(seed)
    assert_same(decode(YOLOX, [output], INPUT_WH, confidence), list(plain_yolox(output, INPUT_WH)), confidence)


HEADS = [
    pytest.param(DarknetHead((SMALL,)), lambda seed: darknet_map(SMALL, seed), 3 * 4 * 6, id="darknet"),
    pytest.param(DarknetHead((SQUASHED,)), lambda seed: darknet_map(SQUASHED, seed), 2 * 4 * 6, id="new_coords"),
    pytest.param(YOLOX, yolox_map, YOLOX_CELLS, id="yolox"),
]


@pytest.mark.parametrize(("head", "make", "rows"), HEADS)
def test_over_nothing_every_row_is_a_candidate_and_over_one_none_is(head, make, rows):
    assert len(decode(head, [make(0)], INPUT_WH, 0.0)) == rows
    assert len(decode(head, [make(0)], INPUT_WH, 1.0)) == 0


def test_certainty_itself_is_not_over_one():
    certain = np.full((1, 8, 1, 1), 100, np.float32)
    layer = YoloLayer(((1.0, 1.0),), 3)
    certain[0, 2:4] = 0
    assert decode(DarknetHead((layer,)), [certain], (32, 32), 0.999).confidences.tolist() == [1.0]
    assert len(decode(DarknetHead((layer,)), [certain], (32, 32), 1.0)) == 0


def test_no_confidence_at_all_is_not_over_nothing():
    layer = YoloLayer(((1.0, 1.0),), 3)
    hopeless = np.full((1, 8, 1, 1), -200, np.float32)
    assert len(decode(DarknetHead((layer,)), [hopeless], (32, 32), 0.0)) == 0


@pytest.mark.parametrize(("head", "make", "rows"), HEADS)
def test_candidates_are_float32_and_the_output_is_left_as_it_was(head, make, rows):
    output = make(1)
    found = decode(head, [output], INPUT_WH, 0.1)
    assert len(found) > 0
    assert (found.boxes_xyxy.dtype, found.confidences.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(output, make(1))


def test_rows_are_all_those_over_the_objectness():
    output = darknet_map(SMALL, 5)
    boxes_xyxy, objectness, scores = darknet_rows(SMALL, output, INPUT_WH)
    assert (boxes_xyxy.shape, objectness.shape, scores.shape) == ((72, 4), (72,), (72, 3))
    _, over_half, _ = darknet_rows(SMALL, output, INPUT_WH, 0.5)
    np.testing.assert_array_equal(over_half, objectness[objectness > 0.5])


SIGMOID = DarknetHead((YoloLayer(((10.0, 20.0),), 2),))
NEW_COORDS = DarknetHead((YoloLayer(((10.0, 20.0),), 2, new_coords=True),))
ONE_CELL = YoloxHead(2, strides=(32,))
NAMES = ("x", "y", "width", "height", "objectness", "first", "second")


def decode_row(head, **entries):
    """The candidates of a network of one cell, which is certain of its first class, but for the entries given."""
    row = {"x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5, "objectness": 1.0, "first": 1.0, "second": 0.0}
    values = np.array([{**row, **entries}[name] for name in NAMES], np.float32)
    shape = (1, 1, 7) if isinstance(head, YoloxHead) else (1, 7, 1, 1)
    return decode(head, [values.reshape(shape)], (32, 32), 0.25)


UNSOUND = [
    *((head, {name: np.nan}) for head in (SIGMOID, NEW_COORDS, ONE_CELL) for name in NAMES),
    *((head, {side: np.inf}) for head in (SIGMOID, NEW_COORDS, ONE_CELL) for side in ("width", "height")),
    *((head, {"objectness": np.nan, "x": np.nan}) for head in (SIGMOID, NEW_COORDS, ONE_CELL)),
    *((head, {"width": 200.0}) for head in (SIGMOID, ONE_CELL)),
    *((head, {"width": 88.0}) for head in (SIGMOID, ONE_CELL)),  # e^88 is finite, times anchor or stride it is not
    *((head, {"x": np.inf}) for head in (NEW_COORDS, ONE_CELL)),
    *((head, {"x": np.inf, "width": 200.0}) for head in (ONE_CELL,)),
    *((head, {"x": np.inf, "width": np.inf}) for head in (NEW_COORDS, ONE_CELL)),
    *((head, {"objectness": np.inf, "first": np.inf}) for head in (NEW_COORDS, ONE_CELL)),
    *((head, {"objectness": np.inf, "first": 0.0}) for head in (NEW_COORDS, ONE_CELL)),
    (NEW_COORDS, {"height": 1e30}),
    (ONE_CELL, {"y": 3e38}),
]


def described(value):
    if isinstance(value, dict):
        return " ".join(f"{name}={entry:g}" for name, entry in value.items())
    return {SIGMOID: "darknet", NEW_COORDS: "new_coords", ONE_CELL: "yolox"}[value]


@pytest.mark.parametrize("head", [SIGMOID, NEW_COORDS, ONE_CELL], ids=described)
def test_a_sound_row_is_a_candidate(head):
    assert decode_row(head).class_ids.tolist() == [0]


@pytest.mark.parametrize(("head", "entries"), UNSOUND, ids=described)
def test_overflown_rows_give_no_candidates_and_no_warning(head, entries):
    assert len(decode_row(head, **entries)) == 0


@pytest.mark.parametrize(
    "entries", [{"x": np.inf}, {"objectness": np.inf, "first": np.inf, "y": -np.inf}], ids=described
)
def test_an_infinity_that_sigmoid_squashes_is_sound(entries):
    assert np.isfinite(decode_row(SIGMOID, **entries).boxes_xyxy).all()
    assert len(decode_row(SIGMOID, **entries)) == 1


def test_an_overflown_row_leaves_its_neighbours_alone():
    output = darknet_map(LARGE, 3)
    before = decode(DarknetHead((LARGE,)), [output], INPUT_WH, 0.0)
    output[0, 2, 1, 1] = np.nan  # the width in the second row's second cell, of the first anchor
    after = decode(DarknetHead((LARGE,)), [output], INPUT_WH, 0.0)
    others = np.delete(np.arange(len(before)), 1 * 6 + 1)
    np.testing.assert_array_equal(after.boxes_xyxy, before.boxes_xyxy[others])


ANY = st.floats(width=32)


@given(st.lists(ANY, min_size=14, max_size=14), st.sampled_from([SIGMOID, NEW_COORDS, ONE_CELL]))
@example([0, 0, 70, 70, 9, 9, 9] * 2, ONE_CELL)  # finite boxes, whose area is not
def test_whatever_a_network_says_becomes_boxes_in_the_picture_without_warning(values, head):
    numbers = np.array(values, np.float32)
    output = numbers.reshape((1, 2, 7) if head is ONE_CELL else (1, 7, 1, 2))
    found = suppress(decode(head, [output], (64, 32), 0.25), 0.45)
    boxes_xyxy = Frame((640, 480), (64, 32)).to_image(found.boxes_xyxy)
    assert ((boxes_xyxy >= 0) & (boxes_xyxy <= [640, 480, 640, 480])).all()
    assert np.isfinite(found.confidences).all()


@pytest.mark.parametrize(
    "shape",
    [(1, 23, 4, 6), (1, 25, 4, 6), (2, 24, 4, 6), (24, 4, 6), (1, 24, 24), (1, 1, 24, 4, 6), (1, 4, 6, 24), (0,)],
)
def test_darknet_maps_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="does not fit 3 anchors of 8 entries"):
        decode(DarknetHead((SMALL,)), [np.zeros(shape, np.float32)], INPUT_WH, 0.25)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_darknet_outputs_is_refused(count):
    with pytest.raises(ValueError, match=f"has {count} outputs, its head 2 layers"):
        decode(DarknetHead((SMALL, SMALL)), [darknet_map(SMALL, 0)] * count, INPUT_WH, 0.25)


@pytest.mark.parametrize(
    "shapes",
    [
        [],
        [(1, YOLOX_CELLS, 8)] * 2,
        [(1, YOLOX_CELLS - 1, 8)],
        [(1, YOLOX_CELLS, 85)],
        [(2, YOLOX_CELLS, 8)],
        [(YOLOX_CELLS, 8)],
        [(1, 8, YOLOX_CELLS)],
    ],
)
def test_yolox_outputs_of_another_shape_are_refused(shapes):
    with pytest.raises(ValueError, match=f"do not fit YOLOX with {YOLOX_CELLS} cells and 3 classes"):
        decode(YOLOX, [np.zeros(shape, np.float32) for shape in shapes], INPUT_WH, 0.25)


@pytest.mark.parametrize(("input_wh", "cells"), [((416, 416), 3549), ((640, 640), 8400), (INPUT_WH, YOLOX_CELLS)])
def test_grid_cells(input_wh, cells):
    assert grid_cells(input_wh, (8, 16, 32)) == cells


def test_a_head_knows_its_classes():
    assert DarknetHead((LARGE, SMALL)).classes == 3


def test_every_class_of_a_row_counts_where_it_is_asked_for():
    output = np.zeros((1, YOLOX_CELLS, 8), np.float32)
    output[0, 5, 4:] = 0.8, 0.9, 0.2, 0.5  # objectness, and three classes of which two come to more than 0.25
    best = decode(YOLOX, [output], INPUT_WH, 0.25)
    every = decode(YOLOX, [output], INPUT_WH, 0.25, every_class=True)
    assert best.class_ids.tolist() == [0]
    assert every.class_ids.tolist() == [0, 2]
    assert every.confidences == pytest.approx([0.72, 0.4])
    assert (every.boxes_xyxy == best.boxes_xyxy).all()


@given(SEEDS, CONFIDENCES)
def test_the_best_class_of_a_row_is_among_every_class(seed, confidence):
    output = darknet_map(SMALL, seed)
    head = DarknetHead((SMALL,))
    best = decode(head, [output], INPUT_WH, confidence)
    every = decode(head, [output], INPUT_WH, confidence, every_class=True)
    assert rows_of(best) <= rows_of(every)
    assert (every.confidences > confidence).all()


def rows_of(candidates):
    columns = candidates.boxes_xyxy.tolist(), candidates.confidences.tolist(), candidates.class_ids.tolist()
    return {(tuple(box), confidence, class_id) for box, confidence, class_id in zip(*columns, strict=True)}
