"""Takes the README's picture of the page, in a real browser: ``python docs/screenshot.py`` makes ``docs/page.jpg``."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from helpers.browser import chromium
from helpers.program import Program
from lookout.models.bundled import NAME, PICTURES

_SHOWN = ("traffic-lights.jpg", "football.jpg", "crossing.jpg")


def main() -> None:
    """Serve the network that comes with the package, and show it some of its pictures."""
    with Program("serve", "--model", NAME, "--port", "0", "--json", "--log-level", "warning") as server:
        url = server.ready()["url"]
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1180, "height": 940}, color_scheme="light")
            page.goto(url)
            for _ in range(2):  # the browser, too, is busy with itself the first time
                if page.is_visible("#clear"):
                    page.click("#clear")
                page.set_input_files("#files", [PICTURES / name for name in _SHOWN])
                page.wait_for_selector("#result[aria-busy=false] #overlay rect.box")
                page.wait_for_load_state("networkidle")
            page.screenshot(path=HERE / "page.jpg", type="jpeg", quality=88)


if __name__ == "__main__":
    main()
