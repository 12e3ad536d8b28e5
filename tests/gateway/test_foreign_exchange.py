"""A pagi app under a foreign server: `as_asgi` over a recorded one, event by event."""

import logging
from typing import Any

import anyio
import pytest

from pagi.gateway import BadEvent, ClientGone, EventOutOfOrder, Reason, as_asgi
from pagi.gateway.types import AnyApp, Message, Receive, Scope, Send
from tests.gateway.foreign_server import EMPTY_REQUEST, GONE, ForeignServer, http_scope, websocket_scope

pytestmark = pytest.mark.anyio

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


def answering(*events: Message) -> AnyApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for event in events:
            await send(event)

    return app


def ignore(reason: Reason) -> None:
    """A listener that only makes the bridge watch."""


async def test_the_scope_is_made_whole() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await answering(START, {"type": "http.response.body"})(scope, receive, send)

    foreign = http_scope(path="/a b/\u00e4")
    await ForeignServer().run(as_asgi(app), foreign)
    (scope,) = seen
    assert scope["pagi"] == {"version": "0.3"}
    assert scope["raw_path"] == b"/a%20b/%C3%A4"
    assert (scope["root_path"], scope["query_string"], scope["state"], scope["extensions"]) == ("", b"", {}, {})
    assert scope["pagi.connection"].response_complete
    assert "pagi.transport" not in scope
    assert "pagi.connection" not in foreign


async def test_what_the_server_gave_is_kept() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send({"type": "websocket.close"})

    state = {"pool": object()}
    await ForeignServer().run(
        as_asgi(app), websocket_scope(scheme="wss", state=state, raw_path=b"/x%2Fy", subprotocols=["a"], method="odd")
    )
    assert (seen[0]["scheme"], seen[0]["raw_path"], seen[0]["subprotocols"], seen[0]["state"]) == ("wss", b"/x%2Fy", ["a"], state)


async def test_a_lifespan_passes_through() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        assert scope["pagi"] == {"version": "0.3"}
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["ready"] = True
        await send({"type": "lifespan.startup.complete"})

    server = ForeignServer({"type": "lifespan.startup"})
    state: dict[str, Any] = {}
    await server.run(as_asgi(app), {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state})
    assert (server.types, state) == (["lifespan.startup.complete"], {"ready": True})


async def test_a_whole_answer_completes_the_handle() -> None:
    calls: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        handle = scope["pagi.connection"]
        handle.on_complete(lambda: calls.append("complete"))
        handle.on_disconnect(calls.append)
        assert not handle.response_started
        await send(START)
        assert handle.response_started
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        assert calls == []
        await send({"type": "http.response.body", "body": b"b"})
        assert calls == ["complete"]
        server.say(GONE)
        assert await receive() == EMPTY_REQUEST
        assert await receive() == GONE

    server = ForeignServer(EMPTY_REQUEST)
    await server.run(as_asgi(app), http_scope())
    assert calls == ["complete"]


async def test_a_disconnect_during_the_body_is_noted_and_said_again() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "http.request", "body": b"par", "more_body": True}
        assert scope["pagi.connection"].is_connected
        assert await receive() == GONE
        assert await receive() == GONE
        assert scope["pagi.connection"].disconnect_reason is Reason.CLIENT_CLOSED
        with pytest.raises(ClientGone):
            await send(START)

    server = ForeignServer({"type": "http.request", "body": b"par", "more_body": True}, GONE)
    await server.run(as_asgi(app), http_scope(method="POST", headers=[(b"content-length", b"9")]))
    assert (server.sent, server.receives) == ([], 2)


async def test_waiting_for_the_departure_eats_no_body() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.move_on_after(0.02):
            await scope["pagi.connection"].disconnected()
        assert server.receives == 0
        assert (await receive())["body"] == b"abc"
        assert await scope["pagi.connection"].disconnected() is Reason.CLIENT_CLOSED

    server = ForeignServer({"type": "http.request", "body": b"abc"}, GONE)
    await server.run(as_asgi(app), http_scope(method="POST", headers=[(b"content-length", b"3")]))
    assert server.receives == 2


@pytest.mark.parametrize("field", [(b"transfer-encoding", b"chunked"), (b"expect", b"100-continue"), (b"content-length", b"10")])
async def test_a_request_that_announces_a_body_is_left_alone_until_it_is_read(field: tuple[bytes, bytes]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["pagi.connection"].on_disconnect(ignore)
        await anyio.wait_all_tasks_blocked()
        assert server.receives == 0
        await answering(START, {"type": "http.response.body"})(scope, receive, send)

    server = ForeignServer(GONE)
    await server.run(as_asgi(app), http_scope(method="POST", headers=[field]))


async def test_without_a_body_the_departure_is_watched_at_once_and_the_empty_request_is_kept() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await scope["pagi.connection"].disconnected() is Reason.CLIENT_CLOSED
        assert await receive() == EMPTY_REQUEST
        assert await receive() == GONE

    await ForeignServer(EMPTY_REQUEST, GONE).run(as_asgi(app), http_scope(headers=[(b"content-length", b"0")]))


async def test_an_unannounced_body_is_looked_at_one_piece_ahead_only() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["pagi.connection"].on_abandoned(lambda: None)
        await anyio.wait_all_tasks_blocked()
        assert server.receives == 1
        assert [(await receive())["body"] for _ in range(3)] == [b"a", b"b", b"c"]

    pieces = [{"type": "http.request", "body": body, "more_body": body != b"c"} for body in (b"a", b"b", b"c")]
    server = ForeignServer(*pieces)
    await server.run(as_asgi(app), http_scope(http_version="2", method="POST"))


async def take(receive: Receive) -> None:
    await receive()


async def test_the_application_and_the_watch_never_receive_at_once() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(scope["pagi.connection"].disconnected)
            await receive()
            await anyio.wait_all_tasks_blocked()
            group.start_soon(take, receive)
            group.start_soon(take, receive)
            await anyio.wait_all_tasks_blocked()
            server.say(GONE)

    server = ForeignServer(EMPTY_REQUEST)
    await server.run(as_asgi(app), http_scope())


async def test_the_watch_takes_over_from_a_cancelled_receive() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        async with anyio.create_task_group() as group:
            with anyio.move_on_after(0.01):
                group.start_soon(scope["pagi.connection"].disconnected)
                await receive()
            server.say(GONE)
        assert scope["pagi.connection"].disconnect_reason is Reason.CLIENT_CLOSED

    server = ForeignServer(EMPTY_REQUEST)
    await server.run(as_asgi(app), http_scope())


async def test_an_os_error_of_send_is_the_clients_departure() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        with pytest.raises(ClientGone) as caught:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        assert isinstance(caught.value.__cause__, OSError)
        assert scope["pagi.connection"].disconnect_reason is Reason.CLIENT_CLOSED
        with pytest.raises(ClientGone):
            await send({"type": "http.response.body", "body": b"x"})

    server = ForeignServer(fails_from=2)
    await server.run(as_asgi(app), http_scope())
    assert len(server.sent) == 1


async def test_an_application_stopped_by_the_departure_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "pagi.gateway"):
        await ForeignServer(fails_from=1).run(as_asgi(answering(START)), http_scope())
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


async def test_abandoned_fires_after_the_grace_while_the_exchange_runs() -> None:
    calls: list[str] = []

    def note_departure(reason: Reason) -> None:
        calls.append("gone")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["pagi.connection"].on_disconnect(note_departure)
        scope["pagi.connection"].on_abandoned(lambda: calls.append("abandoned"))
        while not calls:
            await anyio.sleep(0.005)
        left = anyio.current_time()
        while len(calls) < 2:
            await anyio.sleep(0.005)
        assert anyio.current_time() - left > 0.1

    await ForeignServer(EMPTY_REQUEST, GONE).run(as_asgi(app, disconnect_grace_seconds=0.2), http_scope())
    assert calls == ["gone", "abandoned"]


async def test_abandoned_does_not_fire_once_the_application_has_returned() -> None:
    calls: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["pagi.connection"].on_abandoned(lambda: calls.append("abandoned"))
        await receive()
        await receive()

    with anyio.fail_after(15):
        await ForeignServer(EMPTY_REQUEST, GONE).run(as_asgi(app, disconnect_grace_seconds=30), http_scope())
    assert calls == []


async def test_an_exception_comes_out_as_it_is_and_is_a_server_error() -> None:
    reasons: list[Reason] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["pagi.connection"].on_disconnect(reasons.append)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        await ForeignServer(EMPTY_REQUEST).run(as_asgi(app), http_scope())
    assert reasons == [Reason.SERVER_ERROR]


async def test_a_return_without_an_answer_is_a_server_error() -> None:
    reasons: list[Reason] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["pagi.connection"].on_disconnect(reasons.append)

    await ForeignServer().run(as_asgi(app), http_scope())
    assert reasons == [Reason.SERVER_ERROR]


async def test_a_call_that_the_server_cancels_is_a_shutdown() -> None:
    reasons: list[Reason] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["pagi.connection"].on_disconnect(reasons.append)
        await anyio.sleep_forever()

    with anyio.move_on_after(0.02):
        await ForeignServer().run(as_asgi(app), http_scope())
    assert reasons == [Reason.SERVER_SHUTDOWN]


async def test_order_and_fields_are_held_to_the_grammar() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(EventOutOfOrder):
            await send({"type": "http.response.body"})
        with pytest.raises(BadEvent):
            await send({"type": "http.response.start", "status": "200"})
        with pytest.raises(BadEvent):
            await send({"type": "http.response.push"})

    server = ForeignServer()
    await server.run(as_asgi(app), http_scope())
    assert server.sent == []


@pytest.mark.parametrize("body", [bytearray(b"abc"), memoryview(b"abc")])
async def test_bytes_of_any_kind_arrive_as_bytes(body: Any) -> None:
    server = ForeignServer()
    await server.run(as_asgi(answering(START, {"type": "http.response.body", "body": body})), http_scope())
    assert type(server.sent[1]["body"]) is bytes
    assert server.body == b"abc"


# ---- websockets


async def test_a_websocket_left_open_is_closed_with_1000() -> None:
    server = ForeignServer()
    await server.run(as_asgi(answering({"type": "websocket.accept"})), websocket_scope())
    assert server.sent[1:] == [{"type": "websocket.close", "code": 1000}]


async def test_a_websocket_disconnect_is_noted_and_watching_eats_no_message() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        handle = scope["pagi.connection"]
        handle.on_disconnect(ignore)
        await anyio.wait_all_tasks_blocked()
        assert server.receives == 0
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        assert (await receive())["text"] == "hi"
        left: Message = {"type": "websocket.disconnect", "code": 1001, "reason": "server_shutdown"}
        assert [await receive(), await receive()] == [left, left]
        assert handle.disconnect_reason is Reason.CLIENT_CLOSED  # the peer's words decide nothing
        with pytest.raises(ClientGone):
            await send({"type": "websocket.send", "text": "late"})

    server = ForeignServer(
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "hi"},
        {"type": "websocket.disconnect", "code": 1001, "reason": "server_shutdown"},
    )
    await server.run(as_asgi(app), websocket_scope())
    assert server.types == ["websocket.accept"]
