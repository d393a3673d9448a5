"""Forms (``multipart/form-data``, RFC 7578): their parts, read strictly.

Not by Flask's own parser, which takes seconds over a form that is mostly what may stand before and between its parts,
and which writes larger parts to the disk.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import multipart

from lookout.errors import UsageError

MEDIA_TYPE = "multipart/form-data"
_MOST_PARTS = 100
_BUFFER_BYTES = 1 << 20


def read_form(content_type: str, body: bytes) -> Mapping[str, bytes]:
    """The parts by their names, of two of one name the first. Raises ``UsageError``."""
    media_type, options = multipart.parse_options_header(content_type)
    if media_type != MEDIA_TYPE or not options.get("boundary"):
        raise UsageError(f"the Content-Type of a form is {MEDIA_TYPE}, with its boundary")
    size = len(body)
    try:
        parts = multipart.MultipartParser(
            io.BytesIO(body),
            options["boundary"],
            size,
            strict=True,
            buffer_size=_BUFFER_BYTES,
            part_limit=_MOST_PARTS,
            spool_limit=size + 1,
            memory_limit=size + 1,
        )
        return {part.name: part.raw for part in reversed(list(parts))}
    except multipart.MultipartError as error:
        raise UsageError(f"the body is no form: {error}") from error


def read_field(content_type: str, body: bytes, name: str) -> str:
    """The text of a field; empty where there is none, or no form."""
    try:
        return read_form(content_type, body).get(name, b"").decode("utf-8", "replace")
    except UsageError:
        return ""
