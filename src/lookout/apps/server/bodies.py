"""The bodies of requests: read for so long and so much, counted together, let go by where nobody wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from lookout.apps.server.exchange import Exchange
from lookout.apps.server.problems import RefusalError

# A pause after each part of what is let go by, of at most 256 KiB: others first.
_DRAIN_PAUSE_S = 0.02


class Held:
    """The bytes that are in memory for all requests together: their bodies, and answers that were not taken yet."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """What one request has of them; forgotten at the block's end."""
        share = Share(self)
        try:
            yield share
        finally:
            self._size -= share.size

    def add(self, size: int) -> None:
        """There are more of them."""
        self._size += size

    @property
    def too_many(self) -> bool:
        """Whether they are more than may be."""
        return self._size > self._limit


class Share:
    """The bytes of one request."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self.size = 0

    def keep(self, size: int) -> None:
        """It has so many more."""
        self.size += size
        self._held.add(size)

    def take(self, size: int) -> int:
        """It has so many more, if there is room: their sum. Raises ``RefusalError`` where all hold too many."""
        self.keep(size)
        if self._held.too_many:
            retry = ("Retry-After", "1"), ("Connection", "close")
            raise RefusalError(
                503, "TooManyBytes", "the server holds as many images as it may: try again in 1 s", *retry
            )
        return self.size


async def read_body(exchange: Exchange, share: Share, limit: int, timeout_s: float) -> bytes:
    """The whole body. Raises ``RefusalError`` where it is too large or too slow, and ``ClientGoneError``."""
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                part = await exchange.next_part()
                if share.take(len(part.get("body", b""))) > limit:
                    raise too_large(limit)
                parts.append(part.get("body", b""))
                if not part.get("more_body"):
                    return b"".join(parts)
    except TimeoutError as error:
        detail = f"the body did not come within {timeout_s:g} s: send it again"
        raise RefusalError(408, "BodyTimeout", detail, ("Connection", "close")) from error


async def let_by(exchange: Exchange, most: int, timeout_s: float) -> None:
    """Let a body of at most so many bytes go by: a client that is cut off while it sends never reads why.

    One that waits to be told to go on isn't told. Raises ``ClientGoneError``.
    """
    if exchange.content_length > most or b"expect" in exchange.headers:
        return
    try:
        async with asyncio.timeout(timeout_s):
            while (await exchange.next_part()).get("more_body"):
                await asyncio.sleep(_DRAIN_PAUSE_S)
    except TimeoutError:
        return


def too_large(limit: int) -> RefusalError:
    """Why a body over the limit is refused."""
    return RefusalError(
        413, "BodyTooLarge", f"the body is over the {limit:,} bytes that are taken", ("Connection", "close")
    )
