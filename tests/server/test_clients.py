"""Clients that leave, half-close, reset or stop reading; what the application learns of it, and by which handle."""

import errno
import socket
from typing import Any

import anyio
import pytest

from pagi.gateway import ClientGone, Reason
from tests.server.conftest import Lines
from tests.server.live import GET, eventually, served

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing")]

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
CHUNK = {"type": "http.response.body", "body": b"x" * 32_768, "more_body": True}


class Endless:
    """Streams until something stops it, and keeps what did."""

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause
        self.sent = 0
        self.errors: list[BaseException] = []
        self.handle: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.handle = scope["pagi.connection"]
        await send(START)
        try:
            while True:
                await send(CHUNK)
                self.sent += 1
                if self.pause:
                    await anyio.sleep(self.pause)
        except OSError as error:
            self.errors.append(error)
            raise


@pytest.mark.parametrize("how", ["close", "end of input", "reset"])
async def test_a_stream_stops_with_client_gone_when_its_client_leaves(how: str, log: Lines) -> None:
    app = Endless(pause=0.01)
    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        await peer.until(b"\r\n\r\n")
        if how == "close":
            await peer.stream.aclose()
        elif how == "reset":
            await peer.reset()
        else:
            await peer.end_input()
        await eventually(lambda: bool(app.errors))
        await eventually(lambda: bool(log.access))
    assert isinstance(app.errors[0], ClientGone)
    assert app.errors[0].reason in (Reason.CLIENT_CLOSED, Reason.WRITE_ERROR)
    assert log.errors == []
    assert log.access[0].split()[-1] in ("client_closed", "write_error")


@pytest.mark.http1
async def test_a_half_close_still_gets_a_one_shot_answer() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(0.1)
        send.full(200, [], b"still here")

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        await peer.end_input()
        assert (await peer.reply()).body == b"still here"
        assert await peer.rest() == b""


@pytest.mark.http1
async def test_a_half_close_after_a_whole_body_still_gets_its_answer() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        event = await receive()
        await anyio.sleep(0.05)
        send.full(200, [], event["body"])

    async with served(app) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        await peer.end_input()
        assert (await peer.reply()).body == b"abc"


async def test_a_half_close_in_the_middle_of_a_body_is_a_departure(log: Lines) -> None:
    events: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        events.append(await receive())
        events.append(await receive())

    async with served(app) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        await eventually(lambda: len(events) == 1)
        await peer.end_input()
        await eventually(lambda: len(events) == 2)
        await eventually(lambda: bool(log.access))
    assert events[1] == {"type": "http.disconnect"}
    assert log.access[0].endswith("client_closed")
    assert log.errors == []


@pytest.mark.http1
async def test_pipelined_requests_before_a_half_close_are_all_answered() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(0.02)
        send.full(200, [], b"hello")

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET * 3)
        await peer.end_input()
        assert (await peer.rest()).count(b"hello") == 3


async def test_receive_tells_of_a_client_that_left() -> None:
    events: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        events.append(await receive())
        events.append(await receive())

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        await anyio.sleep(0.05)
        await peer.reset()
        await eventually(lambda: len(events) == 2)
    assert events == [{"type": "http.disconnect"}] * 2


async def test_receive_after_the_answer_is_a_disconnect_for_as_often_as_asked() -> None:
    events: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        send.full(200, [], b"done")
        events.extend([await receive(), await receive()])

    async with served(app) as server, server.peer() as peer:
        assert (await peer.ask()).body == b"done"
        await eventually(lambda: len(events) == 2)
        assert await peer.is_open()
    assert events[:2] == [{"type": "http.disconnect"}] * 2


async def test_a_plain_application_is_not_cancelled_when_its_client_leaves() -> None:
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(0.4)
        ended.append("by itself")

    async with served(app, disconnect_grace_seconds=0.05) as server, server.peer() as peer:
        await peer.send(GET)
        await anyio.sleep(0.05)
        await peer.reset()
        await eventually(lambda: bool(ended))


async def test_an_answer_to_a_client_that_left_is_client_gone_and_no_error(log: Lines) -> None:
    errors: list[Exception] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()
        try:
            send.full(200, [], b"")
        except OSError as error:
            errors.append(error)
            raise

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        await anyio.sleep(0.05)
        await peer.reset()
        await eventually(lambda: bool(errors))
        await eventually(lambda: bool(log.access))
    assert isinstance(errors[0], ClientGone)
    assert log.errors == []


async def test_a_group_of_nothing_but_client_gone_is_no_error(log: Lines) -> None:
    app = Endless(pause=0.01)

    async def grouped(scope: Any, receive: Any, send: Any) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(app, scope, receive, send)

    async with served(grouped) as server:
        async with server.peer() as peer:
            await peer.send(GET)
            await peer.until(b"\r\n\r\n")
            await peer.reset()
        await eventually(lambda: bool(log.access))
    assert log.errors == []


async def test_a_failure_after_the_client_left_is_still_an_error(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()
        raise ZeroDivisionError("cleaning up")

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        await anyio.sleep(0.05)
        await peer.reset()
        await eventually(lambda: bool(log.errors))
    assert "after the client had gone" in log.errors[0]


# ---- clients that stop reading


async def test_a_client_that_stops_reading_is_cut_with_write_timeout(log: Lines) -> None:
    app = Endless()
    async with served(app, write_stall_seconds=0.3) as server, server.peer() as peer:
        await peer.send(GET)
        await eventually(lambda: bool(app.errors))
        assert app.handle.disconnect_reason is Reason.WRITE_TIMEOUT
        await eventually(lambda: bool(log.access))
    assert isinstance(app.errors[0], ClientGone)
    assert log.access[0].endswith("write_timeout")
    assert log.errors == []


async def test_a_client_that_reads_slowly_is_not_cut() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], b"x" * 8_000_000)

    async with served(app, write_stall_seconds=1.2) as server, server.peer() as peer:
        await peer.send(GET)
        await peer.until(b"\r\n\r\n")
        size = 0
        while size < 8_000_000:
            size += len(await peer.more())
            await anyio.sleep(0.012)
        assert size == 8_000_000


async def test_a_client_that_stops_reading_a_whole_answer_is_cut_too(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], b"x" * 30_000_000)

    async with served(app, write_stall_seconds=0.3) as server, server.peer() as peer:
        await peer.send(GET)
        await eventually(lambda: bool(log.access))
    assert log.access[0].endswith("write_timeout")


async def test_the_system_keeps_nothing_for_a_client_that_was_cut() -> None:
    app = Endless()
    async with served(app, write_stall_seconds=0.3) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(GET)
            await eventually(lambda: bool(app.errors))
            # It never read, so an orderly end would wait behind megabytes. A reset overtakes them, and both kernels let go.
            await eventually(lambda: client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET)


async def test_the_next_request_waits_until_the_client_reads_the_last_answer() -> None:
    calls: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        calls.append(1)
        send.full(200, [], b"x" * 20_000_000)

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET * 2)
        await anyio.sleep(0.2)
        assert len(calls) == 1
        assert len((await peer.reply()).body) == len((await peer.reply()).body) == 20_000_000


# ---- flow control, both ways


async def test_send_waits_at_the_high_mark_and_both_callbacks_tell() -> None:
    told: list[tuple[str, int]] = []
    sent: list[int] = []
    transports: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        transport = scope["pagi.transport"]
        transports.append(transport)
        transport.on_high_water(lambda: told.append(("high", transport.buffered_amount)))
        transport.on_drain(lambda: told.append(("drain", transport.buffered_amount)))
        await send(START)
        for number in range(600):
            await send(CHUNK)
            sent.append(number)
        await send({"type": "http.response.body"})

    async with served(app, high_water_bytes=100_000, low_water_bytes=10_000) as server, server.peer() as peer:
        await peer.send(GET)
        await eventually(lambda: bool(told))
        await anyio.sleep(0.1)
        waited = len(sent)
        transport = transports[0]
        assert (transport.high_water_mark, transport.low_water_mark, transport.is_writable) == (100_000, 10_000, False)
        assert 100_000 <= transport.buffered_amount <= 100_000 + 3 * 32_768
        await anyio.sleep(0.1)
        assert len(sent) == waited < 600
        assert len((await peer.reply()).body) == 600 * 32_768
    assert told[0][0] == "high"
    assert told[1][0] == "drain"
    assert told[1][1] <= 10_000


async def test_an_upload_is_read_no_faster_than_the_application_takes_it() -> None:
    go = anyio.Event()
    sizes: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        more = True
        while more:
            event = await receive()
            sizes.append(len(event["body"]))
            more = event["more_body"]
        send.full(200, [], b"")

    size = 20_000_000
    async with served(app) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        sent = 0
        async with anyio.create_task_group() as group:

            async def upload() -> None:
                nonlocal sent
                while sent < size:
                    await peer.stream.send(b"x" * 100_000)
                    sent += 100_000

            group.start_soon(upload)
            await anyio.sleep(0.3)
            assert sent < size  # the kernel holds the rest: the server stopped reading
            go.set()
        assert (await peer.reply()).status == 200
    assert sum(sizes) == size
    assert max(sizes) <= 256 * 1024 + 16 * 1024  # one read; under TLS the beginning of a record may have waited before it


# ---- the connection handle


async def test_a_clean_end_completes_once_and_never_disconnects() -> None:
    told: list[str] = []
    handles: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        handle = scope["pagi.connection"]
        handles.append(handle)
        handle.on_complete(lambda: told.append("complete"))
        handle.on_disconnect(told.append)
        assert (handle.is_connected, handle.response_started, handle.response_complete) == (True, False, False)
        await send(START)
        assert handle.response_started
        await send({"type": "http.response.body", "body": b"x"})

    async with served(app) as server:
        async with server.peer() as peer:
            assert (await peer.ask()).body == b"x"
            await eventually(lambda: told == ["complete"])
        await anyio.sleep(0.05)  # the client leaves an idle connection: nothing of this exchange
    handle = handles[0]
    assert told == ["complete"]
    assert (handle.is_connected, handle.response_complete, handle.disconnect_reason, handle.outcome) == (False, True, None, "sent")
    handle.on_complete(lambda: told.append("late"))
    assert told == ["complete", "late"]


@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
async def test_an_answer_completes_whatever_becomes_of_its_connection(connection: bytes) -> None:
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["pagi.connection"].on_complete(lambda: told.append("complete"))
        scope["pagi.connection"].on_disconnect(told.append)
        await send(START)
        await send({"type": "http.response.body", "body": b"x"})

    async with served(app) as server:
        assert (await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: " + connection + b"\r\n\r\n")).body == b"x"
        await eventually(lambda: bool(told))
        await anyio.sleep(0.05)
    assert told == ["complete"]


async def test_an_early_end_disconnects_once_and_never_completes() -> None:
    told: list[str] = []
    late: list[str] = []
    woken: list[Reason] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        handle = scope["pagi.connection"]
        handle.on_complete(lambda: told.append("complete"))
        handle.on_disconnect(told.append)
        woken.append(await handle.disconnected())
        handle.on_disconnect(late.append)

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        await anyio.sleep(0.05)
        await peer.reset()
        await eventually(lambda: bool(late))
    assert told == late == ["client_closed"]
    assert woken == [Reason.CLIENT_CLOSED]


async def test_complete_waits_until_the_client_has_taken_the_answer() -> None:
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["pagi.connection"].on_complete(lambda: told.append("complete"))
        send.full(200, [], b"x" * 20_000_000)

    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        await anyio.sleep(0.2)
        assert told == []
        await peer.reply()
        await eventually(lambda: told == ["complete"])


async def test_a_refused_body_is_a_disconnect_with_its_reason() -> None:
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["pagi.connection"].on_disconnect(told.append)
        while (await receive())["type"] == "http.request":
            pass

    async with served(app, max_body_bytes=10) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        await peer.until(b"100 Continue\r\n\r\n")
        await peer.send(b"ff\r\n" + b"x" * 255 + b"\r\n")
        assert (await peer.reply()).status == 413
        await eventually(lambda: bool(told))
    assert told == ["body_too_large"]
