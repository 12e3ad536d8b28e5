"""The client's cookies: what it keeps of answers, what it sends, and when they end."""

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pagi.gateway
from pagi.http.cookies import InvalidCookie, parse_cookies
from pagi.http.errors import ConfigError
from pagi.testing import TestClient, WebSocketDenied
from pagi.testing.cookies import Cookies, read_set_cookie


@pagi.gateway.app
async def baker(scope: Any, receive: Any, send: Any) -> None:
    """Sets what `x-set` fields say, and tells the Cookie field it was sent: on http as the body, else as the first message."""
    given = [value for name, value in scope["headers"] if name == b"x-set"]
    cookies = [(b"set-cookie", value) for value in given]
    sent = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
    if scope["type"] == "websocket":
        await receive()
        if scope["path"] == "/denied":
            await send({"type": "websocket.http.response.start", "status": 401, "headers": cookies})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        await send({"type": "websocket.accept", "headers": cookies})
        await send({"type": "websocket.send", "text": sent.decode()})
    elif scope["type"] == "sse":
        await send({"type": "sse.start", "headers": cookies})
        await send({"type": "sse.send", "data": sent.decode() or "none"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": cookies})
        await send({"type": "http.response.body", "body": sent})


def baking(**options: Any) -> TestClient:
    return TestClient(baker, lifespan="off", **options)


async def given_by(client: TestClient, *fields: str, path: str = "/") -> str:
    """Has the application set cookies. Returns what it was sent with that request."""
    return (await client.get(path, headers=[("x-set", field) for field in fields])).text


# ---- between requests


@pytest.mark.anyio
async def test_what_an_answer_sets_goes_with_the_next_request() -> None:
    async with baking() as client:
        assert await given_by(client, "a=1", "b=2; HttpOnly; SameSite=Lax") == ""
        assert await given_by(client, "a=3") == "a=1; b=2"
        assert await given_by(client) == "a=3; b=2"
        assert client.cookies == {"a": "3", "b": "2"}


@pytest.mark.anyio
async def test_every_kind_sends_and_sets_cookies() -> None:
    async with baking() as client:
        async with client.sse("/", headers={"x-set": "feed=1"}) as feed:
            assert (await feed.receive()).text == "none"
        async with client.websocket("/", headers={"x-set": "chat=2"}) as ws:
            assert await ws.receive_text() == "feed=1"
        with pytest.raises(WebSocketDenied):
            async with client.websocket("/denied", headers={"x-set": "chat=3"}):
                raise AssertionError("opened")
        async with client.stream("GET", "/") as reply:
            assert await reply.read() == b"feed=1; chat=3"
        async with client.sse("/") as feed:
            assert (await feed.receive()).text == "feed=1; chat=3"


@pytest.mark.anyio
async def test_a_cookie_of_a_path_goes_where_that_path_leads() -> None:
    async with baking() as client:
        await given_by(client, "deep=1; Path=/shop/cart", "wide=2; Path=/", "wide=3; Path=/shop")
        assert await given_by(client, path="/shop/cart/items?x=/else") == "deep=1; wide=3; wide=2"
        assert await given_by(client, path="/shopping") == "wide=2"
        assert client.cookies["wide"] == "3"


@pytest.mark.anyio
async def test_without_a_path_a_cookie_is_for_the_folder_it_came_from() -> None:
    async with baking() as client:
        await given_by(client, "a=1", path="/shop/cart")
        assert await given_by(client, path="/shop/other") == "a=1"
        assert await given_by(client, path="/") == ""


@pytest.mark.anyio
async def test_paths_are_those_of_the_outside_where_a_proxy_takes_a_prefix_off() -> None:
    async with baking(root_path="/app") as client:
        await given_by(client, "a=1; Path=/app", "b=2; Path=/cart", path="/cart")
        assert await given_by(client, path="/cart") == "a=1"


@pytest.mark.parametrize(
    "deletion",
    [
        "a=; Path=/; Max-Age=0",
        "a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "a=x; Max-Age=-5; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
    ],
)
@pytest.mark.anyio
async def test_a_deleted_cookie_is_gone(deletion: str) -> None:
    async with baking() as client:
        await given_by(client, "a=1; Path=/")
        await given_by(client, deletion)
        assert "a" not in client.cookies
        assert await given_by(client) == ""


@pytest.mark.anyio
async def test_a_deletion_for_another_path_or_domain_deletes_nothing() -> None:
    async with baking(base_url="http://www.example.org") as client:
        await given_by(client, "a=1; Path=/shop")
        await given_by(client, "a=; Path=/; Max-Age=0", "a=; Path=/shop; Domain=example.org; Max-Age=0")
        assert await given_by(client, path="/shop") == "a=1"


@pytest.mark.anyio
async def test_a_cookie_ends_by_the_clients_clock() -> None:
    async with baking(virtual_clock=True) as client:
        await given_by(client, "short=1; Max-Age=60", "long=2; Max-Age=3600", "session=3")
        await client.advance(59)
        assert await given_by(client) == "short=1; long=2; session=3"
        await client.advance(1)
        assert await given_by(client) == "long=2; session=3"
        assert list(client.cookies) == ["long", "session"]
        await client.advance(3600)
        assert client.cookies == {"session": "3"}


@pytest.mark.anyio
async def test_secure_cookies_are_for_https() -> None:
    async with baking(base_url="https://shop.example") as client:
        await given_by(client, "a=1; Secure", "__Host-b=2; Secure; Path=/")
        assert await given_by(client) == "a=1; __Host-b=2"
    async with baking() as client:
        client.cookies.set("a", "1", secure=True)
        assert await given_by(client) == ""


@pytest.mark.parametrize(
    ("base_url", "field", "problem"),
    [
        ("http://testserver", "a=1; Secure", "base_url"),
        ("http://testserver", "a=1; SameSite=None", "need Secure"),
        ("https://testserver", "a=1; Partitioned", "need Secure"),
        ("https://testserver", "__Secure-a=1", "__Secure-"),
        ("https://testserver", "__Host-a=1; Secure", "__Host-"),
        ("https://testserver", "__host-a=1; Secure; Path=/; Domain=testserver", "__Host-"),
        ("http://testserver", "a=1; Domain=example.org", "does not hold testserver"),
        ("http://www.example.org", "a=1; Domain=org", "does not hold"),
        ("http://www.example.org", "a=1; Domain=ample.org", "does not hold"),
        ("http://testserver", "just text", "no name"),
        ("http://testserver", "=1", "no name"),
        ("http://testserver", "a=" + "x" * 4096, "4097 bytes"),
    ],
)
@pytest.mark.anyio
async def test_what_a_browser_would_refuse_is_not_kept_and_logged(
    base_url: str, field: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with baking(base_url=base_url) as client:
        with caplog.at_level(logging.WARNING, "pagi.testing"):
            await given_by(client, field)
        assert await given_by(client) == ""
    assert problem in caplog.text


@pytest.mark.parametrize("domain", ["example.org", ".example.org", "EXAMPLE.org", "www.example.org", ""])
@pytest.mark.anyio
async def test_a_domain_that_holds_the_host_is_fine(domain: str) -> None:
    async with baking(base_url="http://www.example.org:8080") as client:
        await given_by(client, f"a=1; Domain={domain}")
        assert await given_by(client) == "a=1"


# ---- what tests put there


@pytest.mark.anyio
async def test_the_jar_is_the_tests_to_fill() -> None:
    async with baking(cookies={"a": "1"}) as client:
        client.cookies.set("b", "2", path="/shop")
        assert client.cookies.get("b") == "2"
        assert client.cookies.get("c") is None
        assert await given_by(client) == "a=1"
        assert await given_by(client, path="/shop") == "b=2; a=1"
        client.cookies.delete("b")
        with pytest.raises(KeyError):
            client.cookies.delete("b")
        assert repr(client.cookies) == "<Cookies {'a': '1'}>"
        client.cookies.clear()
        assert len(client.cookies) == 0
        assert await given_by(client) == ""


@pytest.mark.anyio
async def test_a_request_may_have_cookies_of_its_own() -> None:
    async with baking(cookies={"a": "1", "b": "2"}) as client:
        assert (await client.get("/", cookies={"b": "mine", "c": "3"})).text == "a=1; b=mine; c=3"
        async with client.websocket("/", cookies={"b": "mine"}) as ws:
            assert await ws.receive_text() == "a=1; b=mine"
        assert await given_by(client) == "a=1; b=2"


@pytest.mark.anyio
async def test_a_cookie_field_by_hand_is_the_only_one() -> None:
    async with baking(cookies={"a": "1"}) as client:
        assert (await client.get("/", headers={"Cookie": "x y z"})).text == "x y z"
        with pytest.raises(ConfigError, match="not both"):
            await client.get("/", headers={"cookie": "x"}, cookies={"a": "1"})


@pytest.mark.parametrize(("name", "value"), [("", "1"), ("a=b", "1"), ("a;", "1"), (" a", "1"), ("a", "1; b=2"), ("a", " 1")])
@pytest.mark.anyio
async def test_a_cookie_that_would_come_out_another_is_refused(name: str, value: str) -> None:
    async with baking() as client:
        with pytest.raises(InvalidCookie):
            client.cookies.set(name, value)
        with pytest.raises(InvalidCookie):
            await client.get("/", cookies={name: value})


@pytest.mark.anyio
async def test_a_reply_says_what_it_sets() -> None:
    async with baking() as client:
        reply = await client.get("/", headers=[("x-set", "a=1; Path=/x"), ("x-set", "b=; Max-Age=0"), ("x-set", "none")])
    assert reply.cookies == {"a": "1", "b": ""}


# ---- the reader


@pytest.mark.parametrize(
    ("attributes", "ends"),
    [
        ("", None),
        ("Max-Age=10", 1010.0),
        ("max-age=0", 0.0),
        ("MAX-AGE = 10", 1010.0),
        ("Max-Age=ten", None),
        ("Max-Age=", None),
        ("Max-Age=-", None),
        ("Expires=Thu, 01 Jan 1970 00:33:20 GMT", 2000.0),
        ("Expires=Thu, 01-Jan-1970 00:33:20 GMT", 2000.0),
        ("Expires=Thursday, 01-Jan-70 00:33:20 GMT", 2000.0),
        ("Expires=tomorrow", None),
        ("Expires=Thu, 01 Jan 1970 00:33:20 GMT; Max-Age=10", 1010.0),
    ],
)
def test_a_lifetime_is_read_in_each_form(attributes: str, ends: float | None) -> None:
    cookie = read_set_cookie(f"a=1; {attributes}")
    assert cookie is not None
    assert cookie.lifetime(1000.0) == ends


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=60), max_size=5), st.text(max_size=30), st.booleans())
def test_no_field_breaks_the_jar(fields: list[str], path: str, is_secure: bool) -> None:
    jar = Cookies("testserver", lambda: 1000.0)
    jar.keep(fields, f"/{path}", is_secure=is_secure)
    field = jar.field(f"/{path}", {}, is_secure=is_secure)
    assert set(parse_cookies(field or "")) <= set(jar)


@given(st.text(st.characters(max_codepoint=255, exclude_characters=';"'), max_size=20))
def test_a_value_that_is_kept_is_what_the_application_reads(value: str) -> None:
    jar = Cookies("testserver", lambda: 1000.0)
    jar.keep([f"a={value}"], "/", is_secure=False)
    assert parse_cookies(jar.field("/", {}, is_secure=False) or "")["a"] == value.strip(" \t")
