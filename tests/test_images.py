"""Bytes to pixels and back: every format, everything that is not a whole image, and the network's input."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from helpers.shared import shared
from lookout import images
from lookout.core.detections import Box, Detection
from lookout.core.framing import Frame, InputFormat
from lookout.errors import ImageError, NoImagesError

rng = np.random.default_rng(11)
WIDTH, HEIGHT = 64, 48
# Smooth, so that formats with losses keep it, and different everywhere, so that nothing is turned unseen.
PICTURE = cv2.resize(rng.integers(0, 256, (4, 5, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)


def encode(suffix, picture=PICTURE, *options):
    ok, data = cv2.imencode(suffix, picture, options)
    assert ok
    return data.tobytes()


EXACT = {".png": (), ".bmp": (), ".tiff": (), ".webp": (cv2.IMWRITE_WEBP_QUALITY, 101)}
LOSSY = {".jpg": (cv2.IMWRITE_JPEG_QUALITY, 95), ".webp": (cv2.IMWRITE_WEBP_QUALITY, 95)}


@pytest.mark.parametrize("suffix", EXACT)
def test_formats_without_losses_give_the_same_pixels(suffix):
    image_bgr = images.decode(encode(suffix, PICTURE, *EXACT[suffix]))
    assert image_bgr.dtype == np.uint8
    np.testing.assert_array_equal(image_bgr, PICTURE)


@pytest.mark.parametrize("suffix", LOSSY)
def test_formats_with_losses_give_nearly_the_same_pixels(suffix):
    image_bgr = images.decode(encode(suffix, PICTURE, *LOSSY[suffix]))
    assert image_bgr.dtype == np.uint8
    assert np.abs(image_bgr.astype(int) - PICTURE).mean() < 3


def test_every_suffix_that_is_looked_for_is_a_format_that_is_read():
    for suffix in images.SUFFIXES:
        assert images.decode(encode(suffix)).shape == (HEIGHT, WIDTH, 3)


TRUNCATED = {
    "jpeg": encode(".jpg"),
    "jpeg, fine": encode(".jpg", PICTURE, cv2.IMWRITE_JPEG_QUALITY, 100),
    "jpeg, progressive": encode(".jpg", PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "jpeg with restart markers": encode(".jpg", PICTURE, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "jpeg, grey": encode(".jpg", PICTURE[:, :, 0]),
    "png": encode(".png"),
    "png with alpha": encode(".png", np.dstack([PICTURE, PICTURE[:, :, 0]])),
    "webp": encode(".webp", PICTURE, cv2.IMWRITE_WEBP_QUALITY, 90),
    "webp without losses": encode(".webp", PICTURE, cv2.IMWRITE_WEBP_QUALITY, 101),
    "bmp": encode(".bmp"),
    "tiff": encode(".tiff"),
}


@pytest.mark.parametrize("data", TRUNCATED.values(), ids=TRUNCATED)
def test_truncated_images_are_refused_wherever_they_are_cut(data):
    assert images.decode(data).shape == (HEIGHT, WIDTH, 3)
    cuts = {*range(0, len(data), max(1, len(data) // 150)), *range(len(data) - 16, len(data))}
    for length in sorted(cuts):
        with pytest.raises(ImageError):
            images.decode(data[:length])


def test_truncated_photographs_are_refused_wherever_they_are_cut():
    for path in sorted(shared("coco", "images").glob("*.jpg"))[:8]:
        data = path.read_bytes()
        assert images.decode(data).size > 0
        for length in [*range(1, len(data), len(data) // 8), len(data) - 2, len(data) - 1]:
            with pytest.raises(ImageError):
                images.decode(data[:length])


@pytest.mark.parametrize(
    "data", [b"\0", b"no image", b"<html></html>", b"%PDF-1.7", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ImageError, match="not an image that can be decoded"):
        images.decode(data)


def test_nothing_is_refused_as_such():
    with pytest.raises(ImageError, match="the image is empty"):
        images.decode(b"")


def test_bytes_over_the_limit_are_refused_before_they_are_looked_at(monkeypatch):
    data = encode(".png")
    monkeypatch.setattr(images, "MAX_BYTES", len(data))
    assert images.decode(data).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(ImageError, match=rf"has {len(data) + 1:,} bytes; at most {len(data):,} are taken"):
        images.decode(data + b"\0")


def png_that_claims(width, height):
    """A PNG of a few bytes whose header promises this size."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg_that_claims(width, height):
    data = bytearray(encode(".jpg"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp_that_claims(width, height):
    data = bytearray(encode(".bmp"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


@pytest.mark.parametrize("make_image", [png_that_claims, jpeg_that_claims, bmp_that_claims])
@pytest.mark.parametrize("size_wh", [(0, 0), (40_000, 40_000), (65_500, 65_500)], ids=str)
def test_absurd_sizes_are_refused(make_image, size_wh):
    with pytest.raises(ImageError):
        images.decode(make_image(*size_wh))


def with_orientation(jpeg, orientation):
    """The same JPEG with an EXIF block that says how the camera was held."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    block = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


# What EXIF's numbers say must be done to the stored pixels, to see the picture upright.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_pictures_are_turned_upright(orientation):
    jpeg = encode(".jpg")
    expected = UPRIGHT[orientation](images.decode(jpeg))
    np.testing.assert_array_equal(images.decode(with_orientation(jpeg, orientation)), expected)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(PICTURE[:, :, 0], id="grey"),
        pytest.param(np.dstack([PICTURE, PICTURE[:, :, 0]]), id="alpha"),
        pytest.param(PICTURE[:, :, 0].astype(np.uint16) * 257, id="grey, 16 bits"),
        pytest.param(PICTURE.astype(np.uint16) * 257, id="16 bits"),
    ],
)
def test_other_pngs_become_three_channels_of_bytes(picture):
    image_bgr = images.decode(encode(".png", picture))
    assert image_bgr.dtype == np.uint8
    grey = picture.ndim == 2
    np.testing.assert_array_equal(image_bgr, np.dstack([PICTURE[:, :, 0]] * 3) if grey else PICTURE)


def test_size_is_width_then_height():
    assert images.size_wh(PICTURE) == (WIDTH, HEIGHT)
    assert images.size_wh(images.blank(7, 5)) == (7, 5)
    assert np.unique(images.blank(7, 5)).tolist() == [114]


def make(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"whatever")


def test_the_images_of_a_folder_are_sorted_and_other_files_passed_over(tmp_path):
    make(tmp_path, "b.jpg", "a.PNG", "c.JpEg", "10.tif", "9.tiff", "d.webp", "e.BMP", "notes.txt", "jpg", "f.jpg.txt")
    make(tmp_path / "folder.jpg", "inside.jpg")
    found = [path.name for path in images.find([tmp_path])]
    assert found == ["10.tif", "9.tiff", "a.PNG", "b.jpg", "c.JpEg", "d.webp", "e.BMP"]


def test_paths_are_taken_in_the_order_given_and_each_once(tmp_path):
    make(tmp_path / "z", "2.jpg", "1.jpg")
    make(tmp_path / "a", "3.jpg")
    single = tmp_path / "z" / "2.jpg"
    found = images.find([tmp_path / "z", single, tmp_path / "a"])
    assert found == [tmp_path / "z" / "1.jpg", single, tmp_path / "a" / "3.jpg"]


@pytest.mark.parametrize("name", ["upload.tmp", "no suffix", "ünïcode.jpg"])
def test_a_file_is_taken_whatever_its_name(tmp_path, name):
    make(tmp_path, name)
    assert images.find([tmp_path / name]) == [tmp_path / name]


def test_a_missing_path_is_the_users_mistake(tmp_path):
    make(tmp_path, "here.jpg")
    with pytest.raises(NoImagesError, match=r"gone\.jpg does not exist"):
        images.find([tmp_path / "here.jpg", tmp_path / "gone.jpg"])


@pytest.mark.parametrize("names", [[], ["notes.txt"]])
def test_a_folder_without_images_is_the_users_mistake(tmp_path, names):
    make(tmp_path, *names)
    with pytest.raises(NoImagesError, match=r"holds no images: .*\.jpeg, \.jpg, \.png"):
        images.find([tmp_path])


def test_no_paths_are_no_images():
    assert images.find([]) == []


def test_files_are_read_whole_or_refused(tmp_path):
    make(tmp_path, "a.jpg")
    assert images.read(tmp_path / "a.jpg") == b"whatever"
    with pytest.raises(ImageError, match=r"gone\.jpg can't be read: No such file"):
        images.read(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="can't be read"):
        images.read(tmp_path)


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


@pytest.mark.parametrize("framing", ["stretch", "letterbox"])
def test_a_picture_of_the_inputs_size_is_taken_as_it_is(framing):
    field = fill(PICTURE, InputFormat(WIDTH, HEIGHT, framing, "bgr", 1.0))
    np.testing.assert_array_equal(field, PICTURE)


@pytest.mark.parametrize("framing", ["stretch", "letterbox"])
@pytest.mark.parametrize("size_wh", [(1, 1), (1, 3000), (3000, 1), (33, 65)])
def test_odd_pictures_are_filled_too(framing, size_wh):
    field = fill(np.full((size_wh[1], size_wh[0], 3), BLUE, np.uint8), InputFormat(64, 32, framing, "bgr", 1.0))
    np.testing.assert_array_equal(field[0, 0], BLUE)


@pytest.mark.parametrize("framing", ["stretch", "letterbox"])
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
    in_the_middle = changed(images.blank(640, 240), detection(box=(320, 120, 0, 0)))
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


def test_a_picture_is_encoded_as_jpeg():
    data = images.encode_jpeg(PICTURE)
    assert data.startswith(b"\xff\xd8\xff")
    assert np.abs(images.decode(data).astype(int) - PICTURE).mean() < 3
    assert len(images.encode_jpeg(PICTURE, quality=10)) < len(data)


def test_a_small_file_that_unfolds_into_too_many_pixels_is_refused_undecoded(monkeypatch):
    bomb = cv2.imencode(".png", np.zeros((8001, 8000), np.uint8))[1].tobytes()
    assert len(bomb) < 1_000_000
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ImageError, match="8000 x 8001 pixels"):
        images.decode(bomb)


def test_a_file_over_the_limit_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)
    monkeypatch.setattr(type(path), "read_bytes", lambda _: pytest.fail("it was read"))
    with pytest.raises(ImageError, match="bytes"):
        images.read(path)
