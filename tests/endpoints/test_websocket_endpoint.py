"""`WebSocketEndpoint`: hooks round one session, messages decoded, and its end told once."""

import logging
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import anyio
import msgspec
import pytest
from msgspec import Meta
from wsproto.events import TextMessage

from pagi import App, ConfigError, Depends, Header, HTTPException, WebSocketContext, WebSocketEndpoint
from pagi.testing import TestClient, WebSocketClosed, WebSocketSession
from tests.server.live import eventually
from tests.server.live import served as serving

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class Move(msgspec.Struct):
    x: int


class Noting(WebSocketEndpoint):
    """Writes down how it ended."""

    encoding = "json"
    ends: list[tuple[int, str]]

    async def on_connect(self, ctx: WebSocketContext) -> None:
        await ctx.accept()

    async def on_receive(self, ctx: WebSocketContext, message: Move) -> None:
        await ctx.send_json({"x": message.x + 1})

    async def on_disconnect(self, ctx: WebSocketContext, code: int, reason: str) -> None:
        self.ends.append((code, reason))


@pytest.fixture
def ends() -> list[tuple[int, str]]:
    return []


def app_of(endpoint: Any, **options: Any) -> App:
    app = App(**options)
    app.add("/", endpoint)
    return app


def noting(ends: list[tuple[int, str]], **members: Any) -> type[Noting]:
    return type("Noting", (Noting,), {"ends": ends, **members})


async def run(endpoint: Any, talk: Callable[[WebSocketSession], Any], **options: Any) -> None:
    async with TestClient(app_of(endpoint), raise_app_exceptions=False, **options) as client, client.websocket("/") as ws:
        await talk(ws)


async def closed(ws: WebSocketSession) -> tuple[int, str]:
    try:
        while True:
            await ws.receive()
    except WebSocketClosed as end:
        return end.code, end.reason


async def test_messages_are_decoded_and_validated(ends: Any) -> None:
    async def talk(ws: WebSocketSession) -> None:
        await ws.send_json({"x": 1})
        assert await ws.receive_json() == {"x": 2}

    await run(noting(ends), talk)
    assert ends == [(1000, "")]


@pytest.mark.parametrize("message", ['{"x":"a"}', "{", "[" * 100_000, '"\\ud800"'], ids=lambda text: text[:9])
async def test_what_does_not_fit_closes_with_1007(ends: Any, message: str) -> None:
    async def talk(ws: WebSocketSession) -> None:
        await ws.send_text(message)
        assert (await closed(ws))[0] == 1007

    await run(noting(ends), talk)
    assert [code for code, _ in ends] == [1007]


async def test_on_invalid_hears_of_it_and_the_session_goes_on(ends: Any) -> None:
    async def on_invalid(self: Any, ctx: WebSocketContext, error: Exception) -> None:
        await ctx.send_json({"error": str(error)})

    async def talk(ws: WebSocketSession) -> None:
        await ws.send_json({"x": "a"})
        assert "Expected `int`, got `str`" in (await ws.receive_json())["error"]
        await ws.send_text("{")
        assert "is not JSON" in (await ws.receive_json())["error"]
        await ws.send_json({"x": 1})
        assert await ws.receive_json() == {"x": 2}

    await run(noting(ends, on_invalid=on_invalid), talk)


async def test_one_object_serves_a_whole_session_and_no_other() -> None:
    class Counting(WebSocketEndpoint):
        def __init__(self, ctx: WebSocketContext) -> None:
            self.count = 0
            self.ctx = ctx

        async def on_connect(self, ctx: WebSocketContext) -> None:
            assert self.ctx is ctx
            await ctx.accept()

        async def on_receive(self, ctx: WebSocketContext, message: str) -> None:
            self.count += 1
            await ctx.send_text(str(self.count))

        async def on_disconnect(self, ctx: WebSocketContext) -> None:
            counts.append(self.count)

    counts: list[int] = []
    async with TestClient(app_of(Counting)) as client:
        for _ in range(2):
            async with client.websocket("/") as ws:
                for expected in ("1", "2"):
                    await ws.send_text("x")
                    assert await ws.receive_text() == expected
    assert counts == [2, 2]


async def test_an_instance_is_shared() -> None:
    class Counting(WebSocketEndpoint):
        count = 0

        async def on_receive(self, ctx: WebSocketContext, message: str) -> None:
            self.count += 1
            await ctx.send_text(str(self.count))

    async with TestClient(app_of(Counting())) as client:
        for expected in ("1", "2"):
            async with client.websocket("/") as ws:
                await ws.send_text("x")
                assert await ws.receive_text() == expected


async def test_without_on_connect_every_session_is_accepted(ends: Any) -> None:
    class Open(WebSocketEndpoint):
        async def on_disconnect(self, code: int) -> None:
            ends.append(code)

    async with TestClient(app_of(Open)) as client, client.websocket("/"):
        pass
    assert ends == [1000]


# ---- every way in which a session ends


async def test_denied_by_not_accepting(ends: Any) -> None:
    async def on_connect(self: Any, ctx: WebSocketContext) -> None: ...

    async with TestClient(app_of(noting(ends, on_connect=on_connect))) as client:
        assert (await client.websocket_denial("/")).status_code == 403
    assert ends == [(1006, "")]


async def test_denied_by_a_refusal(ends: Any) -> None:
    async def on_connect(self: Any, ctx: WebSocketContext) -> None:
        raise HTTPException(401)

    async with TestClient(app_of(noting(ends, on_connect=on_connect))) as client:
        assert (await client.websocket_denial("/")).status_code == 401
    assert ends == [(1006, "")]


async def test_failed_before_it_was_accepted(ends: Any) -> None:
    async def on_connect(self: Any, ctx: WebSocketContext) -> None:
        raise ValueError("broken")

    async with TestClient(app_of(noting(ends, on_connect=on_connect)), raise_app_exceptions=False) as client:
        assert (await client.websocket_denial("/")).status_code == 500
    assert ends == [(1006, "")]


async def test_what_never_began_is_not_told_to_have_ended(ends: Any) -> None:
    """A guard that refuses stands before `on_connect`: neither it nor its end happened."""

    async def guard(token: Annotated[int, Header]) -> None:
        raise HTTPException(401)

    async def on_connect(self: Any, ctx: WebSocketContext, guard: Any, n: int = 0) -> None:
        await ctx.accept()

    on_connect.__annotations__["guard"] = Annotated[None, Depends(guard)]
    async with TestClient(app_of(noting(ends, on_connect=on_connect))) as client:
        assert (await client.websocket_denial("/", headers={"token": "1"})).status_code == 401
        reply = await client.websocket_denial("/?n=x")
        assert errors_of(reply) == ["header.token", "query.n"]

    async def unfit(self: Any, ctx: WebSocketContext, n: int) -> None: ...

    async with TestClient(app_of(noting(ends, on_connect=unfit))) as client:
        assert errors_of(await client.websocket_denial("/?n=x")) == ["query.n"]
    assert ends == []


def errors_of(reply: Any) -> list[str]:
    assert reply.status_code == 422
    return [error["path"] for error in reply.json()["errors"]]


async def test_closed_by_the_client(ends: Any) -> None:
    async def talk(ws: WebSocketSession) -> None:
        await ws.close(4001, "bye")

    await run(noting(ends), talk)
    assert ends == [(4001, "bye")]


async def test_closed_by_the_server(ends: Any) -> None:
    async def on_receive(self: Any, ctx: WebSocketContext, message: Move) -> None:
        await ctx.close(4002, "enough")

    async def talk(ws: WebSocketSession) -> None:
        await ws.send_json({"x": 1})
        assert await closed(ws) == (4002, "enough")

    await run(noting(ends, on_receive=on_receive), talk)
    assert ends == [(4002, "enough")]


@pytest.mark.parametrize(("error", "code"), [(ValueError("broken"), 1011), (HTTPException(403, "no"), 1008)], ids=repr)
async def test_ended_by_an_exception(ends: Any, error: Exception, code: int) -> None:
    async def on_receive(self: Any, ctx: WebSocketContext, message: Move) -> None:
        raise error

    async def talk(ws: WebSocketSession) -> None:
        await ws.send_json({"x": 1})
        assert (await closed(ws))[0] == code

    await run(noting(ends, on_receive=on_receive), talk)
    assert [code for code, _ in ends] == [code]


async def test_ended_by_the_closing_signal(ends: Any) -> None:
    async with TestClient(app_of(noting(ends))) as client, client.websocket("/") as ws:
        client.begin_closing(5)
        assert (await closed(ws))[0] == 1001
    assert ends == [(1001, "")]


async def test_the_client_is_gone_without_a_word(ends: Any) -> None:
    async def on_receive(self: Any, ctx: WebSocketContext, message: Move) -> None:
        await ctx.connection.disconnected()
        await ctx.send_json(1)

    for endpoint in (noting(ends), noting(ends, on_receive=on_receive)):
        async with serving(app_of(endpoint)) as server, server.websocket() as session:
            await session.send(TextMessage('{"x":1}'))
            await session.peer.reset()
            await eventually(lambda: [code for code, _ in ends] == [1006])
        ends.clear()


async def test_cut_at_the_shutdown_deadline(ends: Any) -> None:
    async def on_receive(self: Any, ctx: WebSocketContext, message: Move) -> None:
        await ctx.connection.closing()
        await anyio.sleep_forever()

    async with TestClient(app_of(noting(ends, on_receive=on_receive))) as client, client.websocket("/") as ws:
        await ws.send_json({"x": 1})
        client.begin_closing(0.05)
        await closed(ws)
    assert ends == [(1001, "")]


async def test_a_failing_end_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Bad(WebSocketEndpoint):
        async def on_disconnect(self, ctx: WebSocketContext) -> None:
            raise ValueError("bad end")

    async with TestClient(app_of(Bad)) as client, client.websocket("/"):
        pass
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.ERROR, "on_disconnect of / failed: bad end")]


# ---- how it is written


async def test_type_variables_of_messages_are_filled_in() -> None:
    class Typed(WebSocketEndpoint, Generic[T]):
        encoding = "json"

        async def on_receive(self, ctx: WebSocketContext, message: T) -> None:
            await ctx.send_json(type(message).__name__)

    class Moves(Typed[Move]): ...

    async with TestClient(app_of(Moves)) as client, client.websocket("/") as ws:
        await ws.send_json({"x": 1})
        assert await ws.receive_json() == "Move"


async def test_encodings_give_text_bytes_and_limits() -> None:
    class Text(WebSocketEndpoint):
        async def on_receive(self, ctx: WebSocketContext, message: Annotated[str, Meta(max_length=3)]) -> None:
            await ctx.send_text(message)

    class Bytes(WebSocketEndpoint):
        encoding = "bytes"

        async def on_receive(self, ctx: WebSocketContext, message: bytes) -> None:
            await ctx.send_bytes(message)

    async with TestClient(app_of(Text)) as client:
        async with client.websocket("/") as ws:
            await ws.send_text("abc")
            assert await ws.receive_text() == "abc"
            await ws.send_text("abcd")
            assert (await closed(ws))[0] == 1007
        async with client.websocket("/") as ws:
            await ws.send_bytes(b"abc")
            assert (await closed(ws))[0] == 1003
    async with TestClient(app_of(Bytes)) as client, client.websocket("/") as ws:
        await ws.send_bytes(b"\xff")
        assert await ws.receive_bytes() == b"\xff"
        await ws.send_text("x")
        assert (await closed(ws))[0] == 1003


@pytest.mark.parametrize(
    ("encoding", "annotation", "problem"),
    [
        ("text", Move, "message is annotated Move, but encoding is 'text'; say encoding = 'json', or annotate str"),
        ("text", bytes, "or annotate str"),
        ("bytes", str, "or annotate bytes"),
        ("json", str, "message is annotated str, but encoding is 'json'; annotate the decoded type, or say encoding = 'text'"),
        ("json", bytes, "annotate the decoded type"),
        ("json", App, "message: nothing here knows how App is decoded"),
        ("xml", str, "has encoding 'xml'; there are text, bytes and json"),
    ],
    ids=str,
)
def test_annotation_and_encoding_must_agree(encoding: Any, annotation: Any, problem: str) -> None:
    async def on_receive(self: Any, message: Any) -> None: ...

    on_receive.__annotations__["message"] = annotation
    with pytest.raises(ConfigError, match=problem):
        app_of(type("Chat", (WebSocketEndpoint,), {"encoding": encoding, "on_receive": on_receive})).build()


def test_an_unknown_hook_fails_the_class() -> None:
    with pytest.raises(ConfigError, match="has on_recieve, which is no hook and would never be called; did you mean on_receive\\?"):
        type("Typo", (WebSocketEndpoint,), {"on_recieve": closed})


def test_hooks_are_async_methods_and_there_is_one() -> None:
    def on_receive(self: Any, message: str) -> None: ...

    class Empty(WebSocketEndpoint): ...

    with pytest.raises(ConfigError, match="a hook is an async function"):
        app_of(type("Plain", (WebSocketEndpoint,), {"on_receive": on_receive})).build()
    with pytest.raises(ConfigError, match="defines none of on_connect, on_receive, on_invalid, on_disconnect"):
        app_of(Empty).build()
