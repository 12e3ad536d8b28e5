"""What an application that breaks the agreement does to its client, to the log, and to itself: the first two see it, nobody else."""

from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import unquote_to_bytes

import anyio
import h11
import pytest

from pagi.http.errors import AppError
from tests.server.conftest import Lines
from tests.server.live import GET, OPENS, Peer, Session, eventually, served

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing")]

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
Event = dict[str, Any]


async def truncated(peer: Peer) -> bytes:
    """The bytes of an answer whose body must not look whole."""
    await peer.send(GET)
    data = await peer.rest()
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    reader.receive_data(data)
    reader.receive_data(b"")
    with pytest.raises(h11.RemoteProtocolError):
        read_whole(reader)
    return data


def read_whole(reader: h11.Connection) -> None:
    """Reads up to the end of an answer."""
    while not isinstance(reader.next_event(), h11.EndOfMessage):
        pass


# ---- raising and returning


@pytest.mark.http1
async def test_an_application_that_raises_before_its_answer_is_500_and_closed(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError("secret")

    async with served(app) as server, server.peer() as peer:
        reply = await peer.ask()
        assert (reply.status, reply.header(b"connection"), reply.body) == (500, b"close", b"Internal Server Error\n")
        assert await peer.rest() == b""
    assert log.errors == ["http GET '/': the application failed <- ZeroDivisionError('secret')"]
    assert " 500 " in log.access[0]
    assert log.access[0].endswith("server_error")


@pytest.mark.http1
async def test_an_application_that_raises_before_its_answer_closes_a_pipeline(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    async with served(app) as server:
        assert (await server.answer_to(GET + GET)).count(b"HTTP/1.1 500") == 1


@pytest.mark.http1
async def test_of_ten_connections_those_that_fail_are_closed_and_the_others_stay(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/fails":
            raise ZeroDivisionError
        send.full(200, [], b"whole")

    async with served(app) as server, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(server.peer()) for _ in range(10)]
        for peer in peers:
            assert (await peer.ask()).status == 200
        for peer in peers[:5]:
            assert (await peer.ask(GET.replace(b"/ ", b"/fails "))).status == 500
        for peer in peers[:5]:
            assert await peer.rest() == b""
        for peer in peers[5:]:
            assert (await peer.ask()).body == b"whole"
    assert len(log.errors) == 5


async def test_a_500_of_the_servers_counts_as_started_and_the_next_exchange_begins_afresh(log: Lines) -> None:
    started: list[bool] = []
    handles: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        handles.append(scope["pagi.connection"])
        started.append(handles[-1].response_started)
        if scope["path"] == "/fails":
            raise ZeroDivisionError
        send.full(200, [], b"")

    async with served(app) as server, server.peer() as peer:
        for path in (b"/", b"/", b"/fails"):
            await peer.ask(GET.replace(b"/ ", path + b" "))
        await eventually(lambda: len(log.access) == 3)
    assert started == [False, False, False]
    assert [handle.response_started for handle in handles] == [True, True, True]
    assert [handle.disconnect_reason for handle in handles] == [None, None, "server_error"]


async def test_a_line_end_that_a_client_smuggles_into_a_header_adds_no_field(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        wanted = unquote_to_bytes(scope["query_string"].removeprefix(b"to="))
        await send({"type": "http.response.start", "status": 302, "headers": [(b"location", wanted)]})
        await send({"type": "http.response.body"})

    async with served(app) as server:
        assert (await server.ask(b"GET /?to=/home HTTP/1.1\r\nHost: x\r\n\r\n")).header(b"location") == b"/home"
        reply = await server.ask(b"GET /?to=/%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (reply.status, reply.header(b"set-cookie"), reply.header(b"location")) == (500, None, None)


async def test_an_application_that_raises_in_the_middle_cuts_its_answer(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError("late")

    async with served(app) as server, server.peer() as peer:
        assert b"half" in await truncated(peer)
    assert log.errors == [
        "http GET '/': the application failed in the middle of its answer: the connection is cut <- ZeroDivisionError('late')"
    ]
    assert log.access[0].endswith("server_error")


async def test_an_application_that_raises_after_its_answer_harms_nobody(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"whole"})
        raise ZeroDivisionError("after")

    async with served(app) as server, server.peer() as peer:
        assert (await peer.ask()).body == b"whole"
        assert (await peer.ask()).body == b"whole"
    assert len(log.errors) == 2
    assert "after its answer was complete" in log.errors[0]
    assert not log.access[0].endswith("server_error")


@pytest.mark.http1
async def test_an_application_that_returns_without_answering_is_500(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return

    async with served(app) as server, server.peer() as peer:
        assert (await peer.ask()).status == 500
        assert await peer.rest() == b""
    assert log.errors == ["http GET '/': the application returned without answering"]


async def test_an_application_that_returns_in_the_middle_of_its_answer_is_cut(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async with served(app) as server, server.peer() as peer:
        await truncated(peer)
    assert "returned in the middle of its answer" in log.errors[0]


async def test_an_application_that_returns_after_its_head_alone_is_cut(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)

    async with served(app) as server, server.peer() as peer:
        await truncated(peer)
    assert "returned in the middle of its answer" in log.errors[0]


async def test_an_application_that_raises_a_group_is_500(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 10)
            raise ZeroDivisionError

    async with served(app) as server:
        assert (await server.ask()).status == 500
    assert "ExceptionGroup" in log.errors[0]


async def test_an_os_error_of_the_application_is_no_departed_client(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise FileNotFoundError("settings.toml")

    async with served(app) as server:
        assert (await server.ask()).status == 500
    assert "FileNotFoundError" in log.errors[0]


# ---- what may not be sent


BODY = {"type": "http.response.body", "body": b"x"}
REFUSED: dict[str, tuple[list[Event], str]] = {
    "a body first": ([BODY], "out of order"),
    "two heads": ([START, START], "out of order"),
    "trailers unannounced": ([START, {"type": "http.response.trailers", "headers": []}], "out of order"),
    "a WebSocket's event": ([{"type": "websocket.accept"}], "websocket.accept"),
    "an unknown event": ([{"type": "http.response.finish"}], "http.response.finish"),
    "a flush": ([START, {"type": "http.fullflush"}], "http.fullflush"),
    "a push": ([{"type": "http.response.push", "path": "/", "headers": []}], "http.response.push"),
    "no type": ([{"status": 200}], "type"),
    "no status": ([{"type": "http.response.start", "headers": []}], "status"),
    "a status in words": ([{"type": "http.response.start", "status": "200"}], "status"),
    "a status over 999": ([{"type": "http.response.start", "status": 1000}], "status"),
    "an interim status": ([{"type": "http.response.start", "status": 100}], "100"),
    "a header of text": ([{**START, "headers": [("a", "b")]}], "bytes"),
    "headers as a mapping": ([{**START, "headers": {b"a": b"b"}}], "headers"),
    "a line end in a value": ([{**START, "headers": [(b"a", b"b\r\nset-cookie: c=d")]}], "a"),
    "a line feed in a value": ([{**START, "headers": [(b"a", b"b\nc")]}], "a"),
    "a NUL in a value": ([{**START, "headers": [(b"a", b"b\x00")]}], "a"),
    "a line end in a name": ([{**START, "headers": [(b"a\r\nb", b"c")]}], "name"),
    "a blank in a name": ([{**START, "headers": [(b"a b", b"c")]}], "name"),
    "an empty name": ([{**START, "headers": [(b"", b"c")]}], "name"),
    "a length in words": ([{**START, "headers": [(b"content-length", b"many")]}], "ontent-"),
    "two lengths": ([{**START, "headers": [(b"content-length", b"1"), (b"content-length", b"2")]}], "ontent-"),
}


def recorder(events: list[Event], errors: list[Exception]) -> Any:
    """An application that sends these, and keeps what `send` raised."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            for event in events:
                await send(event)
        except Exception as error:
            errors.append(error)
            raise

    return app


@pytest.mark.http1
@pytest.mark.parametrize("name", REFUSED)
async def test_what_may_not_be_sent_is_raised_from_send(name: str, log: Lines) -> None:
    events, words = REFUSED[name]
    errors: list[Exception] = []
    async with served(recorder(events, errors)) as server:
        data = await server.answer_to(GET)
    assert len(errors) == 1
    assert isinstance(errors[0], AppError)
    assert words in str(errors[0])
    assert len(log.errors) == 1
    if len(events) == 1:
        assert data.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in data


@pytest.mark.parametrize("body", ["text", 1, ["a"], bytes], ids=repr)
async def test_a_body_that_is_not_bytes_is_raised_from_send(body: object, log: Lines) -> None:
    errors: list[Exception] = []
    async with (
        served(recorder([START, {"type": "http.response.body", "body": body, "more_body": True}], errors)) as server,
        server.peer() as peer,
    ):
        await truncated(peer)
    assert [isinstance(error, AppError) for error in errors] == [True]
    assert len(log.errors) == 1


@pytest.mark.parametrize("body", [bytearray(b"x" * 10), memoryview(b"x" * 10)], ids=["bytearray", "memoryview"])
async def test_a_body_of_any_bytes_is_taken(body: object) -> None:
    async with served(recorder([START, {"type": "http.response.body", "body": body}], [])) as server:
        assert (await server.ask()).body == b"x" * 10


async def test_a_refused_event_can_be_made_good(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(AppError):
            await send({**START, "headers": [(b"a", b"\n")]})
        await send(START)
        with pytest.raises(AppError):
            await send({"type": "http.response.body", "body": "text"})
        await send(BODY)

    async with served(app) as server:
        assert (await server.ask()).body == b"x"
    assert log.errors == []


async def test_too_much_for_the_content_length_is_raised_and_cuts_the_answer(log: Lines) -> None:
    errors: list[Exception] = []
    head = {**START, "headers": [(b"content-length", b"4")]}
    more = {"type": "http.response.body", "body": b"abc", "more_body": True}
    async with served(recorder([head, more, more], errors)) as server, server.peer() as peer:
        data = await truncated(peer)
    assert data.endswith(b"\r\n\r\nabc")
    assert "4" in str(errors[0])
    assert "6" in str(errors[0])
    assert len(log.errors) == 1


async def test_too_little_for_the_content_length_is_raised_and_cuts_the_answer(log: Lines) -> None:
    errors: list[Exception] = []
    head = {**START, "headers": [(b"content-length", b"4")]}
    async with served(recorder([head, {"type": "http.response.body", "body": b"abc"}], errors)) as server, server.peer() as peer:
        await truncated(peer)
    assert isinstance(errors[0], AppError)
    assert len(log.errors) == 1


async def test_a_whole_answer_with_a_wrong_length_is_500(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [(b"content-length", b"4")], b"abc")

    async with served(app) as server:
        assert (await server.ask()).status == 500
    assert len(log.errors) == 1


async def test_a_second_whole_answer_is_out_of_order(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], b"one")
        with pytest.raises(AppError, match="out of order"):
            send.full(200, [], b"two")

    async with served(app) as server, server.peer() as peer:
        assert (await peer.ask()).body == b"one"
        assert (await peer.ask()).body == b"one"
    assert log.errors == []


async def test_an_event_after_the_answer_is_out_of_order(log: Lines) -> None:
    errors: list[Exception] = []
    async with served(recorder([START, BODY, BODY], errors)) as server:
        assert (await server.ask()).body == b"x"
        await eventually(lambda: bool(errors))
    assert "nothing may follow" in str(errors[0])


async def test_a_header_list_may_be_any_iterable() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": ((name, b"1") for name in (b"a", b"b"))})
        await send({"type": "http.response.body"})

    async with served(app) as server:
        reply = await server.ask()
    assert (reply.header(b"a"), reply.header(b"b")) == (b"1", b"1")


# ---- WebSockets


async def websocket_recorder(events: list[Event], errors: list[Exception], receive: Any, send: Any) -> None:
    await receive()
    try:
        for event in events:
            await send(event)
    except Exception as error:
        errors.append(error)
        raise


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
ACCEPT = {"type": "websocket.accept"}
WEBSOCKET_REFUSED: dict[str, list[Event]] = {
    "a message first": [{"type": "websocket.send", "text": "x"}],
    "text and bytes": [ACCEPT, {"type": "websocket.send", "text": "x", "bytes": b"x"}],
    "neither text nor bytes": [ACCEPT, {"type": "websocket.send"}],
    "bytes as text": [ACCEPT, {"type": "websocket.send", "text": b"x"}],
    "two accepts": [ACCEPT, ACCEPT],
    "an unknown event": [ACCEPT, {"type": "websocket.finish"}],
    "a lone surrogate": [ACCEPT, {"type": "websocket.send", "text": "\ud800"}],
    "a code of nobody": [ACCEPT, {"type": "websocket.close", "code": 999}],
    "a code that never leaves": [ACCEPT, {"type": "websocket.close", "code": 1006}],
    "a reason over 123 bytes": [ACCEPT, {"type": "websocket.close", "code": 1000, "reason": "x" * 124}],
    "an answer of http": [ACCEPT, {"type": "http.response.start", "status": 200}],
    "a denial after the accept": [ACCEPT, {"type": "websocket.http.response.start", "status": 403}],
    "a subprotocol nobody offered": [{"type": "websocket.accept", "subprotocol": "v9"}],
    "a line end in an accept header": [{"type": "websocket.accept", "headers": [(b"a", b"b\r\nc")]}],
    "a field of the handshake": [{"type": "websocket.accept", "headers": [(b"sec-websocket-accept", b"x")]}],
}


@pytest.mark.parametrize("name", WEBSOCKET_REFUSED)
async def test_what_a_websocket_may_not_send_is_raised_from_send(name: str, log: Lines) -> None:
    events = WEBSOCKET_REFUSED[name]
    errors: list[Exception] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await websocket_recorder(events, errors, receive, send)

    async with served(app, ws_close_seconds=0.2) as server:
        data = await server.answer_to(HANDSHAKE)
    assert [isinstance(error, AppError) for error in errors] == [True]
    assert len(log.errors) == 1
    if events[0] is ACCEPT:
        assert data.startswith(b"HTTP/1.1 101 ")
        assert data.endswith(b"\x88\x02\x03\xf3")  # Close 1011
    else:
        assert data.startswith(b"HTTP/1.1 500 ")
    assert log.access[0].endswith("server_error"), log.access


async def test_a_websocket_application_that_raises_before_the_accept_is_500(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    async with served(app) as server:
        with pytest.raises(Exception, match="500"):
            async with server.websocket():
                pass
    assert len(log.errors) == 1


async def test_a_websocket_application_that_returns_without_a_word_is_500(log: Lines, framing: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return

    async with served(app) as server:
        with pytest.raises(Exception, match="500"):
            async with server.websocket():
                pass
    assert log.errors == [f"websocket {OPENS[framing]} '/': the application returned without accepting or closing"]


async def code_of(session: Session) -> int:
    event: Any = await session.next()
    code: int = event.code
    return code


async def test_a_websocket_application_that_raises_closes_with_1011(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        raise ZeroDivisionError

    async with served(app) as server, server.websocket() as session:
        assert await code_of(session) == 1011
    assert len(log.errors) == 1


async def test_a_websocket_application_that_returns_closes_with_1000(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)

    async with served(app) as server, server.websocket() as session:
        assert await code_of(session) == 1000
    assert log.errors == []
