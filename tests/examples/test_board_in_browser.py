"""The page of the board in headless Chromium: what is posted from elsewhere shows up, and what is posted here is everywhere."""

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from tests.chromium import LOW_CONTRAST, Opened, launched, needs_chromium
from tests.examples.servers import ExampleServer

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from launched()


def test_a_message_goes_both_ways_and_markup_stays_text(browser: Browser) -> None:
    with ExampleServer("pagi-uvloop", "board") as board:
        opened = Opened(browser.new_page(viewport={"width": 320, "height": 600}))
        page = opened.page
        page.goto(f"{board.url}/static/")
        expect(page.get_by_role("status")).to_have_text("live")
        httpx2.post(f"{board.url}/api/messages", json={"text": "<b>from elsewhere</b>"})
        page.get_by_label("A message").fill("from here")
        page.get_by_role("button", name="Post").click()
        expect(page.locator("li")).to_have_text(["from here", "<b>from elsewhere</b>"])
        assert [message["text"] for message in httpx2.get(f"{board.url}/api/messages").json()] == ["<b>from elsewhere</b>", "from here"]
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        assert page.evaluate(LOW_CONTRAST) == []
        assert opened.complaints == []
        page.get_by_role("button", name="Post").click()
        expect(page.get_by_role("alert")).to_contain_text("body.text")
        page.close()
