"""Scope `call`: open for one call of a handler, a message, a whole stream or session; closed before the answer leaves."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import anyio
import pytest

from pagi import (
    App,
    ConfigError,
    Context,
    Depends,
    Event,
    HTTPContext,
    HTTPEndpoint,
    HTTPException,
    Next,
    Response,
    SSEContext,
    SSEEndpoint,
    WebSocketContext,
    WebSocketEndpoint,
    provider,
)
from pagi.testing import StreamEnded, TestClient
from tests.endpoints.asking import call, served
from tests.server.live import served as serving

pytestmark = pytest.mark.anyio


class Tx: ...


class Journal:
    """A transaction for each call, and what became of it."""

    def __init__(self, *, commit_fails: bool = False) -> None:
        self.log: list[str] = []

        @provider(scope="call")
        async def tx() -> AsyncIterator[Tx]:
            self.log.append("begin")
            try:
                yield Tx()
            except BaseException as error:
                self.log.append(f"rollback for {type(error).__name__}")
                raise
            if commit_fails:
                raise OSError("disk full")
            self.log.append("commit")

        self.tx = tx

    def app(self, **options: Any) -> App:
        return App(providers=[self.tx], **options)


async def test_a_transaction_commits_before_middleware_and_answer() -> None:
    journal = Journal()

    async def handler(tx: Tx, same: Annotated[Tx, Depends(journal.tx)]) -> bool:
        journal.log.append("handler")
        return tx is same

    async def around(ctx: Context, next: Next) -> Response:
        response = await next()
        journal.log.append("middleware")
        return response

    assert (await call(handler, app=journal.app(middleware=[around]))).json() is True
    assert journal.log == ["begin", "handler", "commit", "middleware"]


@pytest.mark.parametrize("error", [HTTPException(409), ValueError()], ids=repr)
async def test_any_exception_rolls_back(error: Exception) -> None:
    journal = Journal()

    async def handler(tx: Tx) -> None:
        raise error

    def plain(tx: Tx) -> None:
        raise error

    for each in (handler, plain):
        journal.log.clear()
        assert (await call(each, app=journal.app())).status_code == (409 if isinstance(error, HTTPException) else 500)
        assert journal.log == ["begin", f"rollback for {type(error).__name__}"]


async def test_input_that_does_not_fit_rolls_back() -> None:
    journal = Journal()

    async def handler(tx: Tx, n: int) -> None: ...

    assert (await call(handler, app=journal.app())).status_code == 422
    assert journal.log == ["begin", "rollback for Unfit"]


async def test_a_commit_that_fails_is_an_error_of_the_request() -> None:
    journal = Journal(commit_fails=True)

    async def handler(tx: Tx) -> str:
        return "all went well"

    assert (await call(handler, app=journal.app())).status_code == 500


async def test_nothing_is_on_the_wire_before_the_commit() -> None:
    """Over a real socket: the client sees no byte while the transaction waits to commit."""
    may_commit, is_closing = anyio.Event(), anyio.Event()

    async def tx() -> AsyncIterator[Tx]:
        yield Tx()
        is_closing.set()
        await may_commit.wait()

    async def handler(tx: Annotated[Tx, Depends(provider(tx, scope="call"))]) -> str:
        return "committed"

    async with serving(served(handler)) as server, server.peer() as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await is_closing.wait()
        with anyio.move_on_after(0.05) as waited:
            await peer.stream.receive()
        assert waited.cancelled_caught
        may_commit.set()
        assert (await peer.reply()).body == b"committed"


async def test_several_close_in_reverse_each_hearing_of_the_failure_of_the_other() -> None:
    log: list[str] = []

    async def outer() -> AsyncIterator[str]:
        try:
            yield "outer"
        except ValueError as error:
            log.append(f"outer heard {error}")
            raise

    def inner(outer: Annotated[str, Depends(provider(outer, scope="call"))]) -> Iterator[str]:
        yield "inner"
        raise ValueError("inner failed")

    async def handler(value: Annotated[str, Depends(provider(inner, scope="call"))]) -> str:
        return value

    assert (await call(handler)).status_code == 500
    assert log == ["outer heard inner failed"]


async def test_a_task_group_may_stay_open_for_the_call() -> None:
    done: list[str] = []

    async def tasks() -> AsyncIterator[Any]:
        async with anyio.create_task_group() as group:
            yield group

    async def work(name: str) -> None:
        await anyio.sleep(0)
        done.append(name)

    async def handler(tasks: Annotated[Any, Depends(provider(tasks, scope="call"))]) -> str:
        tasks.start_soon(work, "a")
        tasks.start_soon(work, "b")
        return "x"

    assert (await call(handler)).text == "x"
    assert sorted(done) == ["a", "b"]


async def test_a_value_that_closes_nothing_is_made_for_each_call_too() -> None:
    made: list[Tx] = []

    def make() -> Tx:
        made.append(Tx())
        return made[-1]

    brief = provider(make, scope="call")

    class Chat(WebSocketEndpoint):
        async def on_receive(self, ctx: WebSocketContext, message: str, a: Tx, b: Annotated[Tx, Depends(brief)]) -> None:
            await ctx.send_json(a is b)

    app = App(providers=[brief])
    app.add("/", Chat)
    async with TestClient(app) as client, client.websocket("/") as ws:
        for _ in range(3):
            await ws.send_text("x")
            assert await ws.receive_json() is True
    assert len(made) == 3


async def test_each_message_has_its_own() -> None:
    journal = Journal()

    class Chat(WebSocketEndpoint):
        async def on_receive(self, ctx: WebSocketContext, message: str, tx: Tx) -> None:
            await ctx.send_text(message)
            if message == "bad":
                raise HTTPException(400, "no")

    app = journal.app()
    app.add("/", Chat)
    async with TestClient(app) as client, client.websocket("/") as ws:
        await ws.send_text("a")
        await ws.receive_text()
        await ws.send_text("bad")
        await ws.receive_text()
        with pytest.raises(Exception, match="1008"):
            await ws.receive_text()
    assert journal.log == ["begin", "commit", "begin", "rollback for HTTPException"]


async def test_a_whole_stream_has_one() -> None:
    journal = Journal()

    class Feed(SSEEndpoint):
        async def stream(self, ctx: SSEContext, tx: Tx, fails: bool = False) -> AsyncIterator[Event[int]]:
            for n in range(3):
                journal.log.append(str(n))
                yield Event(n)
            if fails:
                raise ValueError

    app = journal.app()
    app.add("/", Feed)
    async with TestClient(app, raise_app_exceptions=False) as client:
        async with client.sse("/") as feed:
            assert [event.data async for event in feed] == [0, 1, 2]
        assert journal.log == ["begin", "0", "1", "2", "commit"]
        journal.log.clear()
        async with client.sse("/?fails=1") as feed:
            assert [(await feed.receive()).data for _ in range(3)] == [0, 1, 2]
            with pytest.raises(StreamEnded, match="cut"):
                await feed.receive()
    assert journal.log == ["begin", "0", "1", "2", "rollback for ValueError"]


async def test_a_stream_that_is_declined_rolls_back() -> None:
    journal = Journal()

    async def feed(tx: Tx) -> AsyncIterator[int]:
        if journal.log:
            raise HTTPException(403, "not you")
        yield 1

    app = journal.app()
    app.sse("/")(feed)
    async with TestClient(app) as client:
        assert (await client.sse_decline("/")).status_code == 403
    assert journal.log == ["begin", "rollback for HTTPException"]


async def test_a_session_function_has_one() -> None:
    journal = Journal()

    async def session(ctx: WebSocketContext, tx: Tx) -> None:
        await ctx.accept()
        async for text in ctx.iter_text():
            journal.log.append(text)

    app = journal.app()
    app.websocket("/")(session)
    async with TestClient(app) as client, client.websocket("/") as ws:
        await ws.send_text("a")
        await ws.send_text("b")
    assert journal.log == ["begin", "a", "b", "commit"]


def test_a_generator_of_http_may_not_take_one() -> None:
    journal = Journal()

    async def stream(tx: Tx) -> AsyncIterator[str]:
        yield "x"

    def plain(tx: Tx) -> Iterator[str]:
        yield "x"

    class Endpoint(HTTPEndpoint):
        async def get(self, tx: Tx) -> AsyncIterator[str]:
            yield "x"

    for handler in (stream, plain):
        with pytest.raises(ConfigError, match=r"it is a generator, and what it takes of scope 'call' would end before the answer begins"):
            served(handler, app=journal.app()).build()
    app = journal.app()
    app.add("/", Endpoint)
    with pytest.raises(ConfigError, match="give that scope 'request'"):
        app.build()


async def test_middleware_cannot_share_one(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal()

    async def around(ctx: Context, next: Next) -> Response:
        await ctx.resolve(Tx)
        return await next()

    async def handler(ctx: HTTPContext) -> None: ...

    assert (await call(handler, app=journal.app(middleware=[around]))).status_code == 500
    assert re.search(r"ctx.resolve cannot share \S*tx: it has scope 'call', and each call has its own", caplog.text)
    assert journal.log == []


def test_what_is_opened_for_each_message_may_not_stay_open_for_the_session() -> None:
    async def opened() -> AsyncIterator[str]:
        yield "x"

    class Chat(WebSocketEndpoint):
        async def on_receive(self, message: str, a: Annotated[str, Depends(opened, cached=False)]) -> None: ...

    app = App()
    app.add("/", Chat)
    with pytest.raises(
        ConfigError, match=r"opened is not cached, and what it opens for each message would stay open.*give it scope 'call'"
    ):
        app.build()
