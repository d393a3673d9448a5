"""The page in real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from helpers.browser import chromium, complaints_of, lowest_contrast

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Of each drawing that is shown: name, size, the smallest text as it is rendered, texts that leave it or cover another.
_DRAWINGS = """() => [...document.querySelectorAll("svg")].filter((svg) => svg.checkVisibility()).map((svg) => {
    const place = svg.getBoundingClientRect();
    const scale = place.width / svg.viewBox.baseVal.width;
    const texts = [...svg.querySelectorAll("text")];
    const out = texts.filter((text) => {
        const at = text.getBoundingClientRect();
        return at.left < place.left - 1 || at.right > place.right + 1
            || at.top < place.top - 1 || at.bottom > place.bottom + 1;
    });
    const covering = texts.filter((one, place) => texts.slice(place + 1).some((other) => {
        const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
        return Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
            && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
    }));
    return {
        name: svg.getAttribute("aria-labelledby"),
        width: place.width,
        height: place.height,
        smallest: Math.min(...texts.map((text) => parseFloat(getComputedStyle(text).fontSize) * scale)),
        out: out.map((text) => text.textContent),
        covering: covering.map((text) => text.textContent),
    };
})"""
_WIDTHS = "() => [document.scrollingElement.scrollWidth, window.innerWidth]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(page: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page, "utf-8")
    return path.as_uri()


@pytest.mark.parametrize("width", [320, 360, 1400])
def test_it_is_readable_without_overflow_or_complaint(browser: Browser, address: str, width: int):
    page = browser.new_page(viewport={"width": width, "height": 800})
    complaints = complaints_of(page)
    page.goto(address)
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => (one.open = true))")
    scrolled, inner = page.evaluate(_WIDTHS)
    assert scrolled <= inner
    drawings = page.evaluate(_DRAWINGS)
    assert len(drawings) == 8 + 3
    for drawing in drawings:
        assert drawing["width"] >= 200, drawing
        assert drawing["height"] >= 80, drawing
        assert drawing["smallest"] >= 9, drawing
        assert not drawing["out"], drawing
        assert not drawing["covering"], drawing
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        ratio, text = lowest_contrast(page)
        assert ratio >= 4.5, text
    assert complaints == []
    page.close()


def test_on_paper_it_is_light_and_everything_is_open(browser: Browser, address: str):
    page = browser.new_page(viewport={"width": 700, "height": 900})
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(address)
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("() => getComputedStyle(document.body).color") == "rgb(26, 31, 37)"
    scrolled, inner = page.evaluate(_WIDTHS)
    assert scrolled <= inner
    assert page.locator("details table").first.bounding_box()
    assert page.locator("details table").first.is_visible()
    page.close()


def test_the_phone_and_the_wide_page_show_one_of_two_drawings(browser: Browser, address: str):
    for width, shown, hidden in ((360, "narrow", "wide"), (1400, "wide", "narrow")):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(address)
        assert page.locator(f"svg.{shown}").first.is_visible()
        assert not page.locator(f"svg.{hidden}").first.is_visible()
        page.close()


def test_a_table_that_is_too_wide_is_scrolled_by_keyboard_in_its_own_place(browser: Browser, address: str):
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(address)
    table = page.get_by_role("region", name="Latencies in milliseconds")
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(element) => element.scrollLeft > 0", arg=table.element_handle())
    page.close()
