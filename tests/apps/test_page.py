"""The server's page, in a real browser, as a person uses it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect

from helpers.browser import chromium, complaints_of, hand_over, lowest_contrast
from helpers.tiny import CONFIDENCE, make_picture

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, Browser, FilePayload, Page, Route

PICTURE = make_picture(1)
HOSTILE = '<img src=x onerror="document.title=1">'
STACK = {"executions": ["local", "remote", "direct"], "emulated": True}
Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, served: str) -> Iterator[Open]:
    """Opens the page, with options of the browser; ``info`` changes what the server says of itself.

    No page may have complained by the end.
    """
    contexts, complaints = [], []

    def open_it(info: dict[str, Any] | None = None, **options: Any) -> Page:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        complaints.append(complaints_of(page))
        if info:
            page.route("**/info", lambda route: route.fulfill(json=route.fetch().json() | info))
        page.goto(served)
        expect(page.locator("#server")).to_contain_text("tiny on ")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert [text for page in complaints for text in page] == []


def picture(name: str = "one.jpg", seed: int = 1) -> FilePayload:
    return {"name": name, "mimeType": "image/jpeg", "buffer": make_picture(seed)}


def text_file() -> FilePayload:
    return {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"hello"}


def choose(page: Page, *chosen: FilePayload) -> None:
    """Choose files, and wait until the first has its answer."""
    page.set_input_files("#files", list(chosen))
    expect(page.locator("#result")).to_have_attribute("aria-busy", "false")


def objects_from(served: str, data: bytes = PICTURE) -> list[dict[str, Any]]:
    """What the server finds in a picture, asked without the page."""
    connection = HTTPConnection(urlsplit(served).netloc)
    connection.request("POST", f"/object-detection?confidence={CONFIDENCE}", data, {"Content-Type": "image/jpeg"})
    objects = json.loads(connection.getresponse().read())["objects"]
    connection.close()
    assert len(objects) > 3
    return objects


def expect_objects(page: Page, objects: list[dict[str, Any]]) -> None:
    """The table, the boxes over the picture and the JSON all show these objects."""
    rows = page.locator("#objects tbody tr")
    expect(rows).to_have_count(len(objects))
    for row, found in zip(rows.all_inner_texts(), objects, strict=True):
        label, confidence, box = row.split("\t")
        assert (label.strip(), float(confidence)) == (found["label"], pytest.approx(found["accuracy"], abs=0.0051))
        assert [int(side) for side in box.split(",")] == pytest.approx(found["box"], abs=0.51)
    expect(page.locator("#overlay rect.box")).to_have_count(len(objects))
    assert drawn(page) == [pytest.approx(found["box"], abs=0.01) for found in reversed(objects)]
    assert json.loads(page.locator("#json").text_content())["objects"] == objects


def drawn(page: Page) -> list[list[float]]:
    """The boxes over the picture, in its own pixels, as they are drawn."""
    return page.evaluate("""() => {
        const image = document.getElementById("picture");
        const scale = image.naturalWidth / image.clientWidth;
        return [...document.querySelectorAll("#overlay rect.box")].map((box) =>
            ["x", "y", "width", "height"].map((name) => Number(box.getAttribute(name)) * scale));
    }""")


def answer_of(*labels: str) -> dict[str, Any]:
    objects = [{"label": label, "accuracy": 0.9, "box": [10, 20, 30, 40]} for label in labels]
    return {"id": "1", "objects": objects, "inference_time": 5.0, "timings": {"queue": 1.0, "inference": 5.0}}


def refuse(route: Route, status: int, detail: str, **headers: str) -> None:
    document = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}
    route.fulfill(
        status=status, headers={"Content-Type": "application/problem+json", **headers}, body=json.dumps(document)
    )


def test_a_chosen_picture_shows_what_the_server_finds(open_page: Open, served: str):
    page = open_page()
    choose(page, picture())
    expect_objects(page, objects_from(served))
    expect(page.locator("#picture-facts")).to_contain_text("120 pixels")
    expect(page.locator("#news")).to_contain_text("one.jpg, local: ")
    stages = page.locator("#stages dt").all_inner_texts()
    assert [stage for stage in stages if stage != "queue"] == [
        *("decode", "preprocess", "inference", "postprocess", "network and HTTP")
    ]
    expect(page.locator("#bar span")).to_have_count(len(stages))
    expect(page.locator("#executions")).to_be_hidden()
    expect(page.locator("#key-form")).to_be_hidden()


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_may_be_dropped_or_pasted(open_page: Open, served: str, kind: str):
    page = open_page()
    hand_over(page, kind, "dropped.jpg", "image/jpeg", PICTURE)
    expect_objects(page, objects_from(served))
    expect(page.locator("#picture-name")).to_have_text("dropped.jpg")


def test_the_slider_asks_for_nothing(open_page: Open, served: str):
    page, requests = open_page(), []
    page.on("request", lambda request: requests.append(request.url) if "object-detection" in request.url else None)
    choose(page, picture())
    objects = objects_from(served)
    threshold = round(objects[1]["accuracy"], 2)
    page.locator("#confidence").fill(str(threshold))
    left = [found for found in objects if found["accuracy"] > threshold]
    assert 0 < len(left) < len(objects)
    expect(page.locator("#objects tbody tr")).to_have_count(len(left))
    expect(page.locator("#overlay rect.box")).to_have_count(len(left))
    expect(page.locator("#curl")).to_contain_text(f"confidence={threshold:.2f}")
    page.locator("#confidence").fill("1")
    expect(page.locator("#count")).to_have_text(f"0 objects, {len(objects)} less confident")
    page.locator("#confidence").fill(str(CONFIDENCE))
    expect(page.locator("#objects tbody tr")).to_have_count(len(objects))
    assert len(requests) == 1
    assert f"confidence={CONFIDENCE}" in requests[0]


def test_the_page_asks_low_and_shows_from_the_servers_default(open_page: Open):
    page = open_page(info={"confidence": 0.25})
    answer = answer_of("square", "circle")
    answer["objects"][1]["accuracy"] = 0.1
    page.route("**/object-detection*", lambda route: route.fulfill(json=answer))
    with page.expect_request("**/object-detection?confidence=0.05"):
        choose(page, picture())
    expect(page.locator("#count")).to_have_text("1 object, 1 less confident")
    page.locator("#confidence").fill("0.05")
    expect(page.locator("#count")).to_have_text("2 objects")


def test_several_pictures_each_have_their_own_objects(open_page: Open, served: str):
    page = open_page()
    choose(page, picture("one.jpg", 1), picture("two.jpg", 2), text_file())
    entries = page.locator("#strip li button")
    expect(entries).to_have_count(3)
    expect(entries.nth(2)).to_contain_text("failed")
    expect_objects(page, objects_from(served))
    entries.nth(1).click()
    expect(page.locator("#picture-name")).to_have_text("two.jpg")
    expect(page.locator("#picture")).to_have_js_property("complete", value=True)
    expect_objects(page, objects_from(served, make_picture(2)))
    page.locator("#clear").click()
    expect(page.locator("#result")).to_be_hidden()
    expect(page.locator("#alerts")).to_be_empty()


def test_a_file_that_is_no_picture_is_sent_and_refused_by_name(open_page: Open):
    page = open_page()
    choose(page, text_file())
    alert = page.get_by_role("alert").filter(has_text="notes.jpg")
    expect(alert).to_contain_text("notes.jpg Not an image that can be decoded")
    expect(page.locator("#count")).to_have_text("No answer for this picture.")
    expect(page.locator("#raw")).to_be_hidden()
    alert.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#alerts")).to_be_empty()


def test_a_label_and_a_file_name_are_text(open_page: Open):
    page = open_page()
    page.route("**/object-detection*", lambda route: route.fulfill(json=answer_of(HOSTILE)))
    choose(page, picture(HOSTILE), text_file())
    expect(page.locator("#objects tbody th")).to_have_text(HOSTILE)
    expect(page.locator("#overlay text")).to_contain_text("<img src=x")
    expect(page.locator("#picture-name")).to_have_text(HOSTILE)
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "Lookout: tiny"


@pytest.mark.parametrize("name", ["it's $(a) `b`.jpg", "-o.jpg", "tab\there.jpg"])
def test_the_curl_line_is_one_that_a_shell_takes(open_page: Open, name: str):
    import shlex

    page = open_page(info={"authentication": True})
    choose(page, picture(name))
    words = shlex.split(page.locator("#curl").text_content().replace("\\\n", ""))
    plain = "./-o.jpg" if name.startswith("-") else name.replace("\t", "?")
    assert words[:5] == ["curl", "--data-binary", f"@{plain}", "-H", "Content-Type: image/jpeg"]
    assert words[5:7] == ["-H", "X-API-Key: $LOOKOUT_API_KEY"]
    assert words[7] == f"{page.url}object-detection?confidence={CONFIDENCE}"


def test_a_key_is_asked_for_and_the_picture_sent_again(open_page: Open):
    page, keys = open_page(), []

    def guard(route: Route) -> None:
        keys.append(route.request.headers.get("x-api-key"))
        if keys[-1] == "secret":
            route.continue_()
        else:
            refuse(route, 401, "give a key")

    page.route("**/object-detection*", guard)
    choose(page, picture())
    expect(page.locator("#alerts")).to_contain_text("The server wants an API key")
    expect(page.locator("#key")).to_be_focused()
    for key, sentence in (("wrong", "does not accept this API key"), ("secret", "")):
        page.locator("#key").fill(key)
        page.keyboard.press("Enter")
        expect(page.locator("#alerts")).to_contain_text(sentence)
    expect(page.locator("#objects tbody tr")).not_to_have_count(0)
    expect(page.locator("#alerts")).to_be_empty()
    expect(page.locator("#key-form")).to_be_hidden()
    assert keys == [None, "wrong", "secret"]
    assert "secret" not in page.locator("body").inner_text()
    assert page.evaluate("sessionStorage.getItem('lookout-api-key')") == "secret"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_the_person_says_so(open_page: Open, status: int):
    page, answers = open_page(), []

    def busy_once(route: Route) -> None:
        answers.append(status)
        if len(answers) > 1:
            route.continue_()
        else:
            refuse(route, status, "busy", **{"Retry-After": "3"})

    page.route("**/object-detection*", busy_once)
    choose(page, picture())
    expect(page.locator("#alerts")).to_contain_text("one.jpg The server is busy: try again in 3 s.")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#objects tbody tr")).not_to_have_count(0)
    expect(page.locator("#alerts")).to_be_empty()


def test_a_picture_that_is_too_large_is_told_of(open_page: Open):
    page = open_page(info={"max_body_bytes": 2_000_000})
    page.route("**/object-detection*", lambda route: refuse(route, 413, "too large"))
    sentence = "The server takes at most 2.0 MB: send a smaller picture."
    choose(page, picture("asked.jpg"), {"name": "here.jpg", "mimeType": "image/jpeg", "buffer": bytes(2_000_001)})
    for name in ("asked.jpg", "here.jpg"):
        expect(page.get_by_role("alert").filter(has_text=name)).to_contain_text(sentence)


def test_a_server_that_is_gone_is_told_of(open_page: Open):
    page = open_page()
    page.route("**/object-detection*", lambda route: route.abort())
    choose(page, picture())
    expect(page.locator("#alerts")).to_contain_text("The server can't be reached")
    page.unroute("**/object-detection*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#objects tbody tr")).not_to_have_count(0)


def test_the_camera_takes_a_picture_and_is_let_go(open_page: Open):
    page = open_page(permissions=["camera"])
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#take")).to_be_enabled()
    track = page.evaluate_handle("document.getElementById('preview').srcObject.getTracks()[0]")
    assert track.evaluate("track => track.readyState") == "live"
    page.keyboard.press("Enter")  # the button has the keyboard
    expect(page.locator("#picture-name")).to_have_text("camera-1.jpg")
    expect(page.locator("#json")).to_contain_text('"objects"')
    assert track.evaluate("track => track.readyState") == "ended"
    expect(page.locator("#camera")).to_be_hidden()


def test_a_camera_that_is_refused_is_told_of(open_page: Open):
    page = open_page()
    page.evaluate("""() => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotAllowedError"));
    }""")
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#camera-problem")).to_contain_text("The camera may not be used")
    page.keyboard.press("Escape")
    expect(page.locator("#camera")).to_be_hidden()


def here(route: Route) -> APIResponse:
    """What the server itself answers, in the place of a stack."""
    return route.fetch(url=route.request.url.split("?")[0])


def compare_with_a_stack(page: Page) -> None:
    """Remote agrees with local, direct does not."""

    def execute(route: Route) -> None:
        asked = route.request.url
        assert ("confidence=" in asked) == ("execution=local" in asked)  # a stack has its own
        document = here(route).json()
        if "execution=remote" in asked:
            document["transfer_time"] = 31.5
        if "execution=direct" in asked:
            document["objects"][0]["accuracy"] -= 1e-6
        route.fulfill(json=document)

    page.route("**/object-detection*", execute)
    choose(page, picture())
    page.get_by_role("button", name="Compare the executions").click()
    expect(page.locator(".card dl")).to_have_count(3)


def test_the_executions_stand_side_by_side_where_there_is_a_stack(open_page: Open, served: str):
    page = open_page(info=STACK)
    compare_with_a_stack(page)
    expect(page.locator("#executions-heading")).to_contain_text("(emulated)")
    local, remote, direct = page.locator(".card").all()
    expect(local).to_contain_text("the reference")
    expect(remote).to_contain_text("agrees exactly")
    expect(remote).to_contain_text("31.5 ms")
    expect(remote).to_contain_text("emulated")
    expect(direct).to_contain_text("differs")
    expect(direct).to_contain_text(f"{len(objects_from(served))} objects")


def test_an_execution_that_fails_says_so_in_its_card(open_page: Open):
    page = open_page(info=STACK)
    page.route("**/*execution=remote*", lambda route: refuse(route, 502, "the stack is gone"))
    page.route("**/*execution=direct*", lambda route: route.fulfill(json=here(route).json()))
    choose(page, picture())
    page.get_by_role("button", name="Compare the executions").click()
    expect(page.locator(".card.remote")).to_contain_text("The stack is gone.")
    expect(page.locator("#alerts")).to_contain_text("one.jpg (remote) The stack is gone.")
    expect(page.locator(".card.direct")).to_contain_text("agrees exactly")


def test_a_phone_shows_all_without_scrolling_sideways(open_page: Open):
    page = open_page(info={**STACK, "authentication": True}, viewport={"width": 360, "height": 740})
    compare_with_a_stack(page)
    choose(page, picture("x" * 200 + ".jpg"), text_file())
    expect(page.locator(".alert")).to_have_count(1)
    page.locator("#raw summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    outside = page.evaluate("""() => [...document.querySelectorAll("body *:not(#strip ul *)")]
        .filter((element) => element.checkVisibility() && !element.closest(".unseen, svg"))
        .filter((element) => element.getBoundingClientRect().right > 360 || element.getBoundingClientRect().left < 0)
        .map((element) => element.outerHTML.slice(0, 80))""")
    assert outside == []


def press_tab_to(page: Page, selector: str) -> None:
    """Go there by keyboard; whatever has the keyboard on the way shows it."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement !== document.body"):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        if page.locator(selector).evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"the keyboard does not reach {selector}")


def test_the_keyboard_is_enough(open_page: Open):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.on("filechooser", lambda chooser: None)  # from here on no window of the system's opens
    press_tab_to(page, "#choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    assert chooser.value.is_multiple()
    chooser.value.set_files([picture()])
    rows = page.locator("#objects tbody button")
    expect(rows).not_to_have_count(0)
    count = rows.count()
    press_tab_to(page, "#confidence")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#confidence-value")).to_have_text(f"{CONFIDENCE + 0.01:.2f}")
    page.keyboard.press("ArrowLeft")
    expect(rows).to_have_count(count)
    press_tab_to(page, "#objects tbody tr:first-child button")
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("#overlay g:not(.faint) rect.box")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("#overlay g:not(.faint) rect.box")).to_have_count(count)
    for name in ("curl", "json"):
        if name == "json":
            press_tab_to(page, "#raw summary")
            page.keyboard.press("Space")
        press_tab_to(page, f"[data-copies={name}]")
        page.keyboard.press("Enter")
        expect(page.locator(f"[data-copies={name}]")).to_contain_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == page.locator(f"#{name}").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read_in_light_and_dark(open_page: Open, scheme: str):
    page = open_page(info={**STACK, "authentication": True}, color_scheme=scheme, reduced_motion="reduce")
    compare_with_a_stack(page)
    choose(page, text_file())
    expect(page.locator(".alert")).to_have_count(1)
    page.locator("#strip button").first.click()
    ratio, text = lowest_contrast(page)
    assert ratio >= 4.5, text
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(int(part) for part in re.findall(r"\d+", background)) < 128) == (scheme == "dark")


def get(served: str, path: str, headers: dict[str, str] | None = None) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(urlsplit(served).netloc)
    connection.request("GET", path, headers=headers or {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_the_files_are_the_packages_own_and_strictly_guarded(served: str):
    for entry in (files("lookout.apps") / "web").iterdir():
        path = "/" if entry.name == "index.html" else f"/web/{entry.name}"
        response, body = get(served, path)
        assert (response.status, body) == (200, entry.read_bytes())
        policy = response.getheader("Content-Security-Policy").split("; ")
        assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(policy)
        assert response.getheader("X-Content-Type-Options") == "nosniff"
        assert response.getheader("Referrer-Policy") == "no-referrer"
        assert response.getheader("Cross-Origin-Opener-Policy") == "same-origin"
        assert response.getheader("Permissions-Policy") == "camera=(self)"
        assert response.getheader("Cache-Control") == "no-cache"
        again, nothing = get(served, path, {"If-None-Match": response.getheader("ETag")})
        assert (again.status, nothing) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/web/", "/web/none.js", "/web/__init__.py", "/web/..%2fcli.py", "/web/%2e%2e/cli.py"]
)
def test_nothing_else_is_served(served: str, path: str):
    assert get(served, path)[0].status == 404
