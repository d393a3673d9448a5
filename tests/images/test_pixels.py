"""A network's input made of pixels, and JPEG."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lookout import images
from lookout.core.framing import Frame, InputFormat

FRAMINGS = ["stretch", "letterbox", "letterbox-centred"]
WIDTH, HEIGHT = 64, 48
rng = np.random.default_rng(11)
PICTURE = cv2.resize(rng.integers(0, 256, (4, 5, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)


def test_size_is_width_then_height():
    assert images.size_wh(PICTURE) == (WIDTH, HEIGHT)
    assert images.size_wh(images.blank(7, 5)) == (7, 5)
    assert np.unique(images.blank(7, 5)).tolist() == [114]


BLUE, RED = (200, 100, 0), (0, 50, 255)  # blue, green, red


def two_halves(width, height):
    """Blue on the left, red on the right."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:, : width // 2], picture[:, width // 2 :] = BLUE, RED
    return picture


def fill(picture, input_format):
    blob = images.fill(picture, Frame.of(images.size_wh(picture), input_format), input_format)
    assert blob.dtype == np.float32
    assert blob.shape == (1, 3, input_format.height, input_format.width)
    return blob[0].transpose(1, 2, 0)


def test_darknets_input_is_the_stretched_picture_in_rgb_up_to_one():
    field = fill(two_halves(80, 20), InputFormat(32, 64, "stretch", "rgb", 1 / 255))
    np.testing.assert_allclose(field[:, :15], np.broadcast_to(BLUE[::-1], (64, 15, 3)) / np.float32(255), atol=1e-6)
    np.testing.assert_allclose(field[:, 17:], np.broadcast_to(RED[::-1], (64, 15, 3)) / np.float32(255), atol=1e-6)


def test_yoloxs_input_is_the_picture_in_the_top_left_corner_in_bgr_up_to_255():
    field = fill(two_halves(80, 20), InputFormat(64, 32, "letterbox", "bgr", 1.0))
    np.testing.assert_array_equal(field[:16, :31], np.broadcast_to(BLUE, (16, 31, 3)))
    np.testing.assert_array_equal(field[:16, 33:], np.broadcast_to(RED, (16, 31, 3)))
    np.testing.assert_array_equal(field[16:], np.full((16, 64, 3), 114))


def test_a_tall_picture_is_padded_on_the_right():
    field = fill(np.full((40, 10, 3), RED, np.uint8), InputFormat(32, 64, "letterbox", "rgb", 1.0, padding=7))
    np.testing.assert_array_equal(field[:, :16], np.broadcast_to(RED[::-1], (64, 16, 3)))
    np.testing.assert_array_equal(field[:, 16:], np.full((64, 16, 3), 7))


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_picture_of_the_inputs_size_is_taken_as_it_is(framing):
    field = fill(PICTURE, InputFormat(WIDTH, HEIGHT, framing, "bgr", 1.0))
    np.testing.assert_array_equal(field, PICTURE)


@pytest.mark.parametrize("framing", ["stretch", "letterbox"])
@pytest.mark.parametrize("size_wh", [(1, 1), (1, 3000), (3000, 1), (33, 65)])
def test_odd_pictures_are_filled_too(framing, size_wh):
    field = fill(np.full((size_wh[1], size_wh[0], 3), BLUE, np.uint8), InputFormat(64, 32, framing, "bgr", 1.0))
    np.testing.assert_array_equal(field[0, 0], BLUE)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("size_wh", [(640, 480), (480, 640), (333, 77), (50, 40)])
def test_what_is_seen_in_the_input_is_found_in_the_picture(framing, size_wh):
    """A white box is drawn, its edges are looked for in the input, and go back to where it was drawn."""
    width, height = size_wh
    box = np.array([width // 4, height // 3, width // 2, height - 5], np.float32)
    picture = np.zeros((height, width, 3), np.uint8)
    picture[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = 255
    input_format = InputFormat(416, 320, framing, "bgr", 1.0, padding=0)
    frame = Frame.of(size_wh, input_format)
    rows, columns = np.nonzero(images.fill(picture, frame, input_format)[0, 0] > 127)
    seen = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    # Edges are seen in whole pixels of the input, however many of the picture's that are.
    pixel = [max(1, whole / content) for whole, content in zip(size_wh, frame.content_wh, strict=True)] * 2
    assert (np.abs(frame.to_image(seen)[0] - box) <= pixel).all()


def test_a_picture_is_encoded_as_jpeg():
    data = images.encode_jpeg(PICTURE)
    assert data.startswith(b"\xff\xd8\xff")
    assert np.abs(images.decode(data).pixels_bgr.astype(int) - PICTURE).mean() < 3
    assert len(images.encode_jpeg(PICTURE, quality=10)) < len(data)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(("channels", "scale"), [("rgb", 1 / 255), ("bgr", 1.0), ("bgr", 1 / 255)])
@pytest.mark.parametrize("size_wh", [(640, 480), (333, 500), (16, 16), (1, 900)], ids=str)
def test_the_input_is_opencvs_blob_bit_by_bit(framing, channels, scale, size_wh):
    picture = rng.integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    input_format = InputFormat(320, 256, framing, channels, scale)
    frame = Frame.of(size_wh, input_format)
    (left, top), (width, height) = frame.offset_xy, frame.content_wh
    field = np.full((256, 320, 3), 114, np.uint8)
    field[top : top + height, left : left + width] = cv2.resize(picture, frame.content_wh)
    expected = cv2.dnn.blobFromImage(field, scale, swapRB=channels == "rgb")
    np.testing.assert_array_equal(images.fill(picture, frame, input_format), expected)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_value_of_a_large_picture_counts(framing):
    """One row in eight is white: a picture that is only sampled would be black or white, by chance."""
    picture = np.zeros((1024, 1024, 3), np.uint8)
    picture[::8] = 255
    input_format = InputFormat(64, 64, framing, "bgr", 1.0)
    blob = images.fill(picture, Frame.of((1024, 1024), input_format), input_format)
    np.testing.assert_allclose(blob, 255 / 8, atol=1)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_reduced_picture_fills_the_input_as_the_whole_one_does(framing):
    large = cv2.resize(PICTURE, (1300, 901))
    input_format = InputFormat(128, 96, framing, "rgb", 1 / 255)
    frame = Frame.of((1300, 901), input_format)
    reduced = cv2.resize(large, (650, 451), interpolation=cv2.INTER_AREA)
    whole = images.fill(large, frame, input_format)
    np.testing.assert_allclose(images.fill(reduced, frame, input_format), whole, atol=3 / 255)


@pytest.mark.parametrize(
    ("size_wh", "by"), [((640, 640), 1), ((703, 4000), 1), ((704, 704), 2), ((1408, 3000), 4), ((99_999, 9999), 8)]
)
def test_a_tenth_more_than_the_network_sees_is_left(size_wh, by):
    assert images.reduction(size_wh, (320, 320)) == by
