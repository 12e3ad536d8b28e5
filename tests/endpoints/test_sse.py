"""SSE handlers: a generator of events, refused until its first one, ended with it."""

import enum
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from pagi import App, Event, HTTPException, Response, SSEContext, Text
from pagi.endpoints.binding import BadSignature
from pagi.messages.sse import StreamClosed
from tests.recorder import Exchange, Recorder

pytestmark = pytest.mark.anyio

Handler = Callable[..., Any]


class Color(enum.StrEnum):
    RED = "red"


def stop_with(error: Exception) -> None:
    """Raises, where the checkers would else see that nothing can be yielded after it."""
    raise error


def feed(handler: Handler, *, middleware: list[Any] | None = None, **options: Any) -> Recorder:
    app = App(middleware=middleware or [])
    app.sse("/", **options)(handler)
    return Recorder(app)


async def test_what_is_yielded_becomes_events() -> None:
    async def mixed() -> AsyncIterator[Any]:
        yield "text"
        yield Color.RED
        yield {"n": 1}
        yield Event([1], id="7", event="list")

    answer = await feed(mixed, retry_seconds=None).stream("/")
    assert answer.of("sse.send") == [
        {"type": "sse.send", "data": "text"},
        {"type": "sse.send", "data": "red"},
        {"type": "sse.send", "data": '{"n":1}'},
        {"type": "sse.send", "data": "[1]", "event": "list", "id": "7"},
    ]


async def test_the_stream_ends_with_its_generator() -> None:
    async def once() -> AsyncIterator[str]:
        yield "a"

    answer = await feed(once).stream("/")
    assert [event["type"] for event in answer.events] == ["sse.start", "sse.send", "sse.close"]


async def test_an_empty_generator_is_200_and_the_end() -> None:
    async def never() -> AsyncIterator[str]:
        for nothing in list[str]():
            yield nothing

    answer = await feed(never).stream("/")
    assert [event["type"] for event in answer.events] == ["sse.start", "sse.close"]
    assert answer.status == 200


async def test_the_first_event_tells_when_to_come_back() -> None:
    async def two() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    assert [event.get("retry") for event in (await feed(two).stream("/")).of("sse.send")] == [3000, None]
    assert [event.get("retry") for event in (await feed(two, retry_seconds=0.5).stream("/")).of("sse.send")] == [500, None]


async def test_an_events_own_retry_counts() -> None:
    async def own() -> AsyncIterator[Event[str]]:
        yield Event("a", retry=9)

    assert (await feed(own).stream("/")).of("sse.send")[0]["retry"] == 9


async def test_a_keepalive_is_asked_for_after_the_start() -> None:
    async def one() -> AsyncIterator[str]:
        yield "a"

    answer = await feed(one, keepalive_seconds=0).stream("/")
    assert [event["type"] for event in answer.events[:2]] == ["sse.start", "sse.keepalive"]
    assert answer.events[1]["interval"] == 0


async def test_a_refusal_before_the_first_event_is_an_ordinary_answer() -> None:
    async def refuse() -> AsyncIterator[str]:
        stop_with(HTTPException(404, "no such feed"))
        yield ""

    seen: list[int] = []

    async def watch(ctx: Any, next: Any) -> Response:
        response: Response = await next()
        seen.append(response.status)
        return response

    answer = await feed(refuse, middleware=[watch]).stream("/")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert seen == [404]


async def test_a_coroutine_may_decline_with_a_response_or_give_an_iterator() -> None:
    async def events() -> AsyncIterator[str]:
        yield "a"

    async def either(ctx: SSEContext) -> Response | AsyncIterator[str]:
        return Text("not here", status=404) if "no" in ctx.query else events()

    recorder = feed(either)
    declined = await recorder.stream("/?no")
    assert (declined.status, declined.text) == (404, "not here")
    assert (await recorder.stream("/")).data == ["a"]


async def test_a_coroutine_may_send_by_itself() -> None:
    async def push(ctx: SSEContext) -> None:
        await ctx.comment("hello")
        await ctx.sse.send("a")

    answer = await feed(push).stream("/")
    assert [event["type"] for event in answer.events] == ["sse.start", "sse.comment", "sse.send", "sse.close"]


async def test_the_head_leaves_though_no_event_comes() -> None:
    async def slow() -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield ""

    exchange = feed(slow).http("GET", "/", headers={"accept": "text/event-stream"})
    async with anyio.create_task_group() as group:
        group.start_soon(exchange.run)
        with anyio.fail_after(5):
            while not exchange.events:
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert exchange.events[0]["type"] == "sse.start"


async def test_the_head_waits_for_a_quick_refusal() -> None:
    async def soon() -> AsyncIterator[str]:
        await anyio.sleep(0.01)
        stop_with(HTTPException(403))
        yield ""

    assert (await feed(soon).stream("/")).status == 403


async def test_a_refusal_after_the_head_left_reaches_the_server() -> None:
    async def late() -> AsyncIterator[str]:
        yield "a"
        raise HTTPException(403)

    with pytest.raises(HTTPException):
        await feed(late).stream("/")


async def test_a_failure_is_not_wrapped() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "a"
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await feed(broken).stream("/")


async def test_an_http_generator_failing_at_once_is_500(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> AsyncIterator[str]:
        stop_with(RuntimeError("no"))
        yield ""

    assert (await feed(broken).stream("/")).status == 500
    assert len(caplog.records) == 1


async def test_the_last_event_id_and_the_body_can_be_read() -> None:
    async def resume(ctx: SSEContext) -> AsyncIterator[str]:
        yield f"{ctx.last_event_id} {await ctx.sse.json()} {ctx.method}"

    answer = await feed(resume, methods=["POST"]).stream("/", method="POST", headers={"last-event-id": "41"}, body=b"[1]")
    assert answer.data == ["41 [1] POST"]


async def test_nothing_is_sent_after_a_close() -> None:
    async def closed(ctx: SSEContext) -> None:
        await ctx.close()
        with pytest.raises(StreamClosed):
            await ctx.sse.send("a")

    assert [event["type"] for event in (await feed(closed).stream("/")).events] == ["sse.start", "sse.close"]


async def run_until_blocked(exchange: Exchange, then: Callable[[], None]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(exchange.run)
        await anyio.sleep(0.02)
        then()


async def test_the_closing_signal_closes_the_generator_and_ends_the_stream() -> None:
    ended: list[str] = []

    async def ticks() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            ended.append("ticks")

    exchange = feed(ticks).http("GET", "/", headers={"accept": "text/event-stream"})
    await run_until_blocked(exchange, lambda: exchange.handle.mark_closing(0))
    assert [event["type"] for event in exchange.events] == ["sse.start", "sse.send", "sse.close"]
    assert ended == ["ticks"]


async def test_a_stream_that_listens_ends_itself() -> None:
    async def farewell(ctx: SSEContext) -> AsyncIterator[str]:
        await ctx.connection.closing()
        yield "bye"

    exchange = feed(farewell).http("GET", "/", headers={"accept": "text/event-stream"})
    await run_until_blocked(exchange, lambda: exchange.handle.mark_closing(0))
    assert exchange.events[-2]["data"] == "bye"


async def test_a_stream_that_begins_while_the_server_closes_tells_the_client_to_come_back() -> None:
    async def ticks() -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield ""

    exchange = feed(ticks).http("GET", "/", headers={"accept": "text/event-stream"})
    exchange.handle.mark_closing(0)
    answer = await exchange.run()
    assert [event["type"] for event in answer.events] == ["sse.start", "sse.close"]


async def test_a_stream_whose_client_is_gone_for_good_is_cancelled() -> None:
    ended: list[str] = []

    async def ticks() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            ended.append("ticks")

    exchange = feed(ticks).http("GET", "/", headers={"accept": "text/event-stream"})

    def gone() -> None:
        exchange.leave()
        exchange.handle.abandon()

    await run_until_blocked(exchange, gone)
    assert ended == ["ticks"]


async def test_a_send_to_a_client_that_left_ends_the_generator() -> None:
    ended: list[str] = []

    async def ticks() -> AsyncIterator[str]:
        try:
            while True:
                yield "a"
                await anyio.sleep(0.005)
        finally:
            ended.append("ticks")

    exchange = feed(ticks).http("GET", "/", headers={"accept": "text/event-stream"})
    await run_until_blocked(exchange, exchange.leave)
    assert ended == ["ticks"]


async def test_a_generator_may_hold_a_task_group_over_its_yields() -> None:
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

    assert (await feed(busy).stream("/")).data == ["0", "1", "2"]


def test_a_plain_generator_is_refused_at_build() -> None:
    def plain() -> Any:
        yield "a"

    app = App()
    app.sse("/")(plain)
    with pytest.raises(BadSignature, match="async generator"):
        app.build()
