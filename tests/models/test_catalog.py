"""What the catalog says, and how what it names is fetched: from a server here, never from the real ones."""

from __future__ import annotations

import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from helpers.darknet_weights import make_weights
from helpers.shared import shared
from lookout.errors import ModelError
from lookout.models.catalog import CATALOG, ModelSpec, RemoteFile
from lookout.models.store import load_model

CFG = "[net]\nwidth=32\nheight=32\n[convolutional]\nfilters=7\nstride=8\n[yolo]\nclasses=2\nanchors=9,9\n"
FILES = {"pet.cfg": CFG.encode(), "pet.weights": make_weights(CFG), "pet.names": b"cat\ndog\n"}


class Handler(BaseHTTPRequestHandler):
    """Answers from ``server.answers``: path -> status, headers, body."""

    def do_GET(self):
        self.server.asked.append(self.path)
        status, headers, body = self.server.answers.get(self.path, (404, {}, b"not here"))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """A web server that offers the files of a model under /good/."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.answers = {f"/good/{name}": (200, {}, body) for name, body in FILES.items()}
        server.asked = []
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def offer(monkeypatch, *places):
    """Put the model "pet" into the catalog, its files at these addresses."""
    files = [
        RemoteFile(name, hashlib.sha256(body).hexdigest(), tuple(f"{place}/{name}" for place in places))
        for name, body in FILES.items()
    ]
    monkeypatch.setitem(CATALOG, "pet", ModelSpec("pet", tuple(files), "none", "none"))


def downloaded(cache):
    """The files below the cache's downloads: drafts too, if any were left."""
    folder = cache / "downloads"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


WHOLE = {f"pet/{name}": body for name, body in FILES.items()}


def test_a_model_is_fetched_by_its_name(server, cache, monkeypatch):
    offer(monkeypatch, f"{server.url}/good")
    model = load_model("pet", cache=cache)
    assert (model.name, model.labels) == ("pet", ("cat", "dog"))
    assert downloaded(cache) == WHOLE
    assert server.asked == ["/good/pet.cfg", "/good/pet.weights", "/good/pet.names"]


def test_the_second_time_nothing_is_asked_for(server, cache, monkeypatch):
    offer(monkeypatch, f"{server.url}/good")
    first = load_model("pet", cache=cache)
    server.asked.clear()
    assert load_model("pet", cache=cache) == first
    assert server.asked == []


def test_only_what_is_missing_is_fetched(server, cache, monkeypatch):
    offer(monkeypatch, f"{server.url}/good")
    load_model("pet", cache=cache)
    server.asked.clear()
    (cache / "downloads" / "pet" / "pet.weights").unlink()
    load_model("pet", cache=cache)
    assert server.asked == ["/good/pet.weights"]
    assert downloaded(cache) == WHOLE


def test_a_redirection_is_followed(server, cache, monkeypatch):
    for name in FILES:
        server.answers[f"/moved/{name}"] = (302, {"Location": f"/good/{name}"}, b"over there")
    offer(monkeypatch, f"{server.url}/moved")
    load_model("pet", cache=cache)
    assert downloaded(cache) == WHOLE


def spoilt(name):
    """Answers that are not the published file."""
    body = FILES[name]
    return {
        "forbidden": (403, {}, b"<html>forbidden"),
        "gone": (404, {}, body),
        "the server's fault": (500, {}, b""),
        "another file": (200, {}, body[:-1] + b"?"),
        "a page in its place": (200, {}, b"<html>welcome"),
        "nothing": (200, {}, b""),
        "cut short": (200, {"Content-Length": str(len(body))}, body[: len(body) // 2]),
        "cut short, and no length said": (200, {"Content-Length": ""}, body[: len(body) // 2]),
        "moved in a circle": (302, {"Location": f"/bad/{name}"}, b""),
    }


SPOILT = list(spoilt("pet.cfg"))
REASONS = {
    "forbidden": "answered 403",
    "gone": "answered 404",
    "the server's fault": "answered 500",
    "another file": "another SHA-256",
    "a page in its place": "another SHA-256",
}


@pytest.mark.parametrize("fault", SPOILT)
def test_after_a_wrong_answer_the_mirror_is_asked(server, cache, monkeypatch, fault):
    server.answers |= {f"/bad/{name}": spoilt(name)[fault] for name in FILES}
    offer(monkeypatch, f"{server.url}/bad", f"{server.url}/good")
    load_model("pet", cache=cache)
    assert downloaded(cache) == WHOLE
    assert server.asked[0] == "/bad/pet.cfg"
    assert server.asked[-1] == "/good/pet.names"


@pytest.mark.parametrize("fault", SPOILT)
def test_without_a_good_answer_nothing_is_left_behind(server, cache, monkeypatch, fault):
    server.answers |= {f"/{place}/{name}": spoilt(name)[fault] for place in ("bad", "worse") for name in FILES}
    offer(monkeypatch, f"{server.url}/bad", f"{server.url}/worse")
    with pytest.raises(ModelError) as caught:
        load_model("pet", cache=cache)
    message = str(caught.value)
    assert message.startswith("pet.cfg is not here and could not be fetched")
    for place in ("bad", "worse"):
        assert f"{server.url}/{place}/pet.cfg: " in message
    assert str(cache / "downloads" / "pet" / "pet.cfg") in message
    assert REASONS.get(fault, "") in message
    assert downloaded(cache) == {}
    assert list(cache.rglob(".draft-*")) == []


def test_a_failure_keeps_the_files_that_came_before_it(server, cache, monkeypatch):
    del server.answers["/good/pet.names"]
    offer(monkeypatch, f"{server.url}/good")
    with pytest.raises(ModelError, match=r"pet\.names is not here"):
        load_model("pet", cache=cache)
    assert downloaded(cache) == {name: body for name, body in WHOLE.items() if name != "pet/pet.names"}


@pytest.fixture
def closed_address():
    """An address that refuses: a port that is taken, with nobody listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_without_a_network_the_address_and_the_place_are_named(cache, monkeypatch, closed_address):
    offer(monkeypatch, closed_address)
    with pytest.raises(ModelError) as caught:
        load_model("pet", cache=cache)
    assert f"{closed_address}/pet.cfg" in str(caught.value)
    assert f"put it at {cache / 'downloads' / 'pet' / 'pet.cfg'}" in str(caught.value)
    assert downloaded(cache) == {}


def test_files_that_were_put_there_by_hand_are_taken(cache, monkeypatch, closed_address):
    offer(monkeypatch, closed_address)
    folder = cache / "downloads" / "pet"
    folder.mkdir(parents=True)
    for name, body in FILES.items():
        (folder / name).write_bytes(body)
    assert load_model("pet", cache=cache).labels == ("cat", "dog")


def test_a_cache_that_cannot_be_written_is_named(server, cache, monkeypatch):
    cache.write_text("a file where a folder should be")
    offer(monkeypatch, f"{server.url}/good")
    with pytest.raises(ModelError, match="XDG_CACHE_HOME"):
        load_model("pet", cache=cache)


def test_a_folder_of_that_name_comes_before_the_catalog(tmp_path, monkeypatch, server, cache):
    offer(monkeypatch, f"{server.url}/good")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pet").mkdir()
    with pytest.raises(ModelError, match="holds no readable model"):
        load_model("pet", cache=cache)
    assert server.asked == []


def test_the_catalog_is_by_name():
    assert list(CATALOG) == [spec.name for spec in CATALOG.values()]
    assert len(CATALOG) >= 8


@pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG)
def test_an_entry_can_be_fetched_and_loaded(spec):
    suffixes = [file.name.removeprefix(spec.name) for file in spec.files]
    assert suffixes in ([".onnx"], [".cfg", ".weights", ".names"])
    assert "/" not in spec.name
    assert spec.licence
    assert spec.accuracy
    for file in spec.files:
        assert len(file.sha256) == 64
        assert set(file.sha256) <= set("0123456789abcdef")
        assert file.urls
        assert all(url.startswith("https://") for url in file.urls)


@pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG)
def test_addresses_end_as_the_file_does(spec):
    for file in spec.files:
        for url in file.urls:
            assert url.endswith(file.name.rpartition(".")[2])
            assert "/master/" not in url  # what a branch holds today is not what was hashed


@pytest.mark.parametrize("name", ["yolo-fastest-1.1", "yolo-fastest-1.1-xl"])
@pytest.mark.parametrize("suffix", [".cfg", ".weights", ".names"])
def test_checksums_are_those_of_the_published_files(name, suffix):
    published = shared("models", "coco.names" if suffix == ".names" else f"{name}{suffix}")
    (file,) = [file for file in CATALOG[name].files if file.name == f"{name}{suffix}"]
    assert hashlib.sha256(published.read_bytes()).hexdigest() == file.sha256


@pytest.mark.parametrize("name", ["yolov3-tiny", "yolov4-tiny", "yolov4"])
def test_checksums_are_those_of_the_published_configurations(name):
    (file,) = [file for file in CATALOG[name].files if file.name == f"{name}.cfg"]
    assert hashlib.sha256(shared("models", "cfg", f"{name}.cfg").read_bytes()).hexdigest() == file.sha256
