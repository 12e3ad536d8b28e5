"""Hosts: which application answers is decided before any path is matched."""

from collections.abc import AsyncIterator

import pytest

from pagi import App, ConfigError, Context, HTTPContext, Next, Response, Router, SSEContext, WebSocketContext
from pagi.gateway.types import Receive, Scope, Send
from pagi.routing.hosts import BadHost, Hosts
from pagi.testing import TestClient

pytestmark = pytest.mark.anyio


async def foreign(scope: Scope, receive: Receive, send: Send) -> None:
    body = f"foreign {scope['path']} {scope.get('path_params', {})}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


def an_app(seen: list[str]) -> App:
    async def note(ctx: Context, next: Next) -> Response:
        seen.append(ctx.path)
        return await next()

    api, tenants = Router(), Router()

    @api.get("/users")
    async def users(ctx: HTTPContext) -> str:
        return f"api {ctx.path} {ctx.scope['root_path']!r}"

    @tenants.get("/users/{id:int}")
    async def of_tenant(tenant: str, id: int) -> str:
        return f"{tenant} {id}"

    @tenants.websocket("/ws")
    async def ws(ctx: WebSocketContext, tenant: str) -> None:
        await ctx.accept()
        await ctx.send_text(tenant)

    @tenants.sse("/feed")
    async def feed(ctx: SSEContext, tenant: str) -> AsyncIterator[str]:
        yield tenant

    app = App(middleware=[note])
    app.host("{tenant}.example.org", tenants)
    app.host("api.example.org", api)
    app.host("{a}.{b}.legacy.org", foreign)

    @app.get("/users")
    async def own() -> str:
        return "own"

    return app


@pytest.mark.parametrize(
    ("host", "path", "answer"),
    [
        ("api.example.org", "/users", "api /users ''"),
        ("API.Example.org:8443", "/users", "api /users ''"),
        ("api.example.org.", "/users", "api /users ''"),
        ("acme.example.org", "/users/5", "acme 5"),
        ("x.y.legacy.org", "/deep/path", "foreign /deep/path {'a': 'x', 'b': 'y'}"),
        ("example.org", "/users", "own"),
        ("a.b.example.org", "/users", "own"),
        ("[::1]:8000", "/users", "own"),
    ],
)
async def test_the_host_decides_who_answers(host: str, path: str, answer: str) -> None:
    seen: list[str] = []
    async with TestClient(an_app(seen)) as client:
        reply = await client.get(path, headers={"host": host})
        assert (reply.status, reply.text) == (200, answer)
    assert seen == [path], "the middleware of the app is around all of them"


async def test_what_a_host_does_not_know_is_not_asked_elsewhere() -> None:
    async with TestClient(an_app([])) as client:
        assert (await client.get("/nowhere", headers={"host": "api.example.org"})).status == 404
        assert (await client.post("/users", headers={"host": "api.example.org"})).status == 405


async def test_streams_and_sessions_are_found_by_their_host_too() -> None:
    async with TestClient(an_app([])) as client:
        async with client.websocket("/ws", headers={"host": "acme.example.org"}) as ws:
            assert await ws.receive_text() == "acme"
        async with client.sse("/feed", headers={"host": "acme.example.org"}) as feed:
            assert (await feed.receive()).data == "acme"


@pytest.mark.parametrize("pattern", ["", "http://example.org", "example.org:80", "a..b", "{x}y.org", "{x}.{x}.org", "-a.org", "*.org"])
def test_what_is_no_host_is_refused_at_once(pattern: str) -> None:
    with pytest.raises(BadHost, match=r"without scheme and port"):
        App().host(pattern, foreign)


def test_hosts_that_are_the_same_clash() -> None:
    app = App()
    app.host("{a}.example.org", foreign)
    app.host("{b}.EXAMPLE.org", foreign)
    with pytest.raises(ConfigError, match=r"host '\{a\}\.example\.org' is registered twice, once as '\{b\}\.EXAMPLE\.org'"):
        app.build()


def test_what_leaves_less_open_is_asked_first() -> None:
    hosts = Hosts[str]()
    hosts.add("{a}.{b}.org", "two")
    hosts.add("{a}.x.org", "one")
    hosts.add("y.x.org", "none")
    assert [hosts.find(host) for host in ("y.x.org", "z.x.org", "z.z.org", "z.org", "")] == [
        ("none", {}),
        ("one", {"a": "z"}),
        ("two", {"a": "z", "b": "z"}),
        None,
        None,
    ]


def test_routes_of_hosts_are_shown_with_them() -> None:
    assert [row.path for row in an_app([]).routes][:3] == [
        "{tenant}.example.org/users/{id:int}",
        "{tenant}.example.org/ws",
        "{tenant}.example.org/feed",
    ]
