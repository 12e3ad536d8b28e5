"""Requests: the head as it was sent, and a body that is read once and whole or not at all."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from pagi import App, ClientGone, HTTPContext, Reason, Request
from pagi.gateway.types import Message
from pagi.messages.request import BadBody, BodyConsumed
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


def request(*events: Message, headers: dict[str, str] | None = None, **scope: Any) -> Request:
    incoming = iter(events)

    async def receive() -> Message:
        return next(incoming)

    fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "method": "POST", "path": "/é", "headers": fields, **scope}, receive)


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


async def test_the_body_is_joined_and_kept() -> None:
    asked = request(part(b"a", True), part(b"", True), part(b"b"))
    assert await asked.body() == b"ab"
    assert await asked.body() == b"ab"


async def test_a_body_that_breaks_off_is_never_handed_out_as_whole() -> None:
    with pytest.raises(ClientGone) as caught:
        await request(part(b"a", True), {**GONE, "reason": "client_timeout"}).body()
    assert caught.value.reason is Reason.CLIENT_TIMEOUT
    with pytest.raises(ClientGone):
        async for _ in request(part(b"a", True), GONE).stream():
            pass


async def test_a_handler_whose_client_left_mid_body_ends_quietly(caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.post("/")
    async def upload(ctx: HTTPContext) -> int:
        return len(await ctx.request.body())

    exchange = Recorder(app).http("POST", "/", body=[b"a", b"b"])
    await exchange.receive()
    exchange._incoming.clear()  # pyright: ignore[reportPrivateUsage]
    async with anyio.create_task_group() as group:
        group.start_soon(exchange.run)
        await anyio.wait_all_tasks_blocked()
        exchange.leave()
    assert exchange.events == []
    assert not caplog.records


async def test_a_stream_gives_the_parts_and_no_empty_ones() -> None:
    asked = request(part(b"a", True), part(b"", True), part(b"b"))
    assert [chunk async for chunk in asked.stream()] == [b"a", b"b"]


async def test_what_was_streamed_cannot_be_read() -> None:
    asked = request(part(b"a"))
    assert [chunk async for chunk in asked.stream()] == [b"a"]
    for read in (asked.body, asked.text, asked.json):
        with pytest.raises(BodyConsumed):
            await read()
    with pytest.raises(BodyConsumed):
        await anext(asked.stream())


async def test_what_was_read_can_be_streamed() -> None:
    asked = request(part(b"a"))
    await asked.body()
    assert [chunk async for chunk in asked.stream()] == [b"a"]


async def test_streaming_gives_the_generators_end_back() -> None:
    stream = request(part(b"a", True), part(b"b")).stream()
    assert isinstance(stream, AsyncGenerator)
    assert await anext(stream) == b"a"
    await stream.aclose()


async def test_text_follows_the_charset() -> None:
    assert await request(part("é".encode())).text() == "é"
    assert await request(part(b"\xe9"), headers={"content-type": "text/plain; charset=latin-1"}).text() == "é"
    for body, kind in ((b"\xff", "text/plain"), (b"a", "text/plain; charset=klingon"), (b"\xff", "/")):
        with pytest.raises(BadBody):
            await request(part(body), headers={"content-type": kind}).text()


async def test_json_is_decoded_whatever_its_type() -> None:
    assert await request(part('{"é":1}'.encode())).json() == {"é": 1}
    for body in (b"", b"{", b'"\xff"'):
        with pytest.raises(BadBody, match="not JSON"):
            await request(part(body)).json()


async def test_forms_are_read() -> None:
    form = await request(part(b"a=1&a=2&b=%C3%A9"), headers={"content-type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}).form()
    assert (form.get_all("a"), form["b"]) == (["1", "2"], "é")
    with pytest.raises(BadBody) as caught:
        await request(part(b"a=1"), headers={"content-type": "text/plain"}).form()
    assert caught.value.status == 415


async def test_a_mistake_of_the_client_is_answered_with_its_status() -> None:
    app = App()

    @app.post("/json")
    async def json(ctx: HTTPContext) -> object:
        return await ctx.request.json()

    @app.post("/form")
    async def form(ctx: HTTPContext) -> int:
        return len(await ctx.request.form())

    recorder = Recorder(app)
    assert (await recorder.post("/json", body=b"{")).status == 400
    assert (await recorder.post("/form", body=b"{")).status == 415
    many = b"&".join(b"a=1" for _ in range(1001))
    assert (await recorder.post("/form", body=many, headers={"content-type": "application/x-www-form-urlencoded"})).status == 413


def test_the_head_is_read_without_regard_to_case() -> None:
    asked = request(headers={"content-type": "Application/JSON", "cookie": "a=1; b=2"}, query_string=b"q=1&q=2&e=%C3%A9")
    assert asked.headers["Content-Type"] == "Application/JSON"
    assert asked.content_type == "application/json"
    assert asked.is_json
    assert asked.cookies == {"a": "1", "b": "2"}
    assert (asked.query["q"], asked.query.get_all("q"), asked.query["e"]) == ("2", ["1", "2"], "é")
    assert (asked.method, asked.path, asked.raw_path) == ("POST", "/é", "/é".encode())


def test_what_is_missing_has_defaults() -> None:
    asked = request()
    assert (asked.client, asked.server, asked.host, asked.scheme, asked.http_version) == (None, None, "localhost", "http", "1.1")
    assert (asked.content_type, asked.is_json, dict(asked.path_params), asked.root_path) == ("", False, {}, "")


@pytest.mark.parametrize(
    ("scope", "headers", "url"),
    [
        ({"raw_path": b"/a%20b", "query_string": b"q=1"}, {"host": "example.org:8000"}, "http://example.org:8000/a%20b?q=1"),
        ({"raw_path": b"/", "server": ("::1", 80), "scheme": "https"}, {}, "https://[::1]:80/"),
        ({"raw_path": b"/", "server": ("/tmp/sock", None)}, {}, "http://localhost/"),
    ],
)
def test_the_url_is_absolute_and_as_it_was_written(scope: dict[str, Any], headers: dict[str, str], url: str) -> None:
    assert request(headers=headers, **scope).url == url
