"""Pictures that are sent smaller, and the boxes that come back."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.image_files import exif, segment
from helpers.tiny import make_picture
from lookout import images
from lookout.core.detections import Box, Detection
from lookout.errors import ImageError, UsageError
from lookout.executions.protocol import Answer, UploadingExecution
from lookout.executions.shrinking import input_of, needed_wh, read_input, shrink, shrinking

FRAMINGS = ("stretch", "letterbox", "letterbox-centred")
LARGE = make_picture(3, 1600, 1200)


@given(
    width=st.integers(1, 8000),
    height=st.integers(1, 8000),
    side=st.integers(32, 1536),
    framing=st.sampled_from(FRAMINGS),
    margin=st.sampled_from([1.0, 1.5, 2.0]),
)
def test_a_picture_keeps_its_shape_is_never_enlarged_and_no_smaller_than_what_is_looked_at(
    width: int, height: int, side: int, framing: str, margin: float
):
    sent_width, sent_height = needed_wh((width, height), input_of(side, side, framing), margin)
    assert 1 <= sent_width <= width
    assert 1 <= sent_height <= height
    assert abs(sent_width / width - sent_height / height) <= 1 / min(width, height)
    if (sent_width, sent_height) != (width, height):
        looked_at = min(sent_width, sent_height) if framing == "stretch" else max(sent_width, sent_height)
        assert abs(looked_at - side * margin) <= 1


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_large_picture_is_sent_small_and_its_boxes_come_back_large(framing: str):
    shrunk = shrink(LARGE, input_of(416, 416, framing))
    width, height = images.decode(shrunk.data).size_wh
    assert (width, height) == needed_wh((1600, 1200), input_of(416, 416, framing))
    assert len(shrunk.data) < len(LARGE) / 3
    whole = shrunk.original(Detection("all", 1.0, Box(0, 0, width, height))).box
    assert (whole.x, whole.y, whole.width, whole.height) == pytest.approx((0, 0, 1600, 1200))


def test_the_boxes_of_a_turned_picture_are_those_of_the_upright_one():
    turned = LARGE[:2] + segment(0xE1, b"Exif\0\0" + exif(6)) + LARGE[2:]
    shrunk = shrink(turned, input_of(416, 416, "letterbox"))
    small = images.decode(shrunk.data)
    assert small.size_wh == (312, 416)
    assert shrunk.enlarge_xy == pytest.approx((1200 / 312, 1600 / 416))
    expected = cv2.resize(images.decode(turned).pixels_bgr, (312, 416), interpolation=cv2.INTER_AREA)
    assert np.abs(small.pixels_bgr.astype(int) - expected).mean() < 4


def make_noise(side: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (side, side, 3), np.uint8)


@pytest.mark.parametrize(
    "data",
    [
        make_picture(1, 400, 300),
        cv2.imencode(".jpg", make_noise(500), [cv2.IMWRITE_JPEG_QUALITY, 5])[1].tobytes(),
    ],
    ids=["no larger", "of few bytes already"],
)
def test_what_would_not_become_smaller_goes_as_it_is(data: bytes):
    shrunk = shrink(data, input_of(416, 416, "letterbox"))
    assert shrunk.data is data
    assert shrunk.enlarge_xy == (1, 1)


def test_one_row_of_pixels_stays_one():
    line = cv2.imencode(".bmp", np.random.default_rng(1).integers(0, 255, (1, 3000, 3), np.uint8))[1].tobytes()
    assert images.decode(shrink(line, input_of(416, 416, "letterbox")).data).size_wh == (416, 1)


def test_what_is_no_image_is_said_as_everywhere():
    with pytest.raises(ImageError, match="not an image that can be decoded"):
        shrink(b"hello", input_of(416, 416, "letterbox"))


@pytest.mark.parametrize(
    "text", ["", "416", "416x416", "416x416 sideways", "0x4 stretch", "ax4 stretch", "4x4x4 stretch"]
)
def test_a_stack_that_does_not_say_what_its_model_looks_at_is_refused(text: str):
    with pytest.raises(UsageError, match="lookout stack up --model"):
        read_input(text)


class Plain:
    """Finds one thing in the middle of whatever it gets."""

    name = "direct"

    def __init__(self) -> None:
        self.closed = False

    def detect(self, data: bytes, name: str = "image") -> Answer:
        width, height = images.decode(data).size_wh
        return Answer((Detection(name, 0.5, Box(width / 4, height / 4, width / 2, height / 2)),), 1.0, 5.0)

    def close(self) -> None:
        self.closed = True


class Uploading(Plain):
    name = "remote"

    def detect_noted(self, data, name, note, earlier=None) -> Answer:
        note(f"after {earlier}")
        return self.detect(data, name)


@pytest.mark.parametrize("kind", [Plain, Uploading])
def test_an_execution_stays_what_it_is(kind: type[Plain]):
    plain = kind()
    execution = shrinking(plain, input_of(64, 64, "stretch"))
    assert execution.name == kind.name
    answers, noted = [execution.detect(LARGE, "a.jpg")], []
    assert isinstance(execution, UploadingExecution) == (kind is Uploading)
    if isinstance(execution, UploadingExecution):
        answers.append(execution.detect_noted(LARGE, "a.jpg", noted.append, "earlier"))
        assert noted == ["after earlier"]
    for answer in answers:
        (found,) = answer.objects
        box = found.box
        assert found.label == "a.jpg"
        assert (box.x, box.y, box.width, box.height) == pytest.approx((400, 300, 800, 600), abs=10)
        assert answer.elapsed_ms > 5  # with what the shrinking took
    execution.close()
    assert plain.closed


def test_an_execution_without_uploads_is_not_taken_for_one():
    assert not isinstance(SimpleNamespace(name="local", detect=None, close=None), UploadingExecution)
