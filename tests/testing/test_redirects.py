"""Redirects through the test client: followed where asked, never away from the application."""

from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

import pagi.gateway
from pagi.testing import RedirectNotFollowed, StreamDeclined, TestClient
from tests.testing.apps import answer, body_of

pytestmark = pytest.mark.anyio


@pagi.gateway.app
async def mover(scope: Any, receive: Any, send: Any) -> None:
    """`/move?to=...&status=...` redirects there; `/count/3` goes down to 0; everything else tells what it was asked."""
    query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode(), keep_blank_values=True).items()}
    path = scope["path"].removeprefix(scope["root_path"])
    to: str | None = None
    if path == "/move":
        to = query["to"]
    elif path.startswith("/count/") and path != "/count/0":
        to = f"{int(path.removeprefix('/count/')) - 1}"
    if to is not None:
        await body_of(receive)
        headers = [(b"location", to.encode()), (b"set-cookie", b"moved=1"), (b"content-length", b"5")]
        await send({"type": "http.response.start", "status": int(query.get("status", 307)), "headers": headers})
        await send({"type": "http.response.body", "body": b"moved"})
    elif scope["type"] == "sse":
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": path})
    else:
        names = ("content-type", "cookie", "x-tag", "content-length")
        told = {
            "method": scope["method"],
            "path": path,
            "query": scope["query_string"].decode(),
            "body": (await body_of(receive)).decode(),
            "fields": {name.decode(): value.decode() for name, value in scope["headers"] if name.decode() in names},
        }
        await answer(send, 200, msgspec.json.encode(told), b"application/json")


def moving(**options: Any) -> TestClient:
    return TestClient(mover, lifespan="off", **options)


async def test_a_redirect_is_an_answer_like_others() -> None:
    async with moving() as client:
        reply = await client.get("/move", params={"to": "/there"})
    assert (reply.status, reply.headers["location"], reply.content, reply.history) == (307, "/there", b"moved", [])


async def test_a_client_or_a_request_may_follow() -> None:
    async with moving(follow_redirects=True) as client:
        reply = await client.get("/move", params={"to": "/there?a=1"})
        assert (reply.json()["path"], reply.json()["query"]) == ("/there", "a=1")
        assert (await client.get("/move", params={"to": "/there"}, follow_redirects=False)).status == 307
    async with moving() as client:
        assert (await client.get("/move", params={"to": "/there"}, follow_redirects=True)).status == 200


@pytest.mark.parametrize(
    ("status", "method", "arrives_as"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (302, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "PATCH", "PATCH"),
    ],
)
async def test_the_method_is_kept_or_becomes_get(status: int, method: str, arrives_as: str) -> None:
    async with moving(follow_redirects=True) as client:
        params = {"to": "/there", "status": status}
        if method == "HEAD":
            assert (await client.head("/move", params=params)).history[0].status == status
            return
        told = (await client.request(method, "/move", params=params, json={"a": 1}, headers={"x-tag": "7"})).json()
    assert told["method"] == arrives_as
    assert told["fields"]["x-tag"] == "7"
    if arrives_as == "GET":
        assert told["body"] == ""
        assert told["fields"].keys() == {"x-tag", "cookie"}
    else:
        assert told["body"] == '{"a":1}'
        assert told["fields"]["content-type"] == "application/json"


async def test_the_way_is_remembered() -> None:
    async with moving(follow_redirects=True) as client:
        reply = await client.get("/count/3")
    assert reply.json()["path"] == "/count/0"
    assert [step.headers["location"] for step in reply.history] == ["2", "1", "0"]
    assert [len(step.history) for step in reply.history] == [0, 1, 2]


async def test_twenty_are_followed_and_no_more() -> None:
    async with moving(follow_redirects=True) as client:
        assert len((await client.get("/count/20")).history) == 20
        with pytest.raises(RedirectNotFollowed, match="number 21 in a row") as caught:
            await client.get("/count/21")
    assert len(caught.value.reply.history) == 20


async def test_cookies_are_kept_on_the_way() -> None:
    async with moving(follow_redirects=True) as client:
        told = (await client.get("/move", params={"to": "/there"}, cookies={"own": "2"})).json()
        assert told["fields"]["cookie"] == "moved=1; own=2"


@pytest.mark.parametrize(
    ("to", "path", "query"),
    [
        ("there", "/there", ""),
        ("http://testserver/there", "/there", ""),
        ("http://TESTSERVER:80/there", "/there", ""),
        ("//testserver/there", "/there", ""),
        ("/a b/é?q=ü#part", "/a b/é", "q=%C3%BC"),
        ("?to=there", "/there", ""),
        ("http://testserver", "/", ""),
    ],
)
async def test_a_location_is_read_as_a_url(to: str, path: str, query: str) -> None:
    async with moving(follow_redirects=True) as client:
        told = (await client.get("/move", params={"to": to})).json()
    assert (told["path"], told["query"]) == (path, query)


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        ("http://example.org/there", "leads to http://example.org, .* tested as http://testserver"),
        ("//example.org", "leads to http://example.org"),
        ("https://testserver/there", "leads to https://testserver"),
        ("http://testserver:8000/", "leads to http://testserver:8000"),
        ("http://me@testserver/", "leads to http://me@testserver"),
        ("mailto:me@example.org", "leads to mailto"),
        ("http://[bad/", "no URL"),
    ],
)
async def test_a_redirect_away_from_the_application_is_told(to: str, problem: str) -> None:
    async with moving(follow_redirects=True) as client:
        with pytest.raises(RedirectNotFollowed, match=problem) as caught:
            await client.get("/move", params={"to": to})
    assert caught.value.reply.status == 307


async def test_the_prefix_of_a_proxy_is_taken_off() -> None:
    async with moving(root_path="/app", follow_redirects=True) as client:
        assert (await client.get("/move", params={"to": "/app/there"})).json()["path"] == "/there"
        assert (await client.get("/move", params={"to": "there"})).json()["path"] == "/there"
        assert (await client.get("/move", params={"to": "/app"})).json()["path"] == "/"
        with pytest.raises(RedirectNotFollowed, match="outside /app"):
            await client.get("/move", params={"to": "/application"})


async def test_a_body_in_pieces_is_not_sent_twice() -> None:
    async with moving(follow_redirects=True) as client:
        with pytest.raises(RedirectNotFollowed, match="pieces"):
            await client.post("/move", params={"to": "/there"}, content=[b"one", b"two"])
        assert (await client.post("/move", params={"to": "/there", "status": 303}, content=[b"one"])).json()["method"] == "GET"


async def test_a_3xx_without_a_location_is_an_answer() -> None:
    async def vague(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, 304 if scope["path"] == "/304" else 301, b"")

    async with TestClient(vague, lifespan="off", follow_redirects=True) as client:
        assert (await client.get("/")).status == 301
        assert (await client.get("/304")).status == 304


async def test_streams_follow_as_well() -> None:
    async with moving() as client:
        with pytest.raises(StreamDeclined, match="follow_redirects=True goes there"):
            async with client.sse("/move", params={"to": "/feed"}):
                raise AssertionError("opened")
        async with client.sse("/move", params={"to": "/feed"}, follow_redirects=True) as feed:
            assert (await feed.receive()).text == "/feed"
            assert [step.status for step in feed.history] == [307]
        async with client.stream("GET", "/count/2", follow_redirects=True) as reply:
            assert len(reply.history) == 2
            assert b"/count/0" in await reply.read()
