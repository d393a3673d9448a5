"""The door, driven by hand: what a client sends, byte by byte, and what it is answered."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("gunicorn", reason="the extra server is not installed")

from helpers.program import TIMEOUT_S
from helpers.service import service_of
from helpers.tiny import make_picture
from lookout.apps.server.app import create_app
from lookout.apps.server.door import Door
from lookout.apps.server.service import Service
from lookout.core.selection import Selection
from lookout.detector import Detector, Result

PICTURE = make_picture(1)


@dataclass
class Caller:
    """An HTTP client at the ASGI side of the door."""

    door: Door
    method: str = "POST"
    path: str = "/object-detection"
    query: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "image/jpeg"})

    def __post_init__(self) -> None:
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "http_version": "1.1",
            "scheme": "http",
            "method": self.method,
            "path": self.path,
            "query_string": self.query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in self.headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        self.call = asyncio.ensure_future(self.door(scope, self._inbox.get, self._take))

    async def _take(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def say(self, body: bytes = PICTURE, *, more: bool = False) -> Caller:
        self._inbox.put_nowait({"type": "http.request", "body": body, "more_body": more})
        return self

    def hang_up(self) -> Caller:
        self._inbox.put_nowait({"type": "http.disconnect"})
        return self

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        await asyncio.wait_for(self.call, TIMEOUT_S)
        start, body = self.sent
        return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, body["body"]

    async def problem(self) -> tuple[int, str, dict[str, str]]:
        status, headers, body = await self.answer()
        assert headers["content-type"] == "application/problem+json"
        document = json.loads(body)
        assert document["status"] == status
        return status, document["detail"], headers


class Slow(Detector):
    """A detector that works on an image until it is told to go on."""

    def __init__(self, detector: Detector) -> None:
        super().__init__(detector.model, detector.engine, detector.selection)
        self.go_on = threading.Event()
        self.seen = 0

    def detect(self, image: Any, selection: Selection | None = None) -> Result:
        self.seen += 1
        assert self.go_on.wait(TIMEOUT_S)
        return super().detect(image, selection)


@pytest.fixture
def slow(detector: Detector) -> Slow:
    return Slow(detector)


def open_door(service: Service) -> Door:
    door = Door(create_app(service), service)
    door.open()
    return door


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 2 * TIMEOUT_S))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.001)


def metric(service: Service, line: str) -> float:
    found = [row for row in service.metrics.exposition().decode().splitlines() if row.startswith(line + " ")]
    return float(found[0].split()[-1]) if found else 0.0


def test_an_image_is_answered(detector: Detector):
    async def test() -> None:
        status, headers, body = (
            await Caller(open_door(service_of(detector))).say(PICTURE[:50], more=True).say(PICTURE[50:]).answer()
        )
        assert status == 200
        assert json.loads(body)["objects"] == detector.detect(PICTURE).to_json()["objects"]
        assert headers["content-length"] == str(len(body))
        assert headers["x-content-type-options"] == "nosniff"
        assert [part.split(";")[0] for part in headers["server-timing"].split(", ")] == [
            "queue", "decode", "preprocess", "inference", "postprocess",
        ]  # fmt: skip

    run(test)


@pytest.mark.parametrize(
    ("given", "echoed"),
    [("abc-123", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("a\nb", False), ("", False)],
)
def test_a_request_id_is_echoed_where_it_does_a_log_no_harm(detector: Detector, given: str, echoed: bool):
    async def test() -> None:
        headers = {"content-type": "image/jpeg", "x-request-id": given}
        _, answered, _ = await Caller(open_door(service_of(detector)), headers=headers).say().answer()
        assert (answered["x-request-id"] == given) == echoed
        assert answered["x-request-id"]

    run(test)


def test_beyond_the_queue_clients_are_told_when_to_come_back(slow: Slow):
    async def test() -> None:
        service = service_of(slow, cores=1, queue=2)
        door = open_door(service)
        let_in = [Caller(door).say() for _ in range(3)]
        await until(lambda: slow.seen == 1 and metric(service, 'lookout_queue_length{model="tiny"}') == 2)
        assert metric(service, 'lookout_requests_in_flight{model="tiny"}') == 1
        status, detail, headers = await Caller(door).problem()  # by its head alone
        assert (status, headers["retry-after"]) == (503, "1")
        assert detail == "the queue is full: try again in 1 s"
        slow.go_on.set()
        assert [(await caller.answer())[0] for caller in let_in] == [200, 200, 200]
        assert metric(service, 'lookout_errors_total{kind="QueueFull",model="tiny"}') == 1
        assert metric(service, 'lookout_images_total{model="tiny"}') == 3

    run(test)


def test_who_waited_too_long_is_refused_before_work_is_spent(slow: Slow):
    async def test() -> None:
        door = open_door(service_of(slow, cores=1, max_wait_s=0.02))
        first = Caller(door).say()
        await until(lambda: slow.seen == 1)
        status, detail, headers = await Caller(door).say().problem()
        assert (status, "no core was free within 0.02 s" in detail, "retry-after" in headers) == (503, True, True)
        slow.go_on.set()
        assert (await first.answer())[0] == 200
        assert slow.seen == 1

    run(test)


def test_for_a_client_that_went_away_nothing_is_computed(slow: Slow):
    async def test() -> None:
        service = service_of(slow, cores=1)
        door = open_door(service)
        first, second, third = (Caller(door).say() for _ in range(3))
        await until(lambda: metric(service, 'lookout_queue_length{model="tiny"}') == 2)
        second.hang_up()
        await second.call
        assert second.sent == []
        slow.go_on.set()
        assert ((await first.answer())[0], (await third.answer())[0], slow.seen) == (200, 200, 2)
        assert metric(service, 'lookout_errors_total{kind="ClientGone",model="tiny"}') == 1

    run(test)


def test_a_client_that_leaves_in_the_middle_of_its_body_costs_nothing(slow: Slow):
    async def test() -> None:
        caller = Caller(open_door(service_of(slow))).say(PICTURE[:10], more=True).hang_up()
        await caller.call
        assert (caller.sent, slow.seen) == ([], 0)

    run(test)


def test_before_the_network_is_there_images_wait_and_the_server_says_that_it_is_not_ready(detector: Detector):
    async def test() -> None:
        service = service_of(detector)
        door = Door(create_app(service), service)
        service.detectors = None
        waiting = Caller(door).say()
        status, detail, headers = await Caller(door, "GET", "/readyz").say(b"").problem()
        assert (status, headers["retry-after"]) == (503, "1")
        assert "warming up" in detail
        assert (await Caller(door, "GET", "/healthz").say(b"").answer())[0] == 200
        service.detectors = detector
        door.open()
        assert (await waiting.answer())[0] == 200
        assert (await Caller(door, "GET", "/readyz").say(b"").answer())[0] == 200

    run(test)


def test_a_body_that_does_not_come_is_not_waited_for(detector: Detector):
    async def test() -> None:
        door = open_door(service_of(detector, body_timeout_s=0.02))
        status, detail, headers = await Caller(door).say(PICTURE[:10], more=True).problem()
        assert (status, headers["connection"]) == (408, "close")
        assert "within 0.02 s" in detail

    run(test)


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_refused(detector: Detector, declared: bool):
    async def test() -> None:
        headers = {"content-type": "image/jpeg"} | ({"content-length": "101"} if declared else {})
        caller = Caller(open_door(service_of(detector, max_body_bytes=100)), headers=headers)
        status, detail, answered = await caller.say(bytes(60), more=True).say(bytes(41)).problem()
        assert (status, answered["connection"]) == (413, "close")
        assert "100 bytes" in detail

    run(test)


def test_a_body_far_over_the_limit_is_refused_by_its_head_alone(detector: Detector):
    async def test() -> None:
        headers = {"content-type": "image/jpeg", "content-length": "100000000000"}
        assert (await Caller(open_door(service_of(detector)), headers=headers).problem())[0] == 413

    run(test)


def test_all_bodies_together_have_a_limit(detector: Detector):
    async def test() -> None:
        door = open_door(service_of(detector, max_held_bytes=len(PICTURE) + 10))
        half = Caller(door).say(PICTURE[:100], more=True)
        await asyncio.sleep(0)
        status, detail, headers = await Caller(door).say().problem()
        assert (status, headers["retry-after"]) == (503, "1")
        assert "as many images as it may" in detail
        half.hang_up()
        await half.call
        assert (await Caller(door).say().answer())[0] == 200  # what was held is given back

    run(test)


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/nowhere", 404), ("PUT", "/object-detection", 405)])
def test_what_is_at_no_address_is_said_to_be_at_none_whatever_comes_with_it(
    detector: Detector, method: str, path: str, status: int
):
    async def test() -> None:
        door = open_door(service_of(detector))
        assert (await Caller(door, method, path).say(b"x").problem())[0] == status
        large = {"content-length": "70000"}
        assert (await Caller(door, method, path, headers=large).say(bytes(70_000)).problem())[0] == status

    run(test)


KEY = "s3cret"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": "wrong"},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {KEY}"},
        {"x-api-key": "é"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/object-detection"), ("GET", "/metrics"), ("GET", "/nowhere")])
def test_without_the_key_nothing_is_told(detector: Detector, method: str, path: str, headers: dict[str, str]):
    async def test() -> None:
        door = open_door(service_of(detector, api_key=KEY))
        status, detail, answered = await Caller(door, method, path, headers=headers).problem()
        assert (status, answered["www-authenticate"]) == (401, "Bearer")
        assert "X-API-Key" in detail

    run(test)


def form(key: str | None, picture: bytes = PICTURE) -> bytes:
    """As DeepStack's clients send it."""
    part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n'
    given = "" if key is None else f"{part.format('api_key')}{key}\r\n"
    return given.encode() + part.format("image").encode() + picture + b"\r\n--b--\r\n"


FORM = {"content-type": "multipart/form-data; boundary=b"}
DEEPSTACK = "/v1/vision/detection"


def test_deepstacks_key_may_stand_in_the_form(detector: Detector):
    async def test() -> None:
        door = open_door(service_of(detector, api_key=KEY))
        assert (await Caller(door, path=DEEPSTACK, headers=FORM).say(form(KEY)).answer())[0] == 200
        with_header = {**FORM, "x-api-key": KEY}
        assert (await Caller(door, path=DEEPSTACK, headers=with_header).say(form(None)).answer())[0] == 200
        for body in (form("wrong"), form(None), b"no form", b"\r\n" * 1_000_000 + form(KEY)):
            status, detail, answered = await Caller(door, path=DEEPSTACK, headers=FORM).say(body).problem()
            assert (status, answered["www-authenticate"]) == (401, "Bearer")
            assert "in the form as api_key" in detail
        refused = Caller(door, path=DEEPSTACK, headers={**FORM, "x-api-key": "wrong"})
        assert (await refused.problem())[0] == 401  # by its head alone

    run(test)


def test_who_has_no_key_takes_no_room_from_those_who_have(slow: Slow):
    async def test() -> None:
        service = service_of(slow, cores=1, queue=1, max_held_bytes=2 * len(PICTURE), api_key=KEY)
        door = open_door(service)
        strangers = [Caller(door, path=DEEPSTACK, headers=FORM).say(form(None), more=True) for _ in range(20)]
        await asyncio.sleep(0)
        known = Caller(door, headers={"content-type": "image/jpeg", "x-api-key": KEY}).say()
        await until(lambda: slow.seen == 1)
        for stranger in strangers:
            assert (await stranger.say(b"").problem())[0] == 401  # while the only core is at work
        slow.go_on.set()
        assert (await known.answer())[0] == 200
        too_much = {**FORM, "content-length": str(9 * 1024 * 1024)}
        assert (await Caller(door, path=DEEPSTACK, headers=too_much).say(b"").problem())[0] == 413

    run(test)


@pytest.mark.parametrize(
    "headers", [{"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}, {"authorization": f"bearer {KEY}"}]
)
def test_with_the_key_all_is_as_ever(detector: Detector, headers: dict[str, str]):
    async def test() -> None:
        door = open_door(service_of(detector, api_key=KEY))
        assert (await Caller(door, headers={**headers, "content-type": "image/jpeg"}).say().answer())[0] == 200
        assert (await Caller(door, "GET", "/metrics", headers=headers).say(b"").answer())[0] == 200

    run(test)


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/healthz", "/readyz", "/info", "/v2/health/live"])
def test_some_addresses_need_no_key(detector: Detector, path: str):
    async def test() -> None:
        door = open_door(service_of(detector, api_key=KEY))
        assert (await Caller(door, "GET", path).say(b"").answer())[0] == 200

    run(test)


def test_nothing_is_said_to_other_sites_nor_of_versions(detector: Detector):
    async def test() -> None:
        headers = {"content-type": "image/jpeg", "origin": "http://evil.example"}
        _, answered, _ = await Caller(open_door(service_of(detector)), headers=headers).say().answer()
        assert not {name for name in answered if name.startswith("access-control") or name == "server"}

    run(test)


def test_a_fault_of_the_application_tells_its_id_and_nothing_else(detector: Detector, caplog: pytest.LogCaptureFixture):
    class Faulty(Detector):
        def detect(self, image: Any, selection: Selection | None = None) -> Result:
            raise ZeroDivisionError("/secret/path")

    async def test() -> None:
        service = service_of(Faulty(detector.model, detector.engine))
        headers = {"content-type": "image/jpeg", "x-request-id": "find-me"}
        caller = Caller(open_door(service), headers=headers).say()
        status, detail, _ = await caller.problem()
        assert (status, detail) == (500, "the server failed; the server's log tells more under find-me")
        assert metric(service, 'lookout_errors_total{kind="InternalError",model="tiny"}') == 1

    run(test)
    assert "find-me" in caplog.text
    assert "/secret/path" in caplog.text


@pytest.mark.parametrize("part", ["read_body", "read_query"])  # in the event loop, and in a thread
def test_a_fault_of_the_door_itself_tells_its_id_and_nothing_else(
    detector: Detector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, part: str
):
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("/secret/path")

    async def test() -> None:
        monkeypatch.setattr(f"lookout.apps.server.door.{part}", fail)
        service = service_of(detector)
        status, detail, headers = await Caller(open_door(service)).say().problem()
        assert (status, detail.endswith(headers["x-request-id"])) == (500, True)
        assert headers["x-request-id"] in caplog.text
        assert "/secret/path" in caplog.text
        assert metric(service, 'lookout_errors_total{kind="InternalError",model="tiny"}') == 1

    run(test)


@pytest.mark.parametrize("path", ["/v2/models/nope", "/v1/vision/nope", "/nope"])
def test_the_head_of_an_error_has_no_body(detector: Detector, path: str):
    async def test() -> None:
        status, _, body = await Caller(open_door(service_of(detector)), "HEAD", path).say(b"").answer()
        assert (status, body) == (404, b"")

    run(test)


def test_what_only_asks_for_the_methods_is_no_detection(slow: Slow):
    async def test() -> None:
        service = service_of(slow, cores=1, queue=0)
        door = open_door(service)
        busy = Caller(door).say()
        await until(lambda: slow.seen == 1)
        status, headers, _ = await Caller(door, "OPTIONS").say(b"").answer()
        assert (status, "POST" in headers["allow"]) == (200, True)
        slow.go_on.set()
        await busy.answer()
        assert metric(service, 'lookout_request_duration_seconds_count{model="tiny"}') == 1

    run(test)


@pytest.mark.parametrize("query", ["execution=remote", "%65xecution=remote"])
def test_what_is_offloaded_waits_for_no_core(slow: Slow, query: str):
    async def test() -> None:
        door = open_door(service_of(slow, cores=1, queue=0))
        busy = Caller(door).say()
        await until(lambda: slow.seen == 1)
        status, detail, _ = await Caller(door, query=query).say().problem()
        assert (status, "no stack is configured" in detail) == (400, True)
        slow.go_on.set()
        await busy.answer()

    run(test)


def test_an_encoded_body_is_refused_on_every_address(detector: Detector):
    async def test() -> None:
        door = open_door(service_of(detector))
        for path in ("/object-detection", DEEPSTACK, "/v2/models/tiny/infer"):
            headers = {"content-type": "image/jpeg", "content-encoding": "gzip"}
            assert (await Caller(door, path=path, headers=headers).say().problem())[0] == 415

    run(test)


def test_the_target_may_be_a_whole_address(detector: Detector):
    async def test() -> None:
        door = open_door(service_of(detector))
        assert (await Caller(door, "GET", "http://lookout:5001/healthz").say(b"").answer())[0] == 200
        assert (await Caller(door, "GET", "http://lookout:5001").say(b"").answer())[0] == 200

    run(test)


def test_how_long_a_detection_is_at_work_is_known(slow: Slow):
    async def test() -> None:
        now = 100.0
        service = service_of(slow)
        door = Door(create_app(service), service, lambda: now)
        door.open()
        assert door.longest_s == 0
        caller = Caller(door).say()
        await until(lambda: slow.seen == 1)
        now += 7
        assert door.longest_s == 7
        slow.go_on.set()
        await caller.answer()
        assert door.longest_s == 0

    run(test)


def test_a_head_that_is_no_http_that_we_know_does_no_harm(detector: Detector):
    async def test() -> None:
        door = open_door(service_of(detector))
        for path in ("/results/../../etc/passwd", "/%00", "/results/" + "x" * 5000, "/\udcff"):
            status, _, _ = await Caller(door, "GET", path).say(b"").problem()
            assert status in (404, 405)
        bad_length = {"content-type": "image/jpeg", "content-length": "abc"}
        assert (await Caller(door, headers=bad_length).say().answer())[0] == 200

    run(test)
