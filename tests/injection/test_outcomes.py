"""How an exchange ended, as its cleanup hears it: over real sockets for http, through the test client for streams and sessions."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import anyio
import pytest

from pagi import App, Context, Depends, Event, HTTPContext, HTTPException, Outcome, SSEContext, WebSocketContext
from pagi.testing import TestClient
from tests.endpoints.asking import served
from tests.recorder import Recorder
from tests.server.live import GET, eventually
from tests.server.live import served as serving

pytestmark = pytest.mark.anyio


class Ends:
    """A dependency that writes down how each exchange ended."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.outcomes: list[Outcome | None] = []

    async def watch(self, ctx: Context) -> AsyncGenerator[None, Outcome]:
        try:
            outcome = yield
            self.told.append(str(outcome))
        except Exception as error:
            self.told.append(repr(error))
            raise
        finally:
            self.outcomes.append(ctx.outcome)


@pytest.fixture
def ends() -> Ends:
    return Ends()


async def test_sent(ends: Ends) -> None:
    async def handler(w: Annotated[None, Depends(ends.watch)]) -> str:
        return "x"

    async with serving(served(handler)) as server:
        assert (await server.ask()).body == b"x"
        await eventually(lambda: ends.told == ["sent"])
    assert ends.outcomes == [Outcome.SENT]


async def test_sent_is_told_when_all_of_a_large_answer_was_taken(ends: Ends) -> None:
    async def handler(w: Annotated[None, Depends(ends.watch)]) -> bytes:
        return bytes(8_000_000)

    async with serving(served(handler)) as server, server.peer() as peer:
        await peer.send(GET)
        await peer.until(b"\r\n\r\n")
        assert ends.told == []
        await peer.reset()
        await eventually(lambda: ends.told == ["client_closed"])


async def test_client_closed(ends: Ends) -> None:
    begun = anyio.Event()

    async def handler(ctx: HTTPContext, w: Annotated[None, Depends(ends.watch)]) -> str:
        begun.set()
        await ctx.connection.disconnected()
        return "for nobody"

    async with serving(served(handler)) as server, server.peer() as peer:
        await peer.send(GET)
        await begun.wait()
        await peer.reset()
        await eventually(lambda: ends.told == ["client_closed"])
    assert ends.outcomes == [Outcome.CLIENT_CLOSED]


async def test_server_shutdown(ends: Ends) -> None:
    begun = anyio.Event()

    async def handler(w: Annotated[None, Depends(ends.watch)]) -> str:
        begun.set()
        await anyio.sleep_forever()
        return "never"

    async with serving(served(handler), graceful_seconds=0.1) as server, server.peer() as peer:
        await peer.send(GET)
        await begun.wait()
        server.server.shutdown()
        await eventually(lambda: ends.told == ["server_shutdown"])
    assert ends.outcomes == [Outcome.SERVER_SHUTDOWN]


@pytest.mark.parametrize("error", [ValueError("broken"), HTTPException(409)], ids=repr)
async def test_what_the_handler_raised(ends: Ends, error: Exception) -> None:
    async def handler(w: Annotated[None, Depends(ends.watch)]) -> str:
        raise error

    async with serving(served(handler)) as server:
        assert (await server.ask()).status == (500 if isinstance(error, ValueError) else 409)
        await eventually(lambda: ends.told == [repr(error)])


async def test_error_after_the_head_left(ends: Ends) -> None:
    async def handler(w: Annotated[None, Depends(ends.watch)]) -> AsyncIterator[str]:
        yield "a"
        raise ValueError("broken")

    async with serving(served(handler)) as server:
        assert b"0\r\n\r\n" not in await server.answer_to(GET)
        await eventually(lambda: ends.told == ["ValueError('broken')"])


# ---- streams and sessions


def app_of(ends: Ends) -> App:
    app = App()

    @app.sse("/feed")
    async def feed(
        ctx: SSEContext, w: Annotated[None, Depends(ends.watch)], fails: bool = False, ends: bool = False
    ) -> AsyncIterator[Event[int]]:
        yield Event(1)
        if fails:
            raise ValueError("broken")
        if not ends:
            await anyio.sleep_forever()

    @app.websocket("/chat")
    async def chat(ctx: WebSocketContext, w: Annotated[None, Depends(ends.watch)]) -> None:
        await ctx.accept()
        async for text in ctx.iter_text():
            if text == "fail":
                raise ValueError("broken")
            if text == "refuse":
                raise HTTPException(403)
            await ctx.close(4000)
            return

    @app.get("/lines")
    async def lines(w: Annotated[None, Depends(ends.watch)]) -> AsyncIterator[str]:
        yield "a"
        await anyio.sleep_forever()

    return app


async def test_a_stream_that_ended_was_sent(ends: Ends) -> None:
    async with TestClient(app_of(ends)) as client, client.sse("/feed?ends=1") as feed:
        assert [event.data async for event in feed] == [1]
    assert ends.told == ["sent"]


async def test_a_stream_whose_client_left(ends: Ends) -> None:
    async with TestClient(app_of(ends)) as client:
        async with client.sse("/feed") as feed:
            await feed.receive()
        async with client.stream("GET", "/lines") as reply:
            assert await anext(reply.aiter_bytes()) == b"a"
    assert ends.told == ["client_closed", "client_closed"]


async def test_a_stream_that_failed(ends: Ends) -> None:
    async with TestClient(app_of(ends), raise_app_exceptions=False) as client, client.sse("/feed?fails=1") as feed:
        await feed.receive()
    assert ends.told == ["ValueError('broken')"]


@pytest.mark.parametrize(
    ("message", "told"),
    [("close", "sent"), ("fail", "ValueError('broken')"), ("refuse", "HTTPException('403 Forbidden')")],
)
async def test_a_session_that_the_server_ended(ends: Ends, message: str, told: str) -> None:
    async with TestClient(app_of(ends), raise_app_exceptions=False) as client, client.websocket("/chat") as ws:
        await ws.send_text(message)
        with pytest.raises(Exception, match=r"4000|1011|1008"):
            await ws.receive()
    assert ends.told == [told]


async def test_a_session_that_the_client_ended(ends: Ends) -> None:
    async with TestClient(app_of(ends)) as client:
        async with client.websocket("/chat"):
            pass
    assert ends.told == ["client_closed"]


async def test_the_closing_signal_ends_streams_in_order_and_cuts_what_stays(ends: Ends) -> None:
    app = app_of(ends)

    @app.sse("/stubborn")
    async def stubborn(ctx: SSEContext, w: Annotated[None, Depends(ends.watch)]) -> AsyncIterator[Event[int]]:
        yield Event(1)
        await ctx.connection.closing()
        await anyio.sleep_forever()

    async with TestClient(app, virtual_clock=True) as client:
        async with client.sse("/feed") as feed, client.sse("/stubborn") as stubborn_feed, client.websocket("/chat") as ws:
            await feed.receive()
            await stubborn_feed.receive()
            client.begin_closing(10)
            with pytest.raises(Exception, match="1001"):
                await ws.receive()
            with pytest.raises(Exception, match="ended"):
                await feed.receive()
            await client.advance(11)
    assert sorted(ends.told) == ["sent", "sent", "server_shutdown"]


# ---- how long cleanup may take


async def test_cleanup_is_not_cancelled_with_the_exchange_and_ends_by_the_deadline() -> None:
    log: list[str] = []
    begun = anyio.Event()

    async def slow() -> AsyncIterator[None]:
        try:
            yield
        finally:
            log.append("begin")
            await anyio.sleep(0.05)
            log.append("end")

    async def endless() -> AsyncIterator[None]:
        try:
            yield
        finally:
            try:
                await anyio.sleep_forever()
            finally:
                log.append("cut")

    async def last() -> AsyncIterator[None]:
        yield
        log.append("last")

    async def handler(a: Annotated[None, Depends(last)], b: Annotated[None, Depends(endless)], c: Annotated[None, Depends(slow)]) -> None:
        begun.set()
        await anyio.sleep_forever()

    async with serving(served(handler), graceful_seconds=0.1) as server, server.peer() as peer:
        await peer.send(GET)
        await begun.wait()
        server.server.shutdown()
        await eventually(lambda: "last" in log)
    assert log == ["begin", "end", "cut", "last"]


async def test_a_server_that_knows_nothing_of_us_still_has_cleanup(ends: Ends) -> None:
    async def handler(w: Annotated[None, Depends(ends.watch)]) -> str:
        return "x"

    assert (await Recorder(served(handler), "foreign").get("/")).text == "x"
    assert ends.told == ["sent"]


async def test_a_mounted_foreign_app_counts_as_sent(ends: Ends) -> None:
    async def foreign(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    async def guard(ctx: Context, next: Any) -> Any:
        await ctx.resolve(ends.watch)
        return await next()

    async def known(w: Annotated[None, Depends(ends.watch)]) -> None: ...

    app = served(known, app=App(middleware=[guard]))
    app.mount("/in", foreign)
    async with serving(app) as server:
        assert (await server.ask(b"GET /in/ HTTP/1.1\r\nHost: x\r\n\r\n")).body == b"x"
        await eventually(lambda: ends.told == ["sent"])
