"""A web server on this machine that offers files, and can be made to misbehave as real ones do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@dataclass
class Page:
    """What is at a path. ``cut_after``: so many bytes of an answer are sent, then the connection breaks."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = '"1"'
    ranges: bool = True
    cut_after: int | None = None


@dataclass(frozen=True)
class Asked:
    """A request: its path (a proxy is asked for whole addresses), its headers, and what it was answered."""

    path: str
    headers: dict[str, str]
    status: int


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        pages = self.server.pages.get(self.path, Page(b"not here", 404))
        page = pages if isinstance(pages, Page) else pages.pop(0) if len(pages) > 1 else pages[0]
        status, headers, body = self._answer(page)
        self.server.asked.append(Asked(self.path, dict(self.headers), status))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers, **page.headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: page.cut_after])

    def _answer(self, page: Page) -> tuple[int, dict[str, str], bytes]:
        headers = {"ETag": page.etag} if page.etag else {}
        wanted = self.headers["Range"]
        same = self.headers["If-Range"] in (None, page.etag)
        if page.status != 200 or not wanted or not page.ranges or not same:
            return page.status, headers, page.body
        start, size = int(wanted.removeprefix("bytes=").removesuffix("-")), len(page.body)
        if start >= size:
            return 416, {"Content-Range": f"bytes */{size}"}, b""
        return 206, {**headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"}, page.body[start:]

    def log_message(self, *args: object) -> None:
        pass


class FileServer(ThreadingHTTPServer):
    """Offers ``pages``: path -> a page, or pages to be given in turn. ``asked``: the requests that came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Page | list[Page]] = {}
        self.asked: list[Asked] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [asked.path for asked in self.asked]


@contextmanager
def file_server() -> Iterator[FileServer]:
    """A running server."""
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
