"""Contexts: what they know of the exchange, made when asked for and not before."""

from typing import Any

import pytest

from pagi import App, AppError, Context, HTTPContext, Next, Response, Router, SSEContext, WebSocketContext
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


@pytest.mark.parametrize("kind", [HTTPContext, WebSocketContext, SSEContext])
def test_a_field_is_found_in_any_case_and_its_last_value_counts(kind: type[Context[Any]]) -> None:
    exchange = asked()
    exchange.scope["headers"] = [(b"x-a", b"1"), (b"X-A", b"2")]
    ctx = context(kind, exchange)
    assert (ctx.headers["X-a"], ctx.headers.get_all("x-a"), ctx.headers.get("x-b")) == ("2", ["1", "2"], None)


@pytest.mark.parametrize("kind", [HTTPContext, WebSocketContext, SSEContext])
def test_without_parameters_in_the_path_there_are_none(kind: type[Context[Any]]) -> None:
    ctx = context(kind, asked())
    assert ctx.path_params == {}
    with pytest.raises(KeyError, match="id"):
        ctx.path_params["id"]


def test_a_scheme_that_is_not_told_is_that_of_the_kind() -> None:
    exchange = asked()
    del exchange.scope["scheme"]
    assert context(HTTPContext, exchange).scheme == "http"
    exchange.scope["type"] = "websocket"
    assert context(WebSocketContext, exchange).scheme == "ws"


@pytest.mark.parametrize("kind", [HTTPContext, WebSocketContext, SSEContext])
def test_every_context_opens_the_handles_of_the_server(kind: type[Context[Any]]) -> None:
    ended: list[str] = []
    exchange = asked()
    ctx = context(kind, exchange)
    assert ctx.connection is exchange.handle
    assert ctx.transport is exchange.scope["pagi.transport"]
    ctx.connection.on_disconnect(ended.append)
    assert (ctx.connection.is_connected, ctx.outcome) == (True, None)
    exchange.leave()
    assert (ctx.connection.is_connected, ctx.outcome, ended) == (False, "client_closed", ["client_closed"])


def test_operations_of_a_kind_are_made_once() -> None:
    websocket, sse = (kind(asked().scope, unused, unsent, {}, Site({})) for kind in (WebSocketContext, SSEContext))
    assert isinstance(websocket, WebSocketContext)
    assert isinstance(sse, SSEContext)
    assert websocket.websocket is websocket.ws
    assert sse.sse is sse.sse
    assert sse.headers is sse.sse.headers


def test_what_is_asked_for_twice_is_made_once() -> None:
    ctx = HTTPContext(asked().scope, unused, unsent, {}, Site({}))
    assert ctx.request is ctx.req
    assert ctx.response is ctx.resp
    assert ctx.stash is ctx.stash
    assert ctx.send is ctx.send
    assert ctx.headers is ctx.request.headers
    assert ctx.query is ctx.query


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


class Tenant(HTTPContext):
    @property
    def tenant(self) -> str:
        return self.headers.get("x-tenant", "nobody")


class Room(WebSocketContext):
    @property
    def room(self) -> str:
        return self.path.rpartition("/")[2]


async def test_an_app_may_have_contexts_of_its_own_for_each_kind() -> None:
    app = App(contexts={"http": Tenant, "websocket": Room})

    @app.get("/")
    async def page(ctx: Tenant) -> str:
        return ctx.tenant

    @app.websocket("/chat/{room}")
    async def chat(ctx: Room, room: str) -> None:
        await ctx.accept()
        await ctx.send_text(ctx.room)

    recorder = Recorder(app)
    assert (await recorder.get("/", headers={"x-tenant": "t"})).text == "t"
    assert (await recorder.talk("/chat/lobby")).sent == ["lobby"]


async def test_a_router_may_have_a_context_of_its_own() -> None:
    router = Router("/in", context_class=Tenant)

    @router.get("/")
    async def inside(ctx: Tenant) -> str:
        return ctx.tenant

    app = App(routers=[router])

    @app.get("/")
    async def outside(ctx: HTTPContext) -> bool:
        return isinstance(ctx, Tenant)

    assert (await Recorder(app).get("/in")).text == "nobody"
    assert (await Recorder(app).get("/")).text == "false"


async def test_middleware_and_handler_share_one_context() -> None:
    seen: list[Context[Any]] = []

    async def watch(ctx: Context, next: Next) -> Response:
        seen.append(ctx)
        return await next()

    app = App(middleware=[watch])

    @app.get("/")
    async def page(ctx: HTTPContext) -> None:
        seen.append(ctx)

    await Recorder(app).get("/")
    assert seen[0] is seen[1]
