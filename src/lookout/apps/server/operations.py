"""What is said of a route beside its code: who may call it, what it costs, and what the documentation tells of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeVar

from flask import Flask
from werkzeug.exceptions import HTTPException

from lookout.apps.server.problems import Reply
from lookout.apps.server.reading import Asked

# Which line a request stands in: for the machine's cores, for the cloud, or for what is answered at once.
LaneName = Literal["compute", "offload", "desk"]
View = TypeVar("View", bound=Callable[..., Any])

_ATTRIBUTE = "lookout_operation"
# So many addresses are remembered with what is said of them: the few that are asked for all the time are among them.
_KNOWN = 64


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, the path or a header; ``schema`` is JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, Any]
    place: Literal["query", "path", "header"] = "query"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """A route's description.

    ``bodies``: what it takes, by media type, and ``answers``: what it gives, by status and media type, each as a type
    (``TypedDict``) or a JSON Schema. ``problems``: the statuses of its problem documents. ``public``: needs no key.
    ``key_in_form``: looks for the key itself, in the form that it gets. ``documented``: is no part of the page.
    ``answer``: what answers without the application on the way, where image after image is asked for: see
    docs/decisions.md for what Flask's part takes.
    """

    summary: str
    group: str
    lane: LaneName = "desk"
    public: bool = False
    key_in_form: bool = False
    parameters: Sequence[Parameter] = ()
    bodies: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    problems: Sequence[int] = ()
    documented: bool = True
    answer: Callable[[Asked], Reply] | None = None


def describe(operation: Operation) -> Callable[[View], View]:
    """Say this of a view."""

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, operation)
        return view

    return mark


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """What was said of a view; None where nothing was."""
    return getattr(view, _ATTRIBUTE, None)


@lru_cache(maxsize=_KNOWN)
def find_operation(app: Flask, method: str, path: str) -> Operation | None:
    """What is said of the view that a request would come to; None where there is no such view."""
    try:
        endpoint, _ = app.url_map.bind("").match(path, method)
    except HTTPException:  # the application says what is wrong with it
        return None
    if method == "OPTIONS":  # Flask answers it itself
        return None
    return operation_of(app.view_functions[endpoint])
