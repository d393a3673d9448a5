"""Published files, fetched: verified before they are used, continued where they were cut off, moved into place whole.

What comes is written into ``<file>.part`` beside the target, and becomes the target once its SHA-256 is the
published one. Since that is known beforehand:

- A part may be continued from any address, as only one content can come out right. Of the address that it began
  at, ``If-Range`` asks whether the file is still the same, which saves fetching it twice.
- A part that was continued and came out wrong is fetched once more from nothing: its beginning may be at fault.
- The addresses need no trust, and a redirection may lead anywhere.

Whoever comes second waits, then finds the target there, or continues (``part_file``).

``urllib.request`` does the talking: it takes ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` from the environment
for every hop of a redirection, which with urllib3 would have to be written here.
"""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError

from lookout import __version__
from lookout.errors import ModelError
from lookout.models.catalog import RemoteFile
from lookout.models.part_file import Part, own_part

# Of making a connection, and of every wait for more bytes.
TIMEOUT_S = 30.0
# An address that broke off halfway is asked to go on, but not for ever.
_ROUNDS = 5
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Received:
    """How many bytes of a file are here."""

    file: RemoteFile
    size: int


Notify = Callable[[str | Received], None]


def silent(news: str | Received) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A published file as it lies at a path: its content, or what is wrong with it."""

    file: RemoteFile
    path: Path
    data: bytes = b""
    fault: str | None = None


def read_copy(file: RemoteFile, path: Path) -> Copy:
    """Look at what lies at ``path``, and whether it is the published file. Raises ``ModelError``."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Copy(file, path, fault="is not here")
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from error
    if len(data) != file.size:
        return Copy(file, path, fault=f"has {len(data)} bytes here, and {file.size} as published")
    if hashlib.sha256(data).hexdigest() != file.sha256:
        return Copy(file, path, fault="has another SHA-256 here than as published")
    return Copy(file, path, data)


def download(file: RemoteFile, target: Path, notify: Notify = silent, timeout_s: float = TIMEOUT_S) -> None:
    """Fetch a file to ``target`` from the first address that gives what was published, unless it is there by then.

    Raises ``ModelError`` where none does, or where the disk refuses. What had come is kept, to be continued.
    """
    with _writing(target), own_part(target, notify) as part:
        fault = read_copy(file, target).fault
        if fault is None:  # somebody else was quicker
            part.discard()
            return
        failures = _fill_from_any(part, file, notify, timeout_s)
        if not failures:
            part.become(target)
            return
    reasons = "; ".join(f"{url}: {reason}" for url, reason in failures.items())
    raise ModelError(
        f"{file.name} {fault} and could not be fetched ({reasons}): "
        f"get it from one of these addresses and put it at {target}"
    )


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Name the disk's errors; those of the network are a ``_Refusal`` where they happen. Raises ``ModelError``."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ModelError(
            f"the cache {target.parent} can't be written ({error.strerror or error}): "
            "make room, or set XDG_CACHE_HOME to another folder"
        ) from error


class _Refusal(Exception):  # noqa: N818  no error yet, as there may be a mirror
    """Why an address did not give a file."""


def _fill_from_any(part: Part, file: RemoteFile, notify: Notify, timeout_s: float) -> dict[str, str]:
    """Complete a part. Where that can't be done, why not, for each address; else nothing."""
    failures: dict[str, str] = {}
    urls = list(file.urls)
    for _ in range(_ROUNDS):
        cut_off = []
        for url in urls:
            before = part.size
            try:
                _fill(part, file, url, notify, timeout_s)
            except _Refusal as refusal:
                failures[url] = str(refusal)
                notify(f"{file.name}: {url}: {refusal}")
                if part.size > before:
                    cut_off.append(url)
            else:
                return {}
        urls = cut_off
    return failures


def _fill(part: Part, file: RemoteFile, url: str, notify: Notify, timeout_s: float) -> None:
    """Complete a part from one address. Raises ``_Refusal``."""
    continued = part.size >= file.size or _receive(part, file, url, notify, timeout_s)
    if continued and not _is_published(part, file):
        part.clear()
        _receive(part, file, url, notify, timeout_s)
    if not _is_published(part, file):
        part.clear()
        raise _Refusal("what came has another SHA-256 than the published file")


def _is_published(part: Part, file: RemoteFile) -> bool:
    return part.size == file.size and part.sha256() == file.sha256


def _receive(part: Part, file: RemoteFile, url: str, notify: Notify, timeout_s: float) -> bool:
    """Append what a part is missing; whether its beginning was kept. Raises ``_Refusal``; then what came stays."""
    notify(f"fetching {'the rest of ' if part.size else ''}{file.name} from {url}")
    with closing(_open(part, file, url, timeout_s)) as answer:
        continued, promised = part.size > 0, answer.length
        part.begins(url, answer.headers["ETag"])
        for chunk in _chunks(answer):
            if part.size + len(chunk) > file.size:
                part.clear()
                raise _Refusal(f"it sends more than the {file.size} bytes of the published file")
            part.append(chunk)
            notify(Received(file, part.size))
        if part.size < file.size:
            size = part.size
            if promised is None:  # then this end was meant, and it is another file
                part.clear()
            raise _Refusal(f"it ended after {size} of {file.size} bytes")
    return continued


def _open(part: Part, file: RemoteFile, url: str, timeout_s: float) -> HTTPResponse:
    """Ask for what a part is missing; where that can't be had, for the whole file, whose answer clears the part."""
    if part.size:
        answer = _ask(url, part.size, part.version(url), timeout_s)
        if answer and answer.status == 206 and _continues(answer, part.size, file.size):
            return answer
        if answer and answer.status == 200:
            return _cleared(part, file, answer)
        if answer:
            answer.close()
    return _cleared(part, file, _ask(url, 0, None, timeout_s))


def _continues(answer: HTTPResponse, start: int, size: int) -> bool:
    """Whether it holds all bytes from ``start`` on; a server need not say how many there are in all."""
    return answer.headers["Content-Range"] in (f"bytes {start}-{size - 1}/{total}" for total in (size, "*"))


def _cleared(part: Part, file: RemoteFile, answer: HTTPResponse | None) -> HTTPResponse:
    """Make way for a whole file, if this is an answer that may hold it. Raises ``_Refusal``."""
    if answer and answer.status == 200 and answer.length in (None, file.size):
        part.clear()
        return answer
    if answer is None:
        raise _Refusal("the server answered 416")
    length = answer.length
    answer.close()
    if answer.status != 200:
        raise _Refusal(f"the server answered {answer.status}")
    raise _Refusal(f"it has {length} bytes where the published file has {file.size}")


def _ask(url: str, start: int, version: str | None, timeout_s: float) -> HTTPResponse | None:
    """A server's answer to being asked for a file from a byte on; None for 416, no such range. Raises ``_Refusal``."""
    headers = {"User-Agent": f"lookout/{__version__}"}  # Python's own is refused by some
    if start:
        headers["Range"] = f"bytes={start}-"
    if start and version:
        headers["If-Range"] = version
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  an address of the catalog, over https
    with _network():
        try:
            # A new one, as it takes the proxies from the environment when it is made.
            answer: HTTPResponse = urllib.request.build_opener().open(request, timeout=timeout_s)
        except HTTPError as error:
            error.close()
            if error.code == 416:
                return None
            raise _Refusal(f"the server answered {error.code}") from error
    return answer


def _chunks(answer: HTTPResponse) -> Iterator[bytes]:
    """The body as it comes. Raises ``_Refusal`` where the connection breaks."""
    while True:
        with _network():
            chunk = answer.read1(_CHUNK)
        if not chunk:
            return
        yield chunk


@contextmanager
def _network() -> Iterator[None]:
    """Say in words what the network did. Raises ``_Refusal``."""
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, URLError) else error
        if isinstance(cause, TimeoutError):
            raise _Refusal("it did not answer in time") from error
        raise _Refusal(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__) from error
