"""Contexts: what they know of the exchange, made when asked for and not before."""

from typing import Any

import pytest

from pagi import App, AppError, Context, HTTPContext, SSEContext, WebSocketContext
from pagi.endpoints.site import Site
from pagi.gateway.types import Message
from pagi.routing.urls import UnknownName
from tests.recorder import Exchange, Recorder

pytestmark = pytest.mark.anyio


async def unused() -> Message:
    raise AssertionError("nothing is received")


async def unsent(event: Message) -> None:
    raise AssertionError("nothing is sent")


def context(kind: type[Context[Any]], exchange: Exchange) -> Context[Any]:
    return kind(exchange.scope, unused, unsent, {}, Site({}))


def asked(target: str = "/a?q=1", **options: Any) -> Exchange:
    return Recorder(App()).http("GET", target, **options)


@pytest.mark.parametrize("kind", [HTTPContext, WebSocketContext, SSEContext])
def test_a_context_has_slots_and_nothing_else(kind: type[Context[Any]]) -> None:
    assert not hasattr(context(kind, asked()), "__dict__")


def test_a_subclass_of_an_author_may_keep_what_it_likes() -> None:
    class Mine(HTTPContext):
        @property
        def tenant(self) -> str:
            return self.headers["x-tenant"]

    ctx = Mine(asked(headers={"x-tenant": "t"}).scope, unused, unsent, {}, Site({}))
    assert ctx.tenant == "t"


@pytest.mark.parametrize("kind", [HTTPContext, WebSocketContext, SSEContext])
def test_every_context_reads_the_head(kind: type[Context[Any]]) -> None:
    ctx = context(kind, asked("/é%20b?q=1", headers={"cookie": "a=1", "X-A": "2"}))
    assert (ctx.path, ctx.query["q"], ctx.cookies["a"], ctx.headers["x-a"]) == ("/é b", "1", "1", "2")
    assert (ctx.client, ctx.scheme, ctx.url, ctx.type) == (
        ("127.0.0.1", 50000),
        "http",
        "http://example.org/é%20b?q=1".encode().decode("latin-1"),
        "http",
    )


def test_what_is_asked_for_twice_is_made_once() -> None:
    ctx = HTTPContext(asked().scope, unused, unsent, {}, Site({}))
    assert ctx.request is ctx.req
    assert ctx.response is ctx.resp
    assert ctx.stash is ctx.stash
    assert ctx.send is ctx.send
    assert ctx.headers is ctx.request.headers


def test_a_context_opens_only_its_own_doors() -> None:
    http, websocket, sse = (context(kind, asked()) for kind in (HTTPContext, WebSocketContext, SSEContext))
    assert not hasattr(http, "websocket")
    assert not hasattr(http, "sse")
    assert not hasattr(websocket, "request")
    assert not hasattr(websocket, "method")
    assert not hasattr(sse, "response")
    assert not hasattr(sse, "websocket")


def test_the_state_is_empty_without_a_lifespan() -> None:
    ctx = context(HTTPContext, asked())
    assert ctx.state == {}


def test_flow_control_is_silent_where_the_server_does_not_tell() -> None:
    ctx = context(HTTPContext, Recorder(App(), "foreign").http("GET", "/"))
    assert (ctx.transport.buffered_amount, ctx.transport.is_writable) == (0, True)
    assert ctx.transport is ctx.transport


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(UnknownName, match="no route is named 'user'"):
        context(HTTPContext, asked()).url_for("user")


async def test_the_short_forms_are_values() -> None:
    ctx = HTTPContext(asked().scope, unused, unsent, {}, Site({}))
    assert ctx.text("a").body == b"a"
    assert ctx.html("<p>", status=404).status == 404
    assert ctx.json({"a": 1}, headers={"x-a": "1"}).headers["x-a"] == "1"
    assert ctx.redirect("/b").headers["location"] == "/b"
    assert ctx.stream(["a"], content_type="text/css").headers["content-type"] == "text/css"
    ctx.response.status(201).header("x-b", "2")
    for response in (ctx.text("a"), ctx.html("a"), ctx.json("a"), ctx.stream(["a"]), ctx.file("/x")):
        assert (response.status, response.headers["x-b"]) == (201, "2")
    with pytest.raises(ValueError, match="within 200 and 599"):
        ctx.text("a", status=99)


@pytest.mark.parametrize(
    ("kind", "name"), [(HTTPContext, "path"), (HTTPContext, "method"), (SSEContext, "method"), (WebSocketContext, "path")]
)
def test_what_the_match_settled_cannot_be_assigned(kind: type[Context[Any]], name: str) -> None:
    with pytest.raises(AppError, match=rf"{name} was settled.*rewrites"):
        setattr(context(kind, asked()), name, "x")


@pytest.mark.parametrize(
    ("kind", "url"),
    [(HTTPContext, "http://testserver/a?b=1"), (SSEContext, "http://testserver/a?b=1"), (WebSocketContext, "http://testserver/a?b=1")],
)
def test_a_path_is_made_absolute_on_the_host_that_was_asked(kind: type[Context[Any]], url: str) -> None:
    exchange = asked()
    exchange.scope["headers"] = [(b"host", b"testserver")]
    exchange.scope["scheme"] = "ws" if kind is WebSocketContext else "http"
    ctx = context(kind, exchange)
    assert ctx.absolute("/a?b=1") == url
    with pytest.raises(ValueError, match="must start with '/'"):
        ctx.absolute("https://evil.example/")
