"""Fetching a published file from servers that behave, that don't, and that break off; all of them here."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers.file_server import PROXIES, Page, file_server
from lookout.errors import ModelError
from lookout.models import part_file
from lookout.models.catalog import RemoteFile
from lookout.models.download import Received, download, read_copy

BODY = bytes(range(256)) * 1000
OTHER = BODY[:-1] + b"?"
HALF = len(BODY) // 2


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with file_server() as server:
        yield server


@pytest.fixture
def target(tmp_path):
    return tmp_path / "downloads" / "net.weights"


def published(server, *paths, body=BODY):
    """The file with that content, to be fetched from these paths of the server."""
    urls = tuple(path if "://" in path else server.url + path for path in paths)
    return RemoteFile("net.weights", len(body), hashlib.sha256(body).hexdigest(), urls)


def files(target):
    """All that lies about."""
    return {path.name for path in target.parent.iterdir()} if target.parent.exists() else set()


def begin(target, content, url=None, etag=None):
    """Leave what an interrupted download leaves."""
    target.parent.mkdir(parents=True)
    target.with_name("net.weights.part").write_bytes(content)
    if url:
        target.with_name("net.weights.part.json").write_text(json.dumps({"url": url, "etag": etag}))


def test_a_file_is_fetched_whole_and_nothing_else_is_left(server, target):
    server.pages["/a"] = Page(BODY)
    download(published(server, "/a"), target)
    assert target.read_bytes() == BODY
    assert files(target) == {"net.weights"}
    assert server.asked[0].headers["User-Agent"].startswith("lookout/")
    assert "Range" not in server.asked[0].headers


def test_a_file_that_is_there_is_not_asked_for(server, target):
    target.parent.mkdir()
    target.write_bytes(BODY)
    download(published(server, "/a"), target)
    assert server.asked == []
    assert files(target) == {"net.weights"}


@pytest.mark.parametrize("wrong", [OTHER, BODY[:-1], b"", BODY + b"more"])
def test_a_file_that_is_there_and_wrong_is_replaced(server, target, wrong):
    target.parent.mkdir()
    target.write_bytes(wrong)
    server.pages["/a"] = Page(BODY)
    file = published(server, "/a")
    assert read_copy(file, target).fault
    download(file, target)
    assert read_copy(file, target).data == BODY


def test_a_wrong_file_that_cannot_be_replaced_is_named_as_what_it_is(server, target):
    target.parent.mkdir()
    target.write_bytes(BODY[:HALF])
    with pytest.raises(ModelError, match=rf"net\.weights has {HALF} bytes here, .* and could not be fetched"):
        download(published(server, "/nowhere"), target)


def test_redirections_to_another_host_are_followed(server, target):
    with file_server() as other:
        other.pages["/there"] = Page(BODY)
        server.pages["/a"] = Page(b"over there", 302, {"Location": "/b"})
        server.pages["/b"] = Page(b"over there", 307, {"Location": f"{other.url}/there"})
        download(published(server, "/a"), target)
    assert target.read_bytes() == BODY
    assert server.paths == ["/a", "/b"]


def test_progress_is_told_to_the_last_byte(server, target):
    server.pages["/a"] = Page(BODY)
    news = []
    download(published(server, "/a"), target, news.append)
    sizes = [entry.size for entry in news if isinstance(entry, Received)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == len(BODY)
    assert news[0] == f"fetching net.weights from {server.url}/a"


# What an address may do in place of giving the file -> words of the reason.
FAULTS = {
    "forbidden": (Page(b"<html>", 403), "answered 403"),
    "gone": (Page(BODY, 404), "answered 404"),
    "its own fault": (Page(b"", 500), "answered 500"),
    "moved in a circle": (Page(b"", 302, {"Location": "/bad"}), "answered 302"),
    "moved out of the web": (Page(b"", 302, {"Location": "file:///etc/hosts"}), "answered 302"),
    "another file": (Page(OTHER), "another SHA-256"),
    "a page in its place": (Page(b"<html>welcome"), "it has 13 bytes"),
    "a page, no length said": (Page(b"<html>welcome", headers={"Content-Length": ""}), "ended after 13"),
    "nothing": (Page(b""), "it has 0 bytes"),
    "too much": (Page(BODY + b"more"), "it has 256004 bytes"),
    "too much, no length said": (Page(BODY * 2, headers={"Content-Length": ""}), "more than the 256000 bytes"),
    "a part unasked": (Page(BODY, 206), "answered 206"),
}


@pytest.mark.parametrize(("page", "words"), FAULTS.values(), ids=FAULTS)
def test_after_a_wrong_answer_the_mirror_is_asked_and_the_user_told(server, target, page, words):
    server.pages = {"/bad": page, "/good": Page(BODY)}
    news = []
    download(published(server, "/bad", "/good"), target, news.append)
    assert target.read_bytes() == BODY
    assert files(target) == {"net.weights"}
    assert server.paths[-1] == "/good"
    assert any(f"{server.url}/bad: " in entry and words in entry for entry in news if isinstance(entry, str))


@pytest.mark.parametrize(("page", "words"), FAULTS.values(), ids=FAULTS)
def test_without_a_right_answer_nothing_is_left(server, target, page, words):
    server.pages = {"/bad": page, "/worse": page}
    with pytest.raises(ModelError) as caught:
        download(published(server, "/bad", "/worse"), target)
    message = str(caught.value)
    assert message.startswith("net.weights is not here and could not be fetched")
    assert message.endswith(f"put it at {target}")
    assert message.count(words) == 2
    assert f"{server.url}/worse: " in message
    assert files(target) == set()


def test_a_wrong_answer_does_not_harm_what_has_come(server, target):
    begin(target, BODY[:HALF])
    server.pages = {"/portal": Page(b"<html>sign in"), "/gone": Page(status=404), "/good": Page(BODY)}
    download(published(server, "/portal", "/gone", "/good"), target)
    assert [asked.status for asked in server.asked] == [416, 200, 404, 206]
    assert target.read_bytes() == BODY


def test_a_connection_that_breaks_is_taken_up_where_it_broke(server, target):
    server.pages["/a"] = [Page(BODY, cut_after=HALF), Page(BODY)]
    download(published(server, "/a"), target)
    assert target.read_bytes() == BODY
    assert [asked.headers.get("Range") for asked in server.asked] == [None, f"bytes={HALF}-"]
    assert files(target) == {"net.weights"}


def test_a_broken_connection_is_continued_at_the_mirror(server, target):
    server.pages = {"/a": Page(BODY, cut_after=1000), "/b": Page(BODY, etag='"of the mirror"')}
    download(published(server, "/a", "/b"), target)
    assert target.read_bytes() == BODY
    assert server.asked[1].headers["Range"] == "bytes=1000-"
    assert "If-Range" not in server.asked[1].headers  # the version of another server says nothing here
    assert server.asked[1].status == 206


def test_who_always_breaks_off_is_given_up_and_what_came_is_kept(server, target):
    server.pages["/a"] = Page(BODY, cut_after=10)
    with pytest.raises(ModelError, match=f"ended after .* of {len(BODY)} bytes"):
        download(published(server, "/a"), target)
    assert not target.exists()
    came = target.with_name("net.weights.part").read_bytes()
    assert came == BODY[: len(came)]
    assert len(came) == 10 * len(server.asked)
    server.pages["/a"] = Page(BODY)
    download(published(server, "/a"), target)
    assert server.asked[-1].headers["Range"] == f"bytes={len(came)}-"
    assert target.read_bytes() == BODY
    assert files(target) == {"net.weights"}


def test_an_interrupted_download_is_continued_the_next_time(server, target):
    def interrupt(news):
        if isinstance(news, Received):
            raise KeyboardInterrupt

    server.pages["/a"] = [Page(BODY, cut_after=HALF), Page(BODY)]
    file = published(server, "/a")
    with pytest.raises(KeyboardInterrupt):
        download(file, target, interrupt)
    assert not target.exists()
    came = target.with_name("net.weights.part").stat().st_size
    assert 0 < came <= HALF
    download(file, target)
    assert target.read_bytes() == BODY
    assert (server.asked[1].headers["Range"], server.asked[1].headers["If-Range"]) == (f"bytes={came}-", '"1"')
    assert server.asked[1].status == 206


def test_of_a_file_that_changed_meanwhile_only_the_new_one_is_fetched(server, target):
    begin(target, OTHER[:HALF], f"{server.url}/a", '"0"')
    server.pages["/a"] = Page(BODY, etag='"1"')
    download(published(server, "/a"), target)
    assert [asked.status for asked in server.asked] == [200]
    assert target.read_bytes() == BODY


def test_a_weak_version_is_not_asked_about(server, target):
    server.pages["/a"] = [Page(BODY, etag='W/"1"', cut_after=HALF), Page(BODY, etag='W/"1"')]
    download(published(server, "/a"), target)
    assert "If-Range" not in server.asked[1].headers
    assert server.asked[1].status == 206


@pytest.mark.parametrize("origin", ["", "[]", "{}", '{"url": 1}'])
def test_an_unreadable_note_of_the_version_does_no_harm(server, target, origin):
    begin(target, BODY[:HALF])
    target.with_name("net.weights.part.json").write_text(origin)
    server.pages["/a"] = Page(BODY)
    download(published(server, "/a"), target)
    assert target.read_bytes() == BODY
    assert server.asked[0].status == 206


def test_a_server_that_continues_nothing_starts_again(server, target):
    begin(target, BODY[:HALF])
    server.pages["/a"] = Page(BODY, ranges=False)
    download(published(server, "/a"), target)
    assert target.read_bytes() == BODY
    assert [asked.status for asked in server.asked] == [200]


def test_a_server_that_knows_no_such_range_is_asked_from_the_start(server, target):
    begin(target, BODY[:HALF])
    server.pages["/a"] = [Page(b"", 416), Page(BODY)]
    download(published(server, "/a"), target)
    assert target.read_bytes() == BODY
    assert [asked.status for asked in server.asked] == [416, 200]


def test_another_range_than_was_asked_for_is_not_appended(server, target):
    begin(target, BODY[:HALF])
    wrong = Page(BODY[10:], 206, {"Content-Range": f"bytes 10-{len(BODY) - 1}/{len(BODY)}"})
    server.pages["/a"] = [wrong, Page(BODY)]
    download(published(server, "/a"), target)
    assert target.read_bytes() == BODY
    assert [asked.status for asked in server.asked] == [206, 200]


def test_a_range_of_a_file_of_unsaid_size_is_appended(server, target):
    begin(target, BODY[:HALF])
    server.pages["/a"] = Page(BODY[HALF:], 206, {"Content-Range": f"bytes {HALF}-{len(BODY) - 1}/*"})
    news = []
    download(published(server, "/a"), target, news.append)
    assert target.read_bytes() == BODY
    assert len(server.asked) == 1
    assert news[0] == f"fetching the rest of net.weights from {server.url}/a"


@pytest.mark.parametrize("begun", [OTHER[::-1][:HALF], OTHER, OTHER + b"more"], ids=["half", "whole", "too much"])
def test_a_wrong_beginning_is_fetched_once_more_from_nothing(server, target, begun):
    begin(target, begun)
    server.pages["/a"] = Page(BODY)
    download(published(server, "/a"), target)
    assert target.read_bytes() == BODY
    assert server.asked[-1].status == 200
    assert len(server.asked) <= 2


def test_a_part_that_is_whole_is_only_moved(server, target):
    begin(target, BODY)
    download(published(server, "/a"), target)
    assert server.asked == []
    assert files(target) == {"net.weights"}


def test_who_never_answers_is_given_up(target):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        with pytest.raises(ModelError, match=f"{address}: it did not answer in time"):
            download(published(None, address), target, timeout_s=0.05)
    assert files(target) == set()


def test_who_falls_silent_halfway_is_left_for_the_mirror(server, target):
    server.pages["/good"] = Page(BODY)

    def answer_half(listening):
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY[:HALF])
            connection.recv(1)  # until the other side has had enough

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer_half, args=(listening,))
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/a"
        download(published(server, address, "/good"), target, timeout_s=2)  # the mirror answers in time
        thread.join()
    assert target.read_bytes() == BODY
    assert server.asked[0].headers["Range"] == f"bytes={HALF}-"


def test_an_address_that_nobody_listens_at_is_named(target):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/a"
        with pytest.raises(ModelError, match=f"{address}: Connection refused"):
            download(published(None, address), target)
    assert files(target) == set()


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_the_proxy_of_the_environment_is_asked(server, target, monkeypatch, name):
    server.pages["http://models.example/a"] = Page(BODY)
    monkeypatch.setenv(name, server.url)
    download(published(None, "http://models.example/a"), target)
    assert target.read_bytes() == BODY
    assert server.paths == ["http://models.example/a"]


def test_hosts_that_need_no_proxy_are_asked_themselves(server, target, monkeypatch):
    server.pages["/a"] = Page(BODY)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    download(published(server, "/a"), target)
    assert target.read_bytes() == BODY


def test_threads_that_fetch_at_once_ask_once(server, target):
    server.pages["/a"] = Page(BODY)
    file, count = published(server, "/a"), 8
    all_are_ready = threading.Barrier(count)

    def fetch(_):
        all_are_ready.wait(60)
        download(file, target)
        return target.read_bytes()

    with ThreadPoolExecutor(count) as pool:
        assert set(pool.map(fetch, range(count))) == {BODY}
    assert server.paths == ["/a"]
    assert files(target) == {"net.weights"}


CHILD = """
import sys
from pathlib import Path
from lookout.models.catalog import RemoteFile
from lookout.models.download import Received, download

def notify(news):
    if isinstance(news, Received) and news.size < int(sys.argv[5]):
        return
    print("received" if isinstance(news, Received) else news.partition(" ")[0], flush=True)
    if isinstance(news, Received):
        sys.stdin.readline()

target, url, size, sha256 = sys.argv[1:5]
download(RemoteFile("net.weights", int(size), sha256, (url,)), Path(target), notify)
print("done", flush=True)
"""


@pytest.fixture
def fetch_elsewhere(target):
    """Start processes that fetch a file; each stops, once so much of it is there, for a line to go on."""
    children = []

    def start(file, stop_at=1):
        arguments = [str(target), file.urls[0], str(file.size), file.sha256, str(stop_at)]
        environment = {**os.environ, "PYTHONPATH": str(Path(part_file.__file__).parents[2])}
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", CHILD, *arguments]
        children.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.communicate()


def test_a_second_process_waits_and_finds_the_file(server, target, fetch_elsewhere):
    server.pages["/a"] = Page(BODY)
    file = published(server, "/a")
    first = fetch_elsewhere(file, stop_at=len(BODY))
    assert [first.stdout.readline() for _ in range(2)] == ["fetching\n", "received\n"]
    second = fetch_elsewhere(file)
    assert second.stdout.readline() == "waiting\n"
    assert first.communicate("\n", timeout=60)[0] == "done\n"
    assert second.communicate(timeout=60)[0] == "done\n"
    assert server.paths == ["/a"]
    assert target.read_bytes() == BODY
    assert files(target) == {"net.weights"}


def test_of_a_process_that_was_killed_the_next_takes_over(server, target, fetch_elsewhere):
    server.pages["/a"] = [Page(BODY, cut_after=HALF), Page(BODY)]
    file = published(server, "/a")
    first = fetch_elsewhere(file)
    assert [first.stdout.readline() for _ in range(2)] == ["fetching\n", "received\n"]
    second = fetch_elsewhere(file, stop_at=len(BODY))
    assert second.stdout.readline() == "waiting\n"
    first.kill()
    assert second.communicate("\n", timeout=60)[0] == "fetching\nreceived\ndone\n"
    assert target.read_bytes() == BODY
    assert server.asked[1].status == 206
    assert files(target) == {"net.weights"}


def test_a_full_disk_is_named_and_frees_what_was_taken(server, target, monkeypatch):
    def fill_up(part, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    server.pages = {"/a": Page(BODY), "/b": Page(BODY)}
    begin(target, BODY[:HALF])
    monkeypatch.setattr(part_file.Part, "append", fill_up)
    with pytest.raises(ModelError, match=r"can't be written \(No space left on device\): make room, or set XDG_CACHE"):
        download(published(server, "/a", "/b"), target)
    assert server.paths == ["/a"]  # a mirror would not help
    assert files(target) == set()


def test_a_folder_that_cannot_be_written_is_named(server, target):
    target.parent.write_text("a file where a folder should be")
    with pytest.raises(ModelError, match=r"can't be written .*XDG_CACHE_HOME") as caught:
        download(published(server, "/a"), target)
    assert str(target.parent) in str(caught.value)
    assert server.asked == []
