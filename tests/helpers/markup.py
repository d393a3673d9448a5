"""HTML read strictly: what a browser would repair is an error here."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})


class Markup(HTMLParser):
    """A page's elements in order, its text, its ids and what refers to them. Raises ``AssertionError``."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    @property
    def text(self) -> str:
        """All text, with spaces between elements."""
        return " ".join(self.texts)

    @property
    def tags(self) -> list[str]:
        """The elements' names, in order."""
        return [tag for tag, _ in self.elements]

    @property
    def references(self) -> set[str]:
        """The ids that are referred to within the page."""
        found: set[str] = set()
        for _, attributes in self.elements:
            for name in ("aria-labelledby", "aria-describedby"):
                found |= set(attributes.get(name, "").split())
            found |= {attributes["href"][1:]} if attributes.get("href", "").startswith("#") else set()
            for value in attributes.values():
                found |= {part.split(")")[0] for part in value.split("url(#")[1:]}
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        assert len(attributes) == len(attrs), f"{tag} has an attribute twice: {attrs}"
        self.elements.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> does not close the last that was opened"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"no place for <?{data}>")
