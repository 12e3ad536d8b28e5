"""Requests through the test client: what goes out, what comes back, and how failures are told."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import msgspec
import pytest

from pagi.gateway.types import Receive, Scope, Send
from pagi.http.errors import ConfigError
from pagi.server.options import FlowOptions
from pagi.testing import NotJSON, ServerHungUp, TestClient
from tests.testing.apps import answer, body_of, describe, endless

pytestmark = pytest.mark.anyio


async def test_a_request_says_what_the_test_said() -> None:
    async with TestClient(describe) as client:
        told = (await client.get("/a b?x=1", params={"q": ["é", 2]}, headers={"X-Tag": "7"})).json()
    assert told["method"] == "GET"
    assert told["path"] == "/a b"
    assert told["query"] == "x=1&q=%C3%A9&q=2"
    assert ["x-tag", "7"] in told["headers"]
    assert ["host", "testserver"] in told["headers"]


async def test_a_request_says_where_it_comes_from() -> None:
    async with TestClient(describe, base_url="https://shop.example:8443", root_path="/shop", client=("10.0.0.9", 9)) as client:
        told = (await client.get("/cart")).json()
    assert told["scheme"] == "https"
    assert told["server"] == ["shop.example", 8443]
    assert told["client"] == ["10.0.0.9", 9]
    assert told["root_path"] == "/shop"
    assert told["path"] == "/shop/cart"
    assert ["host", "shop.example:8443"] in told["headers"]


async def _pieces() -> AsyncIterator[bytes]:
    yield b"one "
    await anyio.sleep(0)
    yield b"two"


@pytest.mark.parametrize(
    ("parts", "body", "content_type"),
    [
        ({"json": {"a": None}}, '{"a":null}', "application/json"),
        ({"json": None}, "null", "application/json"),
        ({"content": b"raw"}, "raw", None),
        ({"content": "é"}, "é", "text/plain; charset=utf-8"),
        ({"data": {"a": "1 2", "b": ["x", "y"]}}, "a=1+2&b=x&b=y", "application/x-www-form-urlencoded"),
        ({"json": 1, "headers": {"content-type": "application/vnd.n+json"}}, "1", "application/vnd.n+json"),
    ],
)
async def test_a_body_goes_out_in_each_form(parts: dict[str, Any], body: str, content_type: str | None) -> None:
    async with TestClient(describe) as client:
        told = (await client.post("/", **parts)).json()
    assert told["body"] == body
    assert dict(told["headers"]).get("content-type") == content_type
    assert dict(told["headers"])["content-length"] == str(len(body.encode()))


async def test_a_body_in_pieces_goes_out_in_chunks() -> None:
    async with TestClient(describe) as client:
        told = (await client.put("/", content=_pieces())).json()
    assert told["body"] == "one two"
    assert ["transfer-encoding", "chunked"] in told["headers"]


async def test_pieces_need_not_be_async() -> None:
    async with TestClient(describe) as client:
        assert (await client.put("/", content=[b"one ", b"two"])).json()["body"] == "one two"
        assert (await client.put("/", content=(piece for piece in (b"one ", b"two")))).json()["body"] == "one two"


async def test_values_that_are_no_text_are_written_as_forms_write_them() -> None:
    async with TestClient(describe) as client:
        told = (await client.post("/", params={"a": True, "b": [False, 1.5]}, data={"c": None})).json()
    assert (told["query"], told["body"]) == ("a=true&b=false&b=1.5", "c=")


async def test_fields_of_the_client_go_with_every_request() -> None:
    async with TestClient(describe, headers={"X-Tag": "7", "accept": "text/html", "content-type": "text/x"}) as client:
        told = dict((await client.get("/")).json()["headers"])
        assert (told["x-tag"], told["accept"], told["content-type"]) == ("7", "text/html", "text/x")
        told = dict((await client.post("/", json=1, headers={"X-Tag": "8"})).json()["headers"])
        assert (told["x-tag"], told["accept"], told["content-type"]) == ("8", "text/html", "application/json")
        told = dict((await client.get("/", headers={"Host": "other"})).json()["headers"])
        assert told["host"] == "other"


async def test_an_answer_that_is_no_json_says_what_it_is() -> None:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 404, b"<h1>lost</h1>" + b"x" * 1000, b"text/html")

    async with TestClient(page, lifespan="off") as client:
        reply = await client.get("/")
        with pytest.raises(NotJSON, match=r"404, text/html, 1013 bytes: b'<h1>lost</h1>.*\.\.\.") as caught:
            reply.json()
        assert caught.value.reply is reply
        with pytest.raises(msgspec.DecodeError):
            reply.json()


async def test_two_bodies_are_refused() -> None:
    async with TestClient(describe) as client:
        with pytest.raises(ConfigError, match="one body"):
            await client.post("/", json=1, content=b"1")
        with pytest.raises(ConfigError, match="one body"):
            await client.post("/", content=b"1", files={"a": b"1"})


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
async def test_each_verb_is_its_own_method(method: str) -> None:
    async with TestClient(describe) as client:
        reply = await getattr(client, method)("/")
    assert reply.json()["method"] == method.upper()
    assert (reply.status_code, reply.status, reply.http_version, reply.is_complete) == (200, 200, "1.1", True)


async def test_head_has_no_body() -> None:
    async with TestClient(describe) as client:
        reply = await client.head("/")
    assert reply.content == b""
    assert reply.headers["Content-Type"] == "application/json"


async def test_text_follows_the_charset() -> None:
    async def latin(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, "é".encode("latin-1"), b"text/plain; charset=iso-8859-1")

    async with TestClient(latin, lifespan="off") as client:
        assert (await client.get("/")).text == "é"


async def test_a_path_without_a_slash_is_refused() -> None:
    async with TestClient(describe) as client:
        with pytest.raises(ConfigError, match="slash"):
            await client.get("http://testserver/")


async def test_server_options_hold() -> None:
    async with TestClient(describe, max_body_bytes=10) as client:
        reply = await client.post("/", content=b"x" * 11)
    assert reply.status == 413


async def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ConfigError, match="max_bodies"):
        TestClient(describe, max_bodies=1)


# ---- failures


async def _fails(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/middle":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
    if scope["path"] == "/after":
        await answer(send, 200, b"fine")
    raise LookupError("lost it")


@pytest.mark.parametrize("path", ["/", "/middle", "/after"])
async def test_what_the_app_fails_with_is_raised_by_the_request(path: str) -> None:
    async with TestClient(_fails, lifespan="off") as client:
        with pytest.raises(LookupError, match="lost it"):
            await client.get(path)


async def test_a_failure_that_a_framework_made_an_answer_of_is_raised_too() -> None:
    async def framework(scope: Scope, receive: Receive, send: Send) -> None:
        scope["pagi.exception"] = LookupError("lost it")
        await answer(send, 500, b"sorry")

    async with TestClient(framework, lifespan="off") as client:
        with pytest.raises(LookupError, match="lost it"):
            await client.get("/")
    async with TestClient(framework, lifespan="off", raise_app_exceptions=False) as client:
        assert (await client.get("/")).text == "sorry"


async def test_a_failure_can_be_seen_as_the_client_sees_it() -> None:
    async with TestClient(_fails, lifespan="off", raise_app_exceptions=False) as client:
        assert (await client.get("/")).status == 500
        cut = await client.get("/middle")
        assert (cut.content, cut.is_complete) == (b"abc", False)


async def test_a_failure_that_nobody_waited_for_is_raised_at_the_exit() -> None:
    client = TestClient(_fails, lifespan="off")
    with pytest.raises(LookupError, match="lost it"):
        async with client:
            await client.connect().send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")


async def test_the_tests_own_error_is_not_hidden_by_the_apps() -> None:
    async def a_test() -> None:
        async with TestClient(_fails, lifespan="off") as client:
            await client.connect().send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await anyio.sleep(0.01)
            raise AssertionError("mine")

    with pytest.raises(AssertionError, match="mine"):
        await a_test()


async def test_a_body_that_fails_to_come_fails_the_request() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"one"
        raise LookupError("no two")

    async with TestClient(describe) as client:
        with pytest.raises(LookupError, match="no two"):
            await client.post("/", content=broken())


async def test_a_connection_that_ends_before_the_answer_is_told() -> None:
    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    async with TestClient(hangs, lifespan="off") as client:
        client.begin_closing(0.05)
        with pytest.raises(ConnectionRefusedError):
            await client.get("/")
    async with TestClient(hangs, lifespan="off") as client:
        async with anyio.create_task_group() as group:

            async def close_soon() -> None:
                await anyio.sleep(0.02)
                client.begin_closing(0.02)

            group.start_soon(close_soon)
            with pytest.raises(ServerHungUp):
                await client.get("/")


# ---- streams


async def test_an_endless_stream_is_read_and_left() -> None:
    async with TestClient(endless) as client:
        async with client.stream("GET", "/") as reply:
            assert reply.status == 200
            size = 0
            async for piece in reply.aiter_bytes():
                size += len(piece)
                if size > 100_000:
                    break
        assert client.state["log"] == ["client_closed"]
    assert not reply.is_complete


async def test_an_app_without_a_reader_stops_at_the_marks() -> None:
    async with TestClient(endless) as client, client.stream("GET", "/") as reply:
        await anyio.sleep(0.1)
        stopped = client.state["sent"][0]
        await anyio.sleep(0.1)
        assert client.state["sent"][0] == stopped
        # What came with the head is with the client, the rest waits in the server.
        assert stopped <= 2 * (FlowOptions().high_water_bytes + 1100)
        await anext(reply.aiter_bytes())
        while client.state["sent"][0] == stopped:
            await anext(reply.aiter_bytes())


async def test_an_upload_without_a_taker_stops_at_the_marks() -> None:
    sent = 0
    begun = anyio.Event()
    go_on = anyio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await go_on.wait()
        await answer(send, 200, str(len(await body_of(receive))).encode())

    async def upload() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(300):
            yield b"x" * 1000
            sent += 1000

    async with TestClient(slow, lifespan="off") as client, anyio.create_task_group() as group:

        async def ask() -> None:
            assert (await client.post("/", content=upload())).text == "300000"

        group.start_soon(ask)
        await begun.wait()
        await anyio.sleep(0.1)
        assert sent <= FlowOptions().high_water_bytes + 1000
        go_on.set()


async def test_a_body_is_held_back_until_100_continue() -> None:
    asked: list[bool] = []

    async def picky(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/no":
            await answer(send, 417, b"no")
            return
        asked.append(True)
        await answer(send, 200, await body_of(receive))

    async with TestClient(picky, lifespan="off") as client:
        reply = await client.post("/", content=b"x" * 10, headers={"expect": "100-continue"})
        assert [head.status for head in reply.informational] == [100]
        assert reply.content == b"x" * 10
        refused = await client.post("/no", content=b"x" * 10, headers={"expect": "100-continue"})
        assert (refused.status, refused.informational) == (417, [])


async def test_trailers_come_with_the_end() -> None:
    async def with_trailers(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"abc"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"6")]})

    async with TestClient(with_trailers, lifespan="off") as client:
        reply = await client.get("/", headers={"te": "trailers"})
    assert reply.trailers["x-sum"] == "6"
