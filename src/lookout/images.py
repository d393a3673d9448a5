"""Bytes <-> pixels: the one place that decodes, fills a network's input, draws and encodes.

OpenCV decodes (JPEG, PNG, WebP, BMP, TIFF), applies EXIF's orientation, and refuses a truncated file.
Arrays are BGR, uint8, (height, width, 3), as OpenCV has them.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import imagesize
import numpy as np
import numpy.typing as npt

from lookout.core.detections import Detection, FloatArray
from lookout.core.framing import Frame, InputFormat
from lookout.errors import ImageError, NoImagesError, UsageError

ImageArray = npt.NDArray[np.uint8]

MAX_BYTES = 50 * 1024 * 1024
MAX_PIXELS = 64_000_000
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

_NO_IMAGE = "not an image that can be decoded (JPEG, PNG, WebP, BMP or TIFF), or a truncated one"


def find(paths: Iterable[Path]) -> list[Path]:
    """The images that files and folders name, sorted within a folder; a folder's other files are passed over.

    A file is taken whatever its name, and once, however often it is named. Raises ``NoImagesError`` for a path
    that is missing, or a folder that holds no image.
    """
    try:
        return list(dict.fromkeys(image for path in paths for image in _find_in(path)))
    except OSError as error:  # a folder that may not be read, a name that is too long
        raise NoImagesError(f"{error.filename} can't be looked at: {error.strerror}") from error


def _find_in(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise NoImagesError(f"{path} does not exist: name an image, or a folder of images")
    images = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not images:
        kinds = ", ".join(sorted(SUFFIXES))
        raise NoImagesError(f"{path} holds no images: put files there that end in {kinds}")
    return images


def read(path: Path) -> bytes:
    """The bytes of an image file. Raises ``ImageError`` where it can't be read, or has too many."""
    try:
        _check_bytes(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path.name} can't be read: {error.strerror}") from error


def decode(data: bytes) -> ImageArray:
    """The pixels of an encoded image. Raises ``ImageError`` for anything that is not a whole image."""
    if not data:
        raise ImageError("the image is empty")
    _check_bytes(len(data))
    _check_pixels(data)
    try:
        image_bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f"the image can't be decoded: {error.err}") from error
    if image_bgr is None:
        raise ImageError(_NO_IMAGE)
    return image_bgr.astype(np.uint8, copy=False)


def size_wh(image_bgr: ImageArray) -> tuple[int, int]:
    """Width and height in pixels."""
    height, width = image_bgr.shape[:2]
    return width, height


def blank(width: int, height: int) -> ImageArray:
    """A grey picture."""
    return np.full((height, width, 3), 114, np.uint8)


def fill(image_bgr: ImageArray, frame: Frame, input_format: InputFormat) -> FloatArray:
    """The network's input: float32 (1, 3, height, width), in its colour order and range."""
    content = cv2.resize(image_bgr, frame.content_wh, interpolation=cv2.INTER_LINEAR)
    if frame.content_wh != input_format.size_wh:
        (left, top), (width, height) = frame.offset_xy, frame.content_wh
        field = np.full((input_format.height, input_format.width, 3), input_format.padding, np.uint8)
        field[top : top + height, left : left + width] = content
        content = field
    blob = cv2.dnn.blobFromImage(content, input_format.scale, swapRB=input_format.channels == "rgb")
    return blob.astype(np.float32, copy=False)


def draw(image_bgr: ImageArray, objects: Sequence[Detection]) -> ImageArray:
    """A copy of the picture with a labelled box round each object."""
    canvas = image_bgr.copy()
    unit = max(1, round(min(size_wh(canvas)) / 240))
    for detection in reversed(objects):  # the most confident last, on top
        _draw_box(canvas, detection, unit)
    return canvas


def encode_jpeg(image_bgr: ImageArray, quality: int = 90) -> bytes:
    """The picture as JPEG."""
    _, encoded = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def write(image_bgr: ImageArray, path: Path) -> None:
    """Write the picture as JPEG, making the folder. Raises ``UsageError`` where it can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(image_bgr))
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another folder") from error


def _check_pixels(data: bytes) -> None:
    """Refuse by its header what would unfold into gigabytes, before anything is decoded."""
    width, height = imagesize.get(io.BytesIO(data))
    if width < 1 or height < 1:
        raise ImageError(_NO_IMAGE)
    if width * height > MAX_PIXELS:
        raise ImageError(f"the image has {width} x {height} pixels; at most {MAX_PIXELS:,} are taken")


def _check_bytes(count: int) -> None:
    if count > MAX_BYTES:
        raise ImageError(f"the image has {count:,} bytes; at most {MAX_BYTES:,} are taken")


def _draw_box(canvas: ImageArray, detection: Detection, unit: int) -> None:
    box, colour = detection.box, _colour(detection.label)
    left, top = round(box.x), round(box.y)
    cv2.rectangle(canvas, (left, top), (round(box.x + box.width), round(box.y + box.height)), colour, unit)
    text = f"{detection.label} {detection.confidence:.2f}"
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.35 + 0.15 * unit
    (width, height), baseline = cv2.getTextSize(text, font, scale, unit)
    left = max(0, min(left, canvas.shape[1] - width))  # a label stays inside the picture
    bottom = max(top, height + 2 * baseline)
    cv2.rectangle(canvas, (left, bottom - height - 2 * baseline), (left + width, bottom), colour, cv2.FILLED)
    dark = sum(colour) < 3 * 128
    ink = (255, 255, 255) if dark else (0, 0, 0)
    cv2.putText(canvas, text, (left, bottom - baseline), font, scale, ink, unit, cv2.LINE_AA)


def _colour(label: str) -> tuple[int, int, int]:
    """A bright colour for a label, the same in every picture and every run."""
    hue = sum(label.encode()) * 47 % 180
    b, g, r = cv2.cvtColor(np.array([[[hue, 220, 230]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
    return int(b), int(g), int(r)
