"""Errors as a client gets them: problem documents of RFC 9457."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from lookout.executions.contract import problem_document

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response: its status, its headers and its whole body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def problem(status: int, detail: str, headers: Iterable[tuple[str, str]] = (), **more: Any) -> Reply:
    """The reply that tells of an error; ``more`` are members of the document's own."""
    document = {**problem_document(status, HTTPStatus(status).phrase, detail), **more}
    return Reply(status, (("Content-Type", CONTENT_TYPE), *headers), json.dumps(document).encode())


# All that a client is told of what went wrong behind the server: the rest may name what is not theirs to know.
_FAILED = {
    500: "the server failed",
    502: "the cloud failed",
    503: "the cloud has too much to do: try again in 1 s",
    504: "the cloud gave no answer in time",
}


def failure(status: int, error_id: str) -> Reply:
    """The reply that tells of a fault of ours, by its id alone."""
    headers = [("Retry-After", "1")] if status == HTTPStatus.SERVICE_UNAVAILABLE else []
    return problem(status, f"{_FAILED[status]}; the server's log tells more under {error_id}", headers)


# What clients of others' protocols look for in an error, beside what stands in a problem document.
_DIALECTS: Mapping[str, Mapping[str, Any]] = {"/v2": {}, "/v1/vision": {"success": False}}


def in_dialect(reply: Reply, path: str) -> Reply:
    """A problem document with what the clients of this address understand; any other reply as it is."""
    dialect = next((more for prefix, more in _DIALECTS.items() if path.startswith(prefix)), None)
    if dialect is None or not reply.body or dict(reply.headers).get("Content-Type") != CONTENT_TYPE:
        return reply
    document = json.loads(reply.body)
    headers = tuple((name, value) for name, value in reply.headers if name != "Content-Length")
    return Reply(reply.status, headers, json.dumps({**document, **dialect, "error": document["detail"]}).encode())


class RefusalError(Exception):
    """A request that is answered with a problem before anything is computed for it."""

    def __init__(self, status: int, kind: str, detail: str, *headers: tuple[str, str]) -> None:
        super().__init__(detail)
        self.kind = kind
        self.reply = problem(status, detail, headers)
