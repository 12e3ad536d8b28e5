"""`SSEEndpoint`: a stream, or a session that sends; its end told once, its failure told to the client if wanted."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
import pytest

from pagi import App, ConfigError, Depends, Event, HTTPException, Response, SSEContext, SSEEndpoint
from pagi.testing import StreamEnded, TestClient

pytestmark = pytest.mark.anyio


def app_of(endpoint: Any) -> App:
    app = App()
    app.add("/", endpoint)
    return app


class Feed(SSEEndpoint):
    retry = 1.5
    ends: list[Any]

    async def stream(self, ctx: SSEContext, count: int = 3, fails: bool = False) -> AsyncIterator[Event[int]]:
        for n in range(count):
            yield Event(n, id=str(n))
        if fails:
            raise ValueError("broken")

    async def on_disconnect(self, reason: object) -> None:
        self.ends.append(reason)


@pytest.fixture
def ends() -> list[Any]:
    return []


def feed(ends: list[Any], **members: Any) -> type[Feed]:
    return type("Feed", (Feed,), {"ends": ends, **members})


async def test_a_stream_is_sent_with_its_retry_and_its_end_is_told(ends: Any) -> None:
    async with TestClient(app_of(feed(ends))) as client, client.sse("/?count=2") as stream:
        assert [event.data async for event in stream] == [0, 1]
        assert stream.retry == 1500
    assert ends == [None]


async def test_the_client_left(ends: Any) -> None:
    async def stream(self: Any) -> AsyncIterator[int]:
        yield 1
        await anyio.sleep_forever()

    async with TestClient(app_of(feed(ends, stream=stream))) as client, client.sse("/") as events:
        await events.receive()
    assert ends == ["client_closed"]


async def test_the_server_closes(ends: Any) -> None:
    async def stream(self: Any) -> AsyncIterator[int]:
        yield 1
        await anyio.sleep_forever()

    async with TestClient(app_of(feed(ends, stream=stream))) as client, client.sse("/") as events:
        await events.receive()
        client.begin_closing(5)
        with pytest.raises(StreamEnded, match="the stream ended"):
            await events.receive()
    assert ends == ["server_shutdown"]


async def test_it_failed(ends: Any) -> None:
    async with TestClient(app_of(feed(ends)), raise_app_exceptions=False) as client, client.sse("/?fails=1&count=1") as events:
        await events.receive()
        with pytest.raises(StreamEnded, match="cut"):
            await events.receive()
    assert ends == ["server_error"]


@pytest.mark.parametrize("way", ["raise", "return"])
async def test_it_is_declined_before_the_start(ends: Any, way: str) -> None:
    async def stream(self: Any, ctx: SSEContext) -> Response:
        if way == "raise":
            raise HTTPException(409)
        return Response("no", status=409)

    async with TestClient(app_of(feed(ends, stream=stream))) as client:
        assert (await client.sse_decline("/")).status_code == 409
    assert ends == [None]


async def test_what_never_began_is_not_told_to_have_ended(ends: Any) -> None:
    async def guard() -> None:
        raise HTTPException(401)

    async def stream(self: Any, g: Any) -> AsyncIterator[int]:
        yield 1

    async def on_connect(self: Any, g: Any) -> None: ...

    for function in (stream, on_connect):
        function.__annotations__["g"] = Annotated[None, Depends(guard)]
    connecting = type("Connecting", (SSEEndpoint,), {"ends": ends, "on_connect": on_connect, "on_disconnect": Feed.on_disconnect})
    for endpoint in (feed(ends, stream=stream), connecting):
        async with TestClient(app_of(endpoint)) as client:
            assert (await client.sse_decline("/")).status_code == 401
    async with TestClient(app_of(feed(ends))) as client:
        assert (await client.sse_decline("/?count=x")).status_code == 422
    assert ends == []


async def test_on_error_gives_a_last_event(ends: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def on_error(self: Any, error: Exception) -> Event[str]:
        return Event(f"sorry: {error}", event="error")

    async with TestClient(app_of(feed(ends, on_error=on_error))) as client, client.sse("/?fails=1&count=1") as events:
        got = [(event.event, event.text) async for event in events]
    assert got == [(None, "0"), ("error", "sorry: broken")]
    assert ends == [None]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_on_error_is_for_streams_that_started(ends: Any) -> None:
    async def on_error(self: Any, error: Exception) -> Event[str]:
        raise AssertionError

    async def stream(self: Any) -> AsyncIterator[int]:
        if ends == []:
            raise HTTPException(403)
        yield 1

    async with TestClient(app_of(feed(ends, stream=stream, on_error=on_error))) as client:
        assert (await client.sse_decline("/")).status_code == 403


async def test_on_connect_sends_by_itself_and_the_stream_stays_open(ends: Any) -> None:
    class Session(SSEEndpoint):
        def __init__(self, ctx: SSEContext) -> None:
            self.name = ctx.query.get("name", "nobody")

        async def on_connect(self, ctx: SSEContext) -> None:
            await ctx.sse.send(f"hello {self.name}")

        async def on_disconnect(self, reason: object) -> None:
            ends.append((self.name, reason))

    async with TestClient(app_of(Session)) as client, client.sse("/?name=ada") as events:
        assert (await events.receive()).text == "hello ada"
    assert ends == [("ada", "client_closed")]


async def test_on_connect_may_decline_or_close(ends: Any) -> None:
    class Declining(SSEEndpoint):
        async def on_connect(self, ctx: SSEContext) -> Any:
            return Response("no", status=409)

    class Closing(SSEEndpoint):
        async def on_connect(self, ctx: SSEContext) -> None:
            await ctx.sse.send("bye")
            await ctx.close()

        async def on_disconnect(self, reason: object) -> None:
            ends.append(reason)

    async with TestClient(app_of(Declining)) as client:
        assert (await client.sse_decline("/")).status_code == 409
    async with TestClient(app_of(Closing)) as client, client.sse("/") as events:
        assert [event.text async for event in events] == ["bye"]
    assert ends == [None]


async def test_the_head_leaves_after_a_tenth_of_a_second(ends: Any) -> None:
    async def stream(self: Any, ctx: SSEContext) -> AsyncIterator[int]:
        await anyio.sleep_forever()
        yield 1

    async with TestClient(app_of(feed(ends, stream=stream))) as client:
        began = anyio.current_time()
        async with client.sse("/") as events:
            assert events.status_code == 200
            assert anyio.current_time() - began >= 0.09


async def test_silence_is_filled_as_often_as_it_says(ends: Any) -> None:
    async def stream(self: Any, ctx: SSEContext) -> AsyncIterator[int]:
        yield 1
        await anyio.sleep_forever()

    async with TestClient(app_of(feed(ends, stream=stream, keepalive_interval=7)), virtual_clock=True) as client, client.sse("/") as events:
        await events.receive()
        await client.advance(22)
        assert len(events.comments()) == 3


async def test_it_serves_the_methods_that_it_names() -> None:
    class Posted(SSEEndpoint):
        methods = ("post",)

        async def stream(self, body: int) -> AsyncIterator[int]:
            yield body + 1

    async with TestClient(app_of(Posted)) as client:
        async with client.sse("/", method="POST", json=5) as events:
            assert (await events.receive()).data == 6
        assert (await client.get("/")).status_code == 405


async def stream(self: Any) -> AsyncIterator[int]:
    yield 1


async def on_connect(self: Any) -> None: ...
def plain(self: Any) -> None: ...


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({}, "defines neither stream nor on_connect"),
        ({"stream": stream, "on_connect": on_connect}, "defines both stream and on_connect; keep one"),
        ({"stream": plain}, "an SSE handler is an async generator of events, or an async function"),
        ({"on_connect": plain}, "a hook is an async function"),
        ({"stream": stream, "on_error": plain}, "a hook is an async function"),
        ({"stream": stream, "methods": "GET"}, r"methods is a list, write \['GET'\]"),
        ({"stream": stream, "methods": ("HEAD",)}, "HEAD and OPTIONS never start a stream"),
        ({"stream": stream, "on_close": on_connect}, "has on_close, which is no hook"),
        ({"stream": staticmethod(stream)}, "has stream as a static or class method"),
    ],
)
def test_what_is_written_wrongly_fails(members: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        app_of(type("Wrong", (SSEEndpoint,), members)).build()
