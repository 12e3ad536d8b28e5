"""The test client for plain functions: the same verbs, on either loop."""

import contextvars
import threading
from collections.abc import AsyncIterator
from inspect import Parameter, signature
from typing import Any, Literal

import anyio
import pytest

from pagi import App, Event, HTTPContext, HTTPException, SSEContext, WebSocketContext
from pagi.http.errors import ConfigError
from pagi.testing import (
    EventStreamSession,
    LifespanFailed,
    RawConnection,
    StartupFailed,
    StreamedReply,
    StreamEnded,
    SyncEventStreamSession,
    SyncRawConnection,
    SyncStreamedReply,
    SyncTestClient,
    SyncWebSocketSession,
    TestClient,
    WebSocketClosed,
    WebSocketDenied,
    WebSocketSession,
)
from tests.testing.apps import describe, echo, endless, ticker
from tests.testing.test_client_life import Recorder

Backend = Literal["asyncio", "trio"]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """The loop that the client runs on."""
    name: Backend = request.param
    return name


def make_app() -> App:
    app = App()

    @app.post("/items")
    async def items(ctx: HTTPContext[Any]) -> dict[str, Any]:
        ctx.response.cookie("seen", "1")
        return {"got": await ctx.request.json()}

    @app.get("/fails")
    async def fails(ctx: HTTPContext[Any]) -> None:
        raise LookupError("lost it")

    @app.get("/slow")
    async def slow(ctx: HTTPContext[Any]) -> None:
        await anyio.sleep_forever()

    @app.websocket("/echo")
    async def echoes(ctx: WebSocketContext[Any]) -> None:
        await ctx.accept()
        async for text in ctx.iter_text():
            if text == "fail":
                raise LookupError("lost it")
            await ctx.send_text(text)

    @app.sse("/ticks")
    async def ticks(ctx: SSEContext[Any]) -> AsyncIterator[Event[int]]:
        for n in range(int(ctx.last_event_id or 0) + 1, 1000):
            yield Event(n, id=str(n))
            await anyio.sleep(0.001)

    @app.sse("/no")
    async def no(ctx: SSEContext[Any]) -> None:
        raise HTTPException(403, "not you")

    return app


def test_each_kind_is_talked_to(backend: Backend) -> None:
    with SyncTestClient(make_app(), backend=backend) as client:
        assert client.post("/items", json={"a": 1}).json() == {"got": {"a": 1}}
        with client.websocket("/echo") as ws:
            ws.send_text("hello")
            assert ws.receive_text() == "hello"
        with client.sse("/ticks", last_event_id="6") as feed:
            assert [feed.receive().data for _ in range(2)] == [7, 8]
            assert feed.last_event_id == "8"
        assert client.sse_decline("/no").json()["detail"] == "not you"
        assert client.websocket_denial("/nowhere").status == 404


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete", "options"])
def test_each_verb_is_its_own_method(backend: Backend, verb: str) -> None:
    with SyncTestClient(describe, backend=backend) as client:
        assert getattr(client, verb)("/").json()["method"] == verb.upper()
        assert client.head("/").status_code == 200


def test_cookies_are_kept_between_calls(backend: Backend) -> None:
    with SyncTestClient(make_app(), backend=backend, cookies={"a": "1"}) as client:
        assert client.post("/items", json=1).cookies == {"seen": "1"}
        assert client.cookies == {"a": "1", "seen": "1"}
        client.cookies.clear()


def test_a_body_is_read_as_it_comes(backend: Backend) -> None:
    with SyncTestClient(endless, backend=backend) as client:
        with client.stream("GET", "/") as reply:
            assert reply.status == 200
            size = 0
            for piece in reply.iter_bytes():
                size += len(piece)
                if size > 100_000:
                    break
            assert not reply.is_complete
        assert client.state["log"] == ["client_closed"]
    with SyncTestClient(describe, backend=backend) as client, client.stream("PUT", "/", content=[b"a", b"b"]) as reply:
        assert b'"body":"ab"' in b"".join(reply.iter_bytes())
        assert reply.read() == b""
        assert reply.is_complete
        assert len(reply.trailers) == 0


def test_messages_of_each_form_come_back(backend: Backend) -> None:
    with SyncTestClient(echo, backend=backend) as client, client.websocket("/", subprotocols=["v1"]) as ws:
        assert (ws.subprotocol, ws.headers["x-kind"], ws.closed, ws.pings) == ("v1", "echo", None, 0)
        ws.send_bytes(b"\x00")
        assert ws.receive_bytes() == b"\x00"
        ws.send_json({"a": [1]})
        assert ws.receive_json() == {"a": [1]}
        ws.send_text("any")
        assert ws.receive() == "any"
        ws.close(4001, "done")
        assert ws.closed is not None
        assert list(ws) == []


def test_iteration_ends_with_the_stream(backend: Backend) -> None:
    with SyncTestClient(ticker, backend=backend) as client, client.sse("/") as feed:
        assert [event.data["n"] for event in feed] == [1, 2, 3]
        assert feed.retry == 1500
        with pytest.raises(StreamEnded):
            feed.receive()
        with pytest.raises(StreamEnded):
            feed.receive_comment()


def test_connections_by_the_byte(backend: Backend) -> None:
    with SyncTestClient(describe, backend=backend) as client:
        wire = client.connect()
        wire.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert wire.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert wire.receive(1) == b"{"
        assert wire.unread_bytes > 10
        wire.eof()
        assert wire.receive_rest().endswith(b"}")
        wire.close()
        assert wire.is_closed
        other = client.connect()
        other.abort()
        assert other.is_closed


def test_the_virtual_clock_is_advanced(backend: Backend) -> None:
    with SyncTestClient(ticker, backend=backend, virtual_clock=True) as client:
        before = client.now
        client.advance(90)
        assert client.now == before + 90
    with SyncTestClient(make_app(), backend=backend, virtual_clock=True) as client, client.websocket("/echo") as ws:
        client.advance(60)
        assert ws.pings == 3


def test_the_closing_signal_is_given(backend: Backend) -> None:
    with SyncTestClient(make_app(), backend=backend) as client, client.websocket("/echo") as ws:
        client.begin_closing(5)
        with pytest.raises(WebSocketClosed) as closed:
            ws.receive()
        assert closed.value.code == 1001


# ---- life and failures


def test_the_lifespan_lies_around_the_requests(backend: Backend) -> None:
    app = Recorder()
    with SyncTestClient(app, backend=backend) as client:
        client.get("/")
        assert client.state == {"name": "ada"}
    assert app.log == ["startup", "request ada", "shutdown", "ended"]


def test_a_lifespan_that_fails_is_told_and_leaves_no_thread(backend: Backend) -> None:
    before = threading.active_count()
    with pytest.raises(StartupFailed, match="no disk"):
        with SyncTestClient(Recorder(startup="failed"), backend=backend):
            raise AssertionError("entered")
    with pytest.raises(LifespanFailed, match="no disk"):
        with SyncTestClient(Recorder(shutdown="failed"), backend=backend):
            pass
    assert threading.active_count() == before


def test_what_the_app_fails_with_is_raised_once(backend: Backend) -> None:
    with SyncTestClient(make_app(), backend=backend) as client:
        with pytest.raises(LookupError, match="lost it"):
            client.get("/fails")
        with client.websocket("/echo") as ws:
            ws.send_text("fail")
            with pytest.raises(LookupError, match="lost it"):
                ws.receive()
    with SyncTestClient(make_app(), backend=backend, raise_app_exceptions=False) as client:
        assert client.get("/fails").status == 500


def test_a_failing_assert_in_a_block_stays_what_it_is(backend: Backend) -> None:
    with pytest.raises(AssertionError, match="plain"):
        with SyncTestClient(make_app(), backend=backend) as client, client.websocket("/echo"), client.sse("/ticks"):
            raise AssertionError("plain")
    with pytest.raises(WebSocketDenied):
        with SyncTestClient(make_app(), backend=backend) as client, client.websocket("/nowhere"):
            raise AssertionError("opened")


def test_a_step_that_takes_too_long_is_given_up(backend: Backend) -> None:
    with SyncTestClient(make_app(), backend=backend, timeout=0.05) as client:
        with pytest.raises(TimeoutError, match=r"0\.05 s"):
            client.get("/slow")
        with client.websocket("/echo") as ws:
            with pytest.raises(TimeoutError):
                ws.receive()
            ws.send_text("on it goes")
            assert ws.receive() == "on it goes"


def test_a_client_is_entered_once(backend: Backend) -> None:
    client = SyncTestClient(describe, backend=backend)
    with pytest.raises(ConfigError, match="with SyncTestClient"):
        client.get("/")
    with client:
        pass
    with pytest.raises(ConfigError, match="entered before"):
        with client:
            raise AssertionError("entered")


def test_the_app_sees_the_tests_context(backend: Backend) -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")
    app = App()

    @app.get("/")
    async def who(ctx: HTTPContext[Any]) -> str:
        return name.get()

    with SyncTestClient(app, backend=backend) as client:
        token = name.set("ada")
        assert client.get("/").text == "ada"
        name.reset(token)


# ---- both clients


@pytest.mark.parametrize(
    ("sync", "original", "missing"),
    [
        (SyncTestClient, TestClient, set[str]()),
        (SyncWebSocketSession, WebSocketSession, {"start", "tend"}),
        (SyncEventStreamSession, EventStreamSession, set[str]()),
        (SyncRawConnection, RawConnection, set[str]()),
        (SyncStreamedReply, StreamedReply, {"aiter_bytes"}),
    ],
)
def test_a_sync_class_has_the_verbs_of_the_async_one(sync: type, original: type, missing: set[str]) -> None:
    def verbs(cls: type) -> dict[str, list[Parameter]]:
        public = {name: member for name, member in vars(cls).items() if not name.startswith("_")}
        return {
            name: list(signature(member).parameters.values()) if callable(member) else []
            for name, member in public.items()
            if name not in missing
        }

    own = verbs(sync)
    for name, parameters in verbs(original).items():
        assert own[name] == parameters, name


def test_both_clients_take_the_same_options() -> None:
    of_loop = {"backend", "backend_options", "timeout"}
    sync = {name: parameter for name, parameter in signature(SyncTestClient).parameters.items() if name not in of_loop}
    assert sync == dict(signature(TestClient).parameters)
