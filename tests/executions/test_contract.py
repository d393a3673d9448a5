"""What holds for every execution: the same objects for the same image, and the same error for the same fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.image_files import exif, png_that_claims, segment
from helpers.tiny import CONFIDENCE, make_picture
from helpers.world import World
from lookout.core.selection import Selection
from lookout.detector import Detector, open_detector
from lookout.errors import ExecutionError, ImageError, LookoutError, UsageError
from lookout.executions.direct import DirectExecution
from lookout.executions.in_process import InProcessExecution
from lookout.executions.local import LocalExecution
from lookout.executions.protocol import Execution
from lookout.executions.relayed import RelayedDirect, RelayedRemote
from lookout.executions.remote import RemoteExecution
from lookout.executions.server_client import ServerClient
from lookout.models.store import load_model

EXECUTIONS: dict[str, Callable[[World], Execution]] = {
    "in-process": lambda world: InProcessExecution(
        open_detector(load_model(world.cfg), selection=Selection(CONFIDENCE))
    ),
    "local": lambda world: LocalExecution(world.url),
    "remote": lambda world: RemoteExecution(world.account, world.deployment),
    "direct": lambda world: DirectExecution(world.account, world.deployment),
    "remote, by the server": lambda world: RelayedRemote(ServerClient(world.url)),
    "direct, by the server": lambda world: RelayedDirect(ServerClient(world.url)),
}
DIRECT = ("direct", "direct, by the server")


@pytest.fixture(scope="module", params=EXECUTIONS)
def execution(request: pytest.FixtureRequest, world: World) -> Iterator[Execution]:
    execution = EXECUTIONS[request.param](world)
    yield execution
    execution.close()


@pytest.fixture(scope="module")
def detector(world: World) -> Iterator[Detector]:
    """What every execution must agree with."""
    detector = open_detector(load_model(world.cfg), selection=Selection(CONFIDENCE))
    yield detector
    detector.close()


def pixels(width: int, height: int) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(make_picture(5, width, height), np.uint8), cv2.IMREAD_COLOR)


def encoded(suffix: str, picture: np.ndarray) -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


def held_sideways(data: bytes) -> bytes:
    return data[:2] + segment(0xE1, b"Exif\0\0" + exif(6)) + data[2:]


IMAGES = {
    "jpeg": make_picture(1),
    "large jpeg": make_picture(2, 1600, 1200),
    "turned jpeg": held_sideways(make_picture(3)),
    "png": encoded(".png", pixels(160, 120)),
    "webp": encoded(".webp", pixels(160, 120)),
    "grey": encoded(".jpg", cv2.cvtColor(pixels(160, 120), cv2.COLOR_BGR2GRAY)),
    "one pixel": encoded(".png", pixels(160, 120)[:1, :1]),
    "long and thin": encoded(".png", pixels(900, 120)[:3]),
}
FAULTS = {
    "no image": b"hello",
    "empty": b"",
    "half a jpeg": make_picture(1)[:-300],
    "half a png": encoded(".png", pixels(160, 120))[:-20],
    "a header alone": make_picture(1)[:20],
}
NAMES = [
    "a b.jpg",
    "zwei Wörter+1%.jpg",
    "ü" * 300 + ".jpg",
    "x" * 3000,
    "../../etc/passwd",
    "?key=1&b",
    "",
    "\udcff.jpg",
]


@pytest.mark.parametrize("kind", IMAGES)
def test_every_execution_finds_what_the_detector_finds(execution: Execution, detector: Detector, kind: str):
    answer = execution.detect(IMAGES[kind], "image.jpg")
    expected = detector.detect(IMAGES[kind])
    assert [found.to_json() for found in answer.objects] == [found.to_json() for found in expected.objects]
    assert answer.elapsed_ms > 0
    assert answer.inference_ms > 0
    assert answer.timings_ms["inference"] > 0
    if kind in ("jpeg", "png", "grey"):
        assert len(answer.objects) > 3


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_an_image_may_be_called_anything(execution: Execution, detector: Detector, name: str):
    answer = execution.detect(IMAGES["jpeg"], name)
    assert len(answer.objects) == len(detector.detect(IMAGES["jpeg"]).objects)


@pytest.mark.parametrize("kind", FAULTS)
def test_every_execution_tells_the_same_of_what_is_no_image(execution: Execution, detector: Detector, kind: str):
    with pytest.raises(ImageError) as told:
        execution.detect(FAULTS[kind], "image.jpg")
    with pytest.raises(ImageError) as expected:
        detector.detect(FAULTS[kind])
    assert (type(told.value), str(told.value)) == (type(expected.value), str(expected.value))


@pytest.mark.parametrize("side", [9000, 60_000])
def test_too_many_pixels_are_refused_with_how_many_there_are(execution: Execution, side: int):
    """How many are taken depends on the memory there."""
    with pytest.raises(ImageError, match=f"^the image has {side} x {side} pixels; at most [0-9,]+ are taken"):
        execution.detect(png_that_claims(side, side), "image.png")


def test_an_image_too_large_for_a_direct_call_is_refused_with_the_remedy(execution: Execution):
    data = make_picture(4) + bytes(5 * 1024 * 1024)
    if execution.name == "direct":
        with pytest.raises(
            UsageError, match=r"^the image makes a payload of 6,\d+,\d+ bytes.*: use the execution remote"
        ):
            execution.detect(data, "large.jpg")
    else:
        assert execution.detect(data, "large.jpg").objects == execution.detect(make_picture(4), "small.jpg").objects


def test_too_many_bytes_are_refused(execution: Execution):
    data = make_picture(4) + bytes(50 * 1024 * 1024)
    expected = UsageError if execution.name == "direct" else ImageError
    with pytest.raises(LookoutError) as told:
        execution.detect(data, "large.jpg")
    assert type(told.value) is expected
    if expected is ImageError:
        assert str(told.value) == f"the image has {len(data):,} bytes; at most 52,428,800 are taken"


def test_what_is_found_does_not_depend_on_how_many_ask(execution: Execution, detector: Detector):
    pictures = [make_picture(seed) if seed % 4 else b"hello" for seed in range(24)]

    def detect(data: bytes) -> list[dict] | str:
        try:
            return [found.to_json() for found in execution.detect(data, "image.jpg").objects]
        except ImageError as error:
            return str(error)

    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(detect, pictures))
    for data, answer in zip(pictures, told, strict=True):
        if data == b"hello":
            assert "not an image" in answer
        else:
            assert answer == [found.to_json() for found in detector.detect(data).objects]


@pytest.mark.parametrize("kind", EXECUTIONS)
def test_closing_twice_does_no_harm(world: World, kind: str):
    execution = EXECUTIONS[kind](world)
    assert execution.detect(IMAGES["jpeg"], "image.jpg").objects
    execution.close()
    execution.close()


def test_names_are_those_of_the_command_line(world: World):
    for kind, make in EXECUTIONS.items():
        execution = make(world)
        assert execution.name == kind.partition(",")[0]
        execution.close()


@pytest.mark.parametrize("kind", ["local", "remote, by the server", "direct, by the server"])
def test_a_server_that_is_not_there_is_said(kind: str):
    gone = World(None, "http://127.0.0.1:9", {})
    execution = EXECUTIONS[kind](gone)
    with pytest.raises(ExecutionError, match=r"^no server answers at http://127\.0\.0\.1:9:"):
        execution.detect(IMAGES["jpeg"], "image.jpg")
    execution.close()
