"""The endpoint demo in headless Chromium, in two contexts at once: what one writes the other reads, and a restart loses nothing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx2
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.chromium import LOW_CONTRAST, Opened, launched, needs_chromium
from tests.examples.servers import OURS, ExampleServer

pytestmark = needs_chromium

OPEN_ALL = "for (const each of document.querySelectorAll('details')) each.open = true"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from launched()


@pytest.fixture(params=OURS)
def demo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExampleServer]:
    """The demo on our server, with each loop, and with no messages yet."""
    with ExampleServer(request.param, "endpoint_demo", environment={"MESSAGES": str(tmp_path / "messages.json")}) as server:
        yield server


one_loop = pytest.mark.parametrize("demo", ["pagi-uvloop"], indirect=True)
"""For what is the page's business alone."""


@pytest.fixture
def two(browser: Browser, demo: ExampleServer) -> Iterator[tuple[Page, Page]]:
    """Two visitors, each with a browser context of its own; neither complains of anything."""
    contexts = [browser.new_context(viewport={"width": 1280, "height": 900}) for _ in range(2)]
    pages = [Opened(context.new_page()) for context in contexts]
    for opened in pages:
        opened.page.goto(demo.url)
        is_live(opened.page)
    yield pages[0].page, pages[1].page
    for context in contexts:
        context.close()
    assert [opened.complaints for opened in pages] == [[], []]


def is_live(page: Page) -> None:
    for kind in ("sse", "websocket"):
        expect(page.locator(f"#{kind}-lamp .state")).to_have_text("live")


def texts(page: Page) -> Locator:
    return page.locator("#list .text")


def write(page: Page, name: str, text: str) -> None:
    page.get_by_role("textbox", name="Your name", exact=True).fill(name)
    page.get_by_role("textbox", name="Message", exact=True).fill(text)
    page.get_by_role("button", name="Send").click()


# ---- two visitors


def test_what_one_writes_the_other_reads_at_once(two: tuple[Page, Page]) -> None:
    here, there = two
    write(here, "Ada", "<script>alert(1)</script> & more")
    expect(texts(there)).to_have_count(1)
    write(there, "Grace", "hello, Ada")
    for page in two:
        expect(texts(page)).to_have_text(["hello, Ada", "<script>alert(1)</script> & more"])
        expect(page.locator("#list .by b")).to_have_text(["Grace", "Ada"])
    expect(here.get_by_role("textbox", name="Message", exact=True)).to_have_value("")
    expect(here.get_by_role("textbox", name="Your name", exact=True)).to_have_value("Ada")
    expect(there.locator("#wire-log b").filter(has_text="added")).to_have_count(2)


def test_what_one_deletes_is_gone_for_the_other(two: tuple[Page, Page]) -> None:
    here, there = two
    for text in ("one", "two", "three"):
        write(here, "Ada", text)
        expect(texts(there).first).to_have_text(text)
    there.get_by_role("button", name="Delete the message of Ada: two").click()
    for page in two:
        expect(texts(page)).to_have_text(["three", "one"])
    for text in ("three", "one"):
        here.get_by_role("button", name=f"Delete the message of Ada: {text}").click()
    for page in two:
        expect(page.locator("#list-empty")).to_contain_text("No messages yet.")


def test_a_page_knows_how_many_are_open(two: tuple[Page, Page]) -> None:
    for page in two:
        expect(page.locator("#pages")).to_have_text("2 pages are open now.")
    two[1].close()
    expect(two[0].locator("#pages")).to_have_text("and watch both.")


@one_loop
def test_an_answer_that_overtakes_an_event_is_shown_in_its_place(two: tuple[Page, Page]) -> None:
    here, there = two
    late = {"id": 1000, "name": "Ada", "text": "second", "at": "2030-01-02T03:04:05Z"}

    def answered(route: Route) -> None:
        route.fulfill(status=201, json=late)

    here.route("**/api/messages", answered)
    write(here, "Ada", "second")
    expect(texts(here)).to_have_text(["second"])
    write(there, "Grace", "first")
    expect(texts(here)).to_have_text(["second", "first"])


@one_loop
def test_a_reload_shows_what_was_there(two: tuple[Page, Page]) -> None:
    write(two[0], "Ada", "hello")
    expect(texts(two[1])).to_have_text(["hello"])
    two[1].reload()
    expect(texts(two[1])).to_have_text(["hello"])


def test_a_restart_is_shown_and_survived_without_losing_or_doubling(browser: Browser, demo: ExampleServer) -> None:
    pages = [browser.new_context().new_page() for _ in range(2)]
    for page in pages:
        page.goto(demo.url)
        is_live(page)
    write(pages[0], "Ada", "before")
    expect(texts(pages[1])).to_have_text(["before"])
    demo.terminate()
    assert demo.wait() == 0
    for page in pages:
        expect(page.locator("#away")).to_be_visible()
        expect(page.locator("#sse-lamp .state")).to_have_text("lost, retrying")
        expect(page.locator("#websocket-lamp .state")).to_have_text(re.compile("retrying"))
        expect(page.get_by_role("button", name="Call")).to_be_disabled()
        expect(texts(page)).to_have_text(["before"])
    write(pages[0], "Ada", "is anybody there?")
    expect(pages[0].get_by_role("alert")).to_contain_text("Your message is still here")
    with ExampleServer(demo.name, "endpoint_demo", demo.port, environment=demo.environment) as again:
        httpx2.post(f"{again.url}/api/messages", json={"name": "Grace", "text": "meanwhile"})
        for page in pages:
            is_live(page)
            expect(page.locator("#away")).to_be_hidden()
            expect(texts(page)).to_have_text(["meanwhile", "before"])
        pages[0].get_by_role("button", name="Send").click()
        for page in pages:
            expect(texts(page)).to_have_text(["is anybody there?", "meanwhile", "before"])
            expect(page.locator("#form-problem")).to_be_empty()
            page.get_by_role("button", name="Call").click()
            expect(page.locator("#echo-log li").first).to_contain_text("hello?")
            page.context.close()
    assert "Traceback" not in demo.output


# ---- one visitor


def test_the_echo_answers_as_often_as_it_is_asked(two: tuple[Page, Page]) -> None:
    page = two[0]
    page.get_by_role("textbox", name="Call", exact=True).fill("<i>é</i>")
    page.get_by_role("spinbutton", name="Times").fill("3")
    page.get_by_role("button", name="Call").click()
    lines = page.locator("#echo-log li")
    expect(lines).to_have_text([*(re.compile(rf"^<i>é</i> {n} of 3[\d.]+ ms$") for n in (3, 2, 1)), "The echo is listening."])
    page.get_by_role("spinbutton", name="Times").fill("9")
    page.get_by_role("button", name="Call").click()
    expect(lines.first).to_have_text(re.compile(r"Expected int <= 5 - at \$\.times"))
    expect(two[1].locator("#echo-log li")).to_have_text(["The echo is listening."])


@pytest.fixture
def alone(browser: Browser, demo: ExampleServer) -> Iterator[Page]:
    """One visitor, of whom the browser may complain: it logs each answer of 4xx."""
    page = browser.new_page()
    page.goto(demo.url)
    is_live(page)
    yield page
    page.close()


@one_loop
def test_invalid_input_shows_all_that_is_wrong_and_is_kept(alone: Page) -> None:
    write(alone, "", "x" * 281)
    expect(alone.locator("#name-problem")).to_have_text("Expected str of length >= 1")
    expect(alone.locator("#text-problem")).to_have_text("Expected str of length <= 280")
    expect(alone.get_by_role("textbox", name="Your name", exact=True)).to_be_focused()
    expect(alone.get_by_role("textbox", name="Your name", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(alone.get_by_role("textbox", name="Your name", exact=True)).to_have_accessible_description("Expected str of length >= 1")
    expect(alone.locator("#http-lamp .state")).to_have_text("POST 422")
    expect(alone.get_by_role("textbox", name="Message", exact=True)).to_have_value("x" * 281)
    alone.get_by_role("textbox", name="Your name", exact=True).fill("Ada")
    expect(alone.locator("#name-problem")).to_be_empty()
    alone.get_by_role("textbox", name="Message", exact=True).fill("short")
    alone.get_by_role("button", name="Send").click()
    expect(texts(alone)).to_have_text(["short"])
    expect(alone.locator("#text-problem")).to_be_empty()


@one_loop
def test_what_is_typed_while_a_message_is_on_its_way_is_the_next_one(alone: Page) -> None:
    first: list[Route] = []

    def held(route: Route) -> None:
        route.continue_() if first else first.append(route)

    message = alone.get_by_role("textbox", name="Message", exact=True)
    alone.get_by_role("textbox", name="Your name", exact=True).fill("Ada")
    alone.route("**/api/messages", held)
    for text in ("one", "two"):
        message.press_sequentially(text)
        message.press("Control+Enter")
        expect(message).to_have_value("")
    expect(texts(alone)).to_have_count(0)
    first[0].continue_()
    expect(texts(alone)).to_have_text(["two", "one"])


@one_loop
def test_all_can_be_done_by_keyboard(alone: Page) -> None:
    keys = alone.keyboard
    alone.get_by_role("link", name="Open a second page").focus()
    keys.press("Tab")
    expect(alone.get_by_role("textbox", name="Your name", exact=True)).to_be_focused()
    keys.type("Ada")
    keys.press("Tab")
    for text in ("one", "two"):
        keys.type(text)
        keys.press("Control+Enter")
        expect(texts(alone).first).to_have_text(text)
        expect(alone.get_by_role("textbox", name="Message", exact=True)).to_be_focused()
    keys.press("Tab")
    expect(alone.get_by_role("button", name="Send")).to_be_focused()
    for left, focused in (("one", alone.get_by_role("button", name="Delete the message of Ada: one")), (None, alone.locator("#list"))):
        if left is not None:
            while not alone.evaluate("document.activeElement.matches('.remove')"):
                keys.press("Tab")
        keys.press("Enter")
        expect(texts(alone)).to_have_text([left] if left else [])
        expect(focused).to_be_focused()
    while not alone.evaluate("document.activeElement.matches('#messages summary')"):
        keys.press("Tab")
    keys.press("Enter")
    expect(alone.locator("#messages pre")).to_be_visible()


@one_loop
def test_the_code_and_the_numbers_are_shown(alone: Page) -> None:
    alone.evaluate(OPEN_ALL)
    for card, code in (
        ("messages", "class Feed(SSEEndpoint):"),
        ("echo", "class Echo(WebSocketEndpoint):"),
        ("desk", "class Desk(Router):"),
    ):
        expect(alone.locator(f"#{card} pre", has_text=code)).to_be_visible()
    expect(alone.locator("#tally-sse")).to_have_text("1")
    expect(alone.locator("#tally-websocket")).to_have_text("1")
    expect(alone.locator("#since")).to_have_text(re.compile(r"^ ?since \d\d:\d\d"))


@one_loop
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (768, 1024), (390, 844), (320, 600)])
def test_the_page_fits_and_can_be_read(
    browser: Browser, demo: ExampleServer, scheme: Literal["light", "dark"], width: int, height: int
) -> None:
    for name, text in (("Ada", "hello"), ("n" * 40, "x" * 280), ("Zoë Łukasiewicz", "two\nlines")):
        httpx2.post(f"{demo.url}/api/messages", json={"name": name, "text": text})
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")
    page.goto(demo.url)
    is_live(page)
    expect(texts(page)).to_have_count(3)

    def reads_well() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(LOW_CONTRAST) == []

    reads_well()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#text-problem")).not_to_be_empty()
    page.get_by_role("spinbutton", name="Times").fill("9")
    page.get_by_role("button", name="Call").click()
    expect(page.locator("#echo-log li.problem")).to_have_count(1)
    page.evaluate(OPEN_ALL)
    reads_well()
    demo.terminate()
    expect(page.locator("#away")).to_be_visible()
    reads_well()
    page.close()
