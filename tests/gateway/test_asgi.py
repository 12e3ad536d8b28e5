"""Which kind an app is given under a foreign server, what a plain one gets below ours, and who carries the marker."""

import functools
from typing import Any

import anyio
import pytest

import pagi.gateway
from pagi.gateway import Marker, Reason, as_asgi, is_pagi, plain_scope
from pagi.gateway.types import AnyApp, Message, Receive, Scope, Send
from tests.gateway.foreign_server import EMPTY_REQUEST, GONE, ForeignServer, http_scope

pytestmark = pytest.mark.anyio

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


def answering(*events: Message) -> AnyApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for event in events:
            await send(event)

    return app


async def test_an_sse_scope_becomes_http_with_renamed_events() -> None:
    server = ForeignServer({"type": "sse.request", "body": b"a", "more_body": False}, {"type": "sse.disconnect", "reason": "idle_timeout"})
    given = http_scope(type="sse", path="/x")
    scope, receive = plain_scope(given, server.receive)
    assert scope == {**given, "type": "http"}
    assert given["type"] == "sse"
    assert await receive() == {"type": "http.request", "body": b"a", "more_body": False}
    assert await receive() == {"type": "http.disconnect"}


@pytest.mark.parametrize("kind", ["http", "websocket", "lifespan"])
async def test_other_scopes_come_back_as_they_are(kind: str) -> None:
    server = ForeignServer()
    given = http_scope(type=kind)
    scope, receive = plain_scope(given, server.receive)
    assert scope is given
    assert receive == server.receive


@pagi.gateway.app
async def marked(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204})


async def test_the_decorator_marks_a_function() -> None:
    assert is_pagi(marked)


async def test_a_wrapper_that_copies_attributes_is_not_marked() -> None:
    @functools.wraps(marked)
    async def wrapper(scope: Scope, receive: Receive, send: Send) -> None:
        await marked(scope, receive, send)

    assert wrapper.__pagi__ is marked.__pagi__  # type: ignore[attr-defined]
    assert not is_pagi(wrapper)


async def test_a_wrapper_that_forwards_attributes_is_not_marked() -> None:
    class Wrapper:
        def __getattr__(self, name: str) -> Any:
            return getattr(marked, name)

    assert not is_pagi(Wrapper())


async def test_an_object_marks_itself() -> None:
    class App:
        def __init__(self) -> None:
            self.__pagi__ = Marker(self)

    assert is_pagi(App())
    assert not is_pagi(object())


# ---- event streams


@pagi.gateway.app
async def clock(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "sse":
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "tick"})
    else:
        await answering(START, {"type": "http.response.body", "body": b"plain"})(scope, receive, send)


EVENTS = [(b"accept", b"text/html, Text/Event-Stream;q=0.5")]


async def test_a_marked_app_gets_the_sse_scope_by_accept() -> None:
    server = ForeignServer()
    await server.run(as_asgi(clock), http_scope(headers=EVENTS))
    assert server.body == b"data: tick\n\n"
    assert dict(server.sent[0]["headers"])[b"content-type"] == b"text/event-stream; charset=utf-8"


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": []},
        {"headers": [(b"accept", b"*/*")]},
        {"headers": [(b"accept", b"text/*")]},
        {"headers": [(b"accept", b"text/event-stream;q=0")]},
        {"headers": EVENTS, "method": "HEAD"},
        {"headers": EVENTS, "method": "OPTIONS"},
    ],
)
async def test_other_requests_stay_http(changes: dict[str, Any]) -> None:
    server = ForeignServer()
    await server.run(as_asgi(clock), http_scope(**changes))
    assert server.body == b"plain"


async def test_an_app_that_settles_the_kind_itself_gets_http() -> None:
    server = ForeignServer()
    await server.run(as_asgi(clock, settles_kind=True), http_scope(headers=EVENTS))
    assert server.body == b"plain"


async def test_an_app_without_the_marker_gets_http() -> None:
    async def unmarked(scope: Scope, receive: Receive, send: Send) -> None:
        await clock(scope, receive, send)

    server = ForeignServer()
    await server.run(as_asgi(unmarked), http_scope(headers=EVENTS))
    assert server.body == b"plain"


async def test_a_silent_event_stream_hears_of_the_departure_and_is_complete_otherwise() -> None:
    reasons: list[Reason] = []

    @pagi.gateway.app
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        reasons.append(await scope["pagi.connection"].disconnected())

    server = ForeignServer(EMPTY_REQUEST, GONE)
    await server.run(as_asgi(silent), http_scope(headers=EVENTS))
    assert reasons == [Reason.CLIENT_CLOSED]
    assert server.sent[-1]["more_body"] is True


async def test_the_closing_signal_never_comes() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        handle = scope["pagi.connection"]
        with anyio.move_on_after(0.02) as waited:
            await handle.closing()
        assert waited.cancelled_caught
        assert not handle.is_closing

    await ForeignServer().run(as_asgi(app), http_scope())


async def test_our_own_server_behind_middleware_is_left_as_it_is() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    scope = http_scope(**{"pagi.connection": object()})
    await ForeignServer().run(as_asgi(app), scope)
    assert seen[0] is scope
