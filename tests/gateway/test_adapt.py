"""`adapt`: an sse application over a recorded http server, with its keepalive, its end and its failures."""

from typing import Any

import anyio
import pytest

from pagi.gateway.connection import ConnectionHandle
from pagi.gateway.event_stream import adapt
from pagi.gateway.grammar import EventOutOfOrder
from pagi.gateway.reasons import Reason
from pagi.gateway.types import AnyApp, Receive, Scope, Send
from tests.gateway.foreign_server import EMPTY_REQUEST, GONE, ForeignServer, http_scope

pytestmark = pytest.mark.anyio


def adapted(app: AnyApp, keepalive_interval: float = 0) -> AnyApp:
    async def over_http(scope: Scope, receive: Receive, send: Send) -> None:
        await adapt(app, scope, receive, send, keepalive_interval=keepalive_interval)

    return over_http


async def test_the_scope_is_a_copy_of_type_sse_with_everything_else() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send({"type": "sse.start"})

    scope = http_scope(path="/feed", extra=object())
    await ForeignServer().run(adapted(app), scope)
    assert seen == [{**scope, "type": "sse"}]
    assert scope["type"] == "http"


async def test_the_request_body_arrives_as_sse_events() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([await receive(), await receive(), await receive()])

    server = ForeignServer({"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.request", "body": b"b"}, GONE)
    await server.run(adapted(app), http_scope(method="POST"))
    assert seen == [
        {"type": "sse.request", "body": b"a", "more_body": True},
        {"type": "sse.request", "body": b"b"},
        {"type": "sse.disconnect", "reason": "client_closed"},
    ]


async def test_the_disconnect_names_the_reason_that_the_handle_knows() -> None:
    seen: list[Any] = []
    handle = ConnectionHandle(anyio.Event)
    handle.mark_disconnected(Reason.WRITE_TIMEOUT)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())

    await ForeignServer(GONE).run(adapted(app), http_scope(**{"pagi.connection": handle}))
    assert seen == [{"type": "sse.disconnect", "reason": "write_timeout"}]


async def test_a_return_ends_the_stream() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "one"})

    server = ForeignServer()
    await server.run(adapted(app), http_scope())
    assert server.types == ["http.response.start"] + ["http.response.body"] * 3
    assert server.body == b"data: one\n\n"
    assert [event["more_body"] for event in server.sent[1:]] == [True, True, False]


async def test_the_head_is_pushed_out_at_once_by_an_empty_body() -> None:
    server = ForeignServer()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        assert server.sent[1:] == [{"type": "http.response.body", "body": b"", "more_body": True}]

    await server.run(adapted(app), http_scope())
    assert server.types[0] == "http.response.start"


async def test_a_close_ends_the_stream_before_the_return() -> None:
    server = ForeignServer()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.close"})
        assert server.sent[-1]["more_body"] is False
        with pytest.raises(EventOutOfOrder):
            await send({"type": "sse.send", "data": "late"})

    await server.run(adapted(app), http_scope())
    assert server.body == b""
    assert len(server.sent) == 3


async def test_a_decline_is_an_ordinary_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    server = ForeignServer()
    await server.run(adapted(app, keepalive_interval=0.01), http_scope())
    assert server.sent == [{"type": "http.response.start", "status": 204}, {"type": "http.response.body"}]


async def test_an_exception_comes_out_as_it_is_and_leaves_the_stream_unfinished() -> None:
    error = ValueError("broken")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        raise error

    server = ForeignServer()
    with pytest.raises(ValueError, match="broken") as caught:
        await server.run(adapted(app, keepalive_interval=0.01), http_scope())
    assert caught.value is error
    assert all(event["more_body"] for event in server.sent[1:])


async def test_an_idle_stream_gets_comments() -> None:
    seen: list[float] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began = anyio.current_time()
        await send({"type": "sse.start"})
        for number in (1, 2, 3):
            while server.body.count(b":\n\n") < number:
                await anyio.sleep(0.005)
            seen.append(anyio.current_time() - began)

    server = ForeignServer()
    await server.run(adapted(app, keepalive_interval=0.03), http_scope())
    assert [time >= 0.03 * number for number, time in enumerate(seen, 1)] == [True] * 3, seen


async def test_nothing_is_sent_before_the_start() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(0.05)

    server = ForeignServer()
    await server.run(adapted(app, keepalive_interval=0.01), http_scope())
    assert server.sent == []


async def test_traffic_puts_the_comment_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        for _ in range(14):
            await send({"type": "sse.send", "data": "x"})
            await anyio.sleep(0.05)

    server = ForeignServer()
    await server.run(adapted(app, keepalive_interval=0.5), http_scope())
    assert server.body == b"data: x\n\n" * 14


async def test_the_application_changes_interval_and_comment_at_once() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        await anyio.sleep(0.01)  # the timer is waiting on the old interval by now
        await send({"type": "sse.keepalive", "interval": 0.02, "comment": "beat"})
        while not server.body:
            await anyio.sleep(0.01)

    server = ForeignServer()
    await server.run(adapted(app, keepalive_interval=60), http_scope())
    assert server.body.startswith(b":beat\n\n")


async def test_an_interval_of_zero_stops_the_comments() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.keepalive", "interval": 0})
        await anyio.sleep(0.06)

    server = ForeignServer()
    await server.run(adapted(app, keepalive_interval=0.02), http_scope())
    assert server.body == b""


async def test_comments_stop_after_the_close() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.close"})
        await anyio.sleep(0.06)

    server = ForeignServer()
    await server.run(adapted(app, keepalive_interval=0.02), http_scope())
    assert server.sent[-1]["more_body"] is False
    assert server.body == b""


async def test_comments_stop_when_the_client_leaves() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        await receive()
        assert (await receive())["type"] == "sse.disconnect"
        await anyio.sleep(0.06)

    server = ForeignServer(EMPTY_REQUEST, GONE)
    await server.run(adapted(app, keepalive_interval=0.02), http_scope())
    assert server.body == b""
    assert server.sent[-1]["more_body"] is True  # no end is sent to nobody


async def test_a_failing_comment_does_not_disturb_the_application() -> None:
    done: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        while not server.failures:
            await anyio.sleep(0.01)
        done.append(True)

    server = ForeignServer(fails_from=3)
    await server.run(adapted(app, keepalive_interval=0.02), http_scope())
    assert done == [True]
    assert len(server.sent) == 2


async def test_a_send_to_a_client_that_left_raises_to_the_application() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        with pytest.raises(OSError, match="gone"):
            await send({"type": "sse.send", "data": "x"})

    server = ForeignServer(fails_from=3)
    await server.run(adapted(app), http_scope())
    assert len(server.sent) == 2


async def test_a_comment_never_comes_between_the_events_of_a_blocked_send() -> None:
    order: list[bytes] = []

    async def slow_send(event: Any) -> None:
        if event.get("body"):
            order.append(b"begin " + event["body"])
            await anyio.sleep(0.06)
            order.append(b"end " + event["body"])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "x"})
        await anyio.sleep(0.05)

    await adapted(app, keepalive_interval=0.02)(http_scope(), ForeignServer().receive, slow_send)
    assert order[:2] == [b"begin data: x\n\n", b"end data: x\n\n"]
    assert order[2] == b"begin :\n\n"


async def test_events_of_several_tasks_go_out_one_after_the_other() -> None:
    busy: list[bool] = []

    async def slow_send(event: Any) -> None:
        assert not busy
        busy.append(True)
        await anyio.sleep(0.002)
        busy.clear()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})

        async def one(number: int) -> None:
            await send({"type": "sse.send", "data": str(number)})

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(one, number)

    await adapted(app)(http_scope(), ForeignServer().receive, slow_send)


async def test_a_server_error_in_the_comment_ends_the_call_and_comes_out() -> None:
    sent = 0

    async def broken_send(event: Any) -> None:
        nonlocal sent
        sent += 1
        if sent > 2:
            raise RuntimeError("server bug")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "sse.start"})
        await anyio.sleep(5)

    with pytest.raises(RuntimeError, match="server bug"):
        await adapted(app, keepalive_interval=0.01)(http_scope(), ForeignServer().receive, broken_send)
