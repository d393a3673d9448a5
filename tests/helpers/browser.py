"""A real browser: the system's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_ARGUMENTS = [
    "--no-sandbox",  # it runs as root in containers
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]

# What Chromium says of each answer that is an error, whatever the page makes of it.
_OF_THE_NETWORK = "Failed to load resource:"

_HAND_OVER = """([kind, name, type, bytes]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
    const options = {bubbles: true, cancelable: true};
    document.body.dispatchEvent(kind === "paste"
        ? new ClipboardEvent("paste", {...options, clipboardData: transfer})
        : new DragEvent("drop", {...options, dataTransfer: transfer}));
}"""

# The lowest contrast of a text with what is behind it, and that text.
_CONTRAST = """() => {
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => parts(colour).slice(0, 3).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
    const solid = (colour) => (parts(colour)[3] ?? 1) === 1;
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (solid(colour)) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const found = [];
    for (const element of document.querySelectorAll("body *:not(svg *)")) {
        const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join("");
        if (!text.trim() || !element.checkVisibility() || element.disabled) continue;
        const [one, other] = [light(getComputedStyle(element).color), light(behind(element))];
        found.push([(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05), text.trim()]);
    }
    return found.sort((a, b) => a[0] - b[0])[0];
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; the test that asks is skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium on the PATH")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


def complaints_of(page: Page) -> list[str]:
    """A list that fills with the page's errors and its breaches of the content security policy."""
    complaints: list[str] = []

    def listen(message) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_OF_THE_NETWORK):
            complaints.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


def hand_over(page: Page, kind: str, name: str, media_type: str, data: bytes) -> None:
    """Drop a file on the page, or paste it: ``kind`` is drop or paste."""
    page.evaluate(_HAND_OVER, [kind, name, media_type, list(data)])


def lowest_contrast(page: Page) -> tuple[float, str]:
    """The contrast (1 to 21) of the visible text that is hardest to read, and the text."""
    ratio, text = page.evaluate(_CONTRAST)
    return ratio, text
