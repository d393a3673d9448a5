"""Bytes to pixels: every format, everything that is not a whole image, and the limits."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from helpers import image_files
from helpers.image_files import chunk, exif, png_that_claims, segment
from helpers.shared import shared
from lookout import images
from lookout.core.framing import Frame, InputFormat
from lookout.errors import ImageError

rng = np.random.default_rng(11)
WIDTH, HEIGHT = 64, 48
# Smooth, so that formats with losses keep it, and different everywhere, so that nothing is turned unseen.
PICTURE = cv2.resize(rng.integers(0, 256, (4, 5, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)


def encode(suffix, picture=PICTURE, *options):
    ok, data = cv2.imencode(suffix, picture, options)
    assert ok
    return data.tobytes()


def pixels_of(data):
    """The pixels of an image decoded in full."""
    image = images.decode(data)
    assert image.pixels_bgr.dtype == np.uint8
    assert image.size_wh == images.size_wh(image.pixels_bgr)
    return image.pixels_bgr


def pillows(picture, kind, **options):
    """What Pillow writes of a picture (one of its own, or an array of BGR or grey)."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1]) if picture.ndim == 3 else picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


GREY = PICTURE[:, :, 0]
RGB = Image.fromarray(np.ascontiguousarray(PICTURE[:, :, ::-1]))
OTHER = Image.fromarray(np.full_like(PICTURE, 7))  # what an animation or a second page shows
PALETTE = RGB.quantize(64)
PALETTE_BGR = np.array(PALETTE.convert("RGB"))[:, :, ::-1]
BLACK_AND_WHITE = RGB.convert("1")
BLACK_AND_WHITE_BGR = np.dstack([np.array(BLACK_AND_WHITE.convert("L"))] * 3)
GREY_BGR = np.dstack([GREY] * 3)

EXACT = {".png": (), ".bmp": (), ".tiff": (), ".webp": (cv2.IMWRITE_WEBP_QUALITY, 101)}
LOSSY = {".jpg": (cv2.IMWRITE_JPEG_QUALITY, 95), ".webp": (cv2.IMWRITE_WEBP_QUALITY, 95)}


@pytest.mark.parametrize("suffix", EXACT)
def test_formats_without_losses_give_the_same_pixels(suffix):
    np.testing.assert_array_equal(pixels_of(encode(suffix, PICTURE, *EXACT[suffix])), PICTURE)


@pytest.mark.parametrize("suffix", LOSSY)
def test_formats_with_losses_give_nearly_the_same_pixels(suffix):
    image_bgr = pixels_of(encode(suffix, PICTURE, *LOSSY[suffix]))
    assert np.abs(image_bgr.astype(int) - PICTURE).mean() < 3


def test_every_suffix_that_is_looked_for_is_a_format_that_is_read():
    for suffix in images.SUFFIXES:
        assert pixels_of(encode(suffix)).shape == (HEIGHT, WIDTH, 3)


KINDS = {
    "png, grey": (pillows(GREY, "PNG"), GREY_BGR),
    "png, palette": (pillows(PALETTE, "PNG"), PALETTE_BGR),
    "png, 1 bit": (pillows(BLACK_AND_WHITE, "PNG"), BLACK_AND_WHITE_BGR),
    "png, 16 bits": (encode(".png", PICTURE.astype(np.uint16) * 257), PICTURE),
    "png, grey, 16 bits": (encode(".png", GREY.astype(np.uint16) * 257), GREY_BGR),
    "png, animated": (pillows(RGB, "PNG", save_all=True, append_images=[OTHER]), PICTURE),
    "gif": (pillows(PALETTE, "GIF"), PALETTE_BGR),
    "gif, interlaced": (pillows(PALETTE, "GIF", interlace=1), PALETTE_BGR),
    "gif, animated": (pillows(PALETTE, "GIF", save_all=True, append_images=[OTHER.quantize(64)]), PALETTE_BGR),
    "webp, animated": (pillows(RGB, "WEBP", lossless=True, save_all=True, append_images=[OTHER]), PICTURE),
    "bmp, palette": (pillows(PALETTE, "BMP"), PALETTE_BGR),
    "bmp, 1 bit": (pillows(BLACK_AND_WHITE, "BMP"), BLACK_AND_WHITE_BGR),
    "bmp, 32 bits": (pillows(RGB.convert("RGBA"), "BMP"), PICTURE),
    "tiff, lzw": (pillows(RGB, "TIFF", compression="tiff_lzw"), PICTURE),
    "tiff, deflate": (pillows(RGB, "TIFF", compression="tiff_adobe_deflate"), PICTURE),
    "tiff, big": (pillows(RGB, "TIFF", big_tiff=True), PICTURE),
    "tiff, fax": (pillows(BLACK_AND_WHITE, "TIFF", compression="group4"), BLACK_AND_WHITE_BGR),
    "tiff, palette": (pillows(PALETTE, "TIFF"), PALETTE_BGR),
    "tiff, grey": (pillows(GREY, "TIFF"), GREY_BGR),
    "tiff, grey, 16 bits": (pillows(GREY.astype(np.uint16) * 257, "TIFF"), GREY_BGR),
    "tiff, 16 bits": (encode(".tiff", PICTURE.astype(np.uint16) * 257), PICTURE),
    "tiff, grey, float": (pillows(GREY.astype(np.float32) / 255, "TIFF"), GREY_BGR),
    "tiff, cmyk": (pillows(RGB.convert("CMYK"), "TIFF"), PICTURE),
    "tiff, pages": (pillows(RGB, "TIFF", save_all=True, append_images=[OTHER]), PICTURE),
}


@pytest.mark.parametrize(("data", "expected"), KINDS.values(), ids=KINDS)
def test_every_kind_becomes_three_channels_of_bytes(data, expected):
    np.testing.assert_array_equal(pixels_of(data), expected)


def test_sixteen_bits_are_scaled_and_rounded():
    values = np.array([[0, 128, 129, 257, 32768, 65278, 65407, 65535]], np.uint16)
    expected = [0, 0, 1, 1, 128, 254, 255, 255]
    assert pixels_of(encode(".png", values))[0, :, 1].tolist() == expected
    for order, beginning in (("<", b"II"), (">", b"MM")):
        data = pillows(values.astype(f"{order}u2"), "TIFF")
        assert data.startswith(beginning)
        assert pixels_of(data)[0, :, 1].tolist() == expected


@pytest.mark.parametrize("values", [[0.0, 255.0], [-0.5, 1.0], [0.0, float("nan")], [0.0, float("inf")]], ids=str)
def test_floats_that_are_not_from_black_to_white_are_refused(values):
    with pytest.raises(ImageError, match="not all between 0 and 1"):
        images.decode(pillows(np.array([values], np.float32), "TIFF"))


def test_numbers_of_32_bits_are_refused():
    with pytest.raises(ImageError, match="32 bits"):
        images.decode(pillows(GREY.astype(np.int32), "TIFF"))


def with_transform(jpeg, transform):
    """A JPEG of four channels that says that they are YCCK (2) or CMYK (0)."""
    place = jpeg.index(b"Adobe") + 11
    return jpeg[:place] + bytes([transform]) + jpeg[place + 1 :]


@pytest.mark.parametrize("transform", [0, 2], ids=["cmyk", "ycck"])
def test_jpegs_of_four_channels_are_as_pillow_has_them(transform):
    """Adobe stores them inverted, in both kinds."""
    data = with_transform(pillows(RGB.convert("CMYK"), "JPEG", quality=95), transform)
    expected = np.array(Image.open(io.BytesIO(data)).convert("RGB"))[:, :, ::-1]
    difference = np.abs(pixels_of(data).astype(int) - expected)
    assert difference.max() <= 4
    if transform == 0:
        assert np.abs(pixels_of(data).astype(int) - PICTURE).mean() < 3


ALPHA = np.zeros((HEIGHT, WIDTH), np.uint8)
ALPHA[:, 20:40], ALPHA[:, 40:] = 128, 255
PALETTE_ALPHA = (np.array(PALETTE) != 5).astype(np.uint8) * 255


def on_white(picture, alpha):
    share = alpha[:, :, None] / 255
    return picture * share + 255 * (1 - share)


TRANSPARENT = {
    "png": (encode(".png", np.dstack([PICTURE, ALPHA])), on_white(PICTURE, ALPHA)),
    "png, 16 bits": (encode(".png", np.dstack([PICTURE, ALPHA]).astype(np.uint16) * 257), on_white(PICTURE, ALPHA)),
    "png, grey": (pillows(Image.merge("LA", [*map(Image.fromarray, (GREY, ALPHA))]), "PNG"), on_white(GREY_BGR, ALPHA)),
    "png, palette": (pillows(PALETTE, "PNG", transparency=5), on_white(PALETTE_BGR, PALETTE_ALPHA)),
    "gif": (pillows(PALETTE, "GIF", transparency=5), on_white(PALETTE_BGR, PALETTE_ALPHA)),
    "webp": (
        pillows(Image.merge("RGBA", [*RGB.split(), Image.fromarray(ALPHA)]), "WEBP", lossless=True, exact=True),
        on_white(PICTURE, ALPHA),
    ),
    "tiff": (
        pillows(Image.merge("RGBA", [*RGB.split(), Image.fromarray(ALPHA)]), "TIFF"),
        on_white(PICTURE, ALPHA),
    ),
}


@pytest.mark.parametrize(("data", "expected"), TRANSPARENT.values(), ids=TRANSPARENT)
def test_what_is_transparent_becomes_white(data, expected):
    assert (expected[:, :20] != PICTURE[:, :20]).any()
    np.testing.assert_allclose(pixels_of(data), expected, atol=1.01)


def test_colour_profiles_change_nothing():
    profile = b"not even a profile"
    np.testing.assert_array_equal(pixels_of(pillows(RGB, "PNG", icc_profile=profile)), PICTURE)
    plain, tagged = pillows(RGB, "JPEG"), pillows(RGB, "JPEG", icc_profile=profile)
    np.testing.assert_array_equal(pixels_of(tagged), pixels_of(plain))


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
    "tiff, deflate": pillows(RGB, "TIFF", compression="tiff_adobe_deflate"),
    "gif": pillows(PALETTE, "GIF").removesuffix(b"\0;"),  # its end says nothing of the pixels
}


@pytest.mark.parametrize("data", TRUNCATED.values(), ids=TRUNCATED)
def test_truncated_images_are_refused_wherever_they_are_cut(data):
    assert pixels_of(data).shape == (HEIGHT, WIDTH, 3)
    cuts = {*range(0, len(data), max(1, len(data) // 150)), *range(len(data) - 16, len(data))}
    for length in sorted(cuts):
        with pytest.raises(ImageError):
            images.decode(data[:length])


def test_truncated_photographs_are_refused_wherever_they_are_cut():
    for path in sorted(shared("coco", "images").glob("*.jpg"))[:8]:
        data = path.read_bytes()
        assert pixels_of(data).size > 0
        for length in [*range(1, len(data), len(data) // 8), len(data) - 2, len(data) - 1]:
            with pytest.raises(ImageError):
                images.decode(data[:length])


@pytest.mark.parametrize(
    "data", [b"\0", b"no image", b"<html></html>", b"%PDF-1.7", b"RIFF\x04\0\0\0WAVE", b"II", b"\xff\xd8"]
)
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ImageError, match="not an image that can be decoded"):
        images.decode(data)


@pytest.mark.parametrize("data", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0+"])
def test_a_bare_beginning_is_refused_as_damaged(data):
    with pytest.raises(ImageError, match=r"truncated( or|,) damaged"):
        images.decode(data)


def test_nothing_is_refused_as_such():
    with pytest.raises(ImageError, match="the image is empty"):
        images.decode(b"")


def test_bytes_over_the_limit_are_refused_before_they_are_looked_at():
    data = encode(".png")
    limits = images.ImageLimits(max_bytes=len(data))
    assert images.decode(data, limits=limits).size_wh == (WIDTH, HEIGHT)
    with pytest.raises(ImageError, match=rf"has {len(data) + 1:,} bytes; at most {len(data):,} are taken"):
        images.decode(data + b"\0", limits=limits)


def test_webp_has_three_quarters_of_the_pixels_as_its_decoder_holds_more():
    data = encode(".webp")
    limits = images.ImageLimits(max_pixels=WIDTH * HEIGHT * 4 // 3)
    assert images.decode(data, limits=limits).size_wh == (WIDTH, HEIGHT)
    with pytest.raises(ImageError, match=r"pixels; at most 2,304 are taken"):
        images.decode(data, limits=images.ImageLimits(max_pixels=WIDTH * HEIGHT))


@pytest.mark.parametrize("suffix", sorted(images.SUFFIXES - {".webp"}))
def test_pixels_over_the_limit_are_refused(suffix):
    data = encode(suffix)
    assert images.decode(data, limits=images.ImageLimits(max_pixels=WIDTH * HEIGHT)).size_wh == (WIDTH, HEIGHT)
    with pytest.raises(ImageError, match=f"has {WIDTH} x {HEIGHT} pixels; at most 3,071 are taken"):
        images.decode(data, limits=images.ImageLimits(max_pixels=WIDTH * HEIGHT - 1))


def jpeg_that_claims(width, height):
    data = bytearray(encode(".jpg"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


CLAIMS = {
    "png": png_that_claims,
    "jpeg": jpeg_that_claims,
    "bmp": image_files.bmp_that_claims,
    "bmp from the top": lambda width, height: image_files.bmp_that_claims(width, -height),
    "gif": lambda width, height: image_files.gif_that_claims((width, height), (width, height)),
    "gif's frame": lambda width, height: image_files.gif_that_claims((1, 1), (width, height)),
    "tiff": image_files.tiff_that_claims,
    "tiff, big-endian": lambda width, height: image_files.tiff_that_claims(width, height, ">"),
    "tiff's tile": lambda width, height: image_files.tiff_that_claims(16, 16, tile_wh=(width, height)),
}


@pytest.mark.parametrize("make_image", CLAIMS.values(), ids=CLAIMS)
@pytest.mark.parametrize("size_wh", [(0, 0), (9000, 9000), (30_000, 30_000), (65_500, 65_500)], ids=str)
def test_absurd_sizes_are_refused(make_image, size_wh):
    with pytest.raises(ImageError):
        images.decode(make_image(*size_wh))


BOMBS = {
    "png": lambda: png_that_claims(30_000, 30_000, rows=2000),
    "gif": lambda: image_files.gif_that_claims((30_000, 30_000), (30_000, 30_000)),
    "gif's frame": lambda: image_files.gif_that_claims((1, 1), (30_000, 30_000)),
    "webp": lambda: image_files.webp_that_claims(16_384, 16_384),
    "webp's canvas": lambda: image_files.extended_webp_that_claims(1 << 24, 255),
    "tiff": lambda: image_files.tiff_that_claims(30_000, 30_000),
    "tiff's tile": lambda: image_files.tiff_that_claims(16, 16, tile_wh=(30_000, 30_000)),
    "bmp": lambda: image_files.bmp_that_claims(30_000, -30_000),
    "jpeg": lambda: jpeg_that_claims(30_000, 30_000),
}

# getrusage's peak is no use here: a process inherits it from the one that starts it.
DECODE = """
import re, sys
from lookout import images
from lookout.errors import ImageError
from PIL import BmpImagePlugin, GifImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

def peak_kilobytes():
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", file.read())[1])

data = sys.stdin.buffer.read()
before = peak_kilobytes()
try:
    outcome = images.decode(data).size_wh
except ImageError as error:
    outcome = error
print(before, peak_kilobytes(), outcome)
"""

on_linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="its peak of memory is asked of /proc")


def decode_in_a_process(data):
    """Its most memory before and after, in kilobytes, and what came of it."""
    answer = subprocess.run([sys.executable, "-c", DECODE], input=data, capture_output=True, check=True, timeout=60)
    assert answer.stderr == b""
    before, after, outcome = answer.stdout.decode().split(maxsplit=2)
    return int(before), int(after), outcome


@on_linux
@pytest.mark.parametrize("make_image", BOMBS.values(), ids=BOMBS)
def test_a_bomb_costs_nothing(make_image):
    data = make_image()
    assert len(data) < 5_000_000
    before, after, message = decode_in_a_process(data)
    assert "pixels" in message
    assert after - before < 100 * 1024


@on_linux
@pytest.mark.parametrize(
    ("bits", "kind", "between"),
    [(8, 2, b""), (8, 6, b""), (16, 4, b""), (8, 3, chunk(b"PLTE", bytes(6)) + chunk(b"tRNS", b"\0"))],
    ids=["rgb", "rgba", "grey and alpha, 16 bits", "palette, transparent"],
)
def test_the_largest_png_takes_well_under_a_gigabyte(bits, kind, between):
    channels = {2: 3, 3: 1, 4: 2, 6: 4}[kind]
    data = png_that_claims(8000, 8000, rows=8000, bits=bits, kind=kind, channels=channels, between=between)
    assert len(data) < 2_000_000
    _, after, outcome = decode_in_a_process(data)
    assert outcome.strip() == "(8000, 8000)"
    assert after < 640 * 1024


def test_a_jpeg_of_endless_scans_is_refused():
    """Each scan of a progressive JPEG is a pass over all its pixels."""
    data = encode(".jpg", PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    last = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="more than 100 scans"):
        images.decode(data[:-2] + last * 100 + data[-2:])


def test_the_larger_a_jpeg_the_fewer_scans_are_taken():
    """As many as encoders make of any size; more would be seconds of the largest."""
    data = encode(".jpg", np.zeros((8000, 8000), np.uint8), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    last = data[data.rindex(b"\xff\xda") : -2]
    most = data[:-2] + last * (20 - data.count(b"\xff\xda")) + data[-2:]
    assert images.decode(most).size_wh == (8000, 8000)
    with pytest.raises(ImageError, match="of 8000 x 8000 pixels has more than 20 scans"):
        images.decode(most[:-2] + last + most[-2:])
    small = encode(".jpg", PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    last = small[small.rindex(b"\xff\xda") : -2]
    assert images.decode(small[:-2] + last * 80 + small[-2:]).size_wh == (WIDTH, HEIGHT)


@pytest.mark.parametrize("filler", [b"\xff", b"\xff\x00", b"\xff\x01", b"\xff\xfe\0\2"], ids=repr)
def test_a_jpeg_of_nothing_but_markers_is_refused(filler):
    with pytest.raises(ImageError):
        images.decode(b"\xff\xd8\xff" + filler * (1_000_000 // len(filler)))


def test_the_size_of_a_jpeg_is_found_behind_large_segments():
    """A profile and a preview of another size stand before the picture's own frame."""
    preview = encode(".jpg", PICTURE[:8, :8])
    before = b"".join(segment(0xE2, bytes([number]) * 65_000) for number in range(20)) + segment(0xE1, preview)
    data = encode(".jpg")
    np.testing.assert_array_equal(pixels_of(data[:2] + before + b"junk\xff\xff" + data[2:]), pixels_of(data))


def test_oddities_are_kept_off_the_terminal(capfd):
    data = pillows(RGB, "PNG", save_all=True, append_images=[OTHER])
    odd = data.replace(b"acTL\0\0\0\2", b"acTL\0\0\0\0")
    place = odd.index(b"acTL")
    odd = odd[: place - 4] + chunk(b"acTL", odd[place + 4 : place + 12]) + odd[place + 16 :]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        np.testing.assert_array_equal(pixels_of(odd), PICTURE)
        for damaged in (odd[:900], pillows(RGB, "TIFF")[:900], encode(".jpg")[:400], encode(".webp")[:90], b"BM" * 99):
            with pytest.raises(ImageError):
                images.decode(damaged)
    assert capfd.readouterr() == ("", "")


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


def exif_in_jpeg(orientation, order=">", *, long=False):
    data = encode(".jpg")
    return data[:2] + segment(0xE1, b"Exif\0\0" + exif(orientation, order, long=long)) + data[2:]


def exif_in_png(orientation):
    data = encode(".png")
    return data[:33] + chunk(b"eXIf", exif(orientation)) + data[33:]


def exif_at_the_end_of_png(orientation):
    data = encode(".png")
    return data[:-12] + chunk(b"eXIf", exif(orientation)) + data[-12:]


def tag_in_tiff(orientation):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[image_files.ORIENTATION] = orientation
    return pillows(RGB, "TIFF", tiffinfo=tags, compression="tiff_lzw")


ORIENTED = {
    "jpeg": (exif_in_jpeg, encode(".jpg")),
    "jpeg, little-endian": (lambda orientation: exif_in_jpeg(orientation, "<"), encode(".jpg")),
    "jpeg, as a long": (lambda orientation: exif_in_jpeg(orientation, long=True), encode(".jpg")),
    "jpeg, as a long, little-endian": (lambda orientation: exif_in_jpeg(orientation, "<", long=True), encode(".jpg")),
    "png": (exif_in_png, encode(".png")),
    "png, at its end": (exif_at_the_end_of_png, encode(".png")),
    "webp": (lambda orientation: pillows(RGB, "WEBP", lossless=True, exif=exif(orientation)), encode(".png")),
    "tiff": (tag_in_tiff, encode(".png")),
}


@pytest.mark.parametrize(("make_image", "upright"), ORIENTED.values(), ids=ORIENTED)
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_pictures_are_turned_upright(make_image, upright, orientation):
    image = images.decode(make_image(orientation))
    np.testing.assert_array_equal(image.pixels_bgr, UPRIGHT[orientation](pixels_of(upright)))
    assert image.size_wh == images.size_wh(image.pixels_bgr)


def test_a_second_exif_block_without_an_orientation_changes_nothing():
    data = exif_in_jpeg(6)
    end_of_first = 4 + int.from_bytes(data[4:6])
    seconds = [segment(0xE1, b"Exif\0\0" + block) for block in (exif(3, tag=0x0100), b"MM\0*", exif(3))]
    doubled = [data[:end_of_first] + second + data[end_of_first:] for second in seconds]
    upright = pixels_of(encode(".jpg"))
    for orientation, both in zip((6, 6, 3), doubled, strict=True):
        np.testing.assert_array_equal(pixels_of(both), UPRIGHT[orientation](upright))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_means_nothing_changes_nothing(orientation):
    for make_image in (exif_in_jpeg, exif_in_png):
        assert images.decode(make_image(orientation)).size_wh == (WIDTH, HEIGHT)


@pytest.mark.parametrize("block", [b"", b"MM", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff\x12\x01"], ids=repr)
def test_a_damaged_exif_block_changes_nothing(block):
    data = encode(".jpg")
    damaged = data[:2] + segment(0xE1, b"Exif\0\0" + block) + data[2:]
    np.testing.assert_array_equal(pixels_of(damaged), pixels_of(data))


def test_jpegs_are_what_opencv_decodes():
    for path in sorted(shared("coco", "images").glob("*.jpg"))[:16]:
        data = path.read_bytes()
        np.testing.assert_array_equal(pixels_of(data), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


YOLOX = InputFormat(416, 416, "letterbox", "bgr", 1.0)
SMALL = InputFormat(32, 32, "stretch", "rgb", 1 / 255)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("size_wh", "by"),
    [((70, 300), 1), ((71, 72), 2), ((140, 999), 2), ((144, 300), 4), ((281, 700), 4), ((283, 901), 8)],
    ids=str,
)
def test_large_jpegs_are_decoded_at_a_reduced_size(size_wh, by, orientation):
    """A tenth more than the network sees is left, at the least."""
    picture = cv2.resize(PICTURE, size_wh)
    data = encode(".jpg", picture)
    data = data[:2] + segment(0xE1, b"Exif\0\0" + exif(orientation)) + data[2:]
    image = images.decode(data, input_format=SMALL)
    width, height = size_wh if orientation == 1 else size_wh[::-1]
    assert image.size_wh == (width, height)
    assert images.size_wh(image.pixels_bgr) == (-(-width // by), -(-height // by))
    averaged = cv2.resize(pixels_of(data), images.size_wh(image.pixels_bgr), interpolation=cv2.INTER_AREA)
    assert np.abs(image.pixels_bgr.astype(int) - averaged).mean() < 3


def test_other_formats_and_decoding_for_nobody_are_in_full():
    large = cv2.resize(PICTURE, (640, 640))
    assert images.size_wh(images.decode(encode(".png", large), input_format=SMALL).pixels_bgr) == (640, 640)
    assert images.size_wh(images.decode(encode(".jpg", large)).pixels_bgr) == (640, 640)


def test_photographs_of_cocos_size_are_decoded_in_full():
    stretched = InputFormat(320, 320, "stretch", "rgb", 1 / 255)
    for path in sorted(shared("coco", "images").glob("*.jpg")):
        image = images.decode(path.read_bytes(), input_format=stretched)
        assert images.size_wh(image.pixels_bgr) == image.size_wh
        for input_format in (stretched, YOLOX):
            assert images.reduction(image.size_wh, Frame.of(image.size_wh, input_format).content_wh) == 1


def test_truncated_large_jpegs_are_refused_at_a_reduced_size_too():
    data = encode(".jpg", cv2.resize(PICTURE, (640, 640)))
    for length in range(len(data) // 10, len(data), len(data) // 10):
        with pytest.raises(ImageError):
            images.decode(data[:length], input_format=SMALL)
