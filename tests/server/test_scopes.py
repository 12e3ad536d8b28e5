"""What the application is told about an exchange before anything happens: the scopes, kind by kind, and that each is its own."""

from typing import Any

import pytest

from pagi.gateway import ConnectionHandle, TransportHandle
from pagi.gateway import app as pagi_app
from tests.server.live import GET, served

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing")]

UPGRADE = (
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
)
KINDS: dict[str, tuple[bytes, ...]] = {"http": (), "sse": (b"Accept: text/event-stream",), "websocket": UPGRADE}


def ask(target: bytes, *fields: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: x", *fields, b"", b""])


def keeper(scopes: list[dict[str, Any]]) -> Any:
    """An application that keeps every scope, and answers whatever it is asked."""

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
        elif scope["type"] == "sse":
            await send({"type": "sse.start"})
        else:
            send.full(200, [], b"")

    return app


async def scope_of(request: bytes) -> dict[str, Any]:
    """The scope that one request brings about."""
    scopes: list[dict[str, Any]] = []
    async with served(keeper(scopes)) as server, server.peer() as peer:
        await peer.send(request)
        await peer.until(b"\r\n\r\n")
    return scopes[0]


async def test_an_http_scope_has_all_that_asgi_names_and_our_handles(framing: str) -> None:
    scopes: list[dict[str, Any]] = []
    async with served(keeper(scopes)) as server:
        await server.ask(ask(b"/a%20b/?c=%20d", b"X-One: 1", b"Cookie: a=1", b"x-ONE: 2", b"cookie: b=2"))
    scope = dict(scopes[0])
    assert isinstance(scope.pop("pagi.connection"), ConnectionHandle)
    assert isinstance(scope.pop("pagi.transport"), TransportHandle)
    host, port = scope.pop("client")
    assert host == "127.0.0.1"
    assert 0 < port < 65536
    assert set(scope.pop("extensions")) == {"http.response.pathsend", "http.response.trailers", "http.response.early_hint"}
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "pagi": {"version": "0.3", "spec_version": "0.3"},
        "http_version": framing.removeprefix("HTTP/"),
        "method": "GET",
        "scheme": "http",
        "path": "/a b/",
        "raw_path": b"/a%20b/",
        "query_string": b"c=%20d",
        "root_path": "",
        "headers": [(b"host", b"x"), (b"x-one", b"1"), (b"cookie", b"a=1; b=2"), (b"x-one", b"2")],
        "server": ("127.0.0.1", server.port),
        "state": {},
    }


async def test_an_sse_scope_is_an_http_scope_of_another_type() -> None:
    http, sse = [await scope_of(ask(b"/", *fields, b"Content-Length: 0", method=b"POST")) for fields in ((), KINDS["sse"])]
    assert sse.keys() == http.keys()
    assert (sse["type"], sse["method"], sse["scheme"]) == ("sse", "POST", "http")


async def test_a_websocket_scope_has_subprotocols_and_no_method() -> None:
    http, websocket = (
        await scope_of(GET),
        await scope_of(ask(b"/", *UPGRADE, b"Sec-WebSocket-Protocol: v1,  v2", b"Sec-WebSocket-Protocol: v3")),
    )
    assert websocket.keys() == http.keys() - {"method"} | {"subprotocols"}
    assert (websocket["type"], websocket["scheme"], websocket["subprotocols"]) == ("websocket", "ws", ["v1", "v2", "v3"])
    assert websocket["extensions"] == {"websocket.http.response": {}}
    assert (b"sec-websocket-version", b"13") in websocket["headers"]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_has_a_handle_of_its_own_and_the_default_marks(kind: str) -> None:
    first, second = [await scope_of(ask(b"/", *KINDS[kind])) for _ in range(2)]
    assert first["type"] == kind
    assert first["pagi.connection"] is not second["pagi.connection"]
    transport = first["pagi.transport"]
    assert (transport.high_water_mark, transport.low_water_mark) == (65536, 16384)


PATHS: dict[str, tuple[bytes, str]] = {
    "a blank": (b"/path%20with%20spaces", "/path with spaces"),
    "UTF-8": (b"/caf%C3%A9/%E6%97%A5%E6%9C%AC", "/café/日本"),
    "no UTF-8": (b"/invalid/%FF%FE/test", "/invalid/\u00ff\u00fe/test"),
    "an encoded slash": (b"/a%2Fb", "/a/b"),
    "a plus": (b"/a+b", "/a+b"),
    "dots": (b"/a/../b", "/a/../b"),
    "a broken escape": (b"/100%/%zz", "/100%/%zz"),
    "two slashes": (b"//a", "//a"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PATHS)
async def test_a_path_is_decoded_and_its_raw_form_kept(name: str, kind: str) -> None:
    raw, path = PATHS[name]
    scope = await scope_of(ask(raw + b"?q=%C3%A9+%zz", *KINDS[kind]))
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw, b"q=%C3%A9+%zz")


@pytest.mark.parametrize(("target", "query"), [(b"/a?b?c", b"b?c"), (b"/a?", b""), (b"/a", b"")])
async def test_a_query_begins_at_the_first_question_mark(target: bytes, query: bytes) -> None:
    scope = await scope_of(ask(target))
    assert (scope["path"], scope["query_string"]) == ("/a", query)


@pytest.mark.http1
async def test_a_whole_url_is_the_path_and_the_host_it_names() -> None:
    scope = await scope_of(ask(b"http://example.org:81/a?b"))
    assert (scope["path"], scope["raw_path"], scope["query_string"], scope["headers"]) == (
        "/a",
        b"/a",
        b"b",
        [(b"host", b"example.org:81")],
    )


async def test_a_method_is_passed_on_as_it_was_sent() -> None:
    assert (await scope_of(ask(b"/", method=b"get")))["method"] == "get"


async def test_what_an_application_writes_into_its_scope_reaches_no_other_exchange() -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append({name: value.copy() if isinstance(value, dict | list) else value for name, value in scope.items()})
        scope["headers"].append((b"x-mine", b"1"))
        scope["extensions"]["mine"] = {}
        scope["state"]["mine"] = 1
        scope["mine"] = 1
        scope["path"] = "/other"
        send.full(200, [], b"")

    async with served(app) as server, server.peer() as peer:
        for _ in range(3):
            await peer.ask()
    handles = {"pagi.connection", "pagi.transport"}
    first, *others = [{name: value for name, value in scope.items() if name not in handles} for scope in seen]
    assert others == [first, first]


async def test_a_copy_of_the_scope_made_on_the_way_down_leaves_the_one_above_alone() -> None:
    above: list[bool] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        assert scope["pagi.connection"].is_connected
        send.full(200, [], scope["app.user"])

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "app.user": b"ada"}, receive, send)
        above.append("app.user" in scope)

    async with served(outer) as server:
        assert (await server.ask()).body == b"ada"
    assert above == [False]


async def test_a_lifespan_scope_has_the_versions_and_a_state_to_fill() -> None:
    scopes: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(dict(scope))
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async with served(app, lifespan="on"):
        pass
    (scope,) = scopes
    assert (scope["type"], scope["state"]) == ("lifespan", {})
    assert scope["asgi"]["version"] == "3.0"
    assert scope["pagi"] == {"version": "0.3", "spec_version": "0.3", "is_worker": False, "worker_num": None}
