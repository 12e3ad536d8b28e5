"""SSE handlers: a generator of events, refused until its first one, ended with it."""

import enum
import logging
import weakref
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, cast

import anyio
import anyio.lowlevel
import msgspec
import pytest

from pagi import App, Event, HTTPException, Response, SSEContext, Text
from pagi.endpoints.binding import BadSignature
from pagi.messages.sse import StreamClosed
from tests.recorder import Answer, Exchange, Recorder, Server, outline

pytestmark = pytest.mark.anyio

Handler = Callable[..., Any]


class Color(enum.StrEnum):
    RED = "red"


@pytest.fixture(params=["own", "events"])
def server(request: pytest.FixtureRequest) -> Server:
    """With the server's plain calls, and with events alone."""
    return cast("Server", request.param)


def stop_with(error: Exception) -> None:
    """Raises, where the checkers would else see that nothing can be yielded after it."""
    raise error


def feed(handler: Handler, server: Server, *, middleware: list[Any] | None = None, **options: Any) -> Recorder:
    app = App(middleware=middleware or [])
    app.sse("/", **options)(handler)
    return Recorder(app, server)


async def test_what_is_yielded_becomes_events() -> None:
    async def mixed() -> AsyncIterator[Any]:
        yield "text"
        yield Color.RED
        yield {"n": 1}
        yield Event([1], id="7", event="list")

    answer = await feed(mixed, "events").stream("/")
    assert answer.of("sse.send") == [
        {"type": "sse.send", "data": "text"},
        {"type": "sse.send", "data": "red"},
        {"type": "sse.send", "data": '{"n":1}'},
        {"type": "sse.send", "data": "[1]", "event": "list", "id": "7"},
    ]
    raw = await feed(mixed, "own").stream("/")
    assert raw.body == b'retry: 3000\ndata: text\n\ndata: red\n\ndata: {"n":1}\n\nevent: list\ndata: [1]\nid: 7\n\n'


async def test_the_stream_ends_with_its_generator(server: Server) -> None:
    async def once() -> AsyncIterator[str]:
        yield "a"

    answer = await feed(once, server).stream("/")
    assert answer.outline == ["sse.start", "sse.send", "sse.close"]


async def test_an_empty_generator_is_200_and_the_end(server: Server) -> None:
    async def never() -> AsyncIterator[str]:
        for nothing in list[str]():
            yield nothing

    answer = await feed(never, server).stream("/")
    assert answer.outline == ["sse.start", "sse.close"]
    assert answer.status == 200


async def test_the_start_tells_when_to_come_back(server: Server) -> None:
    async def two() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    assert (await feed(two, server).stream("/")).retry == 3000
    assert (await feed(two, server, retry_seconds=0.5).stream("/")).retry == 500
    assert (await feed(two, server, retry_seconds=None).stream("/")).retry is None


async def test_an_events_own_retry_counts() -> None:
    async def own() -> AsyncIterator[Event[str]]:
        yield Event("a", retry=9)

    answer = await feed(own, "own").stream("/")
    assert answer.body == b"retry: 3000\ndata: a\nretry: 9\n\n"


async def test_a_keepalive_is_asked_for_with_the_start(server: Server) -> None:
    async def one() -> AsyncIterator[str]:
        yield "a"

    assert (await feed(one, server, keepalive_seconds=0).stream("/")).events[0]["keepalive"] == 0
    assert "keepalive" not in (await feed(one, server).stream("/")).events[0]


async def test_a_refusal_before_the_first_event_is_an_ordinary_answer(server: Server) -> None:
    async def refuse() -> AsyncIterator[str]:
        stop_with(HTTPException(404, "no such feed"))
        yield ""

    seen: list[int] = []

    async def watch(ctx: Any, next: Any) -> Response:
        response: Response = await next()
        seen.append(response.status)
        return response

    answer = await feed(refuse, server, middleware=[watch]).stream("/")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert seen == [404]


async def test_a_coroutine_may_decline_with_a_response_or_give_an_iterator(server: Server) -> None:
    async def events() -> AsyncIterator[str]:
        yield "a"

    async def either(ctx: SSEContext) -> Response | AsyncIterator[str]:
        return Text("not here", status=404) if "no" in ctx.query else events()

    recorder = feed(either, server)
    declined = await recorder.stream("/?no")
    assert (declined.status, declined.text) == (404, "not here")
    assert (await recorder.stream("/")).data == ["a"]


async def test_a_coroutine_may_send_by_itself(server: Server) -> None:
    async def push(ctx: SSEContext) -> None:
        await ctx.comment("hello")
        await ctx.sse.send("a")

    answer = await feed(push, server).stream("/")
    assert answer.outline == ["sse.start", "sse.comment", "sse.send", "sse.close"]


async def test_the_head_leaves_though_no_event_comes(server: Server) -> None:
    async def slow() -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield ""

    exchange = feed(slow, server).http("GET", "/", headers={"accept": "text/event-stream"})
    async with anyio.create_task_group() as group:
        group.start_soon(exchange.run)
        with anyio.fail_after(20):
            while not exchange.events:
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert exchange.events[0]["type"] == "sse.start"


async def test_a_quiet_stream_tells_when_to_come_back_too(server: Server) -> None:
    async def slow() -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield ""

    exchange = feed(slow, server).http("GET", "/", headers={"accept": "text/event-stream"})
    await run_until_blocked(exchange, lambda: exchange.handle.mark_closing(0), seconds=0.15)
    assert Answer("sse", exchange.events).retry == 3000


async def test_a_head_that_cannot_leave_by_itself_fails_the_stream(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def slow(ctx: SSEContext) -> AsyncIterator[str]:
        ctx.on_response_start(lambda head: stop_with(RuntimeError("no head")))
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("slow")
        yield ""

    with caplog.at_level(logging.ERROR):
        answer = await feed(slow, server).stream("/")
    assert (answer.status, ended) == (500, ["slow"])
    assert "no head" in caplog.text


async def test_a_late_head_for_a_client_that_left_fails_nothing(server: Server) -> None:
    async def slow() -> AsyncIterator[str]:
        await anyio.sleep(0.15)
        yield "a"

    exchange = feed(slow, server).http("GET", "/", headers={"accept": "text/event-stream"})
    exchange.leave()
    await exchange.run()
    assert exchange.events == []


async def test_hooks_see_the_head_that_leaves_by_itself(server: Server) -> None:
    async def slow(ctx: SSEContext) -> AsyncIterator[str]:
        ctx.on_response_start(lambda head: head.headers.set("x-a", "1"))
        await anyio.sleep(0.15)
        yield "a"

    answer = await feed(slow, server).stream("/")
    assert (answer.headers["x-a"], answer.data) == ("1", ["a"])


async def test_the_head_waits_for_a_quick_refusal(server: Server) -> None:
    async def soon() -> AsyncIterator[str]:
        await anyio.sleep(0.01)
        stop_with(HTTPException(403))
        yield ""

    assert (await feed(soon, server).stream("/")).status == 403


async def test_a_refusal_after_the_head_left_reaches_the_server(server: Server) -> None:
    async def late() -> AsyncIterator[str]:
        yield "a"
        raise HTTPException(403)

    with pytest.raises(HTTPException):
        await feed(late, server).stream("/")


async def test_a_failure_is_not_wrapped(server: Server) -> None:
    async def broken() -> AsyncIterator[str]:
        yield "a"
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await feed(broken, server).stream("/")


async def test_an_http_generator_failing_at_once_is_500(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> AsyncIterator[str]:
        stop_with(RuntimeError("no"))
        yield ""

    assert (await feed(broken, server).stream("/")).status == 500
    assert len(caplog.records) == 1


async def test_the_last_event_id_and_the_body_can_be_read(server: Server) -> None:
    async def resume(ctx: SSEContext) -> AsyncIterator[str]:
        yield f"{ctx.last_event_id} {await ctx.sse.json()} {ctx.method}"

    answer = await feed(resume, server, methods=["POST"]).stream("/", method="POST", headers={"last-event-id": "41"}, body=b"[1]")
    assert answer.data == ["41 [1] POST"]


async def test_nothing_is_sent_after_a_close(server: Server) -> None:
    async def closed(ctx: SSEContext) -> None:
        await ctx.close()
        with pytest.raises(StreamClosed):
            await ctx.sse.send("a")

    assert (await feed(closed, server).stream("/")).outline == ["sse.start", "sse.close"]


async def run_until_blocked(exchange: Exchange, then: Callable[[], None], *, seconds: float = 0.0) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(exchange.run)
        await anyio.sleep(seconds)
        await anyio.wait_all_tasks_blocked()
        then()


async def test_the_closing_signal_closes_the_generator_and_ends_the_stream(server: Server) -> None:
    ended: list[str] = []

    async def ticks() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            ended.append("ticks")

    exchange = feed(ticks, server).http("GET", "/", headers={"accept": "text/event-stream"})
    await run_until_blocked(exchange, lambda: exchange.handle.mark_closing(0))
    assert outline(exchange.events) == ["sse.start", "sse.send", "sse.close"]
    assert ended == ["ticks"]
    assert 1500 <= exchange.events[-1]["retry"] <= 4500


async def test_clients_that_are_sent_away_do_not_all_come_back_at_once(server: Server) -> None:
    async def ticks() -> AsyncIterator[str]:
        yield "a"
        await anyio.sleep_forever()

    told: list[int] = []
    for _ in range(20):
        exchange = feed(ticks, server).http("GET", "/", headers={"accept": "text/event-stream"})
        await run_until_blocked(exchange, partial(exchange.handle.mark_closing, 0))
        told.append(exchange.events[-1]["retry"])
    assert len(set(told)) > 10
    assert max(told) - min(told) > 300


async def test_a_stream_that_is_ended_while_its_head_leaves_ends_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ticks() -> AsyncIterator[str]:
        yield "a"
        await anyio.sleep_forever()

    exchange = feed(ticks, "events").http("GET", "/", headers={"accept": "text/event-stream"})
    passed = exchange.send

    async def send(event: dict[str, Any]) -> None:
        if event["type"] == "sse.start":
            exchange.handle.mark_closing(0)
        await passed(event)  # with a checkpoint before it counts

    monkeypatch.setattr(exchange, "send", send)
    assert (await exchange.run()).outline == ["sse.start", "sse.close"]


async def test_no_event_overtakes_a_head_that_another_task_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    leaving = anyio.Event()

    async def late() -> AsyncIterator[str]:
        await leaving.wait()
        yield "a"

    exchange = feed(late, "events").http("GET", "/", headers={"accept": "text/event-stream"})
    passed = exchange.send

    async def send(event: dict[str, Any]) -> None:
        if event["type"] == "sse.start":
            leaving.set()
            await anyio.sleep(0.05)
        await passed(event)

    monkeypatch.setattr(exchange, "send", send)
    assert (await exchange.run()).outline == ["sse.start", "sse.send", "sse.close"]


async def test_a_stream_that_listens_ends_itself(server: Server) -> None:
    async def farewell(ctx: SSEContext) -> AsyncIterator[str]:
        await ctx.connection.closing()
        yield "bye"

    exchange = feed(farewell, server).http("GET", "/", headers={"accept": "text/event-stream"})
    await run_until_blocked(exchange, lambda: exchange.handle.mark_closing(0))
    assert Answer("sse", exchange.events).data == ["bye"]


async def test_a_stream_that_begins_while_the_server_closes_tells_the_client_to_come_back(server: Server) -> None:
    async def ticks() -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield ""

    exchange = feed(ticks, server).http("GET", "/", headers={"accept": "text/event-stream"})
    exchange.handle.mark_closing(0)
    answer = await exchange.run()
    assert answer.outline == ["sse.start", "sse.close"]


async def test_a_stream_whose_client_is_gone_for_good_is_cancelled(server: Server) -> None:
    ended: list[str] = []

    async def ticks() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            ended.append("ticks")

    exchange = feed(ticks, server).http("GET", "/", headers={"accept": "text/event-stream"})

    def gone() -> None:
        exchange.leave()
        exchange.handle.abandon()

    await run_until_blocked(exchange, gone)
    assert ended == ["ticks"]


async def test_a_send_to_a_client_that_left_ends_the_generator(server: Server) -> None:
    ended: list[str] = []

    async def ticks() -> AsyncIterator[str]:
        try:
            while True:
                yield "a"
                await anyio.sleep(0.005)
        finally:
            ended.append("ticks")

    exchange = feed(ticks, server).http("GET", "/", headers={"accept": "text/event-stream"})
    await run_until_blocked(exchange, exchange.leave)
    assert ended == ["ticks"]


async def test_a_generator_may_hold_a_task_group_over_its_yields(server: Server) -> None:
    async def busy() -> AsyncIterator[int]:
        send, receive = anyio.create_memory_object_stream[int](1)

        async def produce() -> None:
            async with send:
                for n in range(3):
                    await send.send(n)

        async with anyio.create_task_group() as group, receive:
            group.start_soon(produce)
            async for n in receive:
                yield n

    assert (await feed(busy, server).stream("/")).data == ["0", "1", "2"]


class Large(msgspec.Struct, weakref=True):
    """An item that tells whether somebody keeps it."""

    data: str = "large"


async def test_an_idle_stream_does_not_keep_its_last_event(server: Server) -> None:
    sent: list[weakref.ref[Large]] = []
    is_kept: list[bool] = []

    def made() -> Large:
        large = Large()
        sent.append(weakref.ref(large))
        return large

    async def ticks() -> AsyncIterator[Large]:
        yield made()
        await anyio.sleep(0.01)
        is_kept.append(sent[0]() is not None)

    await feed(ticks, server).stream("/")
    assert is_kept == [False]


def test_a_plain_generator_is_refused_at_build() -> None:
    def plain() -> Any:
        yield "a"

    app = App()
    app.sse("/")(plain)
    with pytest.raises(BadSignature, match="async generator"):
        app.build()


async def test_an_event_after_a_close_is_refused(server: Server) -> None:
    async def hasty(ctx: SSEContext) -> AsyncIterator[str]:
        yield "a"
        await ctx.close()
        yield "b"

    with pytest.raises(StreamClosed):
        await feed(hasty, server).stream("/")


async def test_a_burst_lets_others_run() -> None:
    ran: list[int] = []

    async def burst() -> AsyncIterator[str]:
        for n in range(4):
            yield str(n)

    async def other() -> None:
        for n in range(2):
            ran.append(n)
            await anyio.lowlevel.checkpoint()

    exchange = feed(burst, "own").http("GET", "/", headers={"accept": "text/event-stream"})
    async with anyio.create_task_group() as group:
        group.start_soon(other)
        await exchange.run()
        assert ran
