"""The server as its processes: under load, under attack, told to end, killed.

Briefly here, to see that what is promised holds; ``make soak`` (``LOOKOUT_SOAK``) takes its time, and holds the
figures.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("gunicorn", reason="the extra server is not installed")

from helpers.program import Program, wait_for
from helpers.service import service_of
from helpers.tiny import CONFIDENCE, make_model, make_picture
from helpers.traffic import HALF_A_HEAD, NUISANCES, PATH, Connection, Tally, crowd, head, nuisance, one_by_one
from lookout.apps.server import running
from lookout.images import encode_jpeg
from lookout.loading import load
from lookout.models.store import load_model

SOAK = "LOOKOUT_SOAK" in os.environ
SECONDS, CLIENTS = (60, 200) if SOAK else (3, 60)
QUEUE = 32
PICTURE = make_picture(1, 640, 480)

needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")


class Server(Program):
    """A server that logs every request as JSON, to a file."""

    def __init__(self, cfg: Path, log: Path, *options: str) -> None:
        shown = ["--log-format", "json", "--confidence", str(CONFIDENCE), *options]
        super().__init__("serve", "--model", str(cfg), "--port", "0", "--json", *shown, stderr=log)
        self.log = log
        self.url = self.ready()["url"]

    @property
    def worker(self) -> int:
        """The process that works, which the one that was started watches."""
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def requests(self) -> list[dict[str, object]]:
        """The log's lines of requests."""
        documents = map(json.loads, self.log.read_text().splitlines())
        return [document for document in documents if document["event"] == "request"]


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def server(cfg: Path, tmp_path: Path) -> Iterator[Server]:
    with Server(cfg, tmp_path / "log", "--queue", str(QUEUE)) as server:
        yield server


def resident_kb(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


async def measured_crowd(server: Server, pid: int) -> tuple[Tally, list[int]]:
    """The crowd, and the worker's memory in kB, taken each second from the tenth on."""
    memory: list[int] = []

    async def watch() -> None:
        await asyncio.sleep(SECONDS / 6)
        while True:
            memory.append(resident_kb(pid))
            await asyncio.sleep(SECONDS / 60)

    watcher = asyncio.ensure_future(watch())
    tally = await crowd(server.url, PICTURE, CLIENTS, SECONDS)
    watcher.cancel()
    return tally, memory


@needs_proc
def test_a_crowd_is_served_as_far_as_the_queue_goes_and_the_others_are_told(server: Server):
    pid = server.worker
    alone_s = asyncio.run(one_by_one(server.url, PICTURE, 100))
    tally, memory_kb = asyncio.run(measured_crowd(server, pid))
    again_s = asyncio.run(one_by_one(server.url, PICTURE, 100))
    cores = len(os.sched_getaffinity(0))
    # What a core spends on an image while everybody asks: the clients are on the same cores.
    service_s = SECONDS * cores / len(tally.accepted)
    print(
        f"\n{CLIENTS} clients, {SECONDS} s: {len(tally.accepted)} accepted, {len(tally.refused)} refused; "
        f"p50 {tally.percentile_s(50):.3f} s, p99 {tally.percentile_s(99):.3f} s, service {service_s * 1000:.1f} ms; "
        f"memory {min(memory_kb) // 1024} to {max(memory_kb) // 1024} MB; "
        f"alone {statistics.median(alone_s) * 1000:.1f} ms, again {statistics.median(again_s) * 1000:.1f} ms"
    )
    assert (tally.others, tally.lost) == ([], [])
    assert tally.accepted
    assert tally.refused
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in tally.refused)
    objects = [reply.json()["objects"] for reply in tally.accepted]
    assert all(found == objects[0] for found in objects)
    assert objects[0]
    answered = [entry for entry in server.requests() if entry["status"] == 200]
    assert len(answered) == len(tally.accepted) + len(alone_s) + len(again_s)
    if SOAK:
        assert max(memory_kb) <= 1.05 * min(memory_kb)
        assert tally.percentile_s(99) <= QUEUE * service_s
        assert statistics.median(again_s) <= 1.25 * statistics.median(alone_s)


@pytest.mark.parametrize("kind", NUISANCES)
def test_others_do_not_slow_a_well_behaved_client(server: Server, kind: str):
    count, rounds, requests = (1000, 5, 150) if SOAK else (100, 1, 10)
    ratios = []
    for _ in range(rounds):
        calm_s = asyncio.run(one_by_one(server.url, PICTURE, requests))
        with nuisance(server.url, kind, count):
            attacked_s = asyncio.run(one_by_one(server.url, PICTURE, requests))
        ratios.append(statistics.median(attacked_s) / statistics.median(calm_s))
    print(f"\n{kind}: {statistics.median(ratios):.3f} times the usual latency")
    if SOAK:
        assert statistics.median(ratios) <= 1.2


@needs_proc
def test_told_to_end_under_load_the_server_answers_all_that_it_accepted(server: Server):
    async def test() -> Tally:
        tally = Tally()

        async def ask() -> None:
            async with Connection(server.url) as connection:
                while "connection" not in (reply := await connection.post(PICTURE)).headers:
                    tally.add(reply)
                assert reply.headers["connection"] == "close"  # so that nothing more is sent to a server that ends
                tally.add(reply)

        clients = [asyncio.ensure_future(ask()) for _ in range(QUEUE)]
        while len(tally.accepted) < 2 * QUEUE:
            await asyncio.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        for outcome in await asyncio.gather(*clients, return_exceptions=True):
            # The answer says that it was the last, or the connection ended just as the next request left.
            assert outcome is None or isinstance(outcome, asyncio.IncompleteReadError | ConnectionError), outcome
            assert not getattr(outcome, "partial", b""), outcome
        return tally

    tally = asyncio.run(test())
    assert server.process.wait(60) == 0
    answered = [entry for entry in server.requests() if entry["status"] == 200]
    assert len(answered) == len(tally.accepted)
    assert {entry["status"] for entry in server.requests()} <= {200, 503}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port))


@needs_proc
def test_a_killed_worker_is_replaced_and_nobody_is_refused_meanwhile(server: Server):
    first = server.worker
    asyncio.run(one_by_one(server.url, PICTURE, 2))
    start = time.monotonic()
    os.kill(first, signal.SIGKILL)
    asyncio.run(one_by_one(server.url, PICTURE, 1))  # waits at the socket, which nobody closed
    elapsed_s = time.monotonic() - start
    print(f"\nback after {elapsed_s:.2f} s")
    assert server.worker != first
    assert "SIGKILL" in server.log.read_text()
    if SOAK:
        assert elapsed_s < 2


@needs_proc
def test_a_worker_whose_watcher_is_killed_ends(server: Server):
    worker = server.worker
    server.process.kill()
    wait_for(lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2])


def test_a_worker_in_which_a_detection_hangs_ends(cfg: Path, monkeypatch: pytest.MonkeyPatch):
    class Ended(BaseException):
        pass

    def end(status: int) -> None:
        raise Ended(status)

    monkeypatch.setattr(running.os, "_exit", end)
    monkeypatch.setattr(running, "_LOOK_S", 0)
    work = running._Work(service_of(load(cfg)), 0, None)
    hangs_s = iter([0.0, 119.0, 121.0])
    work.door = type("Door", (), {"longest_s": property(lambda _: next(hangs_s))})()
    with pytest.raises(Ended, match="1"):
        asyncio.run(work._watch())
    assert next(hangs_s, None) is None


def test_a_connection_that_says_nothing_is_closed(cfg: Path, tmp_path: Path):
    with Server(cfg, tmp_path / "log", "--idle", "1") as server:
        for said in (b"", HALF_A_HEAD):
            with socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port)) as connection:
                connection.sendall(said)
                connection.settimeout(60)
                assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # without a Host
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS
        (HALF_A_HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (HALF_A_HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (HALF_A_HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (HALF_A_HEAD + b"A: " + b"b" * 100_000, 431),
    ],
)
def test_what_is_no_http_gets_a_problem_too(server: Server, said: bytes, status: int):
    with socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=60) as connection:
        connection.sendall(said)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        document = json.loads(answer.read())
        assert (answer.status, document["status"]) == (status, status)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert connection.recv(1) == b""  # and no more is taken
    asyncio.run(one_by_one(server.url, PICTURE, 1))
    entries = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert answer.headers["X-Request-ID"] in [entry.get("request_id") for entry in entries]


def test_a_client_that_does_not_take_its_answer_is_given_up(cfg: Path, tmp_path: Path):
    noise = np.random.default_rng(1).integers(0, 256, (3000, 3000, 3), np.uint8)
    picture = encode_jpeg(noise)
    with Server(cfg, tmp_path / "log", "--idle", "1") as server, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect((urlsplit(server.url).hostname, urlsplit(server.url).port))
        connection.sendall(head(len(picture), f"{PATH}?annotated=1") + picture)
        wait_for(server.requests)
        wait_for(lambda: not server_side(connection))
        asyncio.run(one_by_one(server.url, PICTURE, 1))


def server_side(connection: socket.socket) -> bool:
    """Whether the server still has its end of a connection."""
    local, remote = (f"0100007F:{address[1]:04X}" for address in (connection.getsockname(), connection.getpeername()))
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any((row[1], row[2]) == (remote, local) and row[3] == "01" for row in rows)


def test_ctrl_c_ends_it_quietly(server: Server):
    assert server.stop(signal.SIGINT) == 0
    assert "Traceback" not in server.log.read_text()


def test_a_network_that_the_engine_refuses_ends_the_server_with_a_sentence(cfg: Path, tmp_path: Path):
    imported = Path(shutil.copytree(load_model(cfg).folder, tmp_path / "imported"))
    network = imported / "network.onnx"
    network.write_bytes(bytes(network.stat().st_size))
    with Program("serve", "--model", str(imported), "--port", "0", "--json") as program:
        assert program.process.wait(60) == 1
        errors = program.process.stderr.read().decode()
    assert len([line for line in errors.splitlines() if line.startswith("Error: ")]) == 1
    assert "can't load the network" in errors
    assert "Traceback" not in errors
