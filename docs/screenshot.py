"""Takes the pictures of the documentation, in a real browser.

    python docs/screenshot.py                 # the page of lookout serve: docs/page.jpg
    python docs/screenshot.py report.html     # a report: docs/report.jpg, report-figures.jpg and report-phone.jpg

The report is that of ``lookout compare src/lookout/models/bundled/pictures --model lookout-tiny --executions
in-process,local,remote,direct --full``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from helpers.browser import chromium
from helpers.program import Program
from lookout.models.bundled import NAME, PICTURES

Pixels = npt.NDArray[np.uint8]

_SHOWN = ("traffic-lights.jpg", "football.jpg", "crossing.jpg")


_WIDE, _PHONE = 1400, 360
_PHONE_COLUMNS, _PHONE_HEIGHT = 5, 1500


def page() -> None:
    """Serve the network that comes with the package, and show it some of its pictures."""
    with Program("serve", "--model", NAME, "--port", "0", "--json", "--log-level", "warning") as server:
        url = server.ready()["url"]
        with chromium() as browser:
            shown = browser.new_page(viewport={"width": 1180, "height": 940}, color_scheme="light")
            shown.goto(url)
            for _ in range(2):  # the browser, too, is busy with itself the first time
                if shown.is_visible("#clear"):
                    shown.click("#clear")
                shown.set_input_files("#files", [PICTURES / name for name in _SHOWN])
                shown.wait_for_selector("#result[aria-busy=false] #overlay rect.box")
                shown.wait_for_load_state("networkidle")
            shown.screenshot(path=HERE / "page.jpg", type="jpeg", quality=88)


def report(path: Path) -> None:
    """A report's top, its figures as on a desk, and its first columns as on a phone."""
    with chromium() as browser:
        desk = browser.new_page(viewport={"width": _WIDE, "height": 1000}, color_scheme="light")
        desk.goto(path.resolve().as_uri())
        below = desk.locator("section", has_text="What the emulator lacks").last.bounding_box()
        clip = {"x": 120, "y": 0, "width": _WIDE - 240, "height": below["y"] if below else 1500}
        desk.screenshot(path=HERE / "report.jpg", type="jpeg", quality=85, full_page=True, clip=clip)
        figures = [_pixels(figure.screenshot()) for figure in desk.locator("figure:has(svg):not(.picture)").all()]
        two = _beside(_column(figures[0::2]), _column(figures[1::2]))
        small_wh = (_WIDE, round(two.shape[0] * _WIDE / two.shape[1]))
        _write("report-figures.jpg", cv2.resize(two, small_wh, interpolation=cv2.INTER_AREA).astype(np.uint8))
        phone = browser.new_page(viewport={"width": _PHONE, "height": 800}, color_scheme="dark")
        phone.goto(path.resolve().as_uri())
        whole = _pixels(phone.screenshot(full_page=True))
        parts = [whole[top : top + _PHONE_HEIGHT] for top in range(0, _PHONE_COLUMNS * _PHONE_HEIGHT, _PHONE_HEIGHT)]
        _write("report-phone.jpg", _beside(*parts))


def _pixels(png: bytes) -> Pixels:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def _column(images: Sequence[Pixels]) -> Pixels:
    width = max(image.shape[1] for image in images)
    return np.vstack([_padded(image, image.shape[0] + 16, width) for image in images])


def _beside(*images: Pixels) -> Pixels:
    height = max(image.shape[0] for image in images)
    return np.hstack([_padded(image, height, image.shape[1] + 16) for image in images])


def _padded(image: Pixels, height: int, width: int) -> Pixels:
    rows, columns = height - image.shape[0], width - image.shape[1]
    return np.pad(image, ((0, rows), (0, columns), (0, 0)), constant_values=255)


def _write(name: str, image: Pixels) -> None:
    cv2.imwrite(str(HERE / name), image, [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        report(Path(sys.argv[1]))
    else:
        page()
