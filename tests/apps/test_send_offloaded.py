"""``lookout send`` to the cloud: with keys and without, shrunk, and interrupted; on the emulator."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.program import Program, run
from helpers.scripted_server import Reply, Request, ScriptedServer, problem, script
from helpers.tiny import CONFIDENCE, make_picture, make_pictures
from helpers.world import THRESHOLD, World
from lookout.core.selection import Selection
from lookout.detector import open_detector
from lookout.executions.shrinking import shrink
from lookout.models.store import load_model

ROUTES = ("local", "remote", "direct", "remote, by the server", "direct, by the server")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"), 5)


def route(world: World, name: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """The options that name it, and the environment: keys only where they are needed."""
    execution, _, by_server = name.partition(",")
    to = ("--to", world.url) if by_server or execution == "local" else ()
    return ("--execution", execution, *to), ({} if to else world.variables)


def lines_of(stdout: str) -> list[dict]:
    return [json.loads(line) for line in stdout.splitlines()]


@pytest.mark.parametrize("name", ROUTES)
def test_every_way_gives_what_is_found_here(world: World, pictures: Path, name: str):
    options, environment = route(world, name)
    sent = run("send", str(pictures), *options, "--concurrency", "3", "--json", **environment)
    assert sent.returncode == 0, sent.stderr
    here = run("detect", str(pictures), "--model", str(world.cfg), "--json", *THRESHOLD)
    *lines, last = lines_of(sent.stdout)
    assert [line["objects"] for line in lines] == [line["objects"] for line in lines_of(here.stdout)]
    assert all(len(line["objects"]) > 3 for line in lines)
    assert all(("transfer_time" in line) == name.startswith("remote") for line in lines)
    assert last["summary"]["emulated"] == (name != "local")


@pytest.mark.parametrize("name", ["direct", "direct, by the server"])
def test_a_function_that_takes_one_at_a_time_is_asked_again(world: World, pictures: Path, name: str):
    functions, function = world.account.functions, world.deployment.function
    options, environment = route(world, name)
    send = ("send", *[str(pictures)] * 1, *options, "--concurrency", "5", "--json")
    functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    try:
        sent = run(*send, "--retries", "20", **environment)
    finally:
        functions.delete_function_concurrency(FunctionName=function)
    assert sent.returncode == 0, sent.stderr
    assert lines_of(sent.stdout)[-1]["summary"]["retries"] > 0


def test_a_server_wants_its_key_and_the_bucket_never_sees_it(world: World, pictures: Path):
    image = str(pictures / "0.jpg")
    serve = ("serve", "--model", str(world.cfg), "--port", "0", "--json", "--stack", "lookout", "--log-level", "error")
    with Program(*serve, LOOKOUT_API_KEY="secret", **world.variables) as server:
        to = ("send", image, "--execution", "remote", "--to", server.ready()["url"])
        assert run(*to, LOOKOUT_API_KEY="secret").returncode == 0
        refused = run(*to, LOOKOUT_API_KEY="wrong")
        assert (refused.returncode, "give it with --api-key" in refused.stderr) == (1, True)


def test_the_bucket_gets_the_form_and_no_key(pictures: Path):
    answers = {
        "/uploads": (201, {"id": "7", "url": "", "fields": {"key": "images/7/upload", "policy": "p"}}),
        "/object-detection": (200, {}),
    }

    def reply(request: Request, _: int) -> Reply:
        if request.path == "/bucket":
            return Reply(204, b"")
        if request.path == "/info":
            return Reply(200, json.dumps({"executions": ["local", "remote"], "model": "m"}).encode())
        if request.path.startswith("/results/7?wait="):
            return Reply(200, json.dumps({"objects": [], "inference_time": 1.0}).encode())
        status, document = answers[request.path]
        return Reply(status, json.dumps({**document, "url": f"{server.url}/bucket"}).encode())

    with ScriptedServer(reply) as server:
        answer = run(
            "send", str(pictures / "0.jpg"), "--execution", "remote", "--to", server.url, "--api-key", "secret"
        )
    assert answer.returncode == 0, answer.stderr
    (form,) = [request for request in server.requests if request.path == "/bucket"]
    assert "X-API-Key" not in form.headers
    assert b"secret" not in form.body
    assert form.body.index(b'name="policy"') < form.body.index(b'name="file"')
    assert (pictures / "0.jpg").read_bytes() in form.body
    assert all(r.headers["X-API-Key"] == "secret" for r in server.requests if r.path != "/bucket")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--execution", "remote", "--stack", "other"), "the server at --to has its own"),
        (("--execution", "remote", "--confidence", "0.4"), "only the execution local takes that"),
    ],
)
def test_options_that_do_not_go_together_are_refused(world: World, pictures: Path, options: tuple, words: str):
    answer = run("send", str(pictures), *options, "--to", world.url)
    assert (answer.returncode, words in answer.stderr) == (2, True), answer.stderr


@pytest.mark.parametrize("execution", ["remote", "direct"])
def test_a_server_without_a_stack_is_said(served: str, pictures: Path, execution: str):
    answer = run("send", str(pictures), "--execution", execution, "--to", served)
    assert answer.returncode == 2
    assert f"offers no execution {execution}: start it with --stack" in answer.stderr


def test_the_servers_variable_alone_sends_nobody_through_it(world: World, pictures: Path):
    answer = run(
        "send", str(pictures / "0.jpg"), "--execution", "remote", LOOKOUT_URL="http://127.0.0.1:9", **world.variables
    )
    assert answer.returncode == 0, answer.stderr


def test_a_large_image_is_uploaded_in_parts(world: World, tmp_path: Path):
    (tmp_path / "in parts.jpg").write_bytes(make_picture(1) + bytes(9 * 1024 * 1024))
    (tmp_path / "small.jpg").write_bytes(make_picture(1))
    answer = run("send", str(tmp_path), "--execution", "remote", "--json", **world.variables)
    assert answer.returncode == 0, answer.stderr
    large, small, _ = lines_of(answer.stdout)
    assert large["objects"] == small["objects"]
    (stored,) = (o for o in objects_in(world) if o["Key"].endswith("/in parts.jpg"))
    assert stored["ETag"].strip('"').endswith("-2")


def objects_in(world: World) -> list[dict]:
    pages = world.account.s3.get_paginator("list_objects_v2").paginate(Bucket=world.deployment.bucket)
    return [entry for page in pages for entry in page.get("Contents", [])]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large picture that is held sideways, a small one, and one that is none."""
    folder = tmp_path_factory.mktemp("large")
    pixels = cv2.imdecode(np.frombuffer(make_picture(7, 1600, 1200), np.uint8), cv2.IMREAD_COLOR)
    (folder / "0-large.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    (folder / "1-small.jpg").write_bytes(make_picture(8, 60, 50))
    (folder / "2-none.jpg").write_bytes(b"hello")
    return folder


@pytest.mark.parametrize("name", ROUTES)
def test_a_shrunk_picture_gets_boxes_of_its_own_size(world: World, large: Path, name: str):
    options, environment = route(world, name)
    answer = run("send", str(large), *options, "--shrink", "--json", **environment)
    assert answer.returncode == 1
    lines = lines_of(answer.stdout)
    with closing(open_detector(load_model(world.cfg), selection=Selection(CONFIDENCE))) as detector:
        for image, line in zip(("0-large.png", "1-small.jpg"), lines, strict=False):
            shrunk = shrink((large / image).read_bytes(), detector.model.input_format)
            expected = [shrunk.original(found).to_json() for found in detector.detect(shrunk.data).objects]
            assert [found["label"] for found in line["objects"]] == [found["label"] for found in expected]
            for found, wanted in zip(line["objects"], expected, strict=True):
                assert found["box"] == pytest.approx(wanted["box"], abs=0.2)  # rounded before it was enlarged
    assert max(found["box"][0] + found["box"][2] for found in lines[0]["objects"]) > 1000
    assert "not an image" in lines[2]["error"]


def test_less_is_sent_of_a_shrunk_picture(world: World, large: Path):
    assert run("send", str(large), "--execution", "remote", "--shrink", **world.variables).returncode == 1
    sizes = {o["Key"].rpartition("/")[2]: o["Size"] for o in objects_in(world)}
    assert sizes["0-large.png"] < (large / "0-large.png").stat().st_size / 50
    assert sizes["1-small.jpg"] == (large / "1-small.jpg").stat().st_size


def test_a_server_that_does_not_say_what_its_model_looks_at_is_said(pictures: Path):
    with ScriptedServer(script(Reply(body=b'{"model": "m"}'))) as server:
        answer = run("send", str(pictures), "--to", server.url, "--shrink")
    assert (answer.returncode, "--shrink must know" in answer.stderr) == (2, True), answer.stderr


def journal_lines(journal: Path) -> list[dict]:
    """The whole lines of a journal."""
    text = journal.read_bytes() if journal.exists() else b""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]


@pytest.mark.parametrize("name", ["remote", "remote, by the server"])
def test_a_run_that_is_killed_again_and_again_pays_for_nothing_twice(world: World, tmp_path: Path, name: str):
    count = 40
    folder = make_pictures(tmp_path / "many", count)
    journal = tmp_path / "journal"
    options, environment = route(world, name)
    before = {entry["Key"] for entry in objects_in(world)}
    send = ("send", str(folder), *options, "--concurrency", "4", "--resume", str(journal), "--json")
    for kill in range(1, 4):
        with Program(*send, **environment) as program:
            program.wait_for(lambda kill=kill: len(journal_lines(journal)) > 15 * kill)
            program.stop(signal.SIGKILL)
    uploaded_by_then = {entry["Key"] for entry in objects_in(world)} - before
    assert 0 < len(uploaded_by_then) <= count
    answer = run(*send, **environment)
    assert answer.returncode == 0, answer.stderr
    uploaded = [entry for entry in objects_in(world) if entry["Key"] not in before]
    assert len(uploaded) == count  # each image once
    *lines, last = lines_of(answer.stdout)
    assert [line["image"] for line in lines] == sorted(str(path) for path in folder.iterdir())
    here = run("detect", str(folder), "--model", str(world.cfg), "--json", *THRESHOLD)
    assert [line["objects"] for line in lines] == [line["objects"] for line in lines_of(here.stdout)]
    summary = last["summary"]
    assert (summary["images"], summary["failed"]) == (count, 0)
    assert 0 < summary["resumed"] < count
    after = run(*send, **environment)
    assert lines_of(after.stdout)[-1]["summary"]["resumed"] == count
    assert len([entry for entry in objects_in(world) if entry["Key"] not in before]) == count


@pytest.fixture
def busy_server() -> Iterator[ScriptedServer]:
    """Refuses every third image once and for all, and calls every seventh none."""

    def reply(request: Request, number: int) -> Reply:
        if request.path == "/info":
            return Reply(body=json.dumps({"model": "m", "confidence": 0.25, "iou": 0.45}).encode())
        if number % 3 == 2:
            return problem(502, "the cloud failed")
        return problem(422, "torn") if number % 7 == 6 else Reply()

    with ScriptedServer(reply) as server:
        yield server


def test_what_failed_is_sent_again_but_for_what_is_no_image(busy_server: ScriptedServer, tmp_path: Path):
    folder = make_pictures(tmp_path / "many", 30)
    send = ("send", str(folder), "--to", busy_server.url, "--resume", str(tmp_path / "journal"), "--json")
    runs = []
    for _ in range(12):
        before = len(busy_server.requests)
        *lines, last = lines_of(run(*send).stdout)
        runs.append((lines, last["summary"], len(busy_server.requests) - before - 1))
    first, second = runs[0], runs[1]
    assert first[2] == 30
    again = sum("cloud failed" in line.get("error", "") for line in first[0])
    assert 0 < again == second[2]
    lines, summary, requests = runs[-1]
    assert requests == 0
    assert summary["resumed"] == 30
    torn = [line for line in lines if "error" in line]
    assert torn
    assert all(line["error"] == "torn" for line in torn)
    bodies = [request.body for request in busy_server.requests if request.path != "/info"]
    assert len(bodies) == sum(requests for _, _, requests in runs)


def test_ctrl_c_and_on(tmp_path: Path):
    folder = make_pictures(tmp_path / "many", 30)
    journal = tmp_path / "journal"

    def reply(request: Request, _: int) -> Reply:
        if request.path == "/info":
            return Reply(body=b'{"model": "m"}')
        return Reply()

    with ScriptedServer(reply) as server:
        send = (
            "send",
            str(folder),
            "--to",
            server.url,
            "--resume",
            str(journal),
            "--json",
            "--csv",
            str(tmp_path / "t"),
        )
        with Program(*send) as program:
            program.wait_for(lambda: len(journal_lines(journal)) > 5)
            assert program.stop(signal.SIGINT) in (130, 0)  # 0: it was done by then
        done = sum(line["kind"] == "answer" for line in journal_lines(journal))
        before = len(server.requests)
        answer = run(*send)
        assert answer.returncode == 0, answer.stderr
        assert len(server.requests) - before == 1 + 30 - done
    assert lines_of(answer.stdout)[-1]["summary"]["resumed"] == done
    assert len((tmp_path / "t").read_text().splitlines()) == 31


def test_a_journal_is_of_one_way_alone(world: World, pictures: Path, tmp_path: Path):
    journal = ("--resume", str(tmp_path / "journal"))
    assert run("send", str(pictures), "--to", world.url, *journal).returncode == 0
    for options, words in [
        (("--to", world.url, "--confidence", "0.5"), "was begun with confidence"),
        (("--to", world.url, "--shrink"), "was begun with shrink False"),
        (("--to", world.url, "--execution", "remote"), "was begun with execution local, and this run has remote"),
    ]:
        answer = run("send", str(pictures), *options, *journal)
        assert (answer.returncode, words in answer.stderr) == (2, True), answer.stderr


def test_a_journal_is_never_written_into_a_picture(world: World, pictures: Path):
    data = (pictures / "1.jpg").read_bytes()
    for images in (str(pictures), str(pictures / "0.jpg")):
        answer = run("send", images, "--to", world.url, "--resume", str(pictures / "1.jpg"))
        assert (answer.returncode, "--resume" in answer.stderr) == (2, True)
    assert (pictures / "1.jpg").read_bytes() == data


def test_pictures_of_a_resumed_run_are_drawn_too(world: World, pictures: Path, tmp_path: Path):
    send = ("send", str(pictures), "--to", world.url, "--resume", str(tmp_path / "journal"))
    assert run(*send).returncode == 0
    assert run(*send, "--save", str(tmp_path / "out")).returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{number}.jpg" for number in range(5)]
