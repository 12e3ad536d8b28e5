"""Many streams on one connection: none waits for another, each ends by itself, and the server ends without losing any."""

import gc
from typing import Any

import anyio
import pytest

from pagi.gateway import ClientGone, Reason
from pagi.gateway import app as pagi_app
from pagi.server.exchanges.http import HTTPExchange
from pagi.server.stream import Stream
from tests.server.conftest import Lines
from tests.server.live import eventually, served
from tests.server.many_streams import connected

pytestmark = pytest.mark.anyio

NO_STREAM = 2**31 - 1
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL = 0, 1, 2, 7, 8
MIB = 1024 * 1024


class Held:
    """Answers `/held` when it is let go, everything else at once."""

    def __init__(self) -> None:
        self.go = anyio.Event()
        self.began = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.began += 1
        if scope["path"] == "/held":
            await self.go.wait()
        send.full(200, [], scope["path"].encode())


async def drained(receive: Any) -> int:
    """Reads a body to its end. Returns its size."""
    size = 0
    while True:
        event = await receive()
        size += len(event.get("body", b""))
        if not event.get("more_body"):
            return size


async def test_a_goaway_of_the_client_lets_all_open_streams_be_answered(log: Lines) -> None:
    app = Held()
    async with served(app) as server, connected(server) as client:
        asked = [await client.ask("/held") for _ in range(20)]
        await eventually(lambda: app.began == 20)
        await client.send_raw(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8))
        await anyio.sleep(0.05)
        app.go.set()
        replies = [await client.reply(stream_id) for stream_id in asked]
        assert [(reply.status, reply.body) for reply in replies] == [(200, b"/held")] * 20
        await client.until(lambda: client.has_ended)
    assert log.errors == []


async def test_an_upload_that_nobody_reads_keeps_nobody_waiting() -> None:
    go = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/stuck":
            await go.wait()
        size = await drained(receive)
        send.full(200, [], b"%d" % size)

    async with served(app) as server, connected(server) as client:
        stuck = await client.ask("/stuck", "POST", ends=False)
        sent = 0
        while (room := min(client.codec.local_flow_control_window(stuck), 16384)) > 0:
            client.codec.send_data(stuck, b"x" * room)
            sent += room
            await client.flush()
            await anyio.sleep(0)
        assert sent >= 65535, "the stream's window is full"
        began = anyio.current_time()
        for round_of_others in range(5):
            others = [await client.ask(f"/{round_of_others}", "POST", ends=False) for _ in range(99)]
            for other in others:
                client.codec.send_data(other, b"y" * 8000, end_stream=True)
                await client.flush()
            for other in others:
                assert (await client.reply(other)).body == b"8000"
        assert anyio.current_time() - began < 20
        assert not client.replies[stuck].is_over
        go.set()
        client.codec.end_stream(stuck)
        await client.flush()
        assert (await client.reply(stuck)).body == b"%d" % sent


async def test_a_body_larger_than_every_window_arrives_whole() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        size = await drained(receive)
        send.full(200, [], b"%d" % size)

    async with served(app) as server, connected(server) as client:
        stream_id = await client.ask("/", "POST", ends=False)
        left = 5 * MIB
        while left:
            room = min(client.codec.local_flow_control_window(stream_id), 16384, left)
            if room:
                client.codec.send_data(stream_id, b"x" * room)
                left -= room
                await client.flush()
            else:
                await client.until(lambda: client.codec.local_flow_control_window(stream_id) > 0)
        client.codec.end_stream(stream_id)
        await client.flush()
        assert (await client.reply(stream_id)).body == b"%d" % (5 * MIB)


async def test_a_client_that_does_not_read_one_stream_reads_the_others() -> None:
    ends: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/much":
            send.full(200, [], b"quick")
            return
        transport = scope["pagi.transport"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            for _ in range(1000):
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        except ClientGone as error:
            ends.append((error.reason, transport.buffered_amount <= 4 * 65536))
            raise

    async with served(app, write_stall_seconds=0.6) as server, connected(server) as client:
        much = await client.ask("/much")
        client.unread.add(much)
        await client.until(lambda: len(client.replies[much].body) >= 65535)
        client.codec.increment_flow_control_window(MIB)
        await client.flush()
        for _ in range(10):
            assert (await client.reply(await client.ask())).body == b"quick"
        assert not client.replies[much].is_over
        reply = await client.reply(much)
        assert reply.reset_code == INTERNAL_ERROR
        assert (await client.reply(await client.ask())).body == b"quick", "the connection lives on"
    assert ends == [(Reason.WRITE_TIMEOUT, True)]


async def test_each_stream_has_buffers_and_marks_of_its_own() -> None:
    handles: dict[str, Any] = {}
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        handle = handles[scope["path"]] = scope["pagi.transport"]
        handle.on_high_water(lambda: heard.append("high " + scope["path"]))
        handle.on_drain(lambda: heard.append("drain " + scope["path"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        size = 300_000 if scope["path"] == "/large" else 100
        await send({"type": "http.response.body", "body": b"x" * size, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with served(app) as server, connected(server) as client:
        large = await client.ask("/large")
        client.unread.add(large)
        await client.until(lambda: len(client.replies[large].body) == 65535)
        client.codec.increment_flow_control_window(MIB)
        await client.flush()
        assert (await client.reply(await client.ask("/small"))).body == b"x" * 100
        assert handles["/small"].buffered_amount == 0
        assert handles["/large"].buffered_amount == 300_000 - 65535
        assert heard == ["high /large"]
        client.unread.clear()
        client.codec.increment_flow_control_window(MIB, large)
        await client.flush()
        assert len((await client.reply(large)).body) == 300_000
    assert heard == ["high /large", "drain /large"]


async def test_a_reset_by_the_client_ends_its_exchange_alone(log: Lines) -> None:
    heard: list[Any] = []

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "sse":
            await send({"type": "sse.start"})
            await send({"type": "sse.send", "data": "hello"})
            heard.append(await receive())
            heard.append(await receive())
        else:
            send.full(200, [], b"")

    async with served(app) as server, connected(server) as client:
        feed = await client.ask("/", "GET", (b"accept", b"text/event-stream"))
        await client.until(lambda: b"hello" in client.replies[feed].body)
        client.codec.reset_stream(feed, CANCEL)
        await client.flush()
        await eventually(lambda: len(heard) == 2)
        assert (await client.reply(await client.ask())).status == 200
    assert heard[1] == {"type": "sse.disconnect", "reason": "client_closed"}
    assert log.errors == []


async def test_a_failure_on_one_stream_is_told_there_and_nowhere_else(log: Lines) -> None:
    held = Held()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/fails":
            raise ZeroDivisionError
        if scope["path"] == "/breaks":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise ZeroDivisionError
        if scope["path"] != "/silent":
            await held(scope, receive, send)

    async with served(app) as server, connected(server) as client:
        beside = await client.ask("/held")
        fails, breaks, silent = [await client.ask(path) for path in ("/fails", "/breaks", "/silent")]
        assert (await client.reply(fails)).status == (await client.reply(silent)).status == 500
        assert ((await client.reply(breaks)).body, client.replies[breaks].reset_code) == (b"half", INTERNAL_ERROR)
        held.go.set()
        assert (await client.reply(beside)).body == b"/held"
        assert (await client.reply(await client.ask("/after"))).body == b"/after"
    assert len(log.errors) == 3


async def test_an_event_stream_that_is_idle_ends_without_the_others() -> None:
    """In the original one idle stream closed the whole connection."""
    ends: list[str] = []

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        if scope["path"] == "/busy":
            while not ends:
                await send({"type": "sse.send", "data": "tick"})
                await anyio.sleep(0.05)
            await send({"type": "sse.send", "data": "still here"})
        else:
            ends.append(await scope["pagi.connection"].disconnected())

    async with served(app, sse_idle_seconds=0.3) as server, connected(server) as client:
        busy, idle = [await client.ask(path, "GET", (b"accept", b"text/event-stream")) for path in ("/busy", "/idle")]
        assert (await client.reply(busy)).body.endswith(b"data: still here\n\n")
        assert client.replies[idle].reset_code is not None
    assert ends == ["idle_timeout"]


async def test_an_answer_that_leaves_its_request_unread_resets_the_rest() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], b"enough")

    async with served(app) as server, connected(server) as client:
        stream_id = await client.ask("/", "POST", ends=False)
        reply = await client.reply(stream_id)
        assert (reply.status, reply.body, reply.is_complete) == (200, b"enough", True)
        await client.until(lambda: client.replies[stream_id].reset_code == NO_ERROR)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "counted"])
async def test_a_body_over_the_limit_is_413_and_the_connection_lives(declared: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], b"%d" % await drained(receive))

    async with served(app, max_body_bytes=1000) as server, connected(server) as client:
        fields = [(b"content-length", b"1001")] if declared else []
        stream_id = await client.ask("/", "POST", *fields, ends=False)
        if not declared:
            client.codec.send_data(stream_id, b"x" * 1001)
            await client.flush()
        assert (await client.reply(stream_id)).status == 413
        assert (await client.reply(await client.ask())).body == b"0"


async def test_trailers_hints_and_head_requests_go_over_http_2() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")], "trailers": True})
        await send({"type": "http.response.body", "body": b"hello"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"5")]})

    async with served(app) as server, connected(server) as client:
        reply = await client.reply(await client.ask("/", "GET", (b"te", b"trailers")))
        assert [dict(head)[b":status"] for head in reply.interim] == [b"103"]
        assert (reply.body, reply.trailers) == (b"hello", [(b"x-sum", b"5")])
        assert b"connection" not in dict(reply.headers)
        head = await client.reply(await client.ask("/", "HEAD"))
        assert (head.status, head.body, head.trailers) == (200, b"", [])


async def test_an_urgent_answer_overtakes_a_large_one() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], b"x" * (4 * MIB if scope["path"] == "/large" else 30_000))

    async with served(app) as server, connected(server, window=8 * MIB) as client:
        client.codec.increment_flow_control_window(64 * MIB)
        large = [await client.ask("/large", "GET", (b"priority", b"u=5")) for _ in range(4)]
        await client.until(lambda: bool(client.replies[large[0]].body))
        urgent = await client.ask("/urgent", "GET", (b"priority", b"u=0"))
        assert len((await client.reply(urgent)).body) == 30_000
        assert not client.replies[large[-1]].is_over
        for stream_id in large:
            assert len((await client.reply(stream_id)).body) == 4 * MIB


async def test_a_closing_server_warns_then_names_the_last_stream_and_loses_none(log: Lines) -> None:
    app = Held()
    async with served(app) as server, connected(server) as client:
        before = await client.ask("/held")
        await eventually(lambda: app.began == 1)
        server.server.shutdown()
        await client.until(lambda: bool(client.goaways))
        assert client.goaways[0] == (NO_STREAM, NO_ERROR)
        await client.until(lambda: len(client.goaways) == 2)
        assert client.goaways[1] == (before, NO_ERROR)
        late = await client.ask("/late")
        assert (await client.reply(late)).reset_code == REFUSED_STREAM
        app.go.set()
        assert (await client.reply(before)).body == b"/held"
        await client.until(lambda: client.has_ended)
    assert app.began == 1
    assert not server.server.was_cut
    assert log.errors == []


async def test_an_idle_connection_ends_after_its_keep_alive() -> None:
    async with served(Held(), keep_alive_seconds=0.3) as server, connected(server) as client:
        assert (await client.reply(await client.ask())).status == 200
        await client.until(lambda: client.has_ended)
        assert client.goaways[-1] == (1, NO_ERROR)


async def test_refusals_that_wait_for_a_shut_window_do_not_keep_the_connection_for_ever() -> None:
    async with (
        served(Held(), max_body_bytes=10, keep_alive_seconds=0.2, write_stall_seconds=0.4) as server,
        connected(server, window=0) as client,
    ):
        stream_id = await client.ask("/", "POST", (b"content-length", b"11"), ends=False)
        await client.until(lambda: client.replies[stream_id].status == 413)
        await client.until(lambda: client.has_ended)
        assert not client.replies[stream_id].is_complete


@pytest.mark.usefixtures("new_objects_alone")
async def test_a_request_leaves_nothing_to_the_collector() -> None:
    handles: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        handles.append(scope["pagi.transport"])
        send.full(200, [], b"")

    async with served(app) as server, connected(server) as client:
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await client.reply(await client.ask())
            await anyio.sleep(0.02)
            left = [found for found in gc.get_objects() if isinstance(found, Stream | HTTPExchange)]
            assert len(left) <= 2, "at most the last one, in the hands of the task that waits for the next"
        finally:
            gc.enable()
    assert {handle.buffered_amount for handle in handles} == {0}, "a handle that is kept still answers"


async def test_a_preface_that_comes_byte_by_byte_is_understood() -> None:
    async with served(Held()) as server, server.peer() as peer:
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00":
            await peer.send(bytes([byte]))
            await anyio.sleep(0)
        assert (await peer.more())[3] == 4, "our SETTINGS"


async def test_a_lone_p_may_become_a_post() -> None:
    async with served(Held()) as server, server.peer() as peer:
        await peer.send(b"P")
        await anyio.sleep(0.02)
        reply = await peer.ask(b"OST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert (reply.status, reply.body) == (200, b"/a")


async def test_without_the_option_the_preface_is_a_bad_request() -> None:
    async with served(Held(), http2=False) as server:
        assert (await server.answer_to(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).startswith(b"HTTP/1.1 ")


async def test_a_broken_connection_ends_all_its_streams_with_the_reason(log: Lines) -> None:
    ends: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()
        ends.append(scope["pagi.connection"].disconnect_reason)

    async with served(app) as server, connected(server) as client:
        for _ in range(3):
            await client.ask()
        await anyio.sleep(0.05)
        await client.send_raw(b"\x00\x00\x04\x08\x00\x00\x00\x00\x00" + bytes(4))
        await client.until(lambda: client.has_ended)
        await eventually(lambda: len(ends) == 3)
    assert client.goaways[-1][1] == PROTOCOL_ERROR
    assert ends == [Reason.PROTOCOL_ERROR] * 3
    assert log.errors == []
