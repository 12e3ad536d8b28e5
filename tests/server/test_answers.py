"""Answers as they leave: framing by version and method, files, trailers, hints, 100-continue, and their order."""

import os
import re
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from pagi.http.errors import ConfigError
from pagi.server.options import server_options
from tests.server.conftest import Lines
from tests.server.live import GET, eventually, served

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing")]

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}


def sender(*events: dict[str, Any]) -> Any:
    """An application that sends these events."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for event in events:
            await send(event)

    return app


BODY = {"type": "http.response.body", "body": b"hello"}
STREAM = sender(START, {**BODY, "more_body": True}, {"type": "http.response.body", "body": b" world"})


async def test_an_answer_carries_date_server_and_length() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [(b"x-a", b"1")], b"hello")

    async with served(app) as server:
        reply = await server.ask()
    assert (reply.header(b"content-length"), reply.header(b"server"), reply.header(b"x-a")) == (b"5", b"pagi", b"1")
    assert (reply.header(b"date") or b"").endswith(b" GMT")


async def test_the_date_is_now_in_the_one_form_that_may_be_written() -> None:
    """RFC 9110 section 5.6.7: IMF-fixdate."""
    async with served(sender(START, BODY)) as server:
        date = ((await server.ask()).header(b"date") or b"").decode()
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 3


async def test_the_applications_own_date_and_server_stand() -> None:
    async with served(sender({**START, "headers": [(b"date", b"then"), (b"server", b"mine")]}, BODY)) as server:
        reply = await server.ask()
    assert (reply.header(b"date"), reply.header(b"server")) == (b"then", b"mine")


async def test_a_stream_is_chunked() -> None:
    async with served(STREAM) as server, server.peer() as peer:
        reply = await peer.ask()
        assert (reply.body, reply.header(b"transfer-encoding")) == (b"hello world", b"chunked")
        assert await peer.is_open()


@pytest.mark.http1
async def test_a_stream_to_http_1_0_ends_with_the_connection() -> None:
    async with served(STREAM) as server:
        data = await server.answer_to(b"GET / HTTP/1.0\r\n\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    assert body == b"hello world"
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head


@pytest.mark.http1
async def test_http_1_0_keeps_the_connection_only_when_it_asks() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], scope["http_version"].encode())

    async with served(app) as server, server.peer() as peer:
        reply = await peer.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (reply.body, reply.header(b"connection")) == (b"1.0", b"keep-alive")
        await peer.send(b"GET / HTTP/1.0\r\n\r\n")
        assert b"connection: close" in await peer.rest()


@pytest.mark.http1
async def test_http_1_1_closes_when_the_client_asks() -> None:
    async with served(STREAM) as server:
        assert b"connection: close" in await server.answer_to(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


@pytest.mark.http1
@pytest.mark.parametrize("last", [b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"])
async def test_a_request_behind_one_that_closes_is_not_begun(last: bytes) -> None:
    async with served(STREAM) as server:
        assert (await server.answer_to(last + GET)).count(b"hello") == 1


@pytest.mark.http1
async def test_http_1_1_closes_when_the_application_asks() -> None:
    async with served(sender({**START, "headers": [(b"connection", b"close")]}, BODY)) as server:
        assert (await server.answer_to(GET)).lower().count(b"connection: close") == 1


@pytest.mark.parametrize("app", [sender({**START, "headers": [(b"content-length", b"5")]}, BODY), STREAM], ids=["length", "chunks"])
async def test_an_answer_to_head_has_no_body(app: Any) -> None:
    async with served(app) as server, server.peer() as peer:
        await peer.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await peer.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert await peer.is_open()


@pytest.mark.parametrize("app", [sender({**START, "headers": [(b"content-type", b"text/plain"), (b"etag", b'"1"')]}, BODY), STREAM])
async def test_an_answer_to_head_has_the_head_of_the_answer_to_get(app: Any) -> None:
    async with served(app) as server, server.peer() as peer:
        got = await peer.ask()
        head = await peer.ask(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD")
    assert got.body.startswith(b"hello")
    assert (head.status, head.body) == (got.status, b"")
    own = {b"date", b"transfer-encoding"}  # the client's proxy from HTTP/2 frames the body by itself
    assert [field for field in head.headers if field[0] not in own] == [field for field in got.headers if field[0] not in own]
    assert head.header(b"date")


async def test_a_204_and_a_304_have_no_body() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "status": int(scope["path"][1:])})
        await send({"type": "http.response.body", "body": b""})

    async with served(app) as server, server.peer() as peer:
        for status in (204, 304):
            reply = await peer.ask(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % status)
            assert (reply.status, reply.header(b"content-length"), reply.header(b"transfer-encoding")) == (status, None, None)


async def test_the_head_leaves_before_the_body_is_ready() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await anyio.sleep(30)

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        with anyio.fail_after(15):
            await peer.until(b"\r\n\r\n")


async def test_a_whole_answer_leaves_in_one_piece() -> None:
    async with served(sender(START, BODY)) as server, server.peer() as peer:
        await peer.send(GET)
        assert b"hello" in await peer.more()


async def test_each_piece_of_a_stream_arrives_before_the_next_is_made() -> None:
    go = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal go
        await send(START)
        for piece in (b"one", b"two", b"three"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await go.wait()
            go = anyio.Event()
        await send({"type": "http.response.body", "body": b""})

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        for piece in (b"one", b"two", b"three"):
            await peer.until(piece + b"\r\n")
            go.set()
        assert (await peer.until(b"0\r\n\r\n")) == b"0\r\n\r\n"


async def test_a_real_client_reads_us() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        event = await receive()
        send.full(200, [(b"content-type", b"text/plain")], scope["query_string"] + b"|" + event["body"])

    async with served(app) as server, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        for _ in range(2):
            reply = await client.post("/a/b?c=d", content=b"body")
            assert (reply.status_code, reply.text, reply.headers["content-type"]) == (200, "c=d|body", "text/plain")


async def test_a_body_in_utf_8_is_read_by_its_charset() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [(b"content-type", b"text/plain; charset=utf-8")], "grüß ☕ 日本".encode())

    async with served(app) as server, httpx2.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{server.port}/")).text == "grüß ☕ 日本"


# ---- pipelines


@pytest.mark.http1
async def test_pipelined_answers_come_in_the_order_of_the_requests() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(float(scope["path"][1:]))
        send.full(200, [], scope["raw_path"])

    async with served(app) as server, server.peer() as peer:
        waits = [b"/0.10", b"/0.05", b"/0.0"]
        await peer.send(b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % wait for wait in waits))
        assert [(await peer.reply()).body for _ in waits] == waits


@pytest.mark.http1
async def test_a_pipelined_request_is_not_begun_before_the_one_in_front_is_answered() -> None:
    running: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        running.append(1)
        assert len(running) == 1
        await anyio.sleep(0.02)
        running.pop()
        send.full(200, [], b"")

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET * 5)
        for _ in range(5):
            assert (await peer.reply()).status == 200


async def test_a_pipelined_request_is_no_disconnect() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        with anyio.move_on_after(0.1):
            event = await receive()
            raise AssertionError(event)
        send.full(200, [], b"undisturbed")

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        await anyio.sleep(0.02)
        await peer.send(GET)
        assert (await peer.reply()).body == b"undisturbed"


@pytest.mark.http1
async def test_a_flood_of_pipelined_requests_is_answered_without_end() -> None:
    async with served(sender(START, BODY), max_pipelined_bytes=1024) as server, server.peer() as peer:
        async with anyio.create_task_group() as group:
            group.start_soon(peer.send, GET * 2000)
            for _ in range(2000):
                assert (await peer.reply()).status == 200


# ---- 100-continue


EXPECT = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"


@pytest.mark.http1
async def test_100_is_sent_when_the_application_first_asks_for_the_body() -> None:
    asked = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asked.wait()
        event = await receive()
        send.full(200, [], event["body"])

    async with served(app) as server, server.peer() as peer:
        await peer.send(EXPECT)
        with anyio.move_on_after(0.1):
            early = await peer.more()
            raise AssertionError(early)
        asked.set()
        await peer.until(b"HTTP/1.1 100 Continue\r\n\r\n")
        await peer.send(b"abc")
        assert (await peer.reply()).body == b"abc"


@pytest.mark.http1
async def test_an_answer_without_reading_sends_no_100_and_closes() -> None:
    """RFC 9110 section 10.1.1: the client may send the body all the same; nobody could tell it from a request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(403, [], b"")

    async with served(app) as server, server.peer() as peer:
        reply = await peer.ask(EXPECT)
        assert (reply.status, reply.interim, reply.header(b"connection")) == (403, [], b"close")
        assert await peer.rest() == b""


async def test_a_body_that_came_uninvited_gets_no_100() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], (await receive())["body"])

    async with served(app) as server:
        reply = await server.ask(EXPECT + b"abc")
    assert (reply.body, reply.interim) == (b"abc", [])


@pytest.mark.http1
async def test_http_1_0_never_gets_a_100() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], (await receive())["body"])

    async with served(app) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        await anyio.sleep(0.05)
        await peer.send(b"abc")
        assert b" 100 " not in await peer.rest()


# ---- trailers and hints


TRAILED = sender({**START, "trailers": True}, BODY, {"type": "http.response.trailers", "headers": [(b"x-sum", b"5")]})


async def test_trailers_reach_a_client_that_welcomes_them() -> None:
    async with served(TRAILED) as server, server.peer() as peer:
        reply = await peer.ask(b"GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
        assert (reply.body, reply.trailers) == (b"hello", [(b"x-sum", b"5")])
        assert await peer.is_open()


async def test_trailers_are_dropped_for_a_client_that_does_not() -> None:
    async with served(TRAILED) as server:
        reply = await server.ask()
    assert (reply.body, reply.trailers) == (b"hello", [])


HINTED = sender({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}, START, BODY)


@pytest.mark.http1
async def test_early_hints_go_out_by_option_only() -> None:
    async with served(HINTED, early_hints=True) as server:
        assert (await server.ask()).interim == [(103, [(b"link", b"</a.css>; rel=preload")])]
    async with served(HINTED) as server:
        assert (await server.ask()).interim == []


@pytest.mark.http1
async def test_early_hints_never_reach_http_1_0() -> None:
    async with served(HINTED, early_hints=True) as server:
        assert b" 103 " not in await server.answer_to(b"GET / HTTP/1.0\r\n\r\n")


async def test_an_early_hint_after_the_head_is_dropped() -> None:
    late = {"type": "http.response.early_hint", "links": [b"</a.css>"]}
    async with served(sender(START, late, {**BODY, "more_body": True}, late, BODY), early_hints=True) as server:
        reply = await server.ask()
    assert (reply.interim, reply.body) == ([], b"hellohello")


# ---- files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of 300,000 bytes that tell their place."""
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    return path


CONTENT = b"".join(b"%09d\n" % number for number in range(30_000))


async def test_a_file_is_sent_whole(path: Path) -> None:
    async with served(sender(START, {"type": "http.response.body", "file": str(path)})) as server, server.peer() as peer:
        assert (await peer.ask()).body == CONTENT
        assert (await peer.ask()).body == CONTENT


async def test_a_part_of_a_file_is_sent_with_its_length(path: Path) -> None:
    head = {**START, "headers": [(b"content-length", b"100000")]}
    async with served(sender(head, {"type": "http.response.body", "file": str(path), "offset": 70_001, "length": 100_000})) as server:
        assert (await server.ask()).body == CONTENT[70_001:170_001]


async def test_pathsend_is_a_file(path: Path) -> None:
    async with served(sender(START, {"type": "http.response.pathsend", "path": str(path)})) as server:
        assert (await server.ask()).body == CONTENT


async def test_an_open_file_is_read_and_left_open(path: Path) -> None:
    fh = path.open("rb")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "fh": fh, "offset": 10, "length": 200_000})

    with fh:
        async with served(app) as server:
            assert (await server.ask()).body == CONTENT[10:200_010]
        assert not fh.closed


async def test_a_missing_file_cuts_the_answer_and_is_logged(tmp_path: Path, log: Lines) -> None:
    head = {**START, "headers": [(b"content-length", b"5")]}
    async with served(sender(head, {"type": "http.response.body", "file": str(tmp_path / "none")})) as server:
        data = await server.answer_to(GET)
    assert b"none" not in data
    assert not data.endswith(b"0\r\n\r\n")
    assert len(log.errors) == 1
    assert "none" in log.errors[0]


async def test_a_missing_file_is_no_departed_client(tmp_path: Path) -> None:
    """Frameworks written for ASGI take an OSError from `send` for a disconnect, and would end without a word in the log."""
    errors: list[Exception] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            await send({"type": "http.response.body", "file": str(tmp_path / "none")})
        except Exception as error:
            errors.append(error)
            raise

    async with served(app) as server:
        await server.answer_to(GET)
    assert len(errors) == 1
    assert not isinstance(errors[0], OSError)


async def test_a_file_that_grew_is_sent_up_to_its_declared_length(path: Path) -> None:
    head = {**START, "headers": [(b"content-length", b"300000")]}
    event = {"type": "http.response.body", "file": str(path), "length": 300_000}
    with path.open("ab") as fh:
        fh.write(b"more")
    async with served(sender(head, event)) as server, server.peer() as peer:
        assert (await peer.ask()).body == CONTENT
        assert await peer.is_open()


async def test_a_file_that_grew_past_a_length_nobody_bounded_is_raised_and_cut(path: Path, log: Lines) -> None:
    with path.open("ab") as fh:
        fh.write(b"more")
    head = {**START, "headers": [(b"content-length", b"300000")]}
    async with served(sender(head, {"type": "http.response.body", "file": str(path)})) as server:
        data = await server.answer_to(GET)
    assert len(data.partition(b"\r\n\r\n")[2]) <= 300_000
    assert len(log.errors) == 1


@pytest.mark.http1
async def test_a_file_that_shrank_cuts_the_answer(path: Path, log: Lines) -> None:
    head = {**START, "headers": [(b"content-length", b"300000")]}
    os.truncate(path, 100_000)
    async with served(sender(head, {"type": "http.response.body", "file": str(path), "length": 300_000})) as server:
        data = await server.answer_to(GET)
    assert data.partition(b"\r\n\r\n")[2] == CONTENT[:100_000]
    assert len(log.errors) == 1


async def test_a_file_answers_head_without_its_bytes(path: Path) -> None:
    head = {**START, "headers": [(b"content-length", b"300000")]}
    async with served(sender(head, {"type": "http.response.body", "file": str(path)})) as server, server.peer() as peer:
        await peer.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"content-length: 300000" in await peer.until(b"\r\n\r\n")
        await peer.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await peer.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_no_descriptor_is_left_of_a_client_that_leaves_in_the_middle_of_a_file(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as fh:
        fh.truncate(200_000_000)
    app = sender(START, {"type": "http.response.body", "file": str(large)})

    def still_open() -> bool:
        names = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
        return any(os.path.exists(name) and os.readlink(name) == str(large) for name in names)

    async with served(app) as server:
        async with server.peer() as peer:
            await peer.send(GET)
            await peer.until(b"\r\n\r\n")
            await eventually(still_open)
            await peer.reset()
        await eventually(lambda: not still_open())


# ---- fields of the server's own


@pytest.mark.parametrize(
    ("options", "date", "server"),
    [
        ({}, True, b"pagi"),
        ({"date_header": False}, False, b"pagi"),
        ({"server_header": False}, True, None),
        ({"date_header": False, "server_header": False}, False, None),
        ({"extra_headers": ["Server: mine"]}, True, b"mine"),
        ({"server_header": False, "extra_headers": ["Server: mine"]}, True, b"mine"),
    ],
)
async def test_date_and_server_are_there_unless_declined(options: dict[str, Any], date: bool, server: bytes | None) -> None:
    async with served(sender(START, BODY), **options) as at:
        reply = await at.ask()
    assert (reply.header(b"date") is not None, reply.header(b"server")) == (date, server)


async def test_extra_fields_are_in_every_answer_and_in_refusals() -> None:
    upload = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    async with served(sender(START, BODY), extra_headers=["X-Frame-Options: DENY", "x-a:  1 "], max_body_bytes=4) as server:
        for request, status in ((GET, 200), (upload, 413)):
            reply = await server.ask(request)
            assert reply.status == status
            assert (reply.header(b"x-frame-options"), reply.header(b"x-a")) == (b"DENY", b"1")


async def test_an_application_that_gives_date_and_server_itself_is_not_given_them_twice() -> None:
    headers = [(b"date", b"then"), (b"server", b"mine")]
    async with served(sender({**START, "headers": headers}, BODY), extra_headers=["X-A: 1"]) as server:
        reply = await server.ask()
    assert (reply.header(b"date"), reply.header(b"server"), reply.header(b"x-a")) == (b"then", b"mine", b"1")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("X-A", "the extra header 'X-A' is not 'Name: value'"),
        ("X A: 1", "the extra header 'X A: 1' cannot be sent: header name 'X A' is not a token"),
        ("X-A: a\nb", "cannot be sent: value of header 'X-A' holds"),
        ("Content-Length: 5", "the extra header Content-Length belongs to the framing of an answer"),
        ("Connection: close", "the extra header Connection belongs to the framing of an answer"),
    ],
)
def test_an_extra_field_that_may_not_go_out_stops_the_start(header: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        server_options(extra_headers=[header])
    assert message in str(caught.value)
