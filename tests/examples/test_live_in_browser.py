"""The live page in headless Chromium: the clock ticks, the echo answers, the form works, and all of it survives a restart."""

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.chromium import LOW_CONTRAST, Opened, launched, needs_chromium
from tests.examples.servers import OURS, ExampleServer

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from launched()


@pytest.fixture(scope="module", params=OURS)
def live(request: pytest.FixtureRequest) -> Iterator[ExampleServer]:
    """The live example on our server, with each loop."""
    with ExampleServer(request.param, "live") as server:
        yield server


def state(card: str) -> str:
    """Where the state of a card is shown."""
    return f"#{card} .state"


@pytest.fixture
def opened(browser: Browser, live: ExampleServer) -> Iterator[Opened]:
    """The page in a browser of its own."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    opened = Opened(page)
    page.goto(f"{live.url}/")
    yield opened
    page.close()


@pytest.fixture(params=OURS)
def ending(request: pytest.FixtureRequest) -> Iterator[ExampleServer]:
    """The live example for one test alone, which ends it."""
    with ExampleServer(request.param, "live") as server:
        yield server


def test_all_three_cards_come_alive(opened: Opened) -> None:
    for card, word in (("clock", "live"), ("echo", "live"), ("notes", "ready")):
        expect(opened.page.locator(state(card))).to_have_text(word)
    assert opened.complaints == []


def test_the_clock_ticks(opened: Opened) -> None:
    time = opened.page.locator("#clock .time")
    expect(time).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    for _ in range(2):
        expect(time).not_to_have_text(time.inner_text())
    seconds = int(time.inner_text()[-2:])
    assert opened.page.locator("#clock .seconds").get_attribute("transform") in {f"rotate({6 * (seconds + n)} 100 100)" for n in (0, 1)}
    assert opened.complaints == []


def test_the_echo_answers_and_says_how_long_it_took(opened: Opened) -> None:
    page = opened.page
    expect(page.locator(state("echo"))).to_have_text("live")
    for text in ("hello?", "<i>anybody</i>"):
        page.get_by_label("Call something").fill(text)
        page.get_by_role("button", name="Call").click()
    lines = page.locator("#echo .log li")
    expect(lines).to_have_text([re.compile(r"^<i>anybody</i>[\d.]+ ms$"), re.compile(r"^hello\?[\d.]+ ms$")])
    assert opened.complaints == []


def test_a_note_is_written_down_as_text(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("A note").fill("<script>alert(1)</script> & more")
    page.get_by_role("button", name="Write it down").click()
    expect(page.locator(state("notes"))).to_have_text("noted")
    expect(page.locator("#notes .log li > p").first).to_have_text("<script>alert(1)</script> & more")
    expect(page.get_by_label("A note")).to_have_value("")
    page.reload()
    expect(page.locator("#notes .log .by").first).to_have_text(re.compile(r"^Ada, \d\d:\d\d$"))
    assert opened.complaints == []


def test_a_note_that_is_refused_says_why_and_is_kept(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("A note").fill("   ")
    page.get_by_role("button", name="Write it down").click()
    expect(page.get_by_role("alert")).to_have_text("Write something first.")
    expect(page.locator(state("notes"))).to_have_text("refused")
    expect(page.get_by_label("A note")).to_have_value("   ")


def test_two_pages_know_of_each_other(opened: Opened, browser: Browser, live: ExampleServer) -> None:
    watching = opened.page.locator("#clock .watching")
    expect(watching).to_have_text("Only you are watching.")
    other = browser.new_page()
    other.goto(f"{live.url}/")
    expect(watching).to_have_text("2 pages are watching.")
    other.close()
    expect(watching).to_have_text("Only you are watching.")


def test_a_restart_is_announced_shown_and_survived(browser: Browser, ending: ExampleServer) -> None:
    page = browser.new_page()
    opened = Opened(page)
    page.goto(f"{ending.url}/")
    expect(page.locator(state("clock"))).to_have_text("live")
    expect(page.locator(state("echo"))).to_have_text("live")
    assert opened.complaints == []
    ending.terminate()
    assert ending.wait() == 0
    for card, word in (("clock", "goodbye, retrying"), ("echo", "goodbye, retrying"), ("notes", "server away")):
        expect(page.locator(state(card))).to_have_text(word)
    page.get_by_label("A note").fill("is anybody there?")
    page.get_by_role("button", name="Write it down").click()
    expect(page.get_by_role("alert")).to_contain_text("Your note is still here")
    with ExampleServer(ending.name, "live", ending.port):
        for card, word in (("clock", "live"), ("echo", "live"), ("notes", "ready")):
            expect(page.locator(state(card))).to_have_text(word)
        page.get_by_label("Call something").fill("back again")
        page.get_by_role("button", name="Call").click()
        expect(page.locator("#echo .log li").first).to_contain_text("back again")
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844), (320, 600)])
def test_the_page_fits_and_can_be_read(
    browser: Browser, live: ExampleServer, scheme: Literal["light", "dark"], width: int, height: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(f"{live.url}/")
    expect(page.locator("#clock .state")).to_have_text("live")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(LOW_CONTRAST) == []
    page.close()
