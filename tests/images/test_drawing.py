"""Boxes and labels on a picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lookout import images
from lookout.core.detections import Box, Detection
from lookout.images.drawing import _colour, _ink
from lookout.models.labels import COCO

rng = np.random.default_rng(11)
PICTURE = rng.integers(0, 256, (48, 64, 3), np.uint8)


def detection(label="cat", confidence=0.9, box=(100, 100, 80, 60)):
    return Detection(label, confidence, Box(*box))


def changed(picture, *objects):
    """Where drawing changed a picture, as a mask."""
    return (images.draw(picture, objects) != picture).any(axis=2)


def test_drawing_changes_a_copy():
    picture = images.blank(320, 240)
    before = picture.copy()
    drawn = images.draw(picture, [detection()])
    np.testing.assert_array_equal(picture, before)
    assert (drawn.shape, drawn.dtype) == (picture.shape, np.uint8)
    assert not np.shares_memory(drawn, picture)
    assert (drawn != picture).any()


def test_nothing_to_draw_gives_the_same_picture():
    np.testing.assert_array_equal(images.draw(PICTURE, []), PICTURE)


def test_a_box_is_drawn_round_the_object():
    mask = changed(images.blank(320, 240), detection(box=(100.4, 99.6, 80, 60)))
    assert mask[100:160, 100].all()
    assert mask[100:160, 180].all()
    assert mask[160, 100:180].all()
    assert not mask[105:155, 105:175].any()
    assert not mask[165:].any()
    assert not mask[:, :95].any()


@pytest.mark.parametrize("corner", [(0, 0), (0, 239), (319, 0), (319, 239)], ids=str)
def test_the_label_of_an_object_in_a_corner_is_inside_the_picture(corner):
    """Drawn on a larger picture, a label in its middle has nowhere to stick out."""
    in_the_middle = changed(images.blank(540, 240), detection(box=(270, 120, 0, 0)))
    in_the_corner = changed(images.blank(320, 240), detection(box=(*corner, 0, 0)))
    # A filled rectangle has its last row and column on the picture's edge, or one beyond it.
    rows, columns = (np.ptp(np.nonzero(in_the_middle.any(axis=axis))) + 1 for axis in (1, 0))
    assert in_the_corner.sum() >= in_the_middle.sum() - rows - columns


def test_a_label_that_is_wider_than_the_picture_shows_its_beginning():
    wide = detection("a label that is far wider than the picture", box=(60, 40, 20, 20))
    narrow_picture, wide_picture = images.blank(100, 100), images.blank(1000, 100)
    drawn = images.draw(narrow_picture, [wide])
    at_the_edge = images.draw(wide_picture, [detection(wide.label, box=(0, 40, 20, 20))])
    np.testing.assert_array_equal(drawn[20:38], at_the_edge[20:38, :100])
    assert (drawn[20:38] != 114).any()


def test_the_most_confident_is_drawn_on_top():
    sure, unsure = detection("cat", 0.9), detection("dog", 0.3)
    picture = images.blank(320, 240)
    alone, both = images.draw(picture, [sure]), images.draw(picture, [sure, unsure])
    mask = changed(picture, sure)
    np.testing.assert_array_equal(both[mask], alone[mask])


def test_a_label_has_one_colour_everywhere():
    here, there = (images.draw(images.blank(320, 240), [detection(box=(x, 150, 40, 50))]) for x in (20, 200))
    assert here[200, 40].tolist() == there[200, 220].tolist() != [114, 114, 114]
    other = images.draw(images.blank(320, 240), [detection("dog", box=(20, 150, 40, 50))])
    assert other[200, 40].tolist() != here[200, 40].tolist()


@pytest.mark.parametrize(
    "label", ["", "naïve ☃", "a label that is far longer than the picture is wide " * 3, "%s {}\n\0"]
)
@pytest.mark.parametrize("size_wh", [(1, 1), (40, 30), (2000, 1500)])
def test_any_label_is_drawn_on_any_picture(label, size_wh):
    picture = images.blank(*size_wh)
    drawn = images.draw(picture, [detection(label, box=(0, 0, *size_wh))])
    assert drawn.shape == picture.shape
    assert (drawn != picture).any()


def lab(colours_bgr):
    return cv2.cvtColor(np.array([colours_bgr], np.float32) / 255, cv2.COLOR_BGR2Lab)[0]


def test_cocos_labels_have_colours_of_their_own():
    colours = lab([_colour(label) for label in COCO])
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    assert apart[~np.eye(len(COCO), dtype=bool)].min() > 8  # from 2.3 on, two are told apart side by side


@pytest.mark.parametrize("label", COCO)
def test_the_ink_stands_out_from_the_label(label):
    colour = _colour(label)
    lightness, ink_lightness = lab([colour, _ink(colour)])[:, 0]
    assert abs(lightness - ink_lightness) > 35


@pytest.mark.parametrize("size_wh", [(100, 75), (640, 480), (4000, 3000), (8000, 6000), (8000, 200)], ids=str)
def test_labels_can_be_read_at_every_size(size_wh):
    """Text of a fiftieth of the longer side, but of 11 pixels, and of no more than a twelfth of the shorter side."""
    width, height = size_wh
    mask = changed(images.blank(width, height), detection("i", box=(width / 2, height / 2, 0, 0)))
    label_height = np.ptp(np.nonzero(mask.any(axis=1))) + 1
    expected = max(11, min(max(size_wh) / 50, min(size_wh) / 12))
    assert 1.2 * expected <= label_height <= 1.6 * expected
