"""The clients without keys, against servers and buckets that misbehave. Against good ones: test_contract.py."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from helpers.scripted_server import DROP, GOOD, Reply, Request, ScriptedServer, problem
from lookout.errors import (
    ExecutionError,
    ImageError,
    ImageGoneError,
    ResultLostError,
    ResultTimeoutError,
    UnreachableError,
    UsageError,
)
from lookout.executions.protocol import Earlier
from lookout.executions.relayed import RelayedDirect, RelayedRemote
from lookout.executions.retrying import Retries
from lookout.executions.server_client import ServerClient

PENDING = Reply(202, b'{"id": "7", "status": "pending"}', {"Retry-After": "1"})
DONE = Reply(200, json.dumps(GOOD).encode())


class Time:
    """A clock that only sleeping moves, and the looks that a test counts."""

    def __init__(self) -> None:
        self.now_s, self.pauses = 100.0, []

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


def world(
    results: Callable[[int], Reply], bucket: Callable[[int], Reply] = lambda _: Reply(204, b""), leave: bytes = b""
) -> ScriptedServer:
    """A server, its bucket with it: what they answer to the n-th request of a kind."""
    counts = {"results": 0, "bucket": 0, "uploads": 0}

    def reply(request: Request, _: int) -> Reply:
        kind = request.path.split("/")[1]
        counts[kind] += 1
        if kind == "uploads":
            given = {"id": f"{counts[kind]}", "url": f"{server.url}/bucket", "fields": {"key": "k", "policy": "p"}}
            return Reply(201, leave or json.dumps(given).encode())
        return (results if kind == "results" else bucket)(counts[kind] - 1)

    server = ScriptedServer(reply)
    return server


def client_of(server: ScriptedServer, time: Time, timeout_s: float = 60) -> RelayedRemote:
    asks = ServerClient(server.url, timeout_s, clock=time.clock, sleep=time.sleep, chance=lambda: 1.0)
    return RelayedRemote(asks, timeout_s, retries=Retries(count=2), clock=time.clock, sleep=time.sleep)


def paths(server: ScriptedServer) -> list[str]:
    return [request.path.partition("?")[0] for request in server.requests]


def test_a_result_is_waited_for_as_the_server_asks():
    time = Time()
    with world(lambda n: DONE if n == 2 else PENDING) as server:
        answer = client_of(server, time).detect(b"data", "a.jpg")
        assert paths(server) == ["/uploads", "/bucket", *["/results/1"] * 3]
    assert time.pauses == [1, 1]
    assert (answer.inference_ms, answer.upload_ms, answer.elapsed_ms) == (7.5, 0, 2000)
    assert [found.to_json()["label"] for found in answer.objects] == ["dog"]


def pending(**more: object) -> Reply:
    return Reply(202, json.dumps({"id": "7", "status": "pending", **more}).encode(), {"Retry-After": "1"})


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (PENDING, ResultTimeoutError, "it was uploaded; allow it more with --timeout"),
        (pending(stage="running", lost=False), ResultTimeoutError, "the function is still running: allow it more"),
        (
            pending(stage="not started", lost=False),
            ResultTimeoutError,
            "it is in the bucket, and the function was not started",
        ),
        (pending(stage="given up", lost=True), ResultLostError, "the function failed on it .* lookout stack failures"),
        (pending(stage="elsewhere", lost=True), ResultTimeoutError, "it was uploaded"),
    ],
)
def test_no_result_in_time_is_an_error_that_says_where_the_image_is(reply: Reply, kind: type, words: str):
    time = Time()
    with world(lambda _: reply) as server:
        with pytest.raises(kind, match=rf"^no result of a\.jpg came within 3 s: {words}") as told:
            client_of(server, time, timeout_s=3).detect(b"data", "a.jpg")
        *looks, last = (request.path.partition("wait=")[2] for request in server.requests[2:])
    assert type(told.value) is kind
    assert [float(look) for look in looks] == [1.5, 1.5, 1, 0]
    assert last == "0.000&where=1"


def test_what_got_lost_is_uploaded_by_a_new_leave():
    noted = []
    with world(lambda _: DONE) as server:
        earlier = Earlier("earlier", lost=True)
        client_of(server, Time()).detect_noted(b"data", "a.jpg", noted.append, earlier=earlier)
        assert paths(server) == ["/uploads", "/bucket", "/results/1"]
    assert noted == ["1"]


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        (Reply(403, b"<Error><Code>AccessDenied</Code></Error>"), ExecutionError, "answered 403: <Error><Code>Access"),
        (Reply(400, b"<Code>EntityTooLarge</Code>"), ExecutionError, "answered 400"),
    ],
)
def test_a_bucket_that_refuses_is_quoted_and_not_asked_again(refusal: Reply, kind: type, words: str):
    with world(lambda _: DONE, lambda _: refusal) as server:
        with pytest.raises(kind, match=words):
            client_of(server, Time()).detect(b"data", "a.jpg")
        assert paths(server) == ["/uploads", "/bucket"]


@pytest.mark.parametrize("refusal", [Reply(503, b"SlowDown"), Reply(500, b""), DROP])
def test_a_bucket_that_is_busy_is_asked_again(refusal: Reply):
    time = Time()
    with world(lambda _: DONE, lambda n: Reply(204, b"") if n == 2 else refusal) as server:
        answer = client_of(server, time).detect(b"data", "a.jpg")
        assert paths(server).count("/bucket") == 3
    assert answer.retries == 2
    assert len(time.pauses) == 2


def test_a_bucket_that_stays_busy_is_said():
    with world(lambda _: DONE, lambda _: Reply(503, b"SlowDown")) as server:
        with pytest.raises(ExecutionError, match=r"uploading a\.jpg: the bucket is busy"):
            client_of(server, Time()).detect(b"data", "a.jpg")
        assert paths(server).count("/bucket") == 3
    with world(lambda _: DONE, lambda _: DROP) as server, pytest.raises(UnreachableError, match="does not answer"):
        client_of(server, Time()).detect(b"data", "a.jpg")


@pytest.mark.parametrize("leave", [b"{}", b"[]", b'{"id": 1, "url": "u", "fields": []}'])
def test_a_leave_that_is_none_is_said(leave: bytes):
    with world(lambda _: DONE, leave=leave) as server, pytest.raises(ExecutionError, match="gave no leave to upload"):
        client_of(server, Time()).detect(b"data", "a.jpg")


def test_what_an_interrupted_run_uploaded_is_asked_for_and_not_uploaded():
    with world(lambda _: DONE) as server:
        answer = client_of(server, Time()).detect_noted(b"data", "a.jpg", pytest.fail, earlier=Earlier("earlier"))
        assert paths(server) == ["/results/earlier"]
    assert (answer.upload_ms, answer.fetched) == (None, True)


def test_what_was_deleted_before_it_was_looked_at_is_uploaded_by_a_new_leave():
    noted = []
    with world(lambda n: problem(422, "deleted", kind="ImageGoneError") if n == 0 else DONE) as server:
        answer = client_of(server, Time()).detect_noted(b"data", "a.jpg", noted.append, earlier=Earlier("earlier"))
        assert paths(server) == ["/results/earlier", "/uploads", "/bucket", "/results/1"]
    assert (noted, answer.fetched) == (["1"], False)


def test_what_it_had_not_uploaded_yet_is_uploaded_by_a_new_leave():
    noted = []
    with world(lambda n: problem(404, "no image was uploaded") if n == 0 else DONE) as server:
        client_of(server, Time()).detect_noted(b"data", "a.jpg", noted.append, earlier=Earlier("earlier"))
        assert paths(server) == ["/results/earlier", "/uploads", "/bucket", "/results/1"]
    assert noted == ["1"]


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (problem(422, "not an image"), ImageError, "^not an image$"),
        (problem(422, "it is gone", kind="ImageGoneError"), ImageGoneError, "^it is gone$"),
        (problem(422, "by another", kind="OSError"), ImageError, "^by another$"),
        (problem(502, "the cloud failed"), ExecutionError, "refused: the cloud failed"),
        (problem(504, "too late"), ResultTimeoutError, "refused: too late"),
    ],
)
def test_what_the_server_says_of_a_result_is_raised(reply: Reply, kind: type, words: str):
    with world(lambda _: reply) as server, pytest.raises(kind, match=words) as told:
        client_of(server, Time()).detect(b"data", "a.jpg")
    assert type(told.value) is kind


def test_too_many_bytes_are_not_uploaded():
    with world(lambda _: DONE) as server:
        with pytest.raises(ImageError, match="at most 52,428,800 are taken"):
            client_of(server, Time()).detect(bytes(50 * 1024 * 1024 + 1), "a.jpg")
        assert server.requests == []


def test_a_direct_call_goes_through_the_server_with_its_errors():
    with ScriptedServer(lambda request, n: DONE if n else problem(400, "use the execution remote")) as server:
        execution = RelayedDirect(ServerClient(server.url))
        with pytest.raises(UsageError, match=r"^use the execution remote$"):
            execution.detect(b"data", "a.jpg")
        assert execution.detect(b"data", "a.jpg").inference_ms == 7.5
        execution.close()
    assert {(request.path, request.body) for request in server.requests} == {
        ("/object-detection?execution=direct", b"data")
    }
