"""What decoding takes of memory is known before it is taken, and bounded."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lookout
from lookout.core.framing import InputFormat
from lookout.errors import ImageError
from lookout.images import decode
from lookout.images.limits import DEFAULT_LIMITS, ImageLimits, within

WIDTH, HEIGHT = 2400, 1600
MIB = 1 << 20

# Decodes each file, and prints by name what was announced and what was used at most.
_MEASURE = """
import json, sys
from pathlib import Path
from lookout.images import decode
from lookout.images.limits import ImageLimits

def of_status(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024

class Asked(ImageLimits):
    def check_memory(self, size_wh, needed_bytes):
        asked.append(needed_bytes)

found, folder = {}, Path(sys.argv[1])
for file in sorted(folder.glob("small*")):
    decode(file.read_bytes())  # what decoders load once is no picture's
for file in sorted(folder.glob("large*")):
    asked = []
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = of_status("VmRSS")
    decode(file.read_bytes(), limits=Asked())
    found[file.name] = (asked[0], of_status("VmHWM") - before)
print(json.dumps(found))
"""


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x112] = 6
    return exif


def pictures(width: int, height: int) -> dict[str, bytes]:
    """A picture in each form that asks for memory in a way of its own."""
    random = np.random.default_rng(0)
    pixels = np.kron(random.integers(0, 255, (height // 20, width // 20, 3), np.uint8), np.ones((20, 20, 1), np.uint8))
    rgb = Image.fromarray(pixels)
    rgba = rgb.convert("RGBA")
    rgba.putalpha(128)
    grey = Image.fromarray(pixels[..., 0].astype(np.float32) / 255)
    full = {"quality": 95, "subsampling": 0}
    forms = {
        "plain.jpg": (rgb, "JPEG", {}),
        "turned.jpg": (rgb, "JPEG", {"exif": turned()}),
        "progressive.jpg": (rgb, "JPEG", {"progressive": True}),
        "progressive-turned.jpg": (rgb, "JPEG", {"progressive": True, "exif": turned(), **full}),
        "cmyk.jpg": (rgb.convert("CMYK"), "JPEG", {"progressive": True, **full}),
        "plain.png": (rgb, "PNG", {"compress_level": 1}),
        "turned.png": (rgb, "PNG", {"compress_level": 1, "exif": turned()}),
        "clear.png": (rgba, "PNG", {"compress_level": 1}),
        "palette.gif": (rgb.convert("P"), "GIF", {}),
        "plain.bmp": (rgb, "BMP", {}),
        "plain.tif": (rgb, "TIFF", {}),
        "packed.tif": (rgb, "TIFF", {"compression": "tiff_lzw"}),
        "clear.tif": (rgba, "TIFF", {"compression": "tiff_deflate", "exif": turned()}),
        "float.tif": (grey, "TIFF", {}),
        "plain.webp": (rgb, "WEBP", {"method": 0}),
        "lossless.webp": (rgba, "WEBP", {"lossless": True, "method": 0}),
    }
    return {name: encoded(picture, kind, **options) for name, (picture, kind, options) in forms.items()}


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="asks Linux for the peak of memory")
def test_no_form_of_picture_takes_more_than_was_announced_nor_much_less(tmp_path: Path):
    for size, (width, height) in {"small": (200, 100), "large": (WIDTH, HEIGHT)}.items():
        for name, data in pictures(width, height).items():
            (tmp_path / f"{size}-{name}").write_bytes(data)
    command = [sys.executable, "-c", _MEASURE, str(tmp_path)]
    environment = {
        "PYTHONPATH": str(Path(lookout.__file__).parent.parent),
        "MALLOC_MMAP_THRESHOLD_": "65536",  # what is given back goes at once, so that the next picture starts anew
    }
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert len(found) == 16
    for name, (announced, used) in found.items():
        # Beside the pixels there are a strip of them in other forms, and what malloc keeps.
        assert used < announced + 16 * MIB, name
        assert announced < 2.2 * used + 16 * MIB, name


def test_what_would_take_too_much_is_refused_before_it_is_decoded():
    limits = ImageLimits(max_memory_bytes=20 * MIB)
    for name, data in pictures(WIDTH, HEIGHT).items():
        with pytest.raises(ImageError, match=r"takes \d+ MB of memory, and there are 20 for it"):
            decode(data, limits=limits)
        assert decode(data, limits=within(400 * MIB)).pixels_bgr.size, name


def test_a_large_photograph_takes_little_when_it_is_decoded_for_a_network():
    small_network = InputFormat(320, 320, "stretch", "rgb", 1 / 255)
    assert decode(pictures(WIDTH, HEIGHT)["plain.jpg"], input_format=small_network, limits=within(20 * MIB))


@pytest.mark.parametrize("free_mib", [-5, 0, 1, 40, 200, 340, 10_000])
def test_limits_follow_from_the_memory_and_never_exceed_the_most(free_mib: int):
    limits = within(free_mib * MIB)
    assert limits.max_memory_bytes == max(0, free_mib) * MIB
    assert limits.max_bytes == min(DEFAULT_LIMITS.max_bytes, max(0, free_mib) * MIB // 4)
    assert limits.max_pixels == DEFAULT_LIMITS.max_pixels


def test_limits_without_a_bound_on_memory_ask_for_none():
    ImageLimits().check_memory((10**6, 10**6), 10**15)
