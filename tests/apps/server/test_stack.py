"""Offloading through the server, for clients without AWS keys: real processes, the emulator, and the stack on it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ministack", reason="the extra emulator is not installed")
pytest.importorskip("awslambdaric", reason="the extra emulator is not installed")
pytest.importorskip("gunicorn", reason="the extra server is not installed")

import urllib3

from helpers.program import Program, run, wait_for
from helpers.tiny import CONFIDENCE, make_model, make_picture

THRESHOLD = ("--confidence", str(CONFIDENCE))
PICTURE = make_picture(3)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a model that is deployed, too."""
    cfg = make_model(tmp_path_factory.mktemp("model"))
    with Program("emulator", "--port", "0", "--json") as emulator:
        variables = emulator.ready()["environment"]
        deployed = run("stack", "up", "--model", str(cfg), "--yes", *THRESHOLD, **variables)
        assert deployed.returncode == 0, deployed.stderr
        serve = ("serve", "--model", str(cfg), "--port", "0", "--json", "--stack", "lookout", "--log-level", "error")
        with Program(*serve, *THRESHOLD, **variables) as server:
            yield server.ready()["url"]


def detect(url: str, query: str = "", body: bytes = PICTURE) -> urllib3.BaseHTTPResponse:
    headers = {"Content-Type": "image/jpeg"}
    return urllib3.request("POST", f"{url}/object-detection{query}", body=body, headers=headers, timeout=120)


def test_the_server_says_what_it_offers(url: str):
    described = urllib3.request("GET", f"{url}/info").json()
    assert described["executions"] == ["local", "remote", "direct"]
    assert described["emulated"] is True


@pytest.mark.parametrize("execution", ["remote", "direct"])
def test_an_image_is_offloaded_with_the_same_result_and_its_transfer_time(url: str, execution: str):
    here, away = detect(url), detect(url, f"?execution={execution}&id=7")
    assert (here.status, away.status) == (200, 200)
    assert away.json()["objects"] == here.json()["objects"]
    assert len(away.json()["objects"]) > 3
    assert away.json()["id"] == "7"
    assert away.json()["transfer_time"] > 0
    assert "transfer_time" not in here.json()
    assert away.json()["inference_time"] > 0


def test_an_offloaded_image_may_be_answered_with_its_boxes(url: str):
    answer = detect(url, "?execution=direct&annotated=1")
    assert (answer.headers["Content-Type"], answer.data[:2]) == ("image/jpeg", b"\xff\xd8")


@pytest.mark.parametrize("execution", ["remote", "direct"])
def test_what_is_no_image_is_told_as_such(url: str, execution: str):
    answer = detect(url, f"?execution={execution}", b"hello")
    assert (answer.status, "not an image" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("query", "words"),
    [("?execution=remote&confidence=0.5", "the stack's own"), ("?execution=elsewhere", "no execution 'elsewhere'")],
)
def test_what_can_not_be_asked_of_the_cloud_is_refused(url: str, query: str, words: str):
    answer = detect(url, query)
    assert (answer.status, words in answer.json()["detail"]) == (400, True)


def upload(url: str, data: bytes) -> str:
    """Upload an image with the server's leave; the upload's id."""
    leave = urllib3.request("POST", f"{url}/uploads")
    assert leave.status == 201
    document = leave.json()
    assert leave.headers["Location"] == f"/results/{document['id']}"
    form = {**document["fields"], "file": ("street.jpg", data)}
    assert urllib3.request("POST", document["url"], fields=form).status == 204
    return document["id"]


def result(url: str, upload_id: str) -> urllib3.BaseHTTPResponse:
    """What is found in an uploaded image, once it is."""
    answers = []

    def there() -> bool:
        answers.append(urllib3.request("GET", f"{url}/results/{upload_id}"))
        assert answers[-1].status != 202 or answers[-1].headers["Retry-After"] == "1"
        return answers[-1].status != 202

    wait_for(there)
    return answers[-1]


def test_a_client_without_keys_uploads_and_asks_for_the_result(url: str):
    upload_id = upload(url, PICTURE)
    answer = result(url, upload_id)
    assert answer.status == 200
    assert answer.json()["id"] == upload_id
    assert answer.json()["objects"] == detect(url).json()["objects"]


def test_an_upload_that_is_no_image_fails_with_the_reason(url: str):
    answer = result(url, upload(url, b"hello"))
    assert (answer.status, "not an image" in answer.json()["detail"]) == (422, True)


def test_what_was_never_uploaded_is_not_waited_for(url: str):
    answer = urllib3.request("GET", f"{url}/results/{uuid.uuid4()}")
    assert (answer.status, "no image was uploaded" in answer.json()["detail"]) == (404, True)
    assert urllib3.request("GET", f"{url}/results/7").status == 404


def test_leave_is_for_one_place_and_so_many_bytes(url: str):
    document = urllib3.request("POST", f"{url}/uploads").json()
    assert document["fields"]["x-amz-algorithm"] == "AWS4-HMAC-SHA256"  # the only one that new buckets take
    elsewhere = {**document["fields"], "key": "images/other", "file": ("a.jpg", PICTURE)}
    assert urllib3.request("POST", document["url"], fields=elsewhere).status == 403
    too_much = {**document["fields"], "file": ("a.jpg", bytes(document["max_bytes"] + 1))}
    assert urllib3.request("POST", document["url"], fields=too_much).status == 400


def test_a_server_without_a_stack_offloads_nothing(served: str):
    answer = detect(served, "?execution=remote")
    assert (answer.status, "--stack" in answer.json()["detail"]) == (400, True)
    assert urllib3.request("POST", f"{served}/uploads").status == 404


def test_a_stack_that_is_not_there_is_said_at_once(tmp_path: Path):
    cfg = make_model(tmp_path)
    with Program("emulator", "--port", "0", "--json") as emulator:
        variables = emulator.ready()["environment"]
        answer = run("serve", "--model", str(cfg), "--port", "0", "--stack", "nowhere", **variables)
    assert (answer.returncode, "nowhere" in answer.stderr) == (1, True)
