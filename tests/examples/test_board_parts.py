"""All parts of the board, which answers alike in memory, on our server with each loop, on uvicorn and on hypercorn."""

from collections.abc import Iterator
from typing import Any

import pytest

from examples.board.app import app, settings
from pagi.testing import TestClient
from tests.examples.served_client import PLACES, Place

pytestmark = pytest.mark.anyio

PASSWORD = "open sesame"
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A board. In memory each test has its own; on a server they share one, and are not the first to write on it."""
    with Place(*PLACES[request.param], "board", {"ADMIN_PASSWORD": PASSWORD}) as place:
        yield place


@pytest.fixture(scope="module")
def anyio_backend(place: Place) -> tuple[str, dict[str, Any]]:
    return place.backend


@pytest.fixture(autouse=True)
def everywhere(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests below say `TestClient(app)`, as anybody would, and ask the board in each place."""
    monkeypatch.setitem(globals(), "TestClient", place.client)
    monkeypatch.setattr(settings, "admin_password", PASSWORD)


# ---- messages


async def test_messages_are_listed_after_an_id() -> None:
    async with TestClient(app) as client:
        posted = [(await client.post("/api/messages", json={"text": text})).json() for text in ("one", "two", "three")]
        assert [message["text"] for message in posted] == ["one", "two", "three"]
        assert (await client.get("/api/messages")).json()[-3:] == posted
        assert (await client.get("/api/messages", params={"after": posted[0]["id"]})).json() == posted[1:]
        assert (await client.get("/api/messages", params={"after": posted[2]["id"]})).json() == []


@pytest.mark.parametrize(
    ("body", "message"),
    [({}, "is required"), ({"text": ""}, "Expected `str` of length >= 1"), ({"text": 1}, "Expected `str`, got `int`")],
    ids=["nothing", "empty", "a-number"],
)
async def test_what_is_wrong_with_a_message_is_told(body: object, message: str) -> None:
    async with TestClient(app) as client:
        before = (await client.get("/api/messages")).json()
        reply = await client.post("/api/messages", json=body)
        assert (reply.status_code, reply.headers["content-type"]) == (422, PROBLEM)
        assert reply.json()["errors"] == [{"path": "body.text", "message": message}]
        assert (await client.get("/api/messages")).json() == before


async def test_what_cannot_be_read_has_a_status_of_its_own() -> None:
    async with TestClient(app) as client:
        late = await client.get("/api/messages", params={"after": "yesterday"})
        assert (late.status_code, [error["path"] for error in late.json()["errors"]]) == (422, ["query.after"])
        assert (await client.post("/api/messages", content=b"{", headers={"content-type": "application/json"})).status_code == 400
        assert (await client.post("/api/messages", data={"text": "hi"})).status_code == 415


async def test_an_open_feed_hears_what_is_posted() -> None:
    async with TestClient(app) as client, client.sse("/api/feed") as feed:
        posted = (await client.post("/api/messages", json={"text": "<b>é</b>"})).json()
        event = await feed.receive()
        assert (event.event, event.data, posted["text"]) == ("message", posted, "<b>é</b>")


async def test_a_feed_that_comes_back_misses_nothing_and_hears_nothing_twice() -> None:
    async with TestClient(app) as client:
        async with client.sse("/api/feed") as feed:
            await client.post("/api/messages", json={"text": "one"})
            heard = await feed.receive()
        for text in ("two", "three"):
            await client.post("/api/messages", json={"text": text})
        async with client.sse("/api/feed", last_event_id=heard.id) as feed:
            assert [(await feed.receive()).data["text"] for _ in range(2)] == ["two", "three"]
            await client.post("/api/messages", json={"text": "four"})
            assert (await feed.receive()).data["text"] == "four"


async def test_a_feed_with_a_cursor_that_means_nothing_is_told_of_the_gap() -> None:
    async with TestClient(app) as client:
        await client.post("/api/messages", json={"text": "one"})
        async with client.sse("/api/feed", last_event_id="from-another-server") as feed:
            gap = await feed.receive()
            assert (gap.event, gap.data["after"]) == ("gap", "from-another-server")
            assert (await feed.receive()).data["id"] == 1  # and then all that history holds


# ---- sessions and functions


async def test_messages_that_do_not_fit_end_the_chat() -> None:
    async with TestClient(app) as client:
        async with client.websocket("/api/chat/lobby") as ws:
            await ws.send_json({"text": ""})
            with pytest.raises(Exception) as caught:
                await ws.receive_json()
        assert getattr(caught.value, "code", None) == 1007


async def test_the_echo_answers_in_order() -> None:
    async with TestClient(app) as client, client.websocket("/api/echo") as ws:
        for text in ("hello", "", "é 💬", "x" * 10_000):
            await ws.send_text(text)
        assert [await ws.receive_text() for _ in range(4)] == ["hello", "", "é 💬", "x" * 10_000]


async def test_a_page_of_another_site_cannot_open_a_websocket() -> None:
    async with TestClient(app) as client:
        for path in ("/api/echo", "/api/chat/lobby"):
            assert (await client.websocket_denial(path, headers={"origin": "https://elsewhere.example"})).status_code == 403


async def test_the_ticks_count() -> None:
    async with TestClient(app) as client, client.sse("/api/ticks") as ticks:
        assert [(await ticks.receive()).data for _ in range(2)] == [1, 2]


async def test_a_user_has_a_link_to_itself() -> None:
    async with TestClient(app) as client:
        shown = (await client.get("/api/rooms/a%20room/users/7")).json()
        assert shown == {"room": "a room", "id": 7, "link": "/api/rooms/a%20room/users/7"}
        assert (await client.get(shown["link"])).json() == shown
        assert (await client.get("/api/rooms/lobby/users/seven")).status_code == 404


# ---- middleware


async def test_every_answer_says_what_its_middleware_adds() -> None:
    async with TestClient(app) as client:
        listed = await client.get("/api/messages")
        assert listed.headers["server-timing"].startswith("app;dur=")
        assert listed.headers["x-request-id"]
        assert listed.headers["cache-control"] == "no-store"
        async with client.sse("/api/feed") as feed:
            assert feed.headers["server-timing"].startswith("app;dur=")
            assert feed.headers["x-request-id"]
            assert feed.headers.get("cache-control") != "no-store"  # that one is for http alone
        legacy = await client.get("/legacy/")
        assert "server-timing" in legacy.headers
        assert "x-request-id" not in legacy.headers  # the router's own


async def test_pages_of_one_other_origin_may_read() -> None:
    async with TestClient(app) as client:
        allowed = await client.get("/api/messages", headers={"origin": "https://example.org"})
        assert allowed.headers["access-control-allow-origin"] == "https://example.org"
        assert "access-control-allow-origin" not in (await client.get("/api/messages", headers={"origin": "https://example.com"})).headers
        preflight = await client.options(
            "/api/messages", headers={"origin": "https://example.org", "access-control-request-method": "POST"}
        )
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "https://example.org")


async def test_long_answers_are_compressed_and_streams_are_not_held_back() -> None:
    async with TestClient(app) as client:
        async with client.sse("/api/feed") as feed:
            for _ in range(5):
                await client.post("/api/messages", json={"text": "x" * 500})
                assert (await feed.receive()).data["text"] == "x" * 500
        listed = await client.get("/api/messages", headers={"accept-encoding": "gzip"})
        assert (listed.status_code, listed.headers["content-encoding"]) == (200, "gzip")
        assert int(listed.headers["content-length"]) < 500


# ---- the admin


async def test_the_admin_area_is_closed_to_all_others() -> None:
    async with TestClient(app) as client:
        for before in (None, {"name": "Ada"}):
            if before is not None:
                assert (await client.post("/api/sign-in", json=before)).status_code == 204
            refused = await client.get("/admin/stats")
            assert (refused.status_code, refused.headers["content-type"], refused.json()["detail"]) == (403, PROBLEM, "admins only")
        wrong = await client.post("/api/sign-in", json={"name": "Ada", "password": "guessed"})
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (403, False)


async def test_an_admin_sees_who_wrote_how_much() -> None:
    async with TestClient(app) as client:
        await client.post("/api/sign-in", json={"name": "Grace", "password": PASSWORD})
        before = (await client.get("/admin/stats")).json().get("Grace", 0)
        for text in ("one", "two"):
            await client.post("/api/messages", json={"text": text})
        assert (await client.get("/admin/stats")).json()["Grace"] == before + 2


# ---- what is mounted


async def test_the_application_that_was_there_before_still_answers() -> None:
    async with TestClient(app) as client:
        assert (await client.get("/legacy/a/b")).text == "GET /legacy/a/b\n"
        assert (await client.get("/legacy/", headers={"accept": "text/event-stream"})).text == "GET /legacy/\n"


async def test_the_page_beside_the_application_is_served() -> None:
    async with TestClient(app) as client:
        page = await client.get("/static/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "<h1>Board</h1>" in page.text
        assert (await client.get("/static/", headers={"if-none-match": page.headers["etag"]})).status_code == 304
        for path in ("/static/../app.py", "/static/..%2fapp.py", "/static/absent"):
            assert (await client.get(path)).status_code == 404
