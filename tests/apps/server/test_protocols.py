"""What others speak already: DeepStack's clients, and those of the Open Inference Protocol."""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("gunicorn", reason="the extra server is not installed")

import urllib3
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from helpers.program import Program
from helpers.service import service_of
from helpers.tiny import CONFIDENCE, make_model, make_picture
from lookout.apps.server import tensors
from lookout.apps.server.app import create_app
from lookout.detector import Detector
from lookout.errors import UsageError

PICTURE = make_picture(1)
PIXELS_BGR = cv2.imdecode(np.frombuffer(PICTURE, np.uint8), cv2.IMREAD_COLOR)
PIXELS_RGB = np.ascontiguousarray(PIXELS_BGR[..., ::-1])
INFER = "/v2/models/tiny/infer"


@pytest.fixture
def client(detector: Detector) -> FlaskClient:
    return create_app(service_of(detector)).test_client()


# DeepStack


def test_frigates_request_gets_what_frigate_reads(served: str, detector: Detector):
    """As Frigate's DeepStack plugin asks, and as it reads the answer."""
    asked = {"api_key": "", "image": ("frame.jpg", PICTURE, "image/jpeg")}
    answer = urllib3.request("POST", f"{served}/v1/vision/detection", fields=asked, timeout=60).json()
    assert answer["success"] is True
    expected = detector.detect(PICTURE).objects
    assert len(answer["predictions"]) == len(expected) > 3
    height, width = PIXELS_BGR.shape[:2]
    for prediction, found in zip(answer["predictions"], expected, strict=True):
        assert prediction["label"] == found.label
        assert prediction["confidence"] == pytest.approx(found.confidence, abs=1e-6)
        assert 0 <= prediction["x_min"] < prediction["x_max"] <= width
        assert 0 <= prediction["y_min"] < prediction["y_max"] <= height
        assert prediction["x_max"] - prediction["x_min"] == pytest.approx(found.box.width, abs=1)
        assert all(isinstance(prediction[side], int) for side in ("x_min", "y_min", "x_max", "y_max"))


def test_home_assistants_minimum_confidence_holds(client: FlaskClient):
    def ask(minimum: str) -> list[float]:
        form = {"min_confidence": minimum, "image": (io.BytesIO(PICTURE), "a.jpg")}
        return [found["confidence"] for found in client.post("/v1/vision/detection", data=form).json["predictions"]]

    everything = ask("0")
    middle = sorted(everything)[len(everything) // 2]
    assert 0 < len(ask(str(middle))) < len(everything)
    assert all(confidence >= middle for confidence in ask(str(middle)))


def test_an_error_is_one_in_deepstacks_words_too(served: str):
    fields = {"image": ("a.jpg", b"hello", "image/jpeg")}
    answer = urllib3.request("POST", f"{served}/v1/vision/detection", fields=fields, timeout=60)
    assert answer.status == 422
    assert (answer.json()["success"], answer.json()["error"]) == (False, answer.json()["detail"])


# The Open Inference Protocol


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """NVIDIA's public client of the protocol."""
    http = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")
    cfg = make_model(tmp_path_factory.mktemp("triton"))
    with Program(
        "serve", "--model", str(cfg), "--port", "0", "--json", "--confidence", str(CONFIDENCE), "--log-level", "warning"
    ) as program:
        client = http.InferenceServerClient(program.ready()["url"].removeprefix("http://"), network_timeout=60)
        yield client
        client.close()


def test_a_public_client_finds_the_server_and_its_model(triton: Any):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("tiny")
    assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    described = triton.get_model_metadata("tiny")
    assert [entry["name"] for entry in described["outputs"]] == ["boxes", "scores", "class_ids", "labels"]
    assert described["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, -1, 3]}]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("form", ["tensor", "batch of one", "file"])
def test_a_public_client_gets_right_answers(
    triton: Any, detector: Detector, form: str, binary_in: bool, binary_out: bool
):
    from tritonclient.http import InferInput, InferRequestedOutput

    if form == "file":
        given = InferInput("image", [1], "BYTES")
        data = PICTURE if binary_in else base64.b64encode(PICTURE)
        given.set_data_from_numpy(np.array([data], dtype=object), binary_data=binary_in)
        expected = detector.detect(PICTURE).objects
    else:
        pixels = PIXELS_RGB if form == "tensor" else PIXELS_RGB[None]
        given = InferInput("image", pixels.shape, "UINT8")
        given.set_data_from_numpy(pixels, binary_data=binary_in)
        expected = detector.detect(PIXELS_BGR).objects
    names = ("boxes", "scores", "class_ids", "labels")
    wanted = [InferRequestedOutput(name, binary_data=binary_out) for name in names]
    answer = triton.infer("tiny", [given], outputs=wanted, request_id="7")
    assert answer.get_response()["id"] == "7"
    labels = [label.decode() if isinstance(label, bytes) else label for label in answer.as_numpy("labels")]
    assert labels == [found.label for found in expected]
    assert len(labels) > 3
    assert [detector.model.labels[i] for i in answer.as_numpy("class_ids")] == labels
    np.testing.assert_allclose(answer.as_numpy("scores"), [found.confidence for found in expected], rtol=1e-6)
    boxes = [(found.box.x, found.box.y, found.box.width, found.box.height) for found in expected]
    np.testing.assert_allclose(answer.as_numpy("boxes"), boxes, rtol=1e-5)


def test_a_public_client_reads_why_it_was_refused(triton: Any):
    from tritonclient.http import InferInput
    from tritonclient.utils import InferenceServerException

    given = InferInput("image", [1], "BYTES")
    given.set_data_from_numpy(np.array([b"hello"], dtype=object))
    with pytest.raises(InferenceServerException, match="not an image"):
        triton.infer("tiny", [given])
    with pytest.raises(InferenceServerException, match="there is no model 'other': this server has tiny"):
        triton.infer("other", [given])


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": "UINT8", "shape": [2, 2, 3], "data": list(range(12)), **changes}


BASE64 = base64.b64encode(PICTURE).decode()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "no inference request"),
        ({}, "inputs"),
        ({"inputs": []}, "one input"),
        ({"inputs": [tensor(), tensor()]}, "one input"),
        ({"inputs": [tensor(name="picture")]}, "no input 'picture'"),
        ({"inputs": [tensor(datatype="FP32")]}, "UINT8 or BYTES"),
        ({"inputs": [tensor(shape=[2, 2, 4])]}, "no image"),
        ({"inputs": [tensor(shape=[0, 2, 3])]}, "no image"),
        ({"inputs": [tensor(shape=[-2, -2, 3])]}, "no inference request"),
        ({"inputs": [tensor(shape=[3, 2, 3])]}, "don't fit"),
        ({"inputs": [tensor(data=[256] * 12)]}, "0 to 255"),
        ({"inputs": [tensor(data=[0.5] * 12)]}, "0 to 255"),
        ({"inputs": [tensor(data=["a"] * 12)]}, "0 to 255"),
        ({"inputs": [tensor(data=[[1, 2], [3]])]}, "no tensor"),
        ({"inputs": [tensor(data=[None])]}, "0 to 255"),
        ({"inputs": [tensor(data=[10**30] * 12)]}, "0 to 255"),
        ({"inputs": [tensor(data=[])]}, "don't fit"),
        ({"inputs": [tensor(data=[True] * 12)]}, "0 to 255"),
        ({"inputs": [tensor(data=[[[1, 2, 3], [4, 5, 6]], [[7, 8, 9]]])]}, "no tensor"),
        ({"inputs": [tensor(data=[[[]], [[]]])]}, "0 to 255"),
        ({"inputs": [tensor()], "parameters": {"confidence": [[]]}}, "no inference request"),
        ({"inputs": [tensor(parameters={"binary_data_size": 12})]}, "bytes follow"),
        ({"inputs": [tensor(datatype="BYTES", shape=[1], data=["no base64!"])]}, "base64"),
        ({"inputs": [tensor(datatype="BYTES", shape=[1], data=[7])]}, "base64"),
        ({"inputs": [tensor(datatype="BYTES", shape=[2], data=[BASE64, BASE64])]}, "one element"),
        ({"inputs": [tensor()], "outputs": [{"name": "masks"}]}, "no output 'masks'"),
        ({"inputs": [tensor()], "parameters": {"confidence": 2}}, "confidence is 2"),
        ({"inputs": [tensor()], "parameters": {"classes": "dog"}}, "no class 'dog'"),
    ],
)
def test_a_bad_inference_request_is_refused_with_a_sentence(client: FlaskClient, document: Any, words: str):
    answer = client.post(INFER, json=document)
    assert answer.status_code == 400
    assert words in answer.get_json(force=True)["detail"]


def test_parameters_choose_what_counts(client: FlaskClient, detector: Detector):
    label = detector.detect(PICTURE).objects[0].label
    given = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [BASE64]}
    document = {"inputs": [given], "parameters": {"classes": label}, "outputs": [{"name": "labels"}]}
    outputs = client.post(INFER, json=document).json["outputs"]
    assert [output["name"] for output in outputs] == ["labels"]
    assert set(outputs[0]["data"]) == {label}


def test_nested_data_is_read_as_its_shape_says(client: FlaskClient):
    def objects(data: Any, shape: tuple[int, ...]) -> Any:
        given = tensor(data=data, shape=shape)
        return client.post(INFER, json={"inputs": [given]}).json["outputs"]

    flat = objects(PIXELS_RGB.ravel().tolist(), PIXELS_RGB.shape)
    assert flat[1]["data"]
    assert objects(PIXELS_RGB.tolist(), PIXELS_RGB.shape) == flat
    assert objects([PIXELS_RGB.tolist()], (1, *PIXELS_RGB.shape)) == flat


@pytest.mark.parametrize("data", ["[" * 2000 + "]" * 2000, "[" * 100_000])
def test_brackets_within_brackets_are_refused(client: FlaskClient, data: str):
    body = '{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [2, 2, 3], "data": ' + data + "}]}"
    assert client.post(INFER, data=body, content_type="application/json").status_code == 400


def test_json_that_takes_long_to_read_is_not_read(client: FlaskClient):
    answer = client.post(INFER, data=b" " * (16 * 1024 * 1024) + b"{}", content_type="application/json")
    assert answer.status_code == 400
    assert "as bytes behind it" in answer.get_json(force=True)["detail"]


@pytest.mark.parametrize("length", ["-1", "abc", "100000", "", "\xb2", "9" * 5000])
def test_a_length_of_the_json_that_is_none_is_refused(client: FlaskClient, length: str):
    answer = client.post(INFER, data=b"{}", headers={tensors.LENGTH_HEADER: length})
    assert answer.status_code == 400


@given(st.binary(max_size=200), st.one_of(st.none(), st.integers(0, 250).map(str)))
def test_bytes_from_anywhere_are_read_or_refused(body: bytes, length: str | None):
    try:
        tensors.read_request(body, length)
    except UsageError:
        return
    raise AssertionError("that was no request")


@given(st.binary(max_size=60), st.integers(0, 70))
def test_a_file_in_binary_comes_out_as_it_went_in(data: bytes, said: int):
    framed = struct.pack("<I", len(data)) + data
    given = {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(framed)}}
    head = json.dumps({"inputs": [given]}).encode()
    assert tensors.read_request(head + framed, str(len(head))).image == data
    if said != len(data):
        with pytest.raises(UsageError, match="four bytes"):
            tensors.read_request(head + struct.pack("<I", said) + data, str(len(head)))
