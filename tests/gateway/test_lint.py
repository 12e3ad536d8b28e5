"""Lint: what each side may break, what it is told, and what is let pass."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

import pagi.gateway
from pagi.gateway import ClientGone, Reason, is_pagi, whole_scope
from pagi.gateway.lint import Lint, LintError
from pagi.gateway.types import AnyApp, Message, Receive, Scope, Send
from tests.gateway.foreign_server import EMPTY_REQUEST, GONE, ForeignServer, http_scope, websocket_scope

pytestmark = pytest.mark.anyio

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
END: Message = {"type": "http.response.body", "body": b"x"}
CONNECT: Message = {"type": "websocket.connect"}
HTTP = whole_scope(http_scope())
SSE: Scope = {**HTTP, "type": "sse"}
WEBSOCKET = whole_scope(websocket_scope(subprotocols=["a"]))
LIFESPAN: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}}


def sending(*events: Message, receives: int = 0) -> AnyApp:
    """An application that receives so often, then sends these."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(receives):
            await receive()
        for event in events:
            await send(event)

    return app


async def broken(app: AnyApp, scope: Scope = HTTP, *inbox: Message) -> LintError:
    """What lint says of an application."""
    with pytest.raises(LintError) as caught:
        await ForeignServer(*inbox).run(Lint(app), {**scope})
    return caught.value


# ---- what passes


@pytest.mark.parametrize(
    ("scope", "events"),
    [
        (HTTP, (START, END)),
        (HTTP, (START, {**END, "more_body": True}, END)),
        (HTTP, ({"type": "http.response.early_hint", "links": [b"</a>"]}, START, END)),
        (HTTP, ({**START, "status": 204}, {"type": "http.response.body"})),
        (HTTP, ({**START, "headers": iter([(b"a", b"b")])}, END)),
        (HTTP, ({**START, "headers": [[b"a", b"b"]]}, END)),
        (SSE, ({"type": "sse.start"}, {"type": "sse.send", "data": "x"})),
        (SSE, ({"type": "sse.start"}, {"type": "sse.close"})),
        (SSE, (START, END)),
        (WEBSOCKET, ({"type": "websocket.accept", "subprotocol": "a"}, {"type": "websocket.send", "text": "x"})),
        (WEBSOCKET, ({"type": "websocket.close"},)),
        (WEBSOCKET, ({"type": "websocket.http.response.start", "status": 401}, {"type": "websocket.http.response.body"})),
        (LIFESPAN, ({"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"})),
        (LIFESPAN, ({"type": "lifespan.startup.failed"},)),
        (LIFESPAN, ()),
    ],
)
async def test_what_keeps_the_agreement_passes_unchanged(scope: Scope, events: tuple[Message, ...]) -> None:
    server = ForeignServer()
    await server.run(Lint(sending(*events)), {**scope})
    assert server.types == [event["type"] for event in events]


async def test_fields_from_an_iterator_reach_the_server() -> None:
    server = ForeignServer()
    await server.run(Lint(sending({**START, "headers": iter([(b"a", b"b")])}, END)), {**HTTP})
    assert list(server.sent[0]["headers"]) == [(b"a", b"b")]


async def test_received_events_pass_unchanged() -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([await receive(), await receive(), await receive()])

    await ForeignServer(EMPTY_REQUEST, GONE, GONE).run(Lint(app), {**HTTP})
    assert seen == [EMPTY_REQUEST, GONE, GONE]


# ---- what an application may break


@pytest.mark.parametrize(
    ("scope", "events", "message"),
    [
        (HTTP, ({"type": "http.response.start"},), "'http.response.start' lacks 'status', which must be an integer from 200 to 999"),
        (HTTP, ({**START, "status": 100},), "'status' of 'http.response.start' must be an integer from 200 to 999, got 100"),
        (HTTP, ({**START, "headers": [("a", "b")]},), "a header must be a pair of bytes, got ('a', 'b'); encode name and value"),
        (HTTP, ({**START, "headers": [b"ab"]},), "a header must be a pair of bytes, got b'ab'"),
        (HTTP, (END,), "'http.response.body' is out of order on http: nothing was sent yet; expected "),
        (HTTP, (START, START), "'http.response.start' is out of order on http: the head was given and no body yet"),
        (HTTP, (START, END, END), "'http.response.body' is out of order on http: the answer is complete; nothing may follow"),
        (HTTP, (START, {**END, "body": "text"}), "'body' of 'http.response.body' must be bytes, got str"),
        (HTTP, ({**START, "status": 304}, END), "an answer of status 304 has no body, and got 1 bytes; leave 'body' out"),
        (HTTP, ({"type": "sse.start"},), "'sse.start' is no event that a http application may send"),
        (HTTP, (None,), "an event must be a dict with a 'type', got None"),
        (SSE, ({"type": "sse.send", "data": "x"},), "'sse.send' is out of order on sse: nothing was sent yet"),
        (SSE, ({"type": "sse.start"}, {"type": "sse.close"}, {"type": "sse.send", "data": "x"}), "has closed the event stream"),
        (WEBSOCKET, ({"type": "websocket.send", "text": "x"},), "the handshake is not answered yet; expected websocket.accept"),
        (
            WEBSOCKET,
            ({"type": "websocket.accept", "subprotocol": "b"},),
            "'b' was not offered; accept with one that was ('a'), or with None",
        ),
        (WEBSOCKET, ({"type": "websocket.close"}, {"type": "websocket.close"}), "the handshake was denied; nothing may follow"),
        (LIFESPAN, ({"type": "lifespan.shutdown.complete"},), "start-up is not answered yet"),
    ],
)
async def test_an_application_is_told_what_it_did_wrong(scope: Scope, events: tuple[Any, ...], message: str) -> None:
    error = await broken(sending(*events), scope)
    assert message in str(error)
    assert error.side == "application"


@pytest.mark.parametrize(
    ("scope", "events", "message"),
    [
        (HTTP, (), "the application returned, and nothing was sent yet; http.response.start is missing"),
        (HTTP, (START,), "the head was given and no body yet; http.response.body or http.response.pathsend is missing"),
        (HTTP, (START, {**END, "more_body": True}), "the body is being sent; http.response.body is missing"),
        (HTTP, ({**START, "trailers": True}, END), "the announced trailers are missing; http.response.trailers is missing"),
        (SSE, (), "nothing was sent yet; sse.start or http.response.start or "),
        (SSE, (START,), "the event stream was declined and the head was given and no body yet"),
        (
            WEBSOCKET,
            (),
            "websocket.accept or websocket.close or websocket.http.response.start is missing",
        ),
        (WEBSOCKET, ({"type": "websocket.http.response.start", "status": 401},), "the handshake is being denied"),
        (
            LIFESPAN,
            ({"type": "lifespan.startup.complete"},),
            "start-up is complete; lifespan.shutdown.complete or ",
        ),
    ],
)
async def test_what_an_application_left_open_is_named(scope: Scope, events: tuple[Message, ...], message: str) -> None:
    assert message in str(await broken(sending(*events), scope))


async def test_a_refused_event_does_not_reach_the_server() -> None:
    server = ForeignServer()
    with pytest.raises(LintError):
        await server.run(Lint(sending(END)), {**HTTP})
    assert server.sent == []


@pytest.mark.parametrize(
    ("events", "scope", "place"),
    [
        ((END,), HTTP, "ASGI, HTTP & WebSocket"),
        (({"type": "http.response.trailers"},), HTTP, "ASGI extensions"),
        (({"type": "sse.send", "data": ""},), SSE, "pagi, docs/gateway.md"),
        (({"type": "websocket.keepalive", "interval": 1},), WEBSOCKET, "pagi, docs/gateway.md"),
        (({"type": "lifespan.shutdown.complete"},), LIFESPAN, "ASGI, Lifespan"),
    ],
)
async def test_an_error_says_where_in_the_agreement(events: tuple[Message, ...], scope: Scope, place: str) -> None:
    error = await broken(sending(*events), scope)
    assert error.place == place
    assert str(error).endswith(f"(see {place})")


# ---- what a server may break, or middleware in between


async def test_a_scope_that_is_none_stops_the_call() -> None:
    called: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        called.append("app")

    error = await broken(app, {**HTTP, "query_string": "a=b"})
    assert "scope['query_string'] of http must be bytes, got 'a=b'" in str(error)
    assert error.side == "server"
    assert called == []


@pytest.mark.parametrize(
    ("scope", "inbox", "message"),
    [
        (HTTP, ({"type": "http.request", "body": "text"},), "'body' of 'http.request' must be bytes, got str"),
        (HTTP, (EMPTY_REQUEST, EMPTY_REQUEST), "'http.request' was handed over out of order on http: the request's body is whole"),
        (WEBSOCKET, ({"type": "websocket.receive", "text": "x"},), "websocket.connect may follow"),
        (HTTP, (CONNECT,), "'websocket.connect' is no event that a http application is handed"),
    ],
)
async def test_a_server_is_told_what_it_handed_over_wrong(scope: Scope, inbox: tuple[Message, ...], message: str) -> None:
    error = await broken(sending(receives=len(inbox)), scope, *inbox)
    assert message in str(error)
    assert error.side == "server"


# ---- whose error comes first


async def test_an_error_of_the_application_comes_first_with_a_note_of_what_was_found() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(END)
        except LintError as error:
            raise KeyError("mine") from error

    with pytest.raises(KeyError, match="mine") as caught:
        await ForeignServer().run(Lint(app), {**HTTP})
    assert "lint had found before: 'http.response.body' is out of order" in caught.value.__notes__[0]


async def test_an_application_that_fails_is_not_told_what_it_left_open() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        await ForeignServer().run(Lint(app), {**HTTP})
    assert not hasattr(caught.value, "__notes__")


async def test_what_an_application_swallowed_is_raised_at_its_end() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(END)
        except LintError:
            await send(START)
            await send(END)

    assert "is out of order on http: nothing was sent yet" in str(await broken(app))


async def test_what_a_framework_has_told_is_not_told_again() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(END)
        except LintError as error:
            scope["pagi.exception"] = error
            await send(START)
            await send(END)

    server = ForeignServer()
    await server.run(Lint(app), {**HTTP})
    assert server.types == ["http.response.start", "http.response.body"]


# ---- the client's end


async def test_after_a_disconnect_was_received_nothing_is_missing() -> None:
    await ForeignServer(GONE).run(Lint(sending(receives=1)), {**HTTP})


async def test_after_a_send_that_found_the_client_gone_nothing_is_missing() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(OSError, match="gone"):
            await send(START)

    await ForeignServer(fails_from=1).run(Lint(app), {**HTTP})


async def test_what_is_sent_to_a_client_that_left_is_the_servers_to_refuse() -> None:
    handle = pagi.gateway.ConnectionHandle(lambda: pytest.fail("nobody waits"))
    handle.mark_disconnected(Reason.CLIENT_CLOSED)

    async def gone(event: Message) -> None:
        raise ClientGone(Reason.CLIENT_CLOSED)

    with pytest.raises(ClientGone):
        await Lint(sending(END))({**HTTP, "pagi.connection": handle}, ForeignServer().receive, gone)


async def test_an_event_that_the_server_refused_was_not_sent() -> None:
    class Picky(ForeignServer):
        async def send(self, event: Message) -> None:
            if event.get("status") == 999:
                raise ValueError("not that")
            await super().send(event)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(ValueError, match="not that"):
            await send({**START, "status": 999})
        await send(START)
        await send(END)

    await Picky().run(Lint(app), {**HTTP})


# ---- warnings


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What lint warns of."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Kept()
    logging.getLogger("pagi.lint").addHandler(handler)
    yield lines
    logging.getLogger("pagi.lint").removeHandler(handler)


async def test_a_name_that_is_not_in_lower_case_is_a_warning_given_once(warnings: list[str]) -> None:
    app = Lint(sending({**START, "headers": [(b"Content-Type", b"text/plain")]}, END))
    for _ in range(3):
        await ForeignServer().run(app, {**HTTP})
    assert warnings == [
        "'http.response.start' has a header b'Content-Type': names have to be in lower case, and other servers may not change them"
    ]


async def test_warnings_are_bounded(warnings: list[str]) -> None:
    headers = [(b"X-%d" % number, b"") for number in range(200)]
    await ForeignServer().run(Lint(sending({**START, "headers": headers}, END)), {**HTTP})
    assert len(warnings) == 100


# ---- the wrapper itself


async def test_the_marker_is_kept_and_never_invented() -> None:
    @pagi.gateway.app
    async def marked(scope: Scope, receive: Receive, send: Send) -> None: ...

    assert is_pagi(Lint(marked))
    assert not is_pagi(Lint(sending()))


async def test_the_short_ways_of_the_server_are_hidden_but_for_settling_the_kind() -> None:
    class Direct:
        def __init__(self) -> None:
            self.kinds: list[str] = []

        async def __call__(self, event: Message) -> None: ...

        def full(self) -> None: ...

        def settle(self, kind: str) -> None:
            self.kinds.append(kind)

    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Any) -> None:
        seen.append([hasattr(send, name) for name in ("full", "chunk", "settle")])
        send.settle("http")
        await send(START)
        await send(END)

    direct = Direct()
    await Lint(app)({**SSE}, ForeignServer().receive, direct)
    assert seen == [[False, False, True]]
    assert direct.kinds == ["http"]
