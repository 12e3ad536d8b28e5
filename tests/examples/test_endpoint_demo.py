"""The endpoint demo answers alike in memory, on our server with each loop, on uvicorn and on hypercorn."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.endpoint_demo.app import app
from pagi.testing import TestClient
from tests.examples.served_client import IN_MEMORY, PLACES, Place

pytestmark = pytest.mark.anyio

PROBLEM = "application/problem+json"
ADA = {"name": "Ada", "text": "hello"}


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """In memory each test has an application of its own; on a server they share one, and the messages that are there."""
    environment = {"MESSAGES": str(tmp_path_factory.mktemp("kept") / "messages.json")}
    with Place(*PLACES[request.param], "endpoint_demo", environment) as place:
        yield place


@pytest.fixture(scope="module")
def anyio_backend(place: Place) -> tuple[str, dict[str, Any]]:
    return place.backend


@pytest.fixture(autouse=True)
def everywhere(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests below say `TestClient(app)`, as anybody would, and ask the demo in each place."""
    monkeypatch.setitem(globals(), "TestClient", place.client)
    monkeypatch.setenv("MESSAGES", str(tmp_path / "messages.json"))


# ---- the page


async def test_the_page_shows_the_code_that_runs() -> None:
    async with TestClient(app) as client:
        page = await client.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        for shown in ("class Messages(HTTPEndpoint):", "class Feed(SSEEndpoint):", "class Echo(WebSocketEndpoint):", "@provider("):
            assert shown in page.text
        assert "async def post(self, ctx: HTTPContext, body: NewMessage, board: Board) -&gt; Response:" in page.text
        assert "{{" not in page.text


async def test_every_part_the_page_names_is_there() -> None:
    async with TestClient(app) as client:
        named = set(re.findall(r'(?:href|src)="(page/.+?)"', (await client.get("/")).text))
        kinds = {name: (await client.get(f"/{name}")).headers["content-type"].partition(";")[0] for name in named}
        assert kinds == {"page/icon.svg": "image/svg+xml", "page/style.css": "text/css", "page/script.js": "text/javascript"}
        assert (await client.get("/page/colour.js")).status_code == 200


async def test_the_page_loads_nothing_from_elsewhere() -> None:
    async with TestClient(app) as client:
        page = await client.get("/")
        assert page.headers["content-security-policy"].startswith("default-src 'self'")
        assert not re.search(r"https?://|[\"']//", page.text)
        assert not re.search(r"\son\w+=|style=", page.text)


async def test_a_file_outside_the_page_is_not_handed_out() -> None:
    async with TestClient(app) as client:
        for path in ("/page/..%2fapp.py", "/page/%2e%2e%2fapp.py", "/page/absent.css"):
            assert (await client.get(path)).status_code == 404


# ---- messages


async def test_a_message_is_posted_listed_and_deleted() -> None:
    async with TestClient(app) as client:
        posted = await client.post("/api/messages", json={"name": "Ada", "text": "<b>1 & 1</b> é"})
        message = posted.json()
        assert (posted.status_code, message["name"], message["text"]) == (201, "Ada", "<b>1 & 1</b> é")
        assert (await client.get("/api/messages")).json()[-1] == message
        gone = await client.delete(f"/api/messages/{message['id']}")
        assert (gone.status_code, gone.content) == (204, b"")
        assert message not in (await client.get("/api/messages")).json()


async def test_a_message_that_is_not_there_cannot_be_deleted() -> None:
    async with TestClient(app) as client:
        reply = await client.delete("/api/messages/999999")
        assert (reply.status_code, reply.headers["content-type"], reply.json()["detail"]) == (404, PROBLEM, "there is no message 999999")
        odd = await client.delete("/api/messages/first")
        assert (odd.status_code, odd.json()["errors"][0]["path"]) == (422, "path.id")


async def test_an_id_is_never_given_twice() -> None:
    async with TestClient(app) as client:
        first = (await client.post("/api/messages", json=ADA)).json()["id"]
        await client.delete(f"/api/messages/{first}")
        assert (await client.post("/api/messages", json=ADA)).json()["id"] > first


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"name": "", "text": ""}, {"body.name": "Expected `str` of length >= 1", "body.text": "Expected `str` of length >= 1"}),
        (
            {"name": "n" * 41, "text": "x" * 281},
            {"body.name": "Expected `str` of length <= 40", "body.text": "Expected `str` of length <= 280"},
        ),
        ({"name": 1}, {"body.name": "Expected `str`, got `int`", "body.text": "is required"}),
    ],
    ids=["empty", "long", "odd"],
)
async def test_all_that_is_wrong_with_a_message_is_told_at_once(body: object, errors: dict[str, str]) -> None:
    async with TestClient(app) as client:
        before = (await client.get("/api/messages")).json()
        reply = await client.post("/api/messages", json=body)
        assert (reply.status_code, reply.headers["content-type"]) == (422, PROBLEM)
        assert {error["path"]: error["message"] for error in reply.json()["errors"]} == errors
        assert (await client.get("/api/messages")).json() == before


async def test_a_form_of_another_site_is_no_json_and_refused() -> None:
    async with TestClient(app) as client:
        before = (await client.get("/api/messages")).json()
        assert (await client.post("/api/messages", data=ADA)).status_code == 415
        assert (await client.post("/api/messages", content=b"{}", headers={"content-type": "text/plain"})).status_code == 415
        assert (await client.get("/api/messages")).json() == before


# ---- the feed


async def test_a_new_page_is_told_everything_and_then_what_changes() -> None:
    async with TestClient(app) as client:
        old = (await client.post("/api/messages", json=ADA)).json()
        async with client.sse("/feed") as feed:
            everything = await feed.receive()
            assert (everything.event, everything.data["messages"][-1]) == ("everything", old)
            assert (await feed.receive()).event == "listening"
            new = (await client.post("/api/messages", json=ADA)).json()
            await client.delete(f"/api/messages/{old['id']}")
            assert (await feed.receive()).data == {"type": "added", "message": new}
            assert (await feed.receive()).data == {"type": "removed", "id": old["id"]}


async def test_a_page_that_comes_back_is_told_what_it_missed_and_no_more() -> None:
    async with TestClient(app) as client:
        async with client.sse("/feed") as feed:
            await feed.receive()
            seen = await feed.receive()
        missed = [(await client.post("/api/messages", json=ADA)).json() for _ in range(2)]
        async with client.sse("/feed", last_event_id=seen.id) as feed:
            heard = [event for _ in range(4) if (event := await feed.receive()).event != "listening"]
            assert [event.data["message"] for event in heard] == missed


async def test_a_page_of_an_earlier_run_is_told_everything_anew() -> None:
    async with TestClient(app) as client:
        message = (await client.post("/api/messages", json=ADA)).json()
        async with client.sse("/feed", last_event_id="3f1c0a9e77aa-12") as feed:
            everything = await feed.receive()
            assert (everything.event, everything.data["messages"][-1]) == ("everything", message)
            assert everything.id != "3f1c0a9e77aa-12"


async def test_pages_hear_how_many_they_are() -> None:
    async with TestClient(app) as client, client.sse("/feed") as first:

        async def until(pages: int) -> None:
            while (event := await first.receive()).data != {"type": "listening", "pages": pages}:
                assert event.event in ("everything", "listening")

        await until(1)
        async with client.sse("/feed"):
            await until(2)
        await until(1)


async def test_middleware_dresses_the_stream_too() -> None:
    async with TestClient(app) as client, client.sse("/feed") as feed:
        assert feed.headers["content-security-policy"].startswith("default-src 'self'")
        assert feed.headers["x-content-type-options"] == "nosniff"


# ---- the echo


async def test_the_echo_answers_as_often_as_it_is_asked() -> None:
    async with TestClient(app) as client, client.websocket("/echo") as ws:
        assert await ws.receive_json() == {"welcome": "The echo is listening."}
        await ws.send_json({"text": "é 💬", "times": 3})
        assert [await ws.receive_json() for _ in range(3)] == [{"echo": "é 💬", "n": n, "of": 3} for n in (1, 2, 3)]
        await ws.send_json({"text": "once"})
        assert await ws.receive_json() == {"echo": "once", "n": 1, "of": 1}


async def test_a_call_that_does_not_fit_is_told_and_the_session_goes_on() -> None:
    async with TestClient(app) as client, client.websocket("/echo") as ws:
        await ws.receive_json()
        for call, problem in (('{"text": "x", "times": 9}', "Expected `int` <= 5 - at `$.times`"), ("hello", "not JSON")):
            await ws.send_text(call)
            assert problem in (await ws.receive_json())["problem"]
        await ws.send_json({"text": "still here"})
        assert (await ws.receive_json())["echo"] == "still here"


async def test_a_page_of_another_site_cannot_open_the_echo() -> None:
    async with TestClient(app) as client:
        assert (await client.websocket_denial("/echo", headers={"origin": "https://elsewhere.example"})).status_code == 403


# ---- the desk


async def test_the_tally_counts_every_kind_of_exchange() -> None:
    async with TestClient(app) as client:
        before = await client.get("/server/tally")
        assert before.headers["cache-control"] == "no-store"
        async with client.sse("/feed") as feed:
            await feed.receive()
        async with client.websocket("/echo") as ws:
            await ws.receive_json()
        await client.get("/api/messages")
        after = (await client.get("/server/tally")).json()
        assert {kind: after[kind] - before.json()[kind] for kind in ("http", "sse", "websocket")} == {"http": 2, "sse": 1, "websocket": 1}
        assert after["since"] == before.json()["since"]


# ---- what outlives a run


@pytest.mark.parametrize("place", IN_MEMORY, indirect=True)  # on servers a browser sees it, in test_endpoint_demo_in_browser.py
async def test_messages_outlive_the_server() -> None:
    async with TestClient(app) as client:
        kept = (await client.post("/api/messages", json=ADA)).json()
        last = (await client.post("/api/messages", json=ADA)).json()
        await client.delete(f"/api/messages/{last['id']}")
    async with TestClient(app) as client:
        assert (await client.get("/api/messages")).json() == [kept]
        assert (await client.post("/api/messages", json=ADA)).json()["id"] == last["id"] + 1


@pytest.mark.parametrize("place", IN_MEMORY, indirect=True)  # a hundred more would stand in the way of the others on a server
async def test_the_oldest_make_room() -> None:
    async with TestClient(app) as client:
        for _ in range(102):
            await client.post("/api/messages", json=ADA)
        assert [message["id"] for message in (await client.get("/api/messages")).json()] == list(range(3, 103))
