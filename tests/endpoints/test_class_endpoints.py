"""Endpoints as classes: verbs and hooks, who calls them, and how long one object lives."""

from collections.abc import AsyncIterator
from typing import Any, Literal

import anyio
import pytest

from pagi import (
    App,
    ConfigError,
    Context,
    HTTPContext,
    HTTPEndpoint,
    Next,
    Response,
    Router,
    SSEContext,
    SSEEndpoint,
    Text,
    WebSocketContext,
    WebSocketEndpoint,
)
from pagi.endpoints.endpoint import AnyEndpoint
from pagi.testing import TestClient
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


def at_root(endpoint: AnyEndpoint, **options: Any) -> Recorder:
    app = App(**options)
    app.add("/", endpoint)
    return Recorder(app)


def build(endpoint: AnyEndpoint) -> None:
    app = App()
    app.add("/", endpoint)
    app.build()


# ---- http


class Things(HTTPEndpoint):
    async def get(self, ctx: HTTPContext, q: str = "") -> str:
        return f"{ctx.method} {q}"

    async def post(self) -> Response:
        return Text("made", status=201)

    def delete(self) -> None: ...

    async def secret(self) -> str:
        return "no verb"


async def test_a_verb_serves_its_method() -> None:
    recorder = at_root(Things)
    assert (await recorder.get("/?q=a")).text == "GET a"
    assert ((await recorder.post("/")).status, (await recorder.post("/")).text) == (201, "made")
    assert (await recorder.http("DELETE", "/").run()).status == 204


async def test_head_runs_get_and_options_lists_what_there_is() -> None:
    recorder = at_root(Things)
    assert (await recorder.http("HEAD", "/").run()).status == 200
    options = await recorder.http("OPTIONS", "/").run()
    assert (options.status, options.headers["allow"], options.body) == (204, "DELETE, GET, HEAD, OPTIONS, POST", b"")


async def test_verbs_of_its_own_take_the_place_of_the_automatic_ones() -> None:
    class Own(HTTPEndpoint):
        async def get(self) -> str:
            return "get"

        async def head(self) -> Response:
            return Response(headers={"x-own": "head"})

        async def options(self) -> str:
            return "options"

    recorder = at_root(Own)
    assert (await recorder.http("HEAD", "/").run()).headers["x-own"] == "head"
    assert (await recorder.http("OPTIONS", "/").run()).text == "options"


async def test_what_is_not_defined_is_405_with_allow() -> None:
    answer = await at_root(Things).http("PUT", "/").run()
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, POST")


@pytest.mark.parametrize("method", ["SECRET", "secret", "KIND", "HOOKS", "__INIT__", "CONTEXT_CLASS", "get"])
async def test_no_attribute_is_ever_found_by_what_a_client_sends(method: str) -> None:
    assert (await at_root(Things).http(method, "/").run()).status == 501


async def test_a_class_is_made_anew_for_each_request_and_an_instance_is_shared() -> None:
    class Counter(HTTPEndpoint):
        def __init__(self) -> None:
            self.n = 0

        async def get(self) -> int:
            self.n += 1
            return self.n

    for endpoint, counts in ((Counter, ["1", "1"]), (Counter(), ["1", "2"])):
        recorder = at_root(endpoint)
        assert [(await recorder.get("/")).text for _ in range(2)] == counts


async def test_a_verb_that_returns_nothing_unannounced_is_an_error_that_names_it(caplog: pytest.LogCaptureFixture) -> None:
    class Forgetful(HTTPEndpoint):
        async def get(self):  # type: ignore[no-untyped-def]
            pass

    assert (await at_root(Forgetful).get("/")).status == 500
    assert "Forgetful.get returned None" in caplog.text


async def test_an_endpoint_has_the_context_it_asks_for() -> None:
    class Tenant(HTTPContext):
        tenant = "t"

    class Page(HTTPEndpoint):
        context_class = Tenant

        async def get(self, ctx: Tenant) -> str:
            return ctx.tenant

    assert (await at_root(Page).get("/")).text == "t"


async def test_a_subclass_of_an_endpoint_has_its_verbs() -> None:
    class More(Things):
        async def put(self) -> str:
            return "put"

    assert (await at_root(More).http("OPTIONS", "/").run()).headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST, PUT"
    assert (await at_root(More).get("/?q=b")).text == "GET b"


def test_an_endpoint_without_a_verb_or_hook_fails() -> None:
    class Empty(HTTPEndpoint):
        pass

    class Silent(WebSocketEndpoint):
        pass

    class Still(SSEEndpoint):
        pass

    for endpoint, problem in ((Empty, "defines none of get"), (Silent, "defines none of on_connect"), (Still, "defines neither stream")):
        with pytest.raises(ConfigError, match=f"{endpoint.__name__} {problem}"):
            build(endpoint)


def test_a_hook_that_nobody_would_call_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigError, match="did you mean on_receive"):

        class Misspelt(WebSocketEndpoint):  # pyright: ignore[reportUnusedClass]
            async def on_recieve(self, message: str) -> None: ...


def test_what_an_endpoint_says_itself_is_not_said_again() -> None:
    with pytest.raises(ConfigError, match="says its kind, methods and options itself"):
        App().add("/", Things, methods=["GET"])


# ---- websocket


class Diary(WebSocketEndpoint):
    """Notes what happens to it."""

    def __init__(self) -> None:
        self.notes: list[object] = []


async def test_hooks_run_from_connect_to_disconnect() -> None:
    class Chat(Diary):
        async def on_connect(self, ctx: WebSocketContext) -> None:
            self.notes.append(type(ctx))
            await ctx.accept()
            await ctx.send_text("welcome")

        async def on_receive(self, ctx: WebSocketContext, message: str) -> None:
            self.notes.append(message)
            await ctx.send_text(message.upper())

        async def on_disconnect(self, code: int, reason: str) -> None:
            self.notes.append((code, reason))

    chat = Chat()
    answer = await at_root(chat).talk("/", ["a", "", "b"])
    assert answer.sent == ["welcome", "A", "", "B"]
    assert chat.notes == [WebSocketContext, "a", "", "b", (1001, "bye")]
    assert answer.events[0]["type"] == "websocket.accept"


async def test_without_on_connect_every_session_is_accepted() -> None:
    class Echo(WebSocketEndpoint):
        async def on_receive(self, ctx: WebSocketContext, message: str) -> None:
            await ctx.send_text(message)

    assert Echo.encoding == "text"
    assert (await at_root(Echo).talk("/", ["a"])).sent == ["a"]


async def test_without_on_receive_a_session_lasts_until_its_client_leaves() -> None:
    class Mute(Diary):
        async def on_disconnect(self, code: int) -> None:
            self.notes.append(code)

    mute = Mute()
    assert (await at_root(mute).talk("/", ["a", "b"])).sent == []
    assert mute.notes == [1001]


@pytest.mark.parametrize(
    ("encoding", "message", "given"),
    [("text", "1", "'1'"), ("bytes", b"1", "b'1'"), ("json", '{"é":1}', "{'é': 1}"), ("json", b"[1]", "[1]")],
)
async def test_messages_come_as_the_encoding_says(encoding: Literal["text", "bytes", "json"], message: str | bytes, given: str) -> None:
    said = encoding

    class Told(WebSocketEndpoint):
        encoding = said

        async def on_receive(self, ctx: WebSocketContext, message: Any) -> None:
            await ctx.send_text(repr(message))

    assert (await at_root(Told).talk("/", [message])).sent == [given]


@pytest.mark.parametrize(("encoding", "message", "code"), [("text", b"1", 1003), ("bytes", "1", 1003), ("json", "{", 1007)])
async def test_a_message_of_another_encoding_ends_the_session(
    encoding: Literal["text", "bytes", "json"], message: str | bytes, code: int
) -> None:
    said = encoding

    class Strict(Diary):
        encoding = said

        async def on_disconnect(self, code: int) -> None:
            self.notes.append(code)

    strict = Strict()
    answer = await at_root(strict).talk("/", [message], stays=True)
    assert [event["code"] for event in answer.of("websocket.close")] == [code]
    assert strict.notes == [code]


async def test_what_could_not_be_decoded_may_be_forgiven() -> None:
    class Patient(WebSocketEndpoint):
        encoding = "json"

        async def on_receive(self, ctx: WebSocketContext, message: int) -> None:
            await ctx.send_json(message + 1)

        async def on_invalid(self, ctx: WebSocketContext, error: Exception) -> None:
            await ctx.send_text(type(error).__name__)

    assert (await at_root(Patient).talk("/", ["nope", '"a"', "1"])).sent == ["BadMessage", "InvalidMessage", "2"]


async def test_a_connect_that_does_not_accept_denies_and_is_told_of_the_end() -> None:
    class Shy(Diary):
        async def on_connect(self, ctx: WebSocketContext) -> None:
            self.notes.append("connect")

        async def on_receive(self, message: str) -> None:
            self.notes.append(message)

        async def on_disconnect(self, code: int) -> None:
            self.notes.append(code)

    shy = Shy()
    assert (await at_root(shy).talk("/", ["a"])).status == 403
    assert shy.notes == ["connect", 1006]


async def test_a_session_closed_in_connect_is_over_and_is_told_of_the_end() -> None:
    class Brief(Diary):
        async def on_connect(self, ctx: WebSocketContext) -> None:
            await ctx.accept()
            await ctx.close(4000, "full")

        async def on_receive(self, message: str) -> None:
            self.notes.append(message)

        async def on_disconnect(self, code: int, reason: str) -> None:
            self.notes.append((code, reason))

    brief = Brief()
    await at_root(brief).talk("/", ["a"], stays=True)
    assert brief.notes == [(4000, "full")]


async def test_a_failing_hook_closes_with_1011_and_disconnect_runs_once() -> None:
    class Broken(Diary):
        async def on_receive(self, message: str) -> None:
            raise RuntimeError("no")

        async def on_disconnect(self, code: int) -> None:
            self.notes.append(code)

    broken = Broken()
    exchange = at_root(broken).websocket("/", ["a"], stays=True)
    with pytest.raises(RuntimeError, match="no"):
        await exchange.run()
    assert exchange.events[-1]["code"] == 1011
    assert broken.notes == [1011]


async def test_a_session_has_an_object_of_its_own() -> None:
    class Counting(WebSocketEndpoint):
        def __init__(self) -> None:
            self.n = 0

        async def on_receive(self, ctx: WebSocketContext, message: str) -> None:
            self.n += 1
            await ctx.send_json(self.n)

    recorder = at_root(Counting)
    for _ in range(2):
        assert (await recorder.talk("/", ["a", "b"])).sent == ["1", "2"]


def test_an_encoding_that_is_none_fails_the_build() -> None:
    unknown: Any = "xml"

    class Odd(WebSocketEndpoint):
        encoding = unknown

        async def on_receive(self, message: Any) -> None: ...

    with pytest.raises(ConfigError, match="'xml'; there are text, bytes and json"):
        build(Odd)


# ---- sse


async def test_a_stream_runs_from_connect_to_disconnect() -> None:
    notes: list[object] = []

    class Feed(SSEEndpoint):
        async def on_connect(self, ctx: SSEContext) -> None:
            notes.append(type(ctx))
            await ctx.sse.send("welcome")

        async def on_disconnect(self, reason: str | None) -> None:
            notes.append(reason)

    exchange = at_root(Feed).http("GET", "/", headers={"accept": "text/event-stream"})
    async with anyio.create_task_group() as group:
        group.start_soon(exchange.run)
        await anyio.wait_all_tasks_blocked()
        assert notes == [SSEContext]
        exchange.leave()
    assert notes == [SSEContext, "client_closed"]
    assert b"data: welcome" in exchange.events[-1]["body"]


async def test_a_generator_ends_its_stream_and_disconnect_is_told_of_no_reason() -> None:
    notes: list[object] = []

    class Feed(SSEEndpoint):
        async def stream(self, ctx: SSEContext) -> AsyncIterator[int]:
            yield 1
            yield 2

        async def on_disconnect(self, reason: str | None) -> None:
            notes.append(reason)

    assert (await at_root(Feed).stream("/")).data == ["1", "2"]
    assert notes == [None]


async def test_a_stream_closed_in_connect_is_over_and_is_told_of_the_end() -> None:
    notes: list[object] = []

    class Brief(SSEEndpoint):
        async def on_connect(self, ctx: SSEContext) -> None:
            await ctx.sse.send("only this")
            await ctx.close()

        async def on_disconnect(self, reason: str | None) -> None:
            notes.append(reason)

    assert (await at_root(Brief).stream("/")).data == ["only this"]
    assert notes == [None]


async def test_a_stream_or_session_that_somebody_else_closes_is_over_and_is_told_of_the_end() -> None:
    open_ones: list[SSEContext | WebSocketContext] = []
    told = anyio.Event()

    class Feed(SSEEndpoint):
        async def on_connect(self, ctx: SSEContext) -> None:
            open_ones.append(ctx)

        async def on_disconnect(self) -> None:
            told.set()

    class Chat(WebSocketEndpoint):
        async def on_connect(self, ctx: WebSocketContext) -> None:
            await ctx.accept()
            open_ones.append(ctx)

        async def on_disconnect(self) -> None:
            told.set()

    app = App()
    app.add("/feed", Feed)
    app.add("/chat", Chat)

    @app.post("/close")
    async def close() -> None:
        await open_ones.pop().close()

    async with TestClient(app) as client:
        async with client.sse("/feed") as events:
            await client.post("/close")
            assert [event async for event in events] == []
            with anyio.fail_after(20):
                await told.wait()
        told = anyio.Event()
        async with client.websocket("/chat") as ws:
            await client.post("/close")
            assert [message async for message in ws] == []
            with anyio.fail_after(20):
                await told.wait()


async def test_a_connect_may_decline_with_an_ordinary_answer() -> None:
    class Closed(SSEEndpoint):
        async def on_connect(self) -> Response:
            return Response(status=204)

    answer = await at_root(Closed).stream("/")
    assert (answer.status, answer.outline) == (204, ["http.response.start", "http.response.body"])


@pytest.mark.parametrize("seconds", [None, 0, 2.5])
async def test_a_keepalive_is_said_with_the_start(seconds: float | None) -> None:
    class Feed(SSEEndpoint):
        keepalive_interval = seconds
        retry = None

        async def stream(self) -> AsyncIterator[str]:
            yield "a"

    assert SSEEndpoint.keepalive_interval is None
    assert (await at_root(Feed).stream("/")).events[0].get("keepalive") == seconds


async def test_an_error_may_have_a_last_event() -> None:
    class Feed(SSEEndpoint):
        async def stream(self) -> AsyncIterator[str]:
            yield "a"
            raise RuntimeError("no")

        async def on_error(self, error: Exception) -> str:
            return f"sorry: {error}"

    assert (await at_root(Feed).stream("/")).data == ["a", "sorry: no"]


async def test_a_stream_may_be_asked_for_by_post() -> None:
    class Feed(SSEEndpoint):
        methods = ("POST",)

        async def stream(self, ctx: SSEContext) -> AsyncIterator[str]:
            yield f"{ctx.method} {await ctx.sse.text()}"

    assert (await at_root(Feed).stream("/", method="POST", body=b"hi")).data == ["POST hi"]
    assert (await at_root(Feed).stream("/")).status == 405


# ---- all kinds


async def test_middleware_stands_around_endpoints_of_every_kind() -> None:
    seen: list[str] = []

    async def note(ctx: Context, next: Next) -> Response:
        seen.append(ctx.type)
        return await next()

    class Page(HTTPEndpoint):
        async def get(self) -> str:
            return "page"

    class Feed(SSEEndpoint):
        async def stream(self) -> AsyncIterator[str]:
            yield "event"

    class Chat(WebSocketEndpoint):
        async def on_receive(self, ctx: WebSocketContext, message: str) -> None:
            await ctx.send_text(message)

    router = Router("/in", middleware=[note])
    router.add("/page", Page)
    router.add("/feed", Feed)
    router.add("/chat", Chat)
    recorder = Recorder(App(routers=[router]))
    assert (await recorder.get("/in/page")).text == "page"
    assert (await recorder.stream("/in/feed")).data == ["event"]
    assert (await recorder.talk("/in/chat", ["a"])).sent == ["a"]
    assert seen == ["http", "sse", "websocket"]
