"""The client of the local execution, against servers that misbehave."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pytest

import lookout
from helpers.scripted_server import DOG, DROP, GOOD, Reply, Request, ScriptedServer, problem, script
from lookout.errors import BusyError, ExecutionError, ImageError, UnreachableError, UsageError
from lookout.executions.local import LocalExecution
from lookout.executions.retrying import Retries


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s, self.pauses = 100.0, []

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


def client_of(server: ScriptedServer, time: Time | None = None, **settings) -> LocalExecution:
    time = time or Time()
    return LocalExecution(server.url, clock=time.clock, sleep=time.sleep, chance=lambda: 1.0, **settings)


def test_a_good_answer_is_read():
    with ScriptedServer(script(Reply())) as server, LocalExecution(f"{server.url}/") as client:
        answer = client.detect(b"data", "a.jpg")
    assert [found.to_json() for found in answer.objects] == GOOD["objects"]
    assert (answer.inference_ms, answer.upload_ms, answer.retries) == (7.5, None, 0)
    assert answer.elapsed_ms > 0
    assert [(request.path, request.body) for request in server.requests] == [("/object-detection", b"data")]


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (422, b'{"status": 422, "detail": "not an image"}', ImageError, "not an image"),
        (500, b'{"status": 500, "detail": "see the log"}', ExecutionError, "refused: see the log"),
        (502, b"<html>", ExecutionError, "502"),
        (500, b"[]", ExecutionError, "neither objects nor a problem"),
        (200, b"hello", ExecutionError, "not in JSON"),
        (200, b"[]", ExecutionError, "neither objects nor a problem"),
        (200, b'{"objects": [{"label": "dog"}], "inference_time": 1}', ExecutionError, "not the contract's"),
        (200, b'{"objects": 7, "inference_time": 1}', ExecutionError, "not the contract's"),
        (200, b'{"objects": []}', ExecutionError, "not the contract's"),
        (401, b'{"status": 401, "detail": "no"}', UnreachableError, "--api-key or LOOKOUT_API_KEY"),
    ],
)
def test_a_bad_answer_is_an_error_at_once_and_never_an_empty_result(status: int, body: bytes, error, words: str):
    with ScriptedServer(script(Reply(status, body))) as server, client_of(server) as client:
        with pytest.raises(error, match=words) as caught:
            client.detect(b"data")
        assert type(caught.value) is error
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("bad", "pause_s"),
    [
        (problem(503, "the queue is full"), 0.25),
        (problem(429, "slower"), 0.25),
        (Reply(503, b"<html>"), 0.25),
        (problem(503, "the queue is full", Retry_After="3"), 3.25),
        (problem(503, "the queue is full", Retry_After="soon"), 0.25),
        (DROP, 0.25),
        (Reply(sent=10), 0.25),
    ],
    ids=["busy", "too often", "not json", "retry-after", "no number", "no answer", "half an answer"],
)
def test_an_image_is_sent_again_and_its_round_trip_is_the_last(bad: Reply, pause_s: float):
    time = Time()
    with ScriptedServer(script(bad, Reply())) as server, client_of(server, time) as client:
        answer = client.detect(b"data")
        assert len(server.requests) == 2
    assert (answer.retries, answer.elapsed_ms) == (1, 0)  # this clock stands still but for the pause
    assert time.pauses == [pause_s]
    assert [found.label for found in answer.objects] == ["dog"]


def test_a_server_that_stays_busy_is_said_with_its_reason_after_the_last_retry():
    time = Time()
    with ScriptedServer(script(problem(503, "the queue is full"))) as server, client_of(server, time) as client:
        with pytest.raises(BusyError, match="is busy: the queue is full") as caught:
            client.detect(b"data")
        assert len(server.requests) == 6
    assert caught.value.retries == 5
    assert time.pauses == [0.25, 0.5, 1, 2, 4]


def test_a_connection_that_is_lost_every_time_ends_the_run():
    with ScriptedServer(script(DROP)) as server, client_of(server) as client:
        with pytest.raises(UnreachableError, match="closed the connection"):
            client.detect(b"data")
        assert len(server.requests) == 6


def test_nobody_waits_longer_than_all_retries_may_take():
    time = Time()
    busy = problem(503, "later", Retry_After="3600")
    with ScriptedServer(script(busy)) as server, client_of(server, time) as client, pytest.raises(BusyError):
        client.detect(b"data")
    assert time.pauses == []


def test_without_retries_there_are_none():
    with ScriptedServer(script(DROP)) as server, client_of(server, retries=Retries(count=0)) as client:
        with pytest.raises(UnreachableError):
            client.detect(b"data")
        assert len(server.requests) == 1


def test_nobody_there_is_said_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = LocalExecution(f"http://127.0.0.1:{port}", sleep=lambda _: pytest.fail("it waited"))
    with pytest.raises(UnreachableError, match="lookout serve"):
        client.detect(b"data", "a.jpg")


def test_a_server_that_restarts_costs_no_image():
    first = ScriptedServer(script(Reply(headers={"Connection": "close"})))
    second: list[ScriptedServer] = []

    def restart_at_third_pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            second.append(ScriptedServer(script(Reply()), first.port))

    pauses: list[float] = []
    with LocalExecution(first.url, sleep=restart_at_third_pause) as client:
        assert client.detect(b"1").retries == 0
        first.close()
        assert client.detect(b"2").retries == 3
        (server,) = second
        assert [request.body for request in server.requests] == [b"2"]
        server.close()


def test_a_slow_answer_is_not_asked_for_again():
    release = threading.Event()

    def wait(_: Request, __: int) -> Reply:
        release.wait(60)
        return Reply()

    with ScriptedServer(wait) as server, LocalExecution(server.url, timeout_s=0.2) as client:
        with pytest.raises(ExecutionError, match=r"no answer within 0\.2 s") as caught:
            client.detect(b"data")
        assert type(caught.value) is ExecutionError
        release.set()
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["127.0.0.1:5001", "ftp://127.0.0.1", "http://", "http://[::1", "http://127.0.0.1:99999", "http://:80"]
)
def test_a_bad_address_is_said(url: str):
    with pytest.raises(UsageError, match="no address of a server"):
        LocalExecution(url)


def test_the_key_is_sent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOOKOUT_API_KEY", "of the environment")
    with ScriptedServer(script(Reply())) as server:
        for key in (None, "given", ""):
            with lookout.connect(server.url, api_key=key) as client:
                client.detect(b"data")
    assert [request.headers.get("X-API-Key") for request in server.requests] == ["of the environment", "given", None]


@pytest.mark.parametrize("key", ["line\nbreak", "\x00", "clé", "  "])
def test_a_key_that_can_not_be_sent_is_refused_and_not_shown(key: str):
    with pytest.raises(UsageError, match="LOOKOUT_API_KEY") as caught:
        lookout.connect("http://127.0.0.1:5001", api_key=key)
    assert key.strip() not in str(caught.value) or not key.strip()


def test_a_path_bytes_and_pixels_are_all_sent(tmp_path: Path):
    pixels = np.random.default_rng(7).integers(0, 256, (12, 20, 3), np.uint8)
    (tmp_path / "a.jpg").write_bytes(b"a file")
    with ScriptedServer(script(Reply())) as server, lookout.connect(server.url) as client:
        for image in (tmp_path / "a.jpg", str(tmp_path / "a.jpg"), b"bytes", pixels):
            client.detect(image)
    assert [request.body for request in server.requests[:3]] == [b"a file", b"a file", b"bytes"]
    sent = cv2.imdecode(np.frombuffer(server.requests[3].body, np.uint8), cv2.IMREAD_COLOR)
    assert (sent == pixels).all()


@pytest.mark.parametrize("pixels", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_pixels_that_are_no_image_are_refused(pixels: np.ndarray):
    with lookout.connect("http://127.0.0.1:9") as client, pytest.raises(ImageError, match="blue first"):
        client.detect(pixels)


@pytest.mark.parametrize(
    ("asked", "query"),
    [
        ({}, {}),
        ({"confidence": 0.4}, {"confidence": ["0.4"]}),
        ({"confidence": 0, "iou": 0.5}, {"confidence": ["0"], "iou": ["0.5"]}),
        ({"classes": "person,dog"}, {"classes": ["person,dog"]}),
        ({"classes": ["person", "dog"]}, {"classes": ["person,dog"]}),
        ({"classes": ["a,b", "ü &="]}, {"classes": ['"a,b",ü &=']}),
    ],
)
def test_what_is_asked_of_the_server_is_in_the_query(asked: dict, query: dict):
    with ScriptedServer(script(Reply())) as server, lookout.connect(server.url) as client:
        client.detect(b"data", **asked)
    address = urlsplit(server.requests[0].path)
    assert (address.path, parse_qs(address.query)) == ("/object-detection", query)


def test_many_threads_share_one_client_and_its_connections():
    def echo(request: Request, _: int) -> Reply:
        return Reply(body=json.dumps({**GOOD, "objects": [{**DOG, "label": request.body.decode()}]}).encode())

    names = [f"image {number}" for number in range(60)]
    with ScriptedServer(echo) as server, lookout.connect(server.url) as client, ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda name: client.detect(name.encode()), names))
    assert [answer.objects[0].label for answer in answers] == names
    assert len(server.connections) <= 6
