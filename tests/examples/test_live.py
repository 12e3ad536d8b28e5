"""The live example answers alike on our server with each loop, on uvicorn and on hypercorn: HTTP, WebSocket and event stream."""

import re
import time

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.examples.servers import ExampleServer

PROBLEM = "application/problem+json"


# ---- HTTP


def test_the_page_is_html(client: httpx2.Client) -> None:
    reply = client.get("/")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html")
    assert "<h1>Three ways to talk</h1>" in reply.text


def test_every_part_the_page_names_is_there(client: httpx2.Client) -> None:
    named = re.findall(r'(?:href|src)="(.+?)"', client.get("/").text)
    kinds = {name: client.get(f"/{name}").headers["content-type"].partition(";")[0] for name in named}
    assert kinds == {"parts/icon.svg": "image/svg+xml", "parts/style.css": "text/css", "parts/script.js": "text/javascript"}


def test_the_page_loads_nothing_from_elsewhere(client: httpx2.Client) -> None:
    page = client.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert not re.search(r"https?://|//\w", page.text)


def test_a_file_outside_the_page_is_not_handed_out(client: httpx2.Client) -> None:
    for name in ("..%2fapp.py", "%2e%2e%2fapp.py", "page.html", "absent.css"):
        reply = client.get(f"/parts/{name}")
        assert (reply.status_code, reply.headers["content-type"]) == (404, PROBLEM)


def test_head_says_what_get_would(client: httpx2.Client) -> None:
    got, head = client.get("/"), client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.content))


def test_a_note_comes_back_as_text_and_stays(client: httpx2.Client) -> None:
    reply = client.post("/notes", data={"name": "Ada", "text": "<b>1 & 1</b> é"})
    assert (reply.status_code, reply.headers["content-type"]) == (201, "text/html; charset=utf-8")
    assert "<p>&lt;b&gt;1 &amp; 1&lt;/b&gt; é</p>" in reply.text
    assert client.get("/notes").text.startswith(reply.text)


def test_a_note_may_be_left_by_nobody(client: httpx2.Client) -> None:
    assert "Somebody" in client.post("/notes", data={"text": "hello"}).text


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"text": "  "}, "Write something first."),
        ({"text": "x" * 281}, "A name has at most 40 characters and a note 280."),
        ({"text": "x", "name": "n" * 41}, "A name has at most 40 characters and a note 280."),
    ],
    ids=["empty", "long", "long-name"],
)
def test_a_note_that_will_not_do_is_refused_in_words(client: httpx2.Client, fields: dict[str, str], detail: str) -> None:
    before = client.get("/notes").text
    reply = client.post("/notes", data=fields)
    assert (reply.status_code, reply.headers["content-type"], reply.json()["detail"]) == (422, PROBLEM, detail)
    assert client.get("/notes").text == before


def test_a_note_that_is_no_form_is_refused(client: httpx2.Client) -> None:
    assert client.post("/notes", json={"text": "hello"}).status_code == 415


def test_a_form_of_another_site_is_refused(client: httpx2.Client) -> None:
    before = client.get("/notes").text
    reply = client.post("/notes", data={"text": "hello"}, headers={"origin": "https://elsewhere.example"})
    assert reply.status_code == 403
    assert client.get("/notes").text == before


def test_a_wrong_method_is_told_the_right_ones(client: httpx2.Client) -> None:
    reply = client.delete("/notes")
    assert reply.status_code == 405
    assert set(reply.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


# ---- event stream


def test_the_clock_without_events_is_one_answer(client: httpx2.Client) -> None:
    reply = client.get("/clock")
    assert (reply.status_code, reply.headers["content-type"], reply.headers["vary"]) == (200, "application/json", "Accept")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", reply.json()["time"])


@pytest.mark.quiet
def test_the_clock_ticks_every_second(client: httpx2.Client) -> None:
    with client.sse("/clock") as events:
        assert events.response.headers["content-type"].startswith("text/event-stream")
        assert events.response.headers["vary"] == "Accept"
        began = time.monotonic()
        ticks = [tick for tick, _ in zip(events, range(3), strict=False)]
        took = time.monotonic() - began
    assert [tick.event for tick in ticks] == ["tick"] * 3
    assert ticks[0].retry == 1000
    assert len({tick.data for tick in ticks}) == 3
    assert 0.9 < took < 3


def test_a_head_request_starts_no_stream(client: httpx2.Client) -> None:
    reply = client.head("/clock", headers={"accept": "text/event-stream"})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")


def test_the_middleware_dresses_the_stream_too(client: httpx2.Client) -> None:
    with client.sse("/clock") as events:
        assert events.response.headers["cache-control"] == "no-cache"
        assert events.response.headers["content-security-policy"].startswith("default-src 'self'")


def test_who_watches_is_counted_until_they_leave(client: httpx2.Client) -> None:
    def watching() -> int:
        count = client.get("/clock").json()["watching"]
        assert isinstance(count, int)
        return count

    def settles_at(count: int) -> bool:
        deadline = time.monotonic() + 5
        while watching() != count and time.monotonic() < deadline:
            time.sleep(0.05)
        return watching() == count

    assert settles_at(0)
    with client.sse("/clock") as events:
        next(iter(events))
        assert watching() == 1
    assert settles_at(0)


# ---- WebSocket


def test_the_echo_answers_in_order(live: ExampleServer) -> None:
    with connect(f"{live.ws_url}/echo") as socket:
        for text in ("hello", "", "é 💬", "x" * 100_000):
            socket.send(text)
        assert [socket.recv(5) for _ in range(4)] == ["hello", "", "é 💬", "x" * 100_000]


def test_the_echo_ends_when_the_client_says_so(live: ExampleServer) -> None:
    with connect(f"{live.ws_url}/echo") as socket:
        socket.close(1000, "done")
        assert socket.close_code == 1000


def test_a_page_of_another_site_cannot_open_the_echo(live: ExampleServer) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(f"{live.ws_url}/echo", additional_headers={"origin": "https://elsewhere.example"}),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_a_page_of_this_site_can(live: ExampleServer) -> None:
    with connect(f"{live.ws_url}/echo", additional_headers={"origin": live.url}) as socket:
        socket.send("hello")
        assert socket.recv(5) == "hello"
