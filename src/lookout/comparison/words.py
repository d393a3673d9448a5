"""What sentences are made with. Pure."""

from __future__ import annotations


def capital(text: str) -> str:
    """A text as a sentence begins.

    >>> capital("direct (emulated)"), capital("")
    ('Direct (emulated)', '')
    """
    return f"{text[:1].upper()}{text[1:]}"
