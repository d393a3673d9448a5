"""Mutated files, and a process of its own that is fed with them: what a crash, a hang or a leak would end.

    python -m helpers.fuzzing images 0 1000          (in tests/)

runs the cases 0 to 999 of a kind and prints a line of JSON at the end. A case is known by its kind and number, so
that it can be run again alone.
"""

from __future__ import annotations

import faulthandler
import io
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as Picture

from helpers.darknet_weights import make_weights
from helpers.image_files import exif
from helpers.mutations import mutate, mutate_json, mutate_text, with_checksums
from helpers.networks import whole
from helpers.onnx_graphs import make_network
from helpers.tiny import CFG, LABELS
from lookout import images
from lookout.core.framing import Frame, InputFormat
from lookout.detector import Detector
from lookout.engines import NAMES, Engine, choose, open_engine
from lookout.errors import LookoutError, MissingExtraError
from lookout.models.darknet import ImportedNetwork, import_darknet, parse_cfg, weight_count
from lookout.models.model import Model
from lookout.models.onnx_file import OnnxNetwork, read_onnx

LIMIT_S = 5.0
LIMIT_BYTES = 1 << 30

# So small that the pictures are decoded at 1/2 and 1/4 of their size.
_LETTERBOX = InputFormat(12, 12, "letterbox", "bgr", 1.0)
_STRETCH = InputFormat(8, 4, "stretch", "rgb", 1 / 255)

_MANY_LAYERS = """
[net]
width=64
height=64
[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
groups=1
activation=mish
[maxpool]
size=3
stride=1
[convolutional]
filters=8
size=1
activation=swish
[route]
layers=-1,-2
[upsample]
stride=2
[avgpool]
[scale_channels]
from=-2
activation=logistic
[shortcut]
from=-3
activation=relu6
[dropout]
[route]
layers=-1
groups=2
group_id=1
[convolutional]
filters=16
activation=linear
[yolo]
mask=0,1
anchors=8,8, 16,24
classes=3
scale_x_y=1.05
"""


def seeded(kind: str, number: int) -> random.Random:
    """The randomness of one case."""
    return random.Random(f"{kind} {number}")  # noqa: S311  for tests


@cache
def pictures() -> list[bytes]:
    """Small pictures in every format and kind."""
    rng = np.random.default_rng(0)
    colour = cv2.resize(rng.integers(0, 256, (9, 12, 3), np.uint8), (48, 36))
    alpha = np.dstack([colour, colour[:, :, :1]])
    deep = colour.astype(np.uint16) * 257
    cases = [(".jpg", colour), (".png", colour), (".png", alpha), (".png", deep), (".png", colour[:, :, 0])]
    cases += [(".webp", colour), (".webp", alpha), (".bmp", colour), (".tiff", colour), (".tiff", deep)]
    made = [cv2.imencode(suffix, pixels)[1].tobytes() for suffix, pixels in cases]
    progressive = cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2])[1]
    return [*made, progressive.tobytes(), *_rarer_pictures(colour)]


def _rarer_pictures(colour: np.ndarray) -> list[bytes]:
    picture, deep = Picture.fromarray(colour), Picture.fromarray(colour[:, :, 0].astype(">u2") * 257)
    palette = picture.quantize(16)
    frames: dict[str, Any] = {"save_all": True, "append_images": [Picture.fromarray(colour[::-1])]}
    return [
        _saved(picture, "JPEG", exif=exif(6)),
        _saved(picture, "JPEG", exif=exif(5, "<", long=True)),
        _saved(picture, "PNG", exif=exif(8)),
        _saved(picture.convert("CMYK"), "JPEG"),
        _saved(picture.convert("CMYK"), "JPEG", progressive=True),
        _saved(palette, "PNG", transparency=3),
        _saved(palette, "GIF"),
        _saved(picture, "PNG", **frames),
        _saved(picture, "GIF", **frames),
        _saved(picture, "WEBP", **frames),
        _saved(deep, "TIFF"),
        _saved(picture, "TIFF", big_tiff=True),
        _saved(palette, "TIFF", compression="tiff_lzw"),
    ]


def _saved(picture: Picture.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def try_image(rng: random.Random) -> None:
    """Decode a mutated picture: half of them for a network, which is then fed with it."""
    data = mutate(rng.choice(pictures()), rng, pictures())
    if rng.random() < 0.5:
        data = with_checksums(data)
    input_format = rng.choice([None, None, _LETTERBOX, _STRETCH])
    image = images.decode(data, input_format=input_format)
    if input_format:
        images.fill(image.pixels_bgr, Frame.of(image.size_wh, input_format), input_format)


@cache
def cfgs() -> list[str]:
    """The texts of networks: made ones, and the published ones where they are there."""
    folder = Path(os.environ.get("LOOKOUT_SHARED") or Path(__file__).resolve().parents[3] / "shared") / "models" / "cfg"
    return [CFG, _MANY_LAYERS] * 4 + [path.read_text() for path in sorted(folder.glob("*.cfg"))]


def try_cfg(rng: random.Random) -> None:
    """Import a mutated cfg: with weights that fit it where it is small, and with others."""
    text = mutate_text(rng.choice(cfgs()), rng)
    fits = weight_count(parse_cfg(text)) < 1_000_000
    run(import_darknet(text, make_weights(text) if fits else b"\0" * 64))


@cache
def weights() -> list[tuple[str, bytes]]:
    """Networks, cfg and weights."""
    return [(text, make_weights(text)) for text in (CFG, _MANY_LAYERS)]


def try_weights(rng: random.Random) -> None:
    """Import mutated weights, half of them of the right length, and run what comes of it."""
    text, data = rng.choice(weights())
    mutated = mutate(data, rng, [data])
    if rng.random() < 0.5:
        mutated = (mutated + data[len(mutated) :])[: len(data)]
    run(import_darknet(text, mutated))


@cache
def onnx_networks() -> list[bytes]:
    """Small networks of several families, of fixed and of open sizes."""
    names = {"names": "{0: 'square', 1: 'circle', 2: 'line'}", "imgsz": "[64, 96]"}
    zeros = {
        shape: np.zeros(shape, np.float32) for shape in [(1, 7, 126), (1, 126, 8), (1, 5, 6), (1, 5, 3), (1, 5, 4)]
    }
    open_wh = ("batch", 3, "height", "width")
    return [
        make_network({"o": zeros[1, 7, 126]}, metadata=names),
        make_network({"o": zeros[1, 7, 126]}, open_wh, shapes={"o": ["batch", 7, "cells"]}, metadata=names),
        make_network({"o": zeros[1, 126, 8]}),
        make_network({"o": zeros[1, 5, 6]}, metadata=names),
        make_network({"logits": zeros[1, 5, 3], "boxes": zeros[1, 5, 4]}),
        make_network(
            {"labels": np.zeros((1, 5), np.int64), "boxes": zeros[1, 5, 4], "scores": zeros[1, 5, 3][:, :, 0]}
        ),
    ]


def try_onnx(rng: random.Random) -> None:
    """Read a mutated ONNX file, and detect with it in each engine."""
    classes = rng.choice([None, 3])
    found = read_onnx(mutate(rng.choice(onnx_networks()), rng, onnx_networks()), "mutated.onnx", classes=classes)
    run(found, [name for name in NAMES if is_installed(name)])


def run(imported: ImportedNetwork | OnnxNetwork, engines: Sequence[str | None] = (None,)) -> None:
    """One detection with each engine, where the network's input is small. The first error is raised after the last."""
    width, height = imported.input_format.size_wh
    if width * height > 128 * 128:
        return
    refusals = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "network.onnx").write_bytes(whole(imported))
        labels = tuple(map(str, range(imported.head.classes)))
        model = Model("mutated", Path(folder), "0" * 64, imported.input_format, imported.head, labels)
        for name in engines:
            try:
                detect(model, open_engine(name, model.network, threads=1))
            except LookoutError as error:
                refusals.append(error)
    if refusals:
        raise refusals[0]


def detect(model: Model, engine: Engine) -> None:
    """One detection; the engine is closed."""
    try:
        Detector(model, engine).detect(np.full((48, 64, 3), 128, np.uint8))
    finally:
        engine.close()


def is_installed(engine: str) -> bool:
    """Whether the engine is there to be fuzzed."""
    try:
        choose(engine)
    except MissingExtraError:
        return False
    return True


@cache
def model_files() -> tuple[bytes, str]:
    """``network.onnx`` and ``model.json`` of the small network."""
    imported = import_darknet(CFG, make_weights(CFG))
    return whole(imported), Model("tiny", Path(), "0" * 64, imported.input_format, imported.head, LABELS).description()


def try_model(rng: random.Random) -> None:
    """Open a model whose ``model.json`` is mutated, as text or value by value, and detect with it."""
    network, text = model_files()
    text = mutate_text(text, rng) if rng.random() < 0.5 else json.dumps(mutate_json(json.loads(text), rng))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "network.onnx").write_bytes(network)
        (Path(folder) / "model.json").write_text(text, "utf-8", errors="replace")
        model = Model.open(Path(folder))
        detect(model, open_engine(None, model.network, threads=1))


KINDS: dict[str, Callable[[random.Random], None]] = {
    "images": try_image,
    "cfg": try_cfg,
    "weights": try_weights,
    "onnx": try_onnx,
    "model": try_model,
}


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """End this process, saying where it was, if what is done takes longer."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def main(kind: str, first: str, end: str) -> None:
    """Run cases; print each number before it is tried, and at the end what came of all."""
    accepted = refused = 0
    for number in range(int(first), int(end)):
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        try:
            with at_most(LIMIT_S):
                KINDS[kind](seeded(kind, number))
        except LookoutError:
            refused += 1
        else:
            accepted += 1
    sys.stdout.write(json.dumps({"accepted": accepted, "refused": refused, "peak_bytes": peak_bytes()}))


def peak_bytes() -> int:
    """The most memory that this process has held at once."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux's getrusage counts what the parent held before this process was started from it
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fuzz(kind: str, first: int, end: int) -> dict[str, int]:
    """Run cases in a process of its own; raise ``AssertionError`` with the case that ended it, if one did."""
    done = subprocess.run(
        [sys.executable, "-m", "helpers.fuzzing", kind, str(first), str(end)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=60 + LIMIT_S * (end - first),
    )
    *numbers, last = done.stdout.splitlines() or [""]
    if done.returncode != 0:
        raise AssertionError(
            f"{kind} {last or numbers[-1:]} ended the process ({done.returncode}): {done.stderr[-4000:]}"
        )
    outcome: dict[str, int] = json.loads(last)
    assert outcome["peak_bytes"] < LIMIT_BYTES, f"{kind} {first} to {end}: {outcome}"
    return outcome


if __name__ == "__main__":
    main(*sys.argv[1:])
