"""A WebSocket session by hand: what each operation sends, and where the session stands after it."""

from collections import deque
from typing import Any

import msgspec
import pytest

from pagi import Text, WebSocket, WebSocketClosed
from pagi.gateway.types import Message
from pagi.messages.channel import Channel
from pagi.messages.websocket import BadMessage, WrongState

pytestmark = pytest.mark.anyio

CONNECT: Message = {"type": "websocket.connect"}
LEFT: Message = {"type": "websocket.disconnect", "code": 4001, "reason": "bye"}


class Wire:
    """A session, what it was told and what it sent."""

    def __init__(self, *incoming: Message, **scope: Any) -> None:
        self.sent: list[Message] = []
        self.incoming = deque((CONNECT, *incoming))
        self.ws = WebSocket(
            {"type": "websocket", "path": "/", **scope}, self.receive, Channel(self.send, lambda head: None), msgspec.json.encode
        )

    async def receive(self) -> Message:
        return self.incoming.popleft()

    async def send(self, event: Message) -> None:
        self.sent.append(event)


async def opened(*incoming: Message, **scope: Any) -> Wire:
    wire = Wire(*incoming, **scope)
    await wire.ws.accept()
    wire.sent.clear()
    return wire


def text(value: str) -> Message:
    return {"type": "websocket.receive", "text": value}


def test_what_is_missing_has_defaults() -> None:
    ws = Wire().ws
    assert (ws.scheme, ws.http_version, ws.subprotocols, ws.client, ws.server) == ("ws", "1.1", [], None, None)
    assert (ws.raw_path, ws.root_path, dict(ws.path_params), dict(ws.query), ws.cookies) == (b"/", "", {}, {}, {})


def test_the_head_of_the_handshake_is_read_like_any_other() -> None:
    ws = Wire(
        headers=[(b"x-a", b"1"), (b"x-a", b"2"), (b"cookie", b"c=3")], query_string=b"q=1&q=", raw_path=b"/%2F", path_params={"id": 5}
    ).ws
    assert (ws.headers["X-A"], ws.headers.get_all("x-a"), ws.headers.get("x-b")) == ("2", ["1", "2"], None)
    assert (ws.query.get_all("q"), ws.cookies["c"], ws.raw_path, ws.path_params["id"]) == (["1", ""], "3", b"/%2F", 5)


async def test_a_session_is_connecting_then_open_then_closed() -> None:
    wire = Wire(LEFT)
    states = [wire.ws.state]
    await wire.ws.accept()
    states.append(wire.ws.state)
    assert (wire.ws.close_code, wire.ws.close_reason) == (None, "")
    with pytest.raises(WebSocketClosed):
        await wire.ws.receive()
    states.append(wire.ws.state)
    assert states == ["connecting", "open", "closed"]
    assert (wire.ws.close_code, wire.ws.close_reason) == (4001, "bye")


async def test_a_close_without_a_code_is_1005() -> None:
    wire = await opened({"type": "websocket.disconnect"})
    with pytest.raises(WebSocketClosed) as caught:
        await wire.ws.receive()
    assert (caught.value.code, caught.value.text, wire.ws.close_code) == (1005, "", 1005)


@pytest.mark.parametrize(
    ("given", "subprotocol", "headers"),
    [
        ({}, None, []),
        ({"subprotocol": "v2"}, "v2", []),
        ({"headers": {"X-A": "1"}}, None, [(b"x-a", b"1")]),
        ({"headers": [("x-a", "1"), ("x-a", "2")]}, None, [(b"x-a", b"1"), (b"x-a", b"2")]),
    ],
)
async def test_an_accept_carries_what_it_was_given(
    given: dict[str, Any], subprotocol: str | None, headers: list[tuple[bytes, bytes]]
) -> None:
    wire = Wire(subprotocols=["v1", "v2"])
    await wire.ws.accept(**given)
    assert wire.sent == [{"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers}]


async def test_an_accept_for_a_client_that_left_says_so() -> None:
    wire = Wire(LEFT)
    wire.incoming.popleft()
    with pytest.raises(WebSocketClosed) as caught:
        await wire.ws.accept()
    assert (caught.value.code, wire.ws.state, wire.sent) == (4001, "closed", [])


@pytest.mark.parametrize(("given", "code", "reason"), [((), 1000, ""), ((4000, "enough"), 4000, "enough")])
async def test_a_close_is_sent_once_with_code_and_reason(given: tuple[Any, ...], code: int, reason: str) -> None:
    wire = await opened()
    await wire.ws.close(*given)
    await wire.ws.close(4999)
    assert wire.sent == [{"type": "websocket.close", "code": code, "reason": reason}]
    assert (wire.ws.state, wire.ws.close_code, wire.ws.close_reason) == ("closed", code, reason)


@pytest.mark.parametrize("extensions", [{"websocket.http.response": {}}, {}])
async def test_a_denial_closes_the_session_and_has_no_close_code(extensions: dict[str, Any]) -> None:
    wire = Wire(extensions=extensions)
    await wire.ws.deny(Text("no", status=401))
    assert (wire.ws.state, wire.ws.close_code) == ("closed", None)
    with pytest.raises(WrongState):
        await wire.ws.deny(Text("no"))
    with pytest.raises(WrongState):
        await wire.ws.accept()


@pytest.mark.parametrize(
    ("operation", "value", "frame"),
    [
        ("send_text", "é", {"text": "é"}),
        ("send_text", "", {"text": ""}),
        ("send_bytes", b"\x00", {"bytes": b"\x00"}),
        ("send_json", {"é": [1, {"a": None}]}, {"text": '{"é":[1,{"a":null}]}'}),
        ("send_json", [1, "a"], {"text": '[1,"a"]'}),
        ("send_json", 0, {"text": "0"}),
    ],
)
async def test_a_message_is_one_frame_of_one_kind(operation: str, value: object, frame: dict[str, Any]) -> None:
    wire = await opened()
    await getattr(wire.ws, operation)(value)
    assert wire.sent == [{"type": "websocket.send", **frame}]


@pytest.mark.parametrize(("operation", "value"), [("send_text", "a"), ("send_bytes", b"a"), ("send_json", 1)])
async def test_every_way_of_sending_is_refused_when_closed(operation: str, value: object) -> None:
    wire = await opened()
    await wire.ws.close()
    wire.sent.clear()
    with pytest.raises(WrongState, match=f"{operation}: the session is closed"):
        await getattr(wire.ws, operation)(value)
    assert wire.sent == []


async def test_what_has_no_json_form_is_an_error_and_sends_nothing() -> None:
    wire = await opened()
    with pytest.raises(TypeError):
        await wire.ws.send_json(object())
    assert (wire.sent, wire.ws.state) == ([], "open")


async def test_messages_are_received_as_what_they_are() -> None:
    wire = await opened(text("a"), {"type": "websocket.receive", "bytes": b"b"}, text('{"é":1}'), text(""))
    assert await wire.ws.receive_text() == "a"
    assert await wire.ws.receive_bytes() == b"b"
    assert await wire.ws.receive_json() == {"é": 1}
    assert await wire.ws.receive() == ""


@pytest.mark.parametrize(
    ("operation", "message", "code"),
    [
        ("receive_text", {"type": "websocket.receive", "bytes": b"b"}, 1003),
        ("receive_bytes", text("a"), 1003),
        ("receive_json", text("{"), 1007),
    ],
)
async def test_a_message_of_another_kind_is_told_and_the_next_one_can_be_read(operation: str, message: Message, code: int) -> None:
    wire = await opened(message, text("next"))
    with pytest.raises(BadMessage) as caught:
        await getattr(wire.ws, operation)()
    assert caught.value.close_code == code
    assert await wire.ws.receive_text() == "next"


@pytest.mark.parametrize("operation", ["receive", "receive_text", "receive_bytes", "receive_json"])
async def test_every_way_of_receiving_ends_with_the_session(operation: str) -> None:
    wire = await opened()
    await wire.ws.close(4000, "enough")
    with pytest.raises(WebSocketClosed) as caught:
        await getattr(wire.ws, operation)()
    assert (caught.value.code, caught.value.text) == (4000, "enough")


@pytest.mark.parametrize(
    ("given", "event"),
    [
        ({"interval_seconds": 25}, {"interval": 25}),
        ({"interval_seconds": 25, "timeout_seconds": 20}, {"interval": 25, "timeout": 20}),
        ({"interval_seconds": 0}, {"interval": 0}),
    ],
)
async def test_a_keepalive_is_the_servers_to_keep(given: dict[str, float], event: dict[str, Any]) -> None:
    wire = await opened()
    await wire.ws.keepalive(**given)
    assert wire.sent == [{"type": "websocket.keepalive", **event}]


async def test_a_keepalive_needs_an_open_session() -> None:
    with pytest.raises(WrongState, match="await accept"):
        await Wire().ws.keepalive(25)
