"""``lookout send``, against a server that answers as a test says; against Lookout's own: test_cli.py."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import pytest

import lookout
from helpers.program import TIMEOUT_S, Program, run, run_into
from helpers.scripted_server import DOG, DROP, GOOD, Reply, Request, ScriptedServer, problem, script
from helpers.tiny import make_model, make_pictures
from lookout.apps.picture_folder import PictureFolder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"), 12)


def names(pictures: Path) -> list[str]:
    return sorted(str(path) for path in pictures.iterdir())


def test_many_at_once_are_printed_in_order(pictures: Path):
    """The first of all is answered last."""
    others = threading.Semaphore(0)

    def reply(request: Request, _: int) -> Reply:
        if request.body == Path(names(pictures)[0]).read_bytes():
            for _ in range(3):
                assert others.acquire(timeout=60)
        else:
            others.release()
        return Reply()

    with ScriptedServer(reply) as server:
        answer = run("send", str(pictures), "--to", server.url, "--concurrency", "4", "--json")
        assert len(server.connections) <= 4
    *lines, last = map(json.loads, answer.stdout.splitlines())
    assert answer.returncode == 0, answer.stderr
    assert [line["image"] for line in lines] == names(pictures)
    assert all(line["objects"] == [DOG] for line in lines)
    summary = last["summary"]
    assert (summary["images"], summary["failed"], summary["retries"]) == (12, 0, 0)
    assert summary["inference_time"]["p99"] == 7.5
    assert summary["round_trip"]["n"] == 12
    assert summary["images_per_second"] > 0


def test_a_server_that_is_busy_or_drops_connections_costs_no_image(pictures: Path):
    bad = [problem(503, "busy"), Reply(), DROP, Reply(sent=20), Reply()]
    with ScriptedServer(script(*bad)) as server:
        answer = run("send", str(pictures), "--to", server.url)
    assert answer.returncode == 0, answer.stderr
    assert "12 images answered, 0 failed, 3 retries" in answer.stdout
    assert "2 retries)" in answer.stdout


def test_what_failed_is_told_when_it_happens_and_at_the_end(pictures: Path):
    with ScriptedServer(script(problem(422, "no such luck"), Reply())) as server:
        answer = run("send", str(pictures), "--to", server.url)
    assert answer.returncode == 1
    assert answer.stderr == f"{names(pictures)[0]}: failed: no such luck\n"
    assert f"Failed: {names(pictures)[0]}: no such luck" in answer.stdout
    assert "11 images answered, 1 failed" in answer.stdout


def test_a_server_that_is_killed_and_started_again_costs_no_image(pictures: Path, tmp_path: Path):
    pytest.importorskip("gunicorn", reason="the extra server is not installed")
    for number in range(2000):
        os.link(pictures / "0.jpg", tmp_path / f"{number}.jpg")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    quiet = ("--json", "--log-level", "warning")
    serve = ("serve", "--model", str(make_model(tmp_path / "model")), "--port", str(port), *quiet)
    with Program(*serve) as first:
        url = first.ready()["url"]
        with Program("send", str(tmp_path), "--to", url, "--concurrency", "2", "--json") as sending:
            for _ in range(20):
                sending.process.stdout.readline()
            first.stop(signal.SIGKILL)
            with Program(*serve) as second:
                second.ready()
                *_, last = sending.process.stdout.read().splitlines()
                assert sending.process.wait(TIMEOUT_S) == 0
    summary = json.loads(last)["summary"]
    assert (summary["images"], summary["failed"]) == (2000, 0)
    assert summary["retries"] > 0


def test_pythons_client_gets_what_the_command_prints(pictures: Path, served: str):
    image = pictures / "1.jpg"
    printed, _ = map(json.loads, run("send", str(image), "--to", served, "--json").stdout.splitlines())
    with lookout.connect(served) as client:
        for source in (image, image.read_bytes(), cv2.imread(str(image))):
            answer = client.detect(source)
            assert [found.to_json() for found in answer.objects] == printed["objects"]
    assert len(printed["objects"]) > 3


def test_a_key_is_sent_and_asked_for(pictures: Path):
    def reply(request: Request, _: int) -> Reply:
        return Reply() if request.headers.get("X-API-Key") == "secret" else problem(401, "no")

    with ScriptedServer(reply) as server:
        assert run("send", str(pictures), "--to", server.url, "--api-key", "secret").returncode == 0
        assert run("send", str(pictures), LOOKOUT_URL=server.url, LOOKOUT_API_KEY="secret").returncode == 0
        refused = run("send", str(pictures), "--to", server.url, LOOKOUT_API_KEY="wrong")
        shown = run("send", "--help", LOOKOUT_API_KEY="secret")
    assert refused.returncode == 1
    assert "does not take this key: give it with --api-key or LOOKOUT_API_KEY" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert "wrong" not in refused.stderr
    assert "secret" not in shown.stdout


@pytest.mark.parametrize(("status", "words"), [(404, "answered by 404"), (405, "answered by 405")])
def test_an_address_where_no_server_detects_ends_it_at_once(pictures: Path, status: int, words: str):
    with ScriptedServer(script(problem(status, "there is nothing at this address"))) as server:
        answer = run("send", str(pictures), "--to", f"{server.url}/elsewhere")
    assert answer.returncode == 1
    assert words in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_a_server_that_speaks_no_tls_ends_it_at_once(pictures: Path):
    with ScriptedServer(script(Reply())) as server:
        answer = run("send", str(pictures), "--to", server.url.replace("http:", "https:"))
    assert answer.returncode == 1
    assert "can't be spoken to by TLS" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_what_is_asked_for_goes_along_and_nothing_else(pictures: Path):
    with ScriptedServer(script(Reply())) as server:
        image = str(pictures / "0.jpg")
        run("send", image, "--to", server.url)
        run("send", image, "--to", server.url, "--confidence", "0.4", "--classes", "person,dog")
    assert [request.path for request in server.requests] == [
        "/object-detection",
        "/object-detection?confidence=0.4&classes=person%2Cdog",
    ]


def test_thresholds_are_the_servers_alone(pictures: Path):
    answer = run("send", str(pictures), "--execution", "direct", "--iou", "0.4")
    assert (answer.returncode, "--iou: only the execution local takes that" in answer.stderr) == (2, True)


def test_a_table_has_a_row_an_image(pictures: Path, tmp_path: Path):
    with ScriptedServer(script(problem(422, "torn"), DROP, Reply())) as server:
        answer = run("send", str(pictures), "--to", server.url, "--csv", str(tmp_path / "new" / "t.csv"))
    assert answer.returncode == 1
    with (tmp_path / "new" / "t.csv").open(newline="") as file:
        first, second, *rest = csv.DictReader(file)
    assert (first["image"], first["error"], first["round_trip"]) == (names(pictures)[0], "torn", "")
    assert (first["count"], first["objects"]) == ("", "")
    assert (second["image"], second["error"], second["retries"]) == (names(pictures)[1], "", "1")
    assert (second["inference_time"], second["transfer_time"], second["count"]) == ("7.5", "", "1")
    assert json.loads(second["objects"]) == [DOG]
    assert float(second["round_trip"]) > 0
    assert [row["image"] for row in rest] == names(pictures)[2:]


def test_pictures_get_their_boxes(pictures: Path, tmp_path: Path):
    found = {**DOG, "box": [10, 10, 40, 40]}
    with ScriptedServer(script(Reply(body=json.dumps({**GOOD, "objects": [found]}).encode()))) as server:
        answer = run("send", str(pictures), "--to", server.url, "--concurrency", "3", "--save", str(tmp_path / "out"))
    assert answer.returncode == 0, answer.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{number}.jpg" for number in range(12)}
    drawn, original = cv2.imread(str(tmp_path / "out" / "3.jpg")), cv2.imread(str(pictures / "3.jpg"))
    assert drawn.shape == original.shape
    assert abs(drawn.astype(int) - original).max() > 100


def test_nothing_that_is_read_is_written_over(pictures: Path, tmp_path: Path):
    before = {name: Path(name).read_bytes() for name in names(pictures)}
    (tmp_path / "link").symlink_to(pictures / "3.jpg")
    with ScriptedServer(script(Reply())) as server:
        for option, place in (("--csv", tmp_path / "link"), ("--save", pictures)):
            answer = run("send", str(pictures / "*.jpg"), "--to", server.url, option, str(place))
            assert answer.returncode == 2
            assert option in answer.stderr
        assert server.requests == []
    assert {name: Path(name).read_bytes() for name in names(pictures)} == before


@pytest.mark.skipif(sys.platform != "linux", reason="a device of Linux")
def test_a_table_that_can_not_be_written_is_said(pictures: Path, tmp_path: Path):
    with ScriptedServer(script(Reply())) as server:
        answer = run("send", str(pictures), "--to", server.url, "--csv", "/dev/full")
        assert (answer.returncode, answer.stderr) == (
            1, "Error: /dev/full can't be written: No space left on device\n",
        )  # fmt: skip
        answer = run("send", str(pictures), "--to", server.url, "--csv", str(tmp_path))
        assert "name a file with --csv" in answer.stderr
        with Path("/dev/full").open("wb") as full:
            answer = run_into(full, "send", str(pictures), "--to", server.url)
        assert answer.returncode == 1
        assert answer.stderr.splitlines() == ["Error: standard output can't be written: No space left on device"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("concurrency", ["1", "4"])
def test_who_ends_it_gets_the_summary_of_what_was_done(
    pictures: Path, tmp_path: Path, number: int, status: int, concurrency: str
):
    never = threading.Event()
    # Which images, not how many requests: threads take turns as they like.
    stuck = {Path(name).read_bytes() for name in names(pictures)[5:]}

    def reply(request: Request, _: int) -> Reply:
        if request.body in stuck:
            never.wait(TIMEOUT_S)
        return Reply()

    table = tmp_path / "t.csv"
    arguments = ("--concurrency", concurrency, "--csv", str(table), "--json")
    with ScriptedServer(reply) as server:
        with Program("send", str(pictures), "--to", server.url, *arguments) as program:
            lines = [json.loads(program.process.stdout.readline())]
            program.wait_for(lambda: any(request.body in stuck for request in server.requests))
            assert program.stop(number) == status
            *more, last = map(json.loads, program.process.stdout.read().splitlines())
            assert b"Traceback" not in program.process.stderr.read()
        never.set()
    lines += more
    assert [line["image"] for line in lines] == names(pictures)[: len(lines)]
    assert (last["summary"]["images"], last["summary"]["interrupted"]) == (len(lines), True)
    assert last["summary"]["left"] == len(names(pictures)) - len(lines)
    assert len(table.read_text().splitlines()) == 1 + len(lines)


def test_a_server_that_goes_away_for_good_ends_the_run_with_the_summary(pictures: Path):
    gone = []

    def reply(_: Request, count: int) -> Reply:
        if count < 3:
            return Reply()
        if not gone:
            gone.append(threading.Thread(target=server.close))
            gone[0].start()
            gone[0].join()
        return DROP

    server = ScriptedServer(reply)
    answer = run("send", str(pictures), "--to", server.url, "--retries", "1")
    assert answer.returncode == 1
    assert "3 images answered, 0 failed" in answer.stdout
    assert "no server answers" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_an_image_that_breaks_the_connection_each_time_fails_alone(pictures: Path):
    poison = (pictures / "1.jpg").read_bytes()
    with ScriptedServer(lambda request, _: DROP if request.body == poison else Reply()) as server:
        answer = run("send", str(pictures), "--to", server.url, "--retries", "1")
    assert answer.returncode == 1
    assert f"{len(names(pictures)) - 1} images answered, 1 failed" in answer.stdout
    assert "1.jpg" in answer.stderr
    assert "closed the connection" in answer.stderr


def test_a_reader_who_has_enough_ends_it_quietly(pictures: Path):
    read, write = os.pipe()
    os.close(read)
    with ScriptedServer(script(Reply())) as server:
        answer = run_into(write, "send", str(pictures), "--to", server.url, "--concurrency", "2")
    os.close(write)
    assert (answer.returncode, answer.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's pseudo-terminals")
def test_on_a_terminal_there_is_a_bar_under_the_lines(pictures: Path):
    import pty

    main, terminal = pty.openpty()
    with ScriptedServer(script(problem(422, "torn"), Reply())) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "lookout", "send", str(pictures), "--to", server.url],
            stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "250"},
        )  # fmt: skip
        os.close(terminal)
        shown = b""
        while data := _read(main):
            shown += data
        assert process.wait(TIMEOUT_S) == 1
    os.close(main)
    text = shown.decode()
    assert "0/12" in text
    assert "12/12" in text
    assert "images/s" in text
    assert ", 1 failed" in text
    clear = "\r\x1b[2K"  # the bar's line is emptied before what stands above it
    for name in names(pictures):
        assert f"{clear}{name}: " in text
    assert "11 images answered, 1 failed" in text.rpartition(clear)[2]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody writes any more
        return b""


def test_pictures_of_one_stem_are_numbered_and_an_earlier_runs_replaced(tmp_path: Path):
    for turn in (b"first", b"second"):
        folder = PictureFolder(tmp_path / "out")
        for stem in ("a", "b", "a", "a-2", "a"):
            folder.save(stem, turn)
        assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == dict.fromkeys(
            ("a.jpg", "b.jpg", "a-2.jpg", "a-2-2.jpg", "a-3.jpg"), turn
        )


MEMORY = """
import sys
from pathlib import Path
from lookout.apps.ending import Ending
from lookout.apps.progress import SendProgress
from lookout.apps.sending import Reception, SampleTable, Sender, run
from lookout.apps.streams import Stream
from lookout.comparison.journal import Journal
from lookout.core.detections import Box, Detection
from lookout.executions.protocol import Answer
from lookout.images import walk

DOGS = [("dog", 0.5, (1.0, 2.0, 3.0, 4.0))] * 2
number = 0

def detect(data, name, note=None, earlier=None):
    global number
    if note:
        note(f"images/{number}/{name}")
    number += 1
    objects = tuple(Detection(label, confidence, Box(*box)) for label, confidence, box in DOGS)
    return Answer(objects, 1.0 + number % 7, 2.0 + number % 9, {"decode": 1.0, "inference": 2.0})

places = [Path(sys.argv[1])]
reception = Reception(SendProgress(sum(1 for _ in walk(places))), True, SampleTable(Stream(Path("/dev/null"))))
sender = Sender("local", detect)
if len(sys.argv) > 2:
    journal = Journal(Path(sys.argv[2]), {})
    sender = Sender("remote", detect, journal=journal, detect_noted=detect)
end = run(sender, walk(places), 4, reception, Ending())
totals = reception.tally.totals(end.seconds)
status = Path("/proc/self/status").read_text()
peak_kb = int(status.partition("VmHWM:")[2].split()[0])
print(totals.images, peak_kb, totals.resumed, file=sys.stderr)
"""


# ``make soak`` takes a hundred thousand.
MANY = 100_000 if "LOOKOUT_SOAK" in os.environ else 25_000


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process's peak memory")
def test_many_files_cost_no_more_memory_than_a_hundred(tmp_path: Path):
    peaks_kb = [peak_kb(tmp_path, count) for count in (100, MANY)]
    # Measured with 100,000: 3 MB more, of which 8 bytes a value are 2. A list of the paths alone is 36.
    assert peaks_kb[1] - peaks_kb[0] < 5 * 1024, peaks_kb


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process's peak memory")
def test_nor_where_they_are_uploaded_and_kept_in_a_journal(tmp_path: Path):
    many = MANY
    journals = [tmp_path / f"journal of {count}" for count in (100, many)]
    first_kb = [peak_kb(tmp_path, count, journal) for count, journal in zip((100, many), journals, strict=True)]
    resumed_kb = [
        peak_kb(tmp_path, count, journal, resumed=count) for count, journal in zip((100, many), journals, strict=True)
    ]
    assert first_kb[1] - first_kb[0] < 8 * 1024, first_kb
    # Two lines an image, of 16 bytes each, and as much again while they are sorted.
    assert resumed_kb[1] - resumed_kb[0] < 8 * 1024 + many * 128 // 1024, resumed_kb


def peak_kb(tmp_path: Path, count: int, *journal: Path, resumed: int = 0) -> int:
    """The most memory that sending so many took, in a process of its own."""
    folder = tmp_path / str(count)
    if not folder.exists():
        folder.mkdir()
        for number in range(2):  # their times belong to what a journal knows an image by
            if not (tmp_path / str(number)).exists():
                (tmp_path / str(number)).touch()
        for number in range(count):  # a file has at most 65,000 names
            os.link(tmp_path / str(number % 2), folder / f"{number:06d}.jpg")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(folder), *map(str, journal)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    images, kilobytes, again = map(int, done.stderr.split())
    assert (images, again) == (count, resumed)
    return kilobytes
