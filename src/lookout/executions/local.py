"""The local execution, seen from its client: one HTTP request an image."""

from __future__ import annotations

import csv
import io
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

import numpy as np

from lookout import images
from lookout.detector import Source
from lookout.errors import ImageError
from lookout.executions.contract import read_answer
from lookout.executions.protocol import Answer
from lookout.executions.retrying import Retries
from lookout.executions.server_client import API_KEY_VARIABLE, ServerClient

PATH = "/object-detection"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of the server beyond its own settings; None leaves those as they are.

    ``classes``: labels, or a text of them with commas between.
    """

    confidence: float | None = None
    iou: float | None = None
    classes: str | Sequence[str] | None = None

    def encoded(self) -> str:
        """The address's end: ``?confidence=0.4&classes=person%2Cdog``, or nothing."""
        labels = self.classes if self.classes is None or isinstance(self.classes, str) else _joined(self.classes)
        asked = {"confidence": self.confidence, "iou": self.iou, "classes": labels}
        given = {name: value for name, value in asked.items() if value is not None}
        return f"?{urlencode(given)}" if given else ""


class LocalExecution:
    """Asks a web server (``lookout serve``). May be used by many threads at once.

    The image goes as it is, so that nobody pays for base64. ``api_key`` is what a server that wants one asks for.
    ``connections`` are kept open. Raises as ``ServerClient`` does.
    """

    name = "local"

    def __init__(
        self,
        url: str,
        timeout_s: float = 60,
        *,
        api_key: str | None = None,
        retries: Retries | None = None,
        connections: int = 32,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._server = ServerClient(
            url,
            timeout_s,
            api_key=api_key,
            retries=retries,
            connections=connections,
            clock=clock,
            sleep=sleep,
            chance=chance,
        )

    def detect(
        self,
        image: Source,
        name: str | None = None,
        *,
        confidence: float | None = None,
        iou: float | None = None,
        classes: str | Sequence[str] | None = None,
    ) -> Answer:
        """Find the objects in an image: a file, the bytes of one, or its pixels (BGR, uint8, (height, width, 3)).

        ``confidence``, ``iou`` and ``classes`` hold for this image in place of the server's own. Pixels are sent
        without loss. Raises as ``Execution`` does, and ``BusyError`` where the server has too much to do.
        """
        del name  # the protocol's; an image has none in the request
        query = Query(confidence, iou, classes)
        reply = self._server.ask("POST", PATH + query.encoded(), _encoded(image))
        answer = read_answer(reply.document, reply.elapsed_ms, self._server.source)
        return replace(answer, retries=reply.retries)

    def close(self) -> None:
        """See ``Execution``."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(
    url: str, *, api_key: str | None = None, timeout_s: float = 60, retries: Retries | int | None = None
) -> LocalExecution:
    """A client of the server at ``url``, for ``detect``; close it, or use it in a ``with``.

    ``api_key`` is taken from the variable ``LOOKOUT_API_KEY`` where it is not given. ``timeout_s``: how long the
    server may take. ``retries``: how often an image is sent again that the server was too busy for, or whose
    connection was lost; 5 unless told. Raises as ``LocalExecution`` does.
    """
    key = os.environ.get(API_KEY_VARIABLE) if api_key is None else api_key
    bounds = Retries(count=retries) if isinstance(retries, int) else retries
    return LocalExecution(url, timeout_s, api_key=key or None, retries=bounds)


def _encoded(image: Source) -> bytes:
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ImageError(
                f"an array of {image.dtype} {image.shape} is no image: give uint8 (height, width, 3), blue first"
            )
        return images.encode_png(image)
    return image if isinstance(image, bytes) else images.read(Path(image))


def _joined(labels: Sequence[str]) -> str:
    """Labels with commas between them; one that has a comma of its own is put in double quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(labels)
    return line.getvalue()
