"""An event stream by hand: what each operation sends, and where the stream stands after it."""

from typing import Any

import msgspec
import pytest

from pagi import SSE, Event
from pagi.gateway.types import Message
from pagi.messages.channel import Channel
from pagi.messages.sse import StreamClosed

pytestmark = pytest.mark.anyio


class Wire:
    """A stream and what it sent."""

    def __init__(self, **scope: Any) -> None:
        self.sent: list[Message] = []
        self.sse = SSE(
            {"type": "sse", "method": "GET", "path": "/", **scope}, self.receive, Channel(self.send, lambda head: None), msgspec.json.encode
        )

    async def receive(self) -> Message:
        return {"type": "sse.request", "body": b"[1]"}

    async def send(self, event: Message) -> None:
        self.sent.append(event)

    @property
    def kinds(self) -> list[str]:
        return [event["type"].removeprefix("sse.") for event in self.sent]


async def started() -> Wire:
    wire = Wire()
    await wire.sse.start()
    wire.sent.clear()
    return wire


async def test_what_is_missing_has_defaults() -> None:
    sse = Wire().sse
    assert (sse.scheme, sse.http_version, sse.client, sse.server, sse.method) == ("http", "1.1", None, None, "GET")
    assert (sse.raw_path, dict(sse.path_params), dict(sse.query), sse.last_event_id) == (b"/", {}, {}, None)
    assert await sse.json() == [1]


@pytest.mark.parametrize("name", [b"last-event-id", b"Last-Event-ID"])
@pytest.mark.parametrize("value", ["41", ""])
def test_the_last_event_id_is_found_in_any_case(name: bytes, value: str) -> None:
    sse = Wire(headers=[(name, value.encode()), (b"x-a", b"1"), (b"X-A", b"2")]).sse
    assert sse.last_event_id == value
    assert (sse.headers["x-a"], sse.headers.get_all("X-a"), sse.headers.get("x-b")) == ("2", ["1", "2"], None)


async def test_a_stream_is_pending_then_started_then_closed() -> None:
    wire = Wire()
    states = [wire.sse.state]
    await wire.sse.start()
    states.append(wire.sse.state)
    await wire.sse.close()
    states.append(wire.sse.state)
    assert states == ["pending", "started", "closed"]


@pytest.mark.parametrize(
    ("given", "status", "headers"),
    [({}, 200, []), ({"status": 202, "headers": [("X-A", "1"), ("x-a", "2")]}, 202, [(b"x-a", b"1"), (b"x-a", b"2")])],
)
async def test_a_start_is_sent_once_with_status_and_headers(given: dict[str, Any], status: int, headers: list[tuple[bytes, bytes]]) -> None:
    wire = Wire()
    await wire.sse.start(**given)
    await wire.sse.start(status=500)
    assert wire.sent == [{"type": "sse.start", "status": status, "headers": headers}]


async def test_a_start_after_the_close_does_nothing() -> None:
    wire = await started()
    await wire.sse.close()
    await wire.sse.start()
    assert wire.kinds == ["close"]


@pytest.mark.parametrize(
    ("item", "event"),
    [
        ("plain", {"data": "plain"}),
        ('{"a": 1}', {"data": '{"a": 1}'}),
        ({"é": [1]}, {"data": '{"é":[1]}'}),
        (Event("text"), {"data": "text"}),
        (Event({"n": 1}, event="tick", id="7", retry=10), {"data": '{"n":1}', "event": "tick", "id": "7", "retry": 10}),
        (Event("", id="0"), {"data": "", "id": "0"}),
    ],
)
async def test_an_event_has_the_fields_it_was_given_and_no_others(item: object, event: dict[str, Any]) -> None:
    wire = await started()
    await wire.sse.send(item)
    assert wire.sent == [{"type": "sse.send", **event}]


async def test_the_first_event_or_comment_starts_the_stream() -> None:
    one, other = Wire(), Wire()
    await one.sse.send("a")
    await other.sse.comment("a")
    assert (one.kinds, other.kinds) == (["start", "send"], ["start", "comment"])


async def test_every_way_of_sending_is_refused_when_closed() -> None:
    wire = await started()
    await wire.sse.close()
    for item in ("a", {"a": 1}, Event("a")):
        with pytest.raises(StreamClosed, match="an event cannot be sent"):
            await wire.sse.send(item)
    with pytest.raises(StreamClosed, match="a comment cannot be sent"):
        await wire.sse.comment("a")
    assert wire.kinds == ["close"]


async def test_a_close_is_sent_once_and_starts_what_was_not_started() -> None:
    wire = Wire()
    await wire.sse.close()
    await wire.sse.close()
    assert wire.kinds == ["start", "close"]


async def test_a_keepalive_goes_with_the_start_or_by_itself() -> None:
    wire = Wire()
    await wire.sse.keepalive(15)
    assert wire.sent == []
    await wire.sse.start()
    await wire.sse.keepalive(0)
    assert wire.sent == [{"type": "sse.start", "status": 200, "headers": [], "keepalive": 15}, {"type": "sse.keepalive", "interval": 0}]


async def test_a_complete_session_is_one_conversation() -> None:
    wire = Wire()
    await wire.sse.keepalive(15)
    await wire.sse.start()
    await wire.sse.comment("welcome")
    await wire.sse.send(Event({"n": 1}, id="1"))
    await wire.sse.send("done")
    await wire.sse.close()
    assert wire.kinds == ["start", "comment", "send", "send", "close"]
