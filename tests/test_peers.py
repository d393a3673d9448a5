"""The benchmark against peers: its figures on what is known, and a short run of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from peers import client, goals, page, results
from peers.agreement import agreement
from peers.contenders import everyone
from peers.figures import Function, Invocations, Place, Turns, images_per_s, mean_ms

from helpers.tiny import make_model, make_pictures

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PLACE = Place("net", "small", "1 client")


def turn(contender: str, number: int, ms: list[float], **more: object) -> results.Line:
    line = {"what": "turn", "network": "net", "pictures": "small", "load": "1 client", "contender": contender}
    return {**line, "round": number, "ms": ms, "image": list(range(len(ms))), "images_per_s": 1000 / ms[0], **more}


def test_a_ratio_is_made_round_by_round():
    # The machine is half as fast in the second round: nobody's ratio changes.
    lines = [turn("one", 0, [10.0]), turn("other", 0, [20.0]), turn("one", 1, [20.0]), turn("other", 1, [40.0])]
    turns = Turns(lines)
    ratio = turns.ratio(PLACE, "one", "other", mean_ms)
    assert (ratio.value, ratio.low, ratio.high) == (0.5, 0.5, 0.5)
    assert turns.ratio(PLACE, "one", "other", images_per_s).value == 2.0
    assert turns.ratio(PLACE, "one", "nobody", mean_ms) is None
    assert turns.best(PLACE, ["one", "other", "nobody"], mean_ms, least=True) == "one"


def test_what_is_apart_is_told_image_by_image():
    turns = Turns([turn("one", 0, [10.0, 100.0]), turn("one", 1, [12.0, 104.0]), turn("bare", 0, [9.0, 99.0])])
    assert turns.apart_ms(PLACE, "one", "bare").value == 2.5  # 11 - 9 and 102 - 99


def test_cold_starts_are_apart():
    def line(contender: str, duration_ms: float, init_ms: float | None) -> results.Line:
        about = {"what": "invocation", "network": "net", "memory_mb": 512, "contender": contender, "round": 0}
        return {**about, "duration_ms": duration_ms, "init_ms": init_ms, "elapsed_ms": None, "upload_ms": None}

    invocations = Invocations([line("a", 900, 50.0), line("a", 10, None), line("b", 800, 100.0), line("b", 40, None)])
    function = Function("net", 512)
    assert invocations.ratio(function, "a", "b", "duration_ms").value == 0.25
    assert invocations.ratio(function, "a", "b", "init_ms", cold=True).value == 0.5


def test_answers_are_compared_with_their_tolerance():
    expected = {0: [{"label": "dog", "accuracy": 0.9, "box": [1, 2, 3, 4]}, {"label": "cat", "accuracy": 0.26}]}

    def agrees(*objects: tuple[str, float, list[float]], tolerance: float = 0.05) -> int:
        found = [{"label": label, "accuracy": accuracy, "box": box} for label, accuracy, box in objects]
        return agreement(expected, {0: found}, tolerance).agree

    assert agrees(("dog", 0.91, [1, 2, 3, 4.5]))  # the cat is at the threshold, and may not be found
    assert not agrees(("dog", 0.91, [1, 2, 3, 4.5]), tolerance=0.001)
    assert not agrees(("dog", 0.9, [1, 2, 3, 8]))
    assert not agrees(("dog", 0.9, [1, 2, 3, 4]), ("dog", 0.9, [1, 2, 3, 4]))
    assert not agrees()


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.5, "**missed**"), (0.45, "met"), (0.36, "stretch"), (None, "not measured")]
)
def test_a_goal_is_judged_by_its_bounds(value: float | None, verdict: str):
    found = None if value is None else goals.Interval(value, value, value)
    assert goals.Goal("key", "what", lambda _: found, 0.45, 0.36).judge(None)[1] == verdict


def test_every_note_is_of_a_goal():
    for folder in results.RESULTS.iterdir() if results.RESULTS.is_dir() else ():
        notes = folder / page.NOTES
        known = {goal.key for goal in goals.goals()}
        assert not notes.is_file() or json.loads(notes.read_text()).keys() <= known


def test_the_page_is_what_the_command_makes_of_the_newest_results():
    assert page.PAGE.read_text() == page.page_of(results.newest())


def test_results_are_small():
    for folder in results.RESULTS.iterdir():
        assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000


def test_every_contender_has_its_pins():
    for contender in everyone(Path("net.cfg"), cores=2):
        if contender.environment:
            pins = (BENCHMARKS / "peers" / "requirements" / f"{contender.environment}.txt").read_text().splitlines()
            assert any(re.fullmatch(rf"(?i){contender.package}==\S+", pin) for pin in pins)
            assert all(re.fullmatch(r"[\w.-]+==\S+|#.*", pin) for pin in pins)


Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that answers as the test's parameter does."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request.param(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def plain(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def chunked(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for at in range(0, len(body), 2):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(body[at : at + 2]), body[at : at + 2]))
    handler.wfile.write(b"0\r\n\r\n")


def closing(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def busy(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    if body == b"first":
        plain(handler, body)
    else:
        handler.send_response(503)
        handler.send_header("Content-Length", "0")
        handler.end_headers()


def broken(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(500)
    handler.send_header("Content-Length", "5")
    handler.end_headers()
    handler.wfile.write(b"sorry")


def post(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize("served", [plain, chunked, closing], indirect=True)
def test_the_client_asks_for_each_in_a_closed_loop(served: int):
    found = client.run({"port": served, "clients": 2, "order": [0, 1, 1]}, [post(b"first"), post(b"second")])
    assert sorted(number for number, *_ in found["samples"]) == [0, 1, 1]
    assert found["answers"] == {0: "first", 1: "second"}
    assert all(0 <= begun <= ended for _, begun, ended in found["samples"])


@pytest.mark.parametrize("served", [plain], indirect=True)
def test_the_client_asks_in_an_open_loop(served: int):
    plan = {"port": served, "clients": 3, "order": [0], "rate": 200, "seconds": 0.1, "seed": 1}
    found = client.run(plan, [post(b"first")])
    assert len(found["samples"]) == 20
    # Begun is when it was due, whoever had time for it.
    assert sorted(begun for _, begun, _ in found["samples"]) == client.poisson(200, 0.1, 1)


@pytest.mark.parametrize("served", [busy], indirect=True)
def test_the_client_counts_what_is_refused(served: int):
    found = client.run({"port": served, "clients": 1, "order": [0, 1, 1]}, [post(b"first"), post(b"second")])
    assert (len(found["samples"]), found["refused"]) == (1, 2)


@pytest.mark.parametrize("served", [broken], indirect=True)
def test_a_failure_ends_the_measurement(served: int):
    with pytest.raises(OSError, match="500: b'sorry'"):
        client.run({"port": served, "clients": 2, "order": [0]}, [post(b"first")])


def test_a_short_run_of_lookout_and_the_bare_detector(tmp_path: Path):
    pytest.importorskip("gunicorn", reason="the extra server is not installed")
    make_pictures(tmp_path / "coco" / "images", 3)
    options = ["--only", "local", "--shared", tmp_path, "--models", make_model(tmp_path / "tiny"), "--large", 0]
    options += ["--contenders", "lookout", "--rounds", 2, "--seconds", 0.1, "--results", tmp_path / "results"]
    command = [sys.executable, "-m", "peers", "measure", *map(str, options)]
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS)}
    subprocess.run(command, env=environment, capture_output=True, timeout=120, check=True)
    folder = results.newest(tmp_path / "results")
    told = page.page_of(folder)
    assert re.search(r"^\| lookout \| \d+\.\d \| \d+\.\d \|", told, re.MULTILINE)
    assert re.search(r"^\| bare \| \d+\.\d \|", told, re.MULTILINE)
    turns = Turns(results.read(folder, "local-*"))
    loads = [f"{load} of capacity" for load in ("50%", "90%")]
    loads += ["1 client", "2 clients", "8 clients", "32 clients"]
    assert sorted(place.load for place in turns.places()) == sorted(loads)
    assert all(0 <= turn["others"] <= 64 for turn in turns.of(turns.places()[0], "lookout"))
