"""The local execution's contract, as a client sees it over HTTP."""

from __future__ import annotations

import base64
import io
import json
import threading
from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("gunicorn", reason="the extra server is not installed")

from flask.testing import FlaskClient

from helpers.service import service_of
from helpers.tiny import make_picture
from lookout.apps.server.app import create_app
from lookout.apps.server.config import MAX_BODY_BYTES
from lookout.apps.server.faults import reply_to
from lookout.apps.server.operations import find_operation
from lookout.apps.server.problems import Reply
from lookout.apps.server.reading import Asked, read_query
from lookout.apps.server.wsgi import REQUEST_ID, call, environ_of
from lookout.detector import Detector
from lookout.errors import EngineError
from lookout.images import encode_png

PICTURE = make_picture(1)
BODY = {"data": PICTURE, "content_type": "image/jpeg"}
WIDE = encode_png(np.zeros((4, 70_000, 3), np.uint8))  # more than a JPEG can be


@pytest.fixture
def client(detector: Detector) -> FlaskClient:
    return create_app(service_of(detector)).test_client()


def reference_request(data: bytes) -> dict[str, str]:
    return {"id": "4a0c", "image_data": base64.b64encode(data).decode()}


def test_the_reference_request_gets_the_reference_answer(client: FlaskClient, detector: Detector):
    answer = client.post("/object-detection", json=reference_request(PICTURE))
    assert answer.status_code == 200
    assert answer.json["id"] == "4a0c"
    assert answer.json["objects"] == detector.detect(PICTURE).to_json()["objects"]
    assert len(answer.json["objects"]) > 3
    assert list(answer.json["objects"][0]) == ["label", "accuracy", "box"]
    assert answer.json["inference_time"] == answer.json["timings"]["inference"]
    assert list(answer.json["timings"]) == ["queue", "decode", "preprocess", "inference", "postprocess"]


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "application/octet-stream"])
def test_an_image_may_be_the_body(client: FlaskClient, media_type: str):
    by_json = client.post("/object-detection", json=reference_request(PICTURE)).json
    answer = client.post("/object-detection?id=7", data=PICTURE, content_type=media_type)
    assert answer.json["id"] == "7"
    assert answer.json["objects"] == by_json["objects"]


def test_what_else_stands_in_the_json_is_passed_over(client: FlaskClient):
    body = json.dumps({"more": [[]] * 1000, **reference_request(PICTURE)})
    assert client.post("/object-detection", data=body, content_type="application/json").status_code == 200


@pytest.mark.parametrize("quoted", ["circle,square", ' circle , "square"'])
def test_classes_are_read_as_csv(client: FlaskClient, quoted: str):
    found = client.post("/object-detection", query_string={"classes": quoted}, **BODY).json["objects"]
    assert {entry["label"] for entry in found} <= {"circle", "square"}
    assert found


def test_an_image_may_be_a_field_of_a_form(client: FlaskClient):
    by_json = client.post("/object-detection", json=reference_request(PICTURE)).json
    answer = client.post("/object-detection", data={"image": (io.BytesIO(PICTURE), "a.jpg")})
    assert answer.json["objects"] == by_json["objects"]
    assert answer.json["id"]


def test_base64_may_hold_line_breaks(client: FlaskClient):
    document = {"id": "1", "image_data": base64.encodebytes(PICTURE).decode()}
    assert client.post("/object-detection", json=document).status_code == 200


@pytest.mark.parametrize(
    ("request_arguments", "status", "words"),
    [
        ({"data": "{", "content_type": "application/json"}, 400, "not JSON"),
        ({"data": '{"x": ' + "[" * 100_000, "content_type": "application/json"}, 400, "not JSON"),
        ({"data": b'{"id": "\xff"}', "content_type": "application/json"}, 400, "not JSON"),
        ({"json": []}, 400, "JSON object"),
        ({"json": {"image_data": ""}}, 400, "id"),
        ({"json": {"id": 7, "image_data": ""}}, 400, "id"),
        ({"json": {"id": "x" * 201, "image_data": ""}}, 400, "id"),
        ({"json": {"id": "1"}}, 400, "image_data"),
        ({"json": {"id": "1", "image_data": "no base64!"}}, 400, "base64"),
        ({"json": reference_request(b"")}, 422, "empty"),
        ({"json": reference_request(b"hello")}, 422, "not an image"),
        ({"json": reference_request(PICTURE[:-100])}, 422, "truncated"),
        ({"data": {"picture": (io.BytesIO(PICTURE), "a.jpg")}}, 400, "image"),
        ({"data": PICTURE, "content_type": "text/plain"}, 415, "image/*"),
        ({"data": PICTURE}, 415, "image/*"),
        ({"data": b"--b", "content_type": "multipart/form-data; boundary=b"}, 400, "no form"),
        ({"data": b"--b", "content_type": "multipart/form-data"}, 400, "boundary"),
        ({**BODY, "query_string": {"id": "x" * 201}}, 400, "id"),
        ({**BODY, "query_string": {"confidence": "nan"}}, 400, "confidence"),
        ({**BODY, "query_string": {"confidence": "1_0"}}, 400, "confidence"),
        ({**BODY, "query_string": {"iou": "\u0661"}}, 400, "iou"),
        ({**BODY, "query_string": {"classes": "unicorn"}}, 400, "unicorn"),
        ({**BODY, "data": WIDE, "query_string": {"annotated": "1"}}, 422, "70000 x 4"),
    ],
)
def test_a_bad_request_gets_a_problem_that_says_what_is_wrong(
    client: FlaskClient, request_arguments: dict, status: int, words: str
):
    answer = client.post("/object-detection", **request_arguments)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    problem = answer.get_json(force=True)
    assert problem["status"] == status
    assert words in problem["detail"]
    assert "objects" not in problem


def test_a_body_over_the_limit_is_refused(served: str):
    connection = HTTPConnection(urlsplit(served).netloc)
    connection.request("POST", "/object-detection", bytes(MAX_BODY_BYTES + 1), {"Content-Type": "image/jpeg"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Type")) == (413, "application/problem+json")
    assert json.loads(answer.read())["status"] == 413
    connection.close()


@pytest.mark.parametrize(("method", "path", "status"), [("get", "/object-detection", 405), ("get", "/nowhere", 404)])
def test_a_wrong_address_gets_a_problem(client: FlaskClient, method: str, path: str, status: int):
    answer = getattr(client, method)(path)
    assert answer.status_code == status
    assert answer.get_json(force=True)["status"] == status
    assert answer.headers.get_all("Content-Type") == ["application/problem+json"]


def test_a_fault_of_the_server_is_in_its_log_and_not_in_its_answer(detector: Detector, caplog):
    class Faulty(Detector):
        def detect(self, data: bytes, selection=None):
            raise ZeroDivisionError("secret")

    app = create_app(service_of(Faulty(detector.model, detector.engine)))
    answer = app.test_client().post("/object-detection", data=PICTURE, content_type="image/jpeg")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    error_id = answer.get_json(force=True)["detail"].split()[-1]
    assert error_id in caplog.text
    assert "secret" in caplog.text


def test_an_engine_that_fails_is_no_empty_result(detector: Detector):
    class Broken(Detector):
        def detect(self, data: bytes, selection=None):
            raise EngineError("the engine gave up")

    app = create_app(service_of(Broken(detector.model, detector.engine)))
    answer = app.test_client().post("/object-detection", data=PICTURE, content_type="image/jpeg")
    assert answer.status_code == 500
    assert "gave up" not in answer.text
    assert answer.get_json(force=True)["detail"].startswith("the server failed; the server's log tells more under ")


@pytest.mark.parametrize(
    ("query", "content_type", "body", "status"),
    [
        (b"", "image/jpeg", PICTURE, 200),
        (b"id=7&classes=circle&confidence=0.5", "image/jpeg", PICTURE, 200),
        (b"annotated=1", "image/jpeg", PICTURE, 200),
        (b"", "application/json", json.dumps(reference_request(PICTURE)).encode(), 200),
        (b"", "application/json", b"{", 400),
        (b"confidence=2", "image/jpeg", PICTURE, 400),
        (b"execution=remote", "image/jpeg", PICTURE, 400),
        (b"", "text/plain", PICTURE, 415),
        (b"", "image/jpeg", PICTURE[:-99], 422),
        (b"id=fault", "image/jpeg", b"fault", 500),
    ],
)
def test_the_view_alone_answers_as_the_application_does(detector: Detector, query, content_type, body, status):
    class Faulty(Detector):
        def detect(self, data: bytes, selection=None):
            if data == b"fault":
                raise ZeroDivisionError
            return super().detect(data, selection)

    service = service_of(Faulty(detector.model, detector.engine))
    app = create_app(service)
    operation = find_operation(app, "POST", "/object-detection")
    headers = [(b"content-type", content_type.encode()), (b"host", b"here")]
    scope = {"method": "POST", "path": "/object-detection", "query_string": query, "headers": headers}
    scope |= {"http_version": "1.1", "scheme": "http"}

    def view() -> Reply:
        try:
            return operation.answer(Asked(read_query(query), content_type, body, "given", 0.0))
        except Exception as error:  # noqa: BLE001  as the door does
            return reply_to(error, service, "given")

    alone, whole = view(), call(app.wsgi_app, {**environ_of(scope, body), REQUEST_ID: "given"})
    assert alone.status == whole.status == status
    mine, theirs = dict(alone.headers), dict(whole.headers)
    assert mine["Content-Type"] == theirs["Content-Type"]
    assert mine.keys() | {"Content-Length"} == theirs.keys()
    assert steady(alone.body, mine) == steady(whole.body, theirs)


def steady(body: bytes, headers: dict[str, str]) -> object:
    """An answer without what differs from one time to the next."""
    if headers["Content-Type"] == "image/jpeg":
        return body
    changing = ("id", "inference_time", "timings")
    return {name: value for name, value in json.loads(body).items() if name not in changing}


def test_health_names_the_model_and_the_engine(client: FlaskClient, detector: Detector):
    assert client.get("/healthz").json == {"status": "ok", "model": "tiny", "engine": detector.engine.name}


def test_many_clients_at_once_get_each_their_own_answer(served: str, detector: Detector):
    pictures = [make_picture(seed) for seed in range(12)]
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        connection = HTTPConnection(urlsplit(served).netloc)
        connection.request("POST", "/object-detection", pictures[number], {"Content-Type": "image/jpeg"})
        answers[number] = connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, picture in enumerate(pictures):
        assert json.loads(answers[number])["objects"] == detector.detect(picture).to_json()["objects"]
