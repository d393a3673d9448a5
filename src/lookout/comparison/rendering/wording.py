"""What executions and stages are called and look like, everywhere in a report; and text that does a page no harm."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lookout.comparison.samples import called


@dataclass(frozen=True, slots=True)
class Look:
    """How an execution is drawn. ``colour``: the name of it, as the page's style sheet has it.

    ``letter``, ``marker`` and ``hatch`` tell it from the others where colours don't, as on paper.
    """

    colour: str
    letter: str
    marker: str
    hatch: str


_LOOKS = {
    "in-process": Look("in-process", "P", "D", ""),
    "local": Look("local", "L", "o", "///"),
    "remote": Look("remote", "R", "s", "..."),
    "direct": Look("direct", "D", "^", "\\\\\\"),
}
_OTHER = Look("other", "?", "v", "xxx")


def look(execution: str) -> Look:
    """How an execution is drawn."""
    return _LOOKS.get(execution, _OTHER)


def execution_of(words: str) -> str:
    """The execution that words begin with; else nothing.

    >>> execution_of("remote, over 4g"), execution_of("the server")
    ('remote', '')
    """
    begins = re.split("[^a-z-]", words, maxsplit=1)[0]
    return begins if begins in _LOOKS else ""


def marked(words: str, *, emulated: bool) -> str:
    """Words with what must not be forgotten of the execution that they begin with.

    >>> marked("remote after the free tier", emulated=True), marked("a machine", emulated=True)
    ('remote (emulated) after the free tier', 'a machine')
    """
    execution = execution_of(words)
    return f"{called(execution, emulated=emulated)}{words.removeprefix(execution)}"


def printable(text: str) -> str:
    r"""Text on one line, without what is no character of a page: controls, halves of characters, marks that turn it.

    >>> printable("a\x00\ud800b\u202egpj.c d\n")
    'a\ufffd\ufffdb\ufffdgpj.c d '
    """
    return "".join(" " if one.isspace() else one if one.isprintable() else "\ufffd" for one in text)
