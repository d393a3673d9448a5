"""HTTP/1.1 as connections speak it, before an application of a few lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from lookout.apps.server.connections import Connection
from lookout.apps.server.problems import problem

HOST = b"Host: here\r\n"
# No test takes as long.
PATIENCE_S = 30.0


@dataclass
class Application:
    """Answers a request with its path and its body, once ``may_answer``; keeps what it was told."""

    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    headers: list[dict[bytes, bytes]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        self.headers.append(dict(scope["headers"]))
        self.came.set()
        if scope["path"] == "/wait":
            assert (await receive())["type"] == "http.disconnect"
            self.gone.set()
            return
        await self.may_answer.wait()
        answer = scope["path"].encode() + b" " + body
        length = str(len(answer)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": answer})


@dataclass
class Client:
    """One connection to the application, and the server's end of it."""

    application: Application
    ends: list[Connection]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, *parts: bytes) -> None:
        """Send these, each by itself."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def answer(self) -> tuple[int, bytes]:
        """The next answer's status and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length"))
        return int(lines[0].split()[1]), await self.reader.readexactly(length)

    async def ended(self) -> bool:
        """Whether the server closes the connection, without another word."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionResetError:
            return True


Talk = Callable[[Client], Coroutine[Any, Any, None]]


def held(talk: Talk, *, idle_s: float = PATIENCE_S, may_answer: bool = True) -> None:
    """Hold this talk with a server of its own."""

    async def hold() -> None:
        async with asyncio.timeout(PATIENCE_S), connected(idle_s) as client:
            if may_answer:
                client.application.may_answer.set()
            await talk(client)

    asyncio.run(hold())


@asynccontextmanager
async def connected(idle_s: float) -> AsyncIterator[Client]:
    application, ends = Application(), []
    config, state = Config(application, log_config=None, ws="none", lifespan="off"), ServerState()
    kind = type("Limited", (Connection,), {"idle_s": idle_s, "refuse": lambda _, status, __: problem(status, "no")})

    def accept() -> Connection:
        ends.append(kind(config, state, {}))
        return ends[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(accept, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield Client(application, ends, reader, writer)
    finally:
        application.may_answer.set()
        writer.close()
        server.close()
        for end in ends:
            end.transport.abort()
        await asyncio.gather(*state.tasks, return_exceptions=True)


def post(path: bytes, body: bytes, more: bytes = b"") -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_requests_that_come_at_once_are_answered_in_order():
    async def talk(client: Client) -> None:
        large = bytes(range(256)) * 1500
        await client.say(post(b"/a", large) + post(b"/b", b"second") + b"GET /c HTTP/1.1\r\n" + HOST + b"\r\n")
        assert [await client.answer() for _ in range(3)] == [(200, b"/a " + large), (200, b"/b second"), (200, b"/c ")]

    held(talk)


@pytest.mark.parametrize("sizes", [[1], [3], [1 << 19], [100, 1, 300_000, 7]])
def test_a_body_is_whole_however_its_pieces_come(sizes: list[int]):
    async def talk(client: Client) -> None:
        body = bytes(range(256)) * 2500
        head, said = post(b"/a", body)[: -len(body)], body
        assert len(client.ends) == 1
        await client.say(head[:-1], head[-1:])  # its end comes by itself
        for size in sizes:
            await client.say(said[:size])
            said = said[size:]
        await client.say(said)
        assert await client.answer() == (200, b"/a " + body)

    held(talk)


def test_an_answer_leaves_as_one_piece():
    async def talk(client: Client) -> None:
        await client.say(post(b"/a", b"first"))
        assert await client.answer() == (200, b"/a first")
        left: list[bytes] = []
        write = client.ends[0].transport.write
        client.ends[0].transport.write = lambda data: left.append(bytes(data)) or write(data)
        await client.say(post(b"/b", b"second"))
        assert await client.answer() == (200, b"/b second")
        assert [piece.startswith(b"HTTP/1.1 200") and piece.endswith(b"/b second") for piece in left] == [True]

    held(talk)


def test_a_head_is_answered_though_no_body_follows():
    async def talk(client: Client) -> None:
        await client.say(b"HEAD /a HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await client.say(post(b"/b", b"next"))
        assert await client.answer() == (200, b"/b next")

    held(talk)


@pytest.mark.parametrize("said", [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nConnection: close\r\n" + HOST])
def test_a_head_is_answered_also_on_a_connection_that_ends(said: bytes):
    async def talk(client: Client) -> None:
        await client.say(b"HEAD /a " + said + b"\r\n")
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await client.ended()

    held(talk)


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_a_body_of_many_chunks_is_whole(size: int):
    async def talk(client: Client) -> None:
        body = bytes(range(256)) * 64
        chunks = b"".join(b"%x\r\n%b\r\n" % (size, body[at : at + size]) for at in range(0, len(body) - size, size))
        rest = body[(len(body) - 1) // size * size :]
        last = b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest)
        await client.say(b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + last)
        assert await client.answer() == (200, b"/a " + body)

    held(talk)


def test_a_client_that_waits_to_be_told_to_go_on_is_told():
    async def talk(client: Client) -> None:
        request = post(b"/a", b"late", b"Expect: 100-continue\r\n")
        await client.say(request[:-4])
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        await client.say(request[-4:])
        assert await client.answer() == (200, b"/a late")

    held(talk)


def test_too_many_requests_before_the_first_answer_end_the_connection():
    async def talk(client: Client) -> None:
        await client.say(post(b"/a", b"") * 100)
        assert await client.ended()

    held(talk, may_answer=False)


def test_a_trailer_is_no_header():
    async def talk(client: Client) -> None:
        head = b"POST /a HTTP/1.1\r\n" + HOST + b"X-Given: first\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.say(head + b"3\r\nabc\r\n0\r\nX-Given: second\r\nX-Api-Key: stolen\r\n\r\n" + post(b"/b", b""))
        assert await client.answer() == (200, b"/a abc")
        assert await client.answer() == (200, b"/b ")
        assert client.application.headers[0][b"x-given"] == b"first"
        assert b"x-api-key" not in client.application.headers[0]

    held(talk)


@pytest.mark.parametrize("kind", [b"h2c", b"websocket"])
def test_an_offer_to_speak_something_else_is_passed_over(kind: bytes):
    async def talk(client: Client) -> None:
        offer = b"Connection: Upgrade\r\nUpgrade: " + kind + b"\r\n"
        get = b"GET /c HTTP/1.1\r\n" + HOST + offer + b"\r\n"
        await client.say(post(b"/a", b"body", offer) + get + get + post(b"/b", b"last"))
        found = [await client.answer() for _ in range(4)]
        assert found == [(200, b"/a body"), (200, b"/c "), (200, b"/c "), (200, b"/b last")]

    held(talk)


@pytest.mark.parametrize("size", [10, 4096, 100_000])
def test_a_head_of_many_pieces_is_taken_up_to_its_limit(size: int):
    async def talk(client: Client) -> None:
        head = b"GET /a HTTP/1.1\r\n" + HOST + b"X-Long: " + b"x" * 15_000 + b"\r\n\r\n"
        await client.say(*(head[start : start + size] for start in range(0, len(head), size)))
        assert await client.answer() == (200, b"/a ")
        await client.say(post(b"/b", bytes(200_000)) + head)  # behind a body, too
        assert (await client.answer())[0] == 200
        assert await client.answer() == (200, b"/a ")

    held(talk)


@pytest.mark.parametrize("line", [b"X-Many: 1\r\n", b"x" * 99])
@pytest.mark.parametrize("before", [b"", post(b"/a", b"")])
def test_a_head_without_end_is_refused(line: bytes, before: bytes):
    async def talk(client: Client) -> None:
        await client.say(before + b"GET / HTTP/1.1\r\n" + HOST)
        if before:
            assert (await client.answer())[0] == 200
        await client.say(line * (60_000 // len(line)))
        assert (await client.answer())[0] == 431
        assert await client.ended()

    held(talk)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ],
)
def test_what_two_programs_could_read_two_ways_is_refused(said: bytes, status: int):
    async def talk(client: Client) -> None:
        await client.say(said)
        assert (await client.answer())[0] == status
        assert await client.ended()
        assert not client.application.came.is_set()

    held(talk)


def test_what_is_no_http_behind_a_request_is_not_answered_in_its_place():
    async def talk(client: Client) -> None:
        await client.say(post(b"/a", b"") + b"\x00\x01nonsense\r\n\r\n")
        assert await client.ended()

    held(talk, may_answer=False)


def test_a_body_that_is_no_http_is_refused():
    async def talk(client: Client) -> None:
        await client.say(post(b"/a", b"fine"))
        assert await client.answer() == (200, b"/a fine")
        await client.say(b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nmany\r\n")
        assert (await client.answer())[0] == 400
        assert await client.ended()

    held(talk)


def test_a_client_that_leaves_is_missed_also_when_it_had_asked_for_more():
    async def talk(client: Client) -> None:
        await client.say(post(b"/wait", b"") + post(b"/b", b""))
        await client.application.came.wait()
        client.writer.close()
        await client.application.gone.wait()
        assert len(client.application.headers) == 1  # nobody is there for the other

    held(talk)


def test_a_server_that_ends_answers_what_it_works_on_and_takes_no_more():
    async def talk(client: Client) -> None:
        await client.say(post(b"/a", b"first") + post(b"/b", b"second"))
        await client.application.came.wait()
        (end,) = client.ends
        end.shutdown()
        client.application.may_answer.set()
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"connection: close" in head
        assert await client.reader.read() == b"/a first"

    held(talk, may_answer=False)


@pytest.mark.parametrize("said", [b"", b"POST /a HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nhalf"])
def test_a_server_that_ends_waits_for_nobody(said: bytes):
    async def talk(client: Client) -> None:
        await client.say(said)
        while not client.ends or (said and client.ends[0].cycle is None):
            await asyncio.sleep(0)
        client.ends[0].shutdown()
        assert await client.ended()

    held(talk)


def test_an_old_client_is_answered_once_and_needs_no_host():
    async def talk(client: Client) -> None:
        await client.say(b"GET /a HTTP/1.0\r\n\r\n")
        assert await client.answer() == (200, b"/a ")
        assert await client.ended()

    held(talk)
