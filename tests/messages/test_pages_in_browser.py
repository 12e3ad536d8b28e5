"""Both pages in headless Chromium, under their own policies: they fit, can be read, and the browser has nothing to complain of."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Route

from pagi.messages import debug_page, error_page
from tests.chromium import LOW_CONTRAST, launched, needs_chromium
from tests.messages.test_debug_page import SECRETS, caught, fail_with, scope

pytestmark = needs_chromium

PAGES = {
    "refusal": (error_page.error_page(404, "Not Found", "There is no order 7. " + "x" * 300, "01J9"), error_page.POLICY),
    "failure": (error_page.error_page(500, "Internal Server Error", None), error_page.POLICY),
    "debug": (
        debug_page.debug_page(caught(lambda: fail_with(**SECRETS)), scope(query_string=b"q=" + b"y" * 500), "01J9"),
        debug_page.POLICY,
    ),
}
OPEN_ALL = "for (const each of document.querySelectorAll('details')) each.open = true"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from launched()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_can_be_read(name: str, scheme: Literal["light", "dark"], width: int, browser: Browser) -> None:
    document, policy = PAGES[name]
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": policy}

    def fulfill(route: Route) -> None:
        route.fulfill(body=document, headers=headers)

    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.route("**/*", fulfill)
    page.goto("http://localhost:8000/")
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).fontWeight") == "700"
    assert page.evaluate("getComputedStyle(document.body).marginTop") == "0px", "the style is let in by its policy"
    assert page.evaluate(LOW_CONTRAST) == []
    assert complaints == []
    page.close()
