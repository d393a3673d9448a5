"""Boxes go into the network's input and come back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookout.core.framing import Frame, InputFormat

INPUTS = st.integers(1, 20).map(lambda strides: 32 * strides)
SIDES = st.integers(1, 6000)
PARTS = st.floats(0, 1)
FORMATS = st.builds(
    InputFormat,
    width=INPUTS,
    height=INPUTS,
    framing=st.sampled_from(["stretch", "letterbox", "letterbox-centred"]),
    channels=st.just("rgb"),
    scale=st.just(1.0),
)


@given(FORMATS, SIDES, SIDES, st.lists(st.tuples(PARTS, PARTS, PARTS, PARTS), max_size=5))
def test_boxes_come_back_within_a_pixel(input_format, width, height, parts):
    frame = Frame.of((width, height), input_format)
    boxes_xyxy = np.array(parts, np.float64).reshape(-1, 4) * [width, height, width, height]
    ratios = [side / whole for side, whole in zip(frame.content_wh * 2, (width, height) * 2, strict=True)]
    laid_in = boxes_xyxy * ratios + np.array(frame.offset_xy * 2)
    assert (laid_in >= 0).all()
    assert (laid_in <= np.array(input_format.size_wh * 2) + 1e-6).all()
    back = frame.to_image(laid_in.astype(np.float32))
    assert back.dtype == np.float32
    assert np.abs(back - boxes_xyxy).max(initial=0) < 1


@given(FORMATS, SIDES, SIDES)
def test_the_whole_content_is_the_whole_picture(input_format, width, height):
    frame = Frame.of((width, height), input_format)
    (left, top), (content_width, content_height) = frame.offset_xy, frame.content_wh
    content = np.array([[left, top, left + content_width, top + content_height]], np.float32)
    np.testing.assert_allclose(frame.to_image(content), [[0, 0, width, height]], rtol=1e-6)


@given(FORMATS, SIDES, SIDES, st.lists(st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 4), max_size=5))
def test_boxes_are_clipped_to_the_picture(input_format, width, height, boxes):
    boxes_xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    given_boxes = boxes_xyxy.copy()
    inside = Frame.of((width, height), input_format).to_image(boxes_xyxy)
    assert inside.shape == boxes_xyxy.shape
    assert (inside >= 0).all()
    assert (inside <= np.array([width, height] * 2)).all()
    np.testing.assert_array_equal(boxes_xyxy, given_boxes)


def test_a_box_that_sticks_out_keeps_the_part_that_is_inside():
    frame = Frame.of((200, 100), InputFormat(100, 100, "stretch", "rgb", 1.0))
    sticking_out = np.array([[-20, 10, 30, 120]], np.float32)
    assert frame.to_image(sticking_out).tolist() == [[0, 10, 60, 100]]


@given(FORMATS, SIDES, SIDES)
def test_the_content_fits_the_input(input_format, width, height):
    content_width, content_height = Frame.of((width, height), input_format).content_wh
    assert 1 <= content_width <= input_format.width
    assert 1 <= content_height <= input_format.height


@given(INPUTS, INPUTS, SIDES, SIDES)
def test_stretching_fills_the_input_and_letterboxing_keeps_the_shape(input_width, input_height, width, height):
    stretched = Frame.of((width, height), InputFormat(input_width, input_height, "stretch", "rgb", 1.0))
    assert stretched.content_wh == (input_width, input_height)
    letterboxed = Frame.of((width, height), InputFormat(input_width, input_height, "letterbox", "bgr", 1.0))
    ratio = min(input_width / width, input_height / height)
    for content, side in zip(letterboxed.content_wh, (width, height), strict=True):
        # Rounded down as YOLOX's own code does, but never to nothing.
        assert content == 1 or side * ratio - 1 - 1e-6 < content <= side * ratio + 1e-6
    slack = min(input_width - letterboxed.content_wh[0], input_height - letterboxed.content_wh[1])
    assert slack <= 1


@pytest.mark.parametrize(
    ("image_wh", "content_wh"),
    [((640, 480), (416, 312)), ((480, 640), (312, 416)), ((10, 10), (416, 416)), ((5000, 2), (416, 1))],
)
def test_letterboxed_sizes(image_wh, content_wh):
    assert Frame.of(image_wh, InputFormat(416, 416, "letterbox", "bgr", 1.0)).content_wh == content_wh


@pytest.mark.parametrize(
    ("image_wh", "content_wh", "offset_xy"),
    [
        ((640, 480), (416, 312), (0, 52)),
        ((480, 640), (312, 416), (52, 0)),
        ((10, 10), (416, 416), (0, 0)),
        ((1000, 667), (416, 277), (0, 69)),  # 277.47 rows; of 139 that stay free, the larger half below
        ((5000, 2), (416, 1), (0, 207)),
    ],
)
def test_centred_letterboxes(image_wh, content_wh, offset_xy):
    frame = Frame.of(image_wh, InputFormat(416, 416, "letterbox-centred", "rgb", 1 / 255))
    assert (frame.content_wh, frame.offset_xy) == (content_wh, offset_xy)


def test_size_is_width_then_height():
    assert InputFormat(320, 192, "stretch", "rgb", 1.0).size_wh == (320, 192)
